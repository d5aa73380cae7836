package plan

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// field is a member of an object of the plan format: what reads it, and the schema that says the same.
type field[T any] struct {
	name     string
	missing  string // the code of the fault if it is not there; "": it need not be
	reserved bool   // comes later: refused as not_supported_yet, not in the schema
	schema   *jsonschema.Schema
	read     func(r *reader, n *node, into *T)
}

// value is how a value is read and what its schema is. read notes a fault and answers false if it does not fit.
type value[V any] struct {
	schema func() *jsonschema.Schema
	read   func(r *reader, n *node) (V, bool)
}

// of makes a field out of a value.
func of[T, V any](name, doc string, v value[V], set func(into *T, v V)) field[T] {
	s := v.schema()
	s.Description = doc
	return field[T]{name: name, schema: s, read: func(r *reader, n *node, into *T) {
		if got, ok := v.read(r, n); ok {
			set(into, got)
		}
	}}
}

// require makes a field one that has to be there.
func (f field[T]) require(code string) field[T] { f.missing = code; return f }

// later are fields that a later version brings.
func later[T any](names ...string) []field[T] {
	fields := make([]field[T], len(names))
	for i, name := range names {
		fields[i] = field[T]{name: name, reserved: true}
	}
	return fields
}

// readFields reads an object by its table. It answers false if n is no object.
func readFields[T any](r *reader, n *node, fields []field[T], into *T) bool {
	if !isA(r, n, object) {
		return false
	}
	for i := range n.members {
		m := &n.members[i]
		r.enter(m.name)
		switch k := slices.IndexFunc(fields, func(f field[T]) bool { return f.name == m.name }); {
		case k < 0:
			if !r.full() { // looking for what was meant takes time
				r.fault(&m.value, CodeUnknownField, "is not known%s", suggest(m.name, namesOf(fields)))
			}
		case fields[k].reserved:
			r.fault(&m.value, CodeNotSupportedYet, "is not supported yet")
		default:
			fields[k].read(r, &m.value, into)
		}
		r.leave()
	}
	for _, f := range fields {
		if f.missing != "" && !slices.ContainsFunc(n.members, func(m member) bool { return m.name == f.name }) {
			r.faultIn(n, f.name, f.missing, "is missing")
		}
	}
	return true
}

// namesOf lists the fields that can be given.
func namesOf[T any](fields []field[T]) []string {
	var names []string
	for _, f := range fields {
		if !f.reserved {
			names = append(names, f.name)
		}
	}
	return names
}

// schemaOf is the schema of an object by its table.
func schemaOf[T any](fields []field[T]) *jsonschema.Schema {
	s := &jsonschema.Schema{
		Type: "object", Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: nothing(),
	}
	for _, f := range fields {
		if f.reserved {
			continue
		}
		s.Properties[f.name] = f.schema
		s.PropertyOrder = append(s.PropertyOrder, f.name)
		if f.missing != "" {
			s.Required = append(s.Required, f.name)
		}
	}
	return s
}

// isA notes a fault unless a value is of a type.
func isA(r *reader, n *node, kind nodeKind) bool {
	if n.kind != kind && n.kind != invalid {
		r.fault(n, CodeWrongType, "is %s, must be %s", n.kind, kind)
	}
	return n.kind == kind
}

// word is a string of a fixed form: a key, a kind, a queue, a name.
func word(pattern *regexp.Regexp, form string) value[string] {
	return value[string]{
		schema: func() *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Pattern: pattern.String()} },
		read: func(r *reader, n *node) (string, bool) {
			if !isA(r, n, text) {
				return "", false
			}
			if !pattern.MatchString(n.text) {
				r.fault(n, CodeOutOfRange, "must be %s", form)
				return "", false
			}
			return n.text, true
		},
	}
}

// prose is a string of any characters.
func prose(most int) value[string] {
	return value[string]{
		schema: func() *jsonschema.Schema { return &jsonschema.Schema{Type: "string", MaxLength: &most} },
		read: func(r *reader, n *node) (string, bool) {
			if !isA(r, n, text) {
				return "", false
			}
			if len(n.text) > most {
				r.fault(n, CodeOutOfRange, "must be at most %d bytes long", most)
				return "", false
			}
			return n.text, true
		},
	}
}

// choice is one of a few words. Those of later come with a later version.
func choice(now []string, later ...string) value[string] {
	return value[string]{
		schema: func() *jsonschema.Schema {
			s := &jsonschema.Schema{Type: "string"}
			for _, c := range now {
				s.Enum = append(s.Enum, c)
			}
			return s
		},
		read: func(r *reader, n *node) (string, bool) {
			switch {
			case !isA(r, n, text):
			case slices.Contains(now, n.text):
				return n.text, true
			case slices.Contains(later, n.text):
				r.fault(n, CodeNotSupportedYet, "must be %s, the other choices are not supported yet", oneOf(now))
			default:
				r.fault(n, CodeOutOfRange, "must be %s%s", oneOf(now), suggest(n.text, now))
			}
			return "", false
		},
	}
}

