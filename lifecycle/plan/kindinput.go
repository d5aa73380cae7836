package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/weirqueue/weir/lifecycle/expr"
)

// inputChecker compares a value, numbers as json.Number, with a schema. It knows what inferred schemas use: types, members,
// items, ranges, lengths, patterns and choices; the rest is left to validating the whole.
type inputChecker struct {
	root        *jsonschema.Schema
	literal     []string // members of the root in which nothing is an expression
	inLiteral   bool
	expressions bool // some string has an expression: the whole cannot be validated yet
	faults      Faults
}

func (c *inputChecker) fault(path, code, format string, args ...any) {
	c.faults = append(c.faults, Fault{Path: path, Code: code, Message: fmt.Sprintf(format, args...)})
}

func (c *inputChecker) value(s *jsonschema.Schema, v any, path string) {
	if word, ok := v.(string); ok && !c.inLiteral && expr.Has(word) {
		c.expressions = true
		return
	}
	types := s.Types
	if s.Type != "" {
		types = []string{s.Type}
	}
	switch {
	case len(types) > 0 && !slices.ContainsFunc(types, func(t string) bool { return hasType(v, t) }):
		c.fault(path, CodeWrongType, "is %s, must be %s", typeOf(v), strings.Join(types, " or "))
		return
	case len(s.Enum) > 0 && !slices.ContainsFunc(s.Enum, func(choice any) bool { return equal(choice, v) }):
		c.fault(path, CodeOutOfRange, "must be one of %s", choices(s.Enum))
		return
	}
	switch v := v.(type) {
	case map[string]any:
		c.object(s, v, path)
	case []any:
		c.list(s, v, path)
	case json.Number:
		c.number(s, v, path)
	case string:
		c.text(s, v, path)
	}
}

func (c *inputChecker) object(s *jsonschema.Schema, v map[string]any, path string) {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			c.fault(expr.Member(path, name), CodeWrongType, "is missing")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		at := expr.Member(path, name)
		if s == c.root {
			c.inLiteral = slices.Contains(c.literal, name)
		}
		switch member, known := s.Properties[name]; {
		case known:
			c.value(member, v[name], at)
		case matchesAny(s.PatternProperties, name):
			c.note(v[name])
		case s.AdditionalProperties == nil:
			c.note(v[name])
		case isFalse(s.AdditionalProperties):
			c.fault(at, CodeUnknownField, "is not known%s", suggest(name, slices.Sorted(maps.Keys(s.Properties))))
		default:
			c.value(s.AdditionalProperties, v[name], at)
		}
		if s == c.root {
			c.inLiteral = false
		}
	}
}

// note looks for expressions in a value of which the schema says nothing.
func (c *inputChecker) note(v any) { c.value(&jsonschema.Schema{}, v, "") }

func (c *inputChecker) list(s *jsonschema.Schema, v []any, path string) {
	if s.MinItems != nil && len(v) < *s.MinItems {
		c.fault(path, CodeOutOfRange, "has %d items, must have at least %d", len(v), *s.MinItems)
	}
	if s.MaxItems != nil && len(v) > *s.MaxItems {
		c.fault(path, CodeOutOfRange, "has %d items, must have at most %d", len(v), *s.MaxItems)
	}
	for i, item := range v {
		if s.Items == nil {
			c.note(item)
			continue
		}
		c.value(s.Items, item, fmt.Sprintf("%s[%d]", path, i))
	}
}

func (c *inputChecker) number(s *jsonschema.Schema, v json.Number, path string) {
	f, err := v.Float64()
	switch {
	case err != nil:
		c.fault(path, CodeOutOfRange, "is too large")
	case s.Minimum != nil && f < *s.Minimum:
		c.fault(path, CodeOutOfRange, "must be at least %v", *s.Minimum)
	case s.Maximum != nil && f > *s.Maximum:
		c.fault(path, CodeOutOfRange, "must be at most %v", *s.Maximum)
	}
}

func (c *inputChecker) text(s *jsonschema.Schema, v, path string) {
	switch {
	case s.MinLength != nil && characters(v) < *s.MinLength:
		c.fault(path, CodeOutOfRange, "must be at least %d characters long", *s.MinLength)
	case s.MaxLength != nil && characters(v) > *s.MaxLength:
		c.fault(path, CodeOutOfRange, "must be at most %d characters long", *s.MaxLength)
	}
}

func matchesAny(patterns map[string]*jsonschema.Schema, name string) bool {
	for pattern := range patterns {
		if ok, err := regexp.MatchString(pattern, name); err != nil || ok {
			return true
		}
	}
	return false
}

func equal(choice, v any) bool {
	if n, ok := v.(json.Number); ok {
		f, err := n.Float64()
		return err == nil && choice == f
	}
	switch v.(type) {
	case []any, map[string]any:
		return true // left to validating the whole
	}
	return choice == v
}

func choices(enum []any) string {
	words := make([]string, len(enum))
	for i, c := range enum {
		words[i] = fmt.Sprint(c)
	}
	return strings.Join(words, ", ")
}

func isFalse(s *jsonschema.Schema) bool {
	if s.Not == nil {
		return false
	}
	raw, err := json.Marshal(s)
	return err == nil && string(raw) == "false"
}

func hasType(v any, name string) bool {
	if n, ok := v.(json.Number); ok && name == "integer" {
		return !strings.ContainsAny(n.String(), ".eE") // 1e3 decodes into no integer type
	}
	return typeOf(v) == name
}

func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	default:
		return "object"
	}
}
