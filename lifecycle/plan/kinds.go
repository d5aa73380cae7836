package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
)

// Kind is what is known of a kind of step. Make it with [NewKind] where it is used more than once: a Kind that was made
// otherwise has its schema compiled at every check.
type Kind struct {
	Input json.RawMessage // JSON Schema of `with`; nil = anything

	input *inputSchema
}

// NewKind compiles the schema of a kind's input. The Kind can be used by many goroutines, any number of times.
func NewKind(input json.RawMessage) (Kind, error) {
	compiled, err := compileInput(input)
	if err != nil {
		return Kind{}, err
	}
	return Kind{Input: input, input: compiled}, nil
}

// inputSchema is the compiled schema of a kind's input.
type inputSchema struct {
	schema   *jsonschema.Schema // nil: anything
	resolved *jsonschema.Resolved
}

func compileInput(raw json.RawMessage) (*inputSchema, error) {
	if len(raw) == 0 {
		return &inputSchema{}, nil
	}
	read := func() (*jsonschema.Schema, error) {
		s := new(jsonschema.Schema)
		if err := json.Unmarshal(raw, s); err != nil {
			return nil, fmt.Errorf("read the JSON Schema of a kind's input: %w", err)
		}
		return s, nil
	}
	// Resolving keeps state in the schema it is given: it gets one of its own.
	s, err := read()
	if err != nil {
		return nil, err
	}
	own, err := read()
	if err != nil {
		return nil, err
	}
	resolved, err := own.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("resolve the JSON Schema of a kind's input: %w", err)
	}
	return &inputSchema{schema: s, resolved: resolved}, nil
}

// CheckKinds compares the steps with the kinds that replicas can run, by name: that there is such a kind, and that `with`
// fits its schema as far as that can be told before expressions are evaluated. A string with an expression fits everywhere.
// Kinds wait and plan are built in: they are not among kinds, and of a plan inside a plan the steps are compared too.
// A schema that cannot be compiled is not compared with: the handler does that.
func (p *Plan) CheckKinds(kinds map[string]Kind) Faults {
	var faults Faults
	compiled := map[string]*inputSchema{}
	most := Limits{}.withDefaults().Faults
	for i := range p.Steps {
		if len(faults) >= most {
			break
		}
		s := &p.Steps[i]
		if BuiltIn(s.Kind) {
			faults = append(faults, s.checkInline(kinds, fmt.Sprintf("steps[%d].with.plan.", i))...)
			continue
		}
		kind, known := kinds[s.Kind]
		switch {
		case !known && s.Kind == "exec":
			faults = append(faults, Fault{
				Path: fmt.Sprintf("steps[%d].kind", i), Code: CodeExecDisabled,
				Message: "no replica runs commands: start one with --enable-exec",
			})
			continue
		case !known:
			faults = append(faults, Fault{
				Path: fmt.Sprintf("steps[%d].kind", i), Code: CodeUnknownKind,
				Message: "no replica has this kind" + suggest(s.Kind, slices.Sorted(maps.Keys(kinds))),
			})
			continue
		}
		input := kind.input
		if input == nil {
			if input = compiled[s.Kind]; input == nil {
				var err error
				if input, err = compileInput(kind.Input); err != nil {
					input = &inputSchema{}
				}
				compiled[s.Kind] = input
			}
		}
		faults = append(faults, input.check(s, fmt.Sprintf("steps[%d].with", i))...)
	}
	return faults[:min(len(faults), most)]
}

// check compares `with` with a schema: first its parts, so that faults have paths, then the whole.
func (in *inputSchema) check(s *Step, path string) Faults {
	if in.schema == nil {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(s.With))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		return Faults{{Path: path, Code: CodeWrongType, Message: "is not JSON"}}
	}
	c := inputChecker{literal: Literal(s.Kind), root: in.schema}
	c.value(in.schema, doc, path)
	if len(c.faults) > 0 || c.expressions {
		return c.faults
	}
	var plain any
	if err := json.Unmarshal(s.With, &plain); err != nil {
		return Faults{{Path: path, Code: CodeOutOfRange, Message: "holds a number that is too large"}}
	}
	if err := in.resolved.Validate(plain); err != nil {
		return Faults{{Path: path, Code: CodeWrongType, Message: "does not fit the schema that its kind publishes"}}
	}
	return nil
}