// oneOf lists choices: a, b or c.
func oneOf(choices []string) string {
	last := len(choices) - 1
	if last == 0 {
		return choices[0]
	}
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}

// whole is an integer from 1.
func whole(most int) value[int] {
	return value[int]{
		schema: func() *jsonschema.Schema {
			high := float64(most)
			return &jsonschema.Schema{Type: "integer", Minimum: new(1.0), Maximum: &high}
		},
		read: func(r *reader, n *node) (int, bool) {
			if !isA(r, n, number) {
				return 0, false
			}
			f, err := strconv.ParseFloat(n.text, 64)
			switch {
			case err == nil && f != math.Trunc(f):
				r.fault(n, CodeWrongType, "must be a whole number")
				return 0, false
			case err != nil || f < 1 || f > float64(most):
				r.fault(n, CodeOutOfRange, "must be %s", upTo(most))
				return 0, false
			}
			return int(f), true
		},
	}
}

func upTo(most int) string {
	if most == 1 {
		return "1"
	}
	return "from 1 to " + strconv.Itoa(most)
}

// share is a number from 0 to 1.
func share() value[float64] {
	return value[float64]{
		schema: func() *jsonschema.Schema {
			return &jsonschema.Schema{Type: "number", Minimum: new(0.0), Maximum: new(1.0)}
		},
		read: func(r *reader, n *node) (float64, bool) {
			if !isA(r, n, number) {
				return 0, false
			}
			f, err := strconv.ParseFloat(n.text, 64)
			if err != nil || f < 0 || f > 1 {
				r.fault(n, CodeOutOfRange, "must be from 0 to 1")
				return 0, false
			}
			return f, true
		},
	}
}

func truth() value[bool] {
	return value[bool]{
		schema: func() *jsonschema.Schema { return &jsonschema.Schema{Type: "boolean"} },
		read: func(r *reader, n *node) (bool, bool) {
			return n.text == "true", isA(r, n, boolean)
		},
	}
}

// duration is a duration up to a longest one.
func duration(most time.Duration) value[time.Duration] {
	return value[time.Duration]{
		schema: func() *jsonschema.Schema {
			return &jsonschema.Schema{Type: "string", MinLength: new(1), Pattern: durationPattern}
		},
		read: func(r *reader, n *node) (time.Duration, bool) {
			if n.kind == number {
				r.fault(n, CodeWrongType, "is a number, "+durationForm)
				return 0, false
			}
			if !isA(r, n, text) {
				return 0, false
			}
			return readDuration(r, n, most)
		},
	}
}

func readDuration(r *reader, n *node, most time.Duration) (time.Duration, bool) {
	d, err := ParseDuration(n.text)
	switch {
	case err == errDurationForm: //nolint:errorlint // it is never wrapped
		r.fault(n, CodeWrongType, "%s", err)
	case err == errDurationLong || d > most: //nolint:errorlint // it is never wrapped
		r.fault(n, CodeOutOfRange, "must be at most %s", FormatDuration(most))
	case err != nil:
		r.fault(n, CodeOutOfRange, "%s", err)
	default:
		return d, true
	}
	return 0, false
}

// nested is an object by its own table.
func nested[V any](fields []field[V]) value[V] {
	return value[V]{
		schema: func() *jsonschema.Schema { return schemaOf(fields) },
		read: func(r *reader, n *node) (V, bool) {
			var v V
			ok := readFields(r, n, fields, &v)
			return v, ok
		},
	}
}

// anyObject is an object with any members; its node is kept.
func anyObject() value[*node] {
	return value[*node]{
		schema: func() *jsonschema.Schema { return &jsonschema.Schema{Type: "object"} },
		read:   func(r *reader, n *node) (*node, bool) { return n, isA(r, n, object) },
	}
}

// listOf is a list of choices without duplicates.
func listOf(choices []string) value[[]string] {
	item := choice(choices)
	return value[[]string]{
		schema: func() *jsonschema.Schema {
			return &jsonschema.Schema{Type: "array", Items: item.schema(), UniqueItems: true}
		},
		read: func(r *reader, n *node) ([]string, bool) {
			if !isA(r, n, list) {
				return nil, false
			}
			got := make([]string, 0, len(choices))
			for i := range n.items {
				r.enterItem(i)
				if c, ok := item.read(r, &n.items[i]); ok {
					if slices.Contains(got, c) {
						r.fault(&n.items[i], CodeDuplicateKey, "stands in the list twice")
					} else {
						got = append(got, c)
					}
				}
				r.leave()
			}
			return got, true
		},
	}
}
