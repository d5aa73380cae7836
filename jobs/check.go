package jobs

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// checkValue compares a JSON value (numbers as json.Number) with a schema and lists what is wrong, each with its path.
// It knows what inferred schemas use: types, members, items, ranges and choices. Values are never quoted.
func checkValue(s *jsonschema.Schema, v any, path string) []string {
	if s == nil {
		return nil
	}
	types := s.Types
	if s.Type != "" {
		types = []string{s.Type}
	}
	if len(types) > 0 && !slices.ContainsFunc(types, func(t string) bool { return hasType(v, t) }) {
		return []string{fmt.Sprintf("%s: is %s, must be %s", path, typeOf(v), strings.Join(types, " or "))}
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		return []string{fmt.Sprintf("%s: must be one of %s", path, strings.Trim(fmt.Sprint(s.Enum), "[]"))}
	}
	switch v := v.(type) {
	case map[string]any:
		return checkObject(s, v, path)
	case []any:
		return checkArray(s, v, path)
	case json.Number:
		return checkNumber(s, v, path)
	}
	return nil
}

func checkObject(s *jsonschema.Schema, v map[string]any, path string) []string {
	var faults []string
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			faults = append(faults, member(path, name)+": is missing")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		at := member(path, name)
		if p, known := s.Properties[name]; known {
			faults = append(faults, checkValue(p, v[name], at)...)
			continue
		}
		switch {
		case s.AdditionalProperties == nil:
		case isFalse(s.AdditionalProperties):
			faults = append(faults, at+": is not known"+suggest(name, s.Properties))
		default:
			faults = append(faults, checkValue(s.AdditionalProperties, v[name], at)...)
		}
	}
	return faults
}

func checkArray(s *jsonschema.Schema, v []any, path string) []string {
	var faults []string
	if s.MinItems != nil && len(v) < *s.MinItems {
		faults = append(faults, fmt.Sprintf("%s: has %d items, must have at least %d", path, len(v), *s.MinItems))
	}
	if s.MaxItems != nil && len(v) > *s.MaxItems {
		faults = append(faults, fmt.Sprintf("%s: has %d items, must have at most %d", path, len(v), *s.MaxItems))
	}
	for i, item := range v {
		faults = append(faults, checkValue(s.Items, item, fmt.Sprintf("%s[%d]", path, i))...)
	}
	return faults
}

func checkNumber(s *jsonschema.Schema, v json.Number, path string) []string {
	f, err := v.Float64()
	switch {
	case err != nil:
		return []string{path + ": is out of range"}
	case s.Minimum != nil && f < *s.Minimum:
		return []string{fmt.Sprintf("%s: must be at least %v", path, *s.Minimum)}
	case s.Maximum != nil && f > *s.Maximum:
		return []string{fmt.Sprintf("%s: must be at most %v", path, *s.Maximum)}
	}
	return nil
}

var plainMember = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,127}$`)

func member(path, name string) string {
	if plainMember.MatchString(name) {
		return path + "." + name
	}
	return fmt.Sprintf("%s[%q]", path, cut(clean(name), 128))
}

// suggest names the member that was probably meant.
func suggest(name string, known map[string]*jsonschema.Schema) string {
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if strings.EqualFold(k, name) || distance(k, name) <= 1+len(k)/5 {
			return fmt.Sprintf(", did you mean %q?", k)
		}
	}
	return ""
}

// distance is the number of edits between two short strings.
func distance(a, b string) int {
	if len(b) > 64 {
		return len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			prev, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, prev+cost)
		}
	}
	return row[len(b)]
}

func isFalse(s *jsonschema.Schema) bool {
	raw, err := json.Marshal(s)
	return err == nil && string(raw) == "false"
}

func allowsType(s *jsonschema.Schema, name string) bool {
	return s.Type == name || slices.Contains(s.Types, name) || s.Type == "" && len(s.Types) == 0
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
