package plan

import (
	"encoding/json"
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"
)

// Schema returns the JSON Schema of the plan format, made from the tables that the parser reads by. The caller may change it.
func Schema() *jsonschema.Schema {
	s := schemaOf(newFormat().plan)
	s.Not = &jsonschema.Schema{Required: []string{"start_at", "delay"}}
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "Weir plan"
	return s
}

// SchemaJSON is Schema as indented JSON.
func SchemaJSON() ([]byte, error) {
	raw, err := json.MarshalIndent(Schema(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the JSON Schema of plans: %w", err)
	}
	return append(raw, '\n'), nil
}
