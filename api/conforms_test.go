package api

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/require"
)

// closedSchemas are the schemas of the document, with every object closed: nothing may be in an answer that the document
// does not know.
var closedSchemas = sync.OnceValue(func() map[string]any {
	var document map[string]any
	must(json.Unmarshal([]byte(strings.ReplaceAll(string(OpenAPI()), schemaPrefix, "#/$defs/")), &document))
	schemas := document["components"].(map[string]any)["schemas"].(map[string]any)
	walk(schemas, func(node map[string]any) {
		if properties, ok := node["properties"].(map[string]any); ok && node["additionalProperties"] == nil && properties["type"] != "object" {
			node["additionalProperties"] = false
		}
	})
	return schemas
})

// resolvedSchemas keeps what is costly to make.
var resolvedSchemas sync.Map

// conforms proves that a body is what the document says of the schema: every documented field is there, and no other.
func conforms(t *testing.T, name string, body []byte) {
	t.Helper()
	require.NoError(t, conformity(name, body), "%s is not a %s", body, name)
}

// conformity is an error unless a body is what the document says of the schema.
func conformity(name string, body []byte) error {
	resolve, _ := resolvedSchemas.LoadOrStore(name, sync.OnceValues(func() (*jsonschema.Resolved, error) {
		text, err := json.Marshal(map[string]any{"$ref": "#/$defs/" + name, "$defs": closedSchemas()})
		if err != nil {
			return nil, err
		}
		var schema jsonschema.Schema
		if err := json.Unmarshal(text, &schema); err != nil {
			return nil, err
		}
		return schema.Resolve(nil)
	}))
	resolved, err := resolve.(func() (*jsonschema.Resolved, error))()
	if err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	return resolved.Validate(value)
}
