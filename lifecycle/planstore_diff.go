package lifecycle

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/aymanbagabas/go-udiff"
	"go.yaml.in/yaml/v4"
)

// PlanDifference is what differs between two versions of a named plan.
type PlanDifference struct {
	Name     string
	From, To int
	Diff     string // unified, of the YAML of both; "": they are the same
}

// diffContext is how many lines a diff shows around what differs.
const diffContext = 3

// diffPlans compares two plans line by line.
func diffPlans(from, to *NamedPlan) (string, error) {
	older, err := planYAML(from.Plan)
	if err != nil {
		return "", err
	}
	newer, err := planYAML(to.Plan)
	if err != nil {
		return "", err
	}
	label := func(p *NamedPlan) string { return fmt.Sprintf("%s@%d", p.Name, p.Version) }
	return udiff.ToUnified(label(from), label(to), older, udiff.Lines(older, newer), diffContext)
}

// planYAML is a plan as people write it: what names a thing first, then the other members by name.
func planYAML(text []byte) (string, error) {
	var tree yaml.Node
	if err := yaml.Unmarshal(text, &tree); err != nil { // JSON is YAML
		return "", err
	}
	people(&tree)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&tree); err != nil {
		return "", err
	}
	if err := encoder.Close(); err != nil {
		return "", err
	}
	return out.String(), nil
}

// first are the members that come first, in this order; steps come last.
func rank(member string) int {
	if member == "steps" {
		return 100
	}
	if at := slices.Index([]string{"version", "name", "description", "key", "kind"}, member); at >= 0 {
		return at
	}
	return 50
}

// people gives a tree the style and the order that people write.
func people(node *yaml.Node) {
	node.Style = 0
	if node.Kind == yaml.MappingNode {
		pairs := slices.Collect(slices.Chunk(node.Content, 2))
		slices.SortStableFunc(pairs, func(a, b []*yaml.Node) int {
			return cmp.Or(cmp.Compare(rank(a[0].Value), rank(b[0].Value)), cmp.Compare(a[0].Value, b[0].Value))
		})
		node.Content = slices.Concat(pairs...)
	}
	for _, child := range node.Content {
		people(child)
	}
}
