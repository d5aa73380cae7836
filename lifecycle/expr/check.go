package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Visible is what the expressions of one place may ask for. The zero value sees nothing.
type Visible struct {
	Input, Run bool
	Step       bool                  // step.key
	Attempt    bool                  // attempt: a worker tries it
	Item       bool                  // item and index
	Needs      func(key string) bool // says which keys are direct needs; nil: needs cannot be seen
	Steps      func(key string) bool // says which keys are steps of the plan; nil: steps cannot be seen
}

// InStep is what the `with` of a step sees: its direct needs, and its item if it is a child of a for_each.
func InStep(item bool, needs ...string) Visible {
	return Visible{Input: true, Run: true, Step: true, Attempt: true, Item: item, Needs: func(key string) bool { return slices.Contains(needs, key) }}
}

// Check lists what is wrong with the expressions in `with`: malformed ones, and paths that can never exist because their
// root cannot be seen or they lead to a step that cannot be seen. The named top-level members are not looked into. `with`
// that is not JSON is one problem.
func Check(with json.RawMessage, in Visible, literal ...string) []Problem {
	if !mayHave(with) {
		return nil
	}
	v, err := decode(with)
	if err != nil {
		return []Problem{{Path: "with", Code: CodeBadExpression, Message: "is not JSON"}}
	}
	c := checker{visible: in}
	if object, ok := v.(map[string]any); ok {
		for _, name := range slices.Sorted(maps.Keys(object)) {
			if !slices.Contains(literal, name) {
				c.value(object[name], Member("with", name))
			}
		}
		return c.problems
	}
	c.value(v, "with")
	return c.problems
}

// CheckText lists what is wrong with the expressions in one text; their Path is empty.
func CheckText(text string, in Visible) []Problem {
	if !Has(text) {
		return nil
	}
	c := checker{visible: in}
	c.text(text, "")
	return c.problems
}

// CheckList lists what is wrong with a text that has to be one expression that may give a list; their Path is empty.
func CheckList(text string, in Visible) []Problem {
	wrong := func(message string) []Problem { return []Problem{{Code: CodeBadExpression, Message: message}} }
	p, err := whole(text)
	if err != nil {
		return wrong(err.Error())
	}
	if code, message := p.impossible(in); code != "" {
		return []Problem{{Code: code, Message: message}}
	}
	switch {
	case p.root == "input":
		return nil
	case (p.root == "needs" || p.root == "steps") && p.rest[1].is("output"):
		return nil
	}
	return wrong("the expression can never give a list: it must lead into input or the output of a need")
}

type checker struct {
	visible  Visible
	problems []Problem
}

func (c *checker) value(v any, at string) {
	switch v := v.(type) {
	case string:
		c.text(v, at)
	case []any:
		for i, item := range v {
			c.value(item, fmt.Sprintf("%s[%d]", at, i))
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			c.value(v[name], Member(at, name))
		}
	}
}

func (c *checker) text(text, at string) {
	if !Has(text) {
		return
	}
	for _, p := range split(text) {
		switch {
		case p.err != nil:
			c.problems = append(c.problems, Problem{Path: at, Code: CodeBadExpression, Message: p.err.Error()})
		case p.path != nil:
			if code, message := p.path.impossible(c.visible); code != "" {
				c.problems = append(c.problems, Problem{Path: at, Code: code, Message: message})
			}
		}
	}
}

// impossible says why a path can never exist; "" when it may.
func (p *path) impossible(in Visible) (code, message string) {
	bad := func(message string) (string, string) { return CodeBadExpression, message }
	switch {
	case p.root == "secrets":
		return CodeNotSupportedYet, "secrets in expressions are not supported yet"
	case !slices.Contains(roots, p.root):
		return bad("an expression must start with " + in.roots())
	case !in.sees(p.root):
		return bad(why(p.root) + "; it must start with " + in.roots())
	}
	switch p.root {
	case "needs":
		return p.impossibleStep("needs", "a need", "an expression asks for a step that is not among this step's needs", in.Needs)
	case "steps":
		return p.impossibleStep("steps", "a step", "an expression asks for a step that the plan does not have", in.Steps)
	case "run":
		if len(p.rest) != 1 || !p.rest[0].is("id") && !p.rest[0].is("name") {
			return bad("an expression asks for more of run than run.id and run.name")
		}
	case "step":
		if len(p.rest) != 1 || !p.rest[0].is("key") {
			return bad("an expression asks for more of step than step.key")
		}
	case "attempt", "index":
		if len(p.rest) != 0 {
			return bad("an expression looks into " + p.root + ", which is a number")
		}
	}
	return "", ""
}

func (p *path) impossibleStep(root, a, unknown string, known func(key string) bool) (code, message string) {
	switch {
	case len(p.rest) < 2 || p.rest[0].name == nil:
		return CodeBadExpression, fmt.Sprintf("an expression must say %[1]s.KEY.output or %[1]s.KEY.state", root)
	case !known(*p.rest[0].name):
		return CodeBadExpression, unknown
	case p.rest[1].is("output"):
		return "", ""
	case p.rest[1].is("state"):
		if len(p.rest) > 2 {
			return CodeBadExpression, "an expression looks into the state of " + a + ", which is a string"
		}
		return "", ""
	}
	return CodeBadExpression, "an expression asks for more of " + a + " than its output and its state"
}

// roots are the words that an expression can start with, somewhere.
var roots = []string{"input", "needs", "steps", "run", "step", "attempt", "item", "index"}

func (in Visible) sees(root string) bool {
	switch root {
	case "input":
		return in.Input
	case "needs":
		return in.Needs != nil
	case "steps":
		return in.Steps != nil
	case "run":
		return in.Run
	case "step":
		return in.Step
	case "attempt":
		return in.Attempt
	case "item", "index":
		return in.Item
	}
	return false
}

// roots lists what an expression can start with: input, run or step.
func (in Visible) roots() string {
	var seen []string
	for _, root := range roots {
		if in.sees(root) {
			seen = append(seen, root)
		}
	}
	if last := len(seen) - 1; last > 0 {
		return strings.Join(seen[:last], ", ") + " or " + seen[last]
	}
	return strings.Join(seen, "")
}

// why says where a root can be seen, for a place where it cannot.
func why(root string) string {
	switch root {
	case "item", "index":
		return "an expression has " + root + " only in the with of a step that has for_each"
	case "steps":
		return "an expression has steps only in the output of a plan"
	case "attempt":
		return "an expression has attempt only in the with of a step that a worker runs"
	}
	return "an expression here cannot ask for " + root
}

// mayHave reports whether JSON may hold an expression: false is certain.
func mayHave(raw json.RawMessage) bool {
	return bytes.Contains(raw, []byte(opening)) || bytes.Contains(raw, []byte(`\u`))
}

func decode(raw json.RawMessage) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,127}$`)

// Member is the path of a member: at.name, or at["odd name"].
func Member(at, name string) string {
	if plainName.MatchString(name) {
		return at + "." + name
	}
	const most = 128
	if len(name) > most {
		name = name[:most]
	}
	return fmt.Sprintf("%s[%q]", at, name)
}
