package plan

import (
	"encoding/json"
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"
)

// Schema returns the JSON Schema of the plan format, made from the tables that the parser reads by. The caller may change it.
func Schema() *jsonschema.Schema {
	f := newFormat()
	s := schemaOf(f.plan)
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "Weir plan"
	s.Not = &jsonschema.Schema{Required: []string{"start_at", "delay"}}
	step := s.Properties["steps"].Items
	step.DependentRequired = map[string][]string{"max_parallel": {"for_each"}}
	step.AllOf = []*jsonschema.Schema{ofKind(KindWait, waitSchema(f)), ofKind(KindPlan, subPlanSchema(f), "with")}
	return s
}

// ofKind is what a step of a kind that no worker runs says beyond what every step does: its `with`, and fields that it has not.
func ofKind(kind string, with *jsonschema.Schema, required ...string) *jsonschema.Schema {
	then := &jsonschema.Schema{Required: required, Properties: map[string]*jsonschema.Schema{"with": with}}
	for _, f := range notBuiltIn {
		if f.of(kind) {
			then.Properties[f.name] = nothing()
		}
	}
	return &jsonschema.Schema{If: where("kind", kind), Then: then}
}

func waitSchema(f *format) *jsonschema.Schema {
	s := schemaOf(f.wait)
	s.If = where("for", WaitTime)
	s.Then = &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Required: []string{"duration"}}, {Required: []string{"until"}}}}
	s.Else = &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{"duration": nothing(), "until": nothing()}}
	return s
}

func subPlanSchema(f *format) *jsonschema.Schema {
	s := schemaOf(f.subPlan)
	s.Properties["plan"].AnyOf = []*jsonschema.Schema{
		{Ref: "#"},
		{Type: "string", Pattern: refPattern.String()},
		expression(),
	}
	s.Properties["input"].AnyOf = []*jsonschema.Schema{{Type: "object"}, expression()}
	return s
}

// where is true of objects in which a member is there and has a value.
func where(name string, is any) *jsonschema.Schema {
	return &jsonschema.Schema{Required: []string{name}, Properties: map[string]*jsonschema.Schema{name: {Const: &is}}}
}

// nothing is the schema that no value fits.
func nothing() *jsonschema.Schema { return &jsonschema.Schema{Not: &jsonschema.Schema{}} }

// expression is a string in which there is an expression.
func expression() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: `(^|[^$])\$\{\{`}
}

// SchemaJSON is Schema as indented JSON.
func SchemaJSON() ([]byte, error) {
	raw, err := json.MarshalIndent(Schema(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the JSON Schema of plans: %w", err)
	}
	return append(raw, '\n'), nil
}
