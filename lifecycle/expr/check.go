package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// Check lists what is wrong with the expressions in `with`: malformed ones, and paths that can never exist because their
// root is not known or they lead into a step that is not among the direct needs. The named top-level members are not looked
// into. `with` that is not JSON is one problem.
func Check(with json.RawMessage, needs []string, literal ...string) []Problem {
	if !mayHave(with) {
		return nil
	}
	v, err := decode(with)
	if err != nil {
		return []Problem{{Path: "with", Code: CodeBadExpression, Message: "is not JSON"}}
	}
	c := checker{known: func(key string) bool { return slices.Contains(needs, key) }}
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

// CheckText lists what is wrong with the expressions in one text; their Path is empty. isNeed says whether a step key is a
// direct need.
func CheckText(text string, isNeed func(key string) bool) []Problem {
	if !Has(text) {
		return nil
	}
	c := checker{known: isNeed}
	c.text(text, "")
	return c.problems
}

type checker struct {
	known    func(key string) bool
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
			if code, message := p.path.impossible(c.known); code != "" {
				c.problems = append(c.problems, Problem{Path: at, Code: code, Message: message})
			}
		}
	}
}

// impossible says why a path can never exist; "" when it may.
func (p *path) impossible(isNeed func(key string) bool) (code, message string) {
	switch p.root {
	case "input":
		return "", ""
	case "needs":
		return p.impossibleNeed(isNeed)
	case "run":
		if len(p.rest) != 1 || !p.rest[0].is("id") && !p.rest[0].is("name") {
			return CodeBadExpression, "an expression asks for more of run than run.id and run.name"
		}
		return "", ""
	case "step":
		if len(p.rest) != 1 || !p.rest[0].is("key") {
			return CodeBadExpression, "an expression asks for more of step than step.key"
		}
		return "", ""
	case "attempt":
		if len(p.rest) != 0 {
			return CodeBadExpression, "an expression looks into attempt, which is a number"
		}
		return "", ""
	case "secrets":
		return CodeNotSupportedYet, "secrets in expressions are not supported yet"
	}
	return CodeBadExpression, "an expression must start with input, needs, run, step or attempt"
}

func (p *path) impossibleNeed(isNeed func(key string) bool) (code, message string) {
	switch {
	case len(p.rest) < 2 || p.rest[0].name == nil:
		return CodeBadExpression, "an expression must say needs.KEY.output or needs.KEY.state"
	case !isNeed(*p.rest[0].name):
		return CodeBadExpression, "an expression asks for a step that is not among this step's needs"
	case p.rest[1].is("output"):
		return "", ""
	case p.rest[1].is("state"):
		if len(p.rest) > 2 {
			return CodeBadExpression, "an expression looks into the state of a need, which is a string"
		}
		return "", ""
	}
	return CodeBadExpression, "an expression asks for more of a need than its output and its state"
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
