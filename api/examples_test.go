package api

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestExamplesConform: every body that is sent or comes with 2xx has an example, which its schema describes.
func TestExamplesConform(t *testing.T) {
	t.Parallel()
	examples := 0
	check := func(place string, content any) {
		for kind, media := range content.(map[string]any) {
			m := media.(map[string]any)
			if kind != "application/json" {
				require.NotEmpty(t, m["example"], "%s has no example of %s", place, kind)
				continue
			}
			require.Contains(t, m, "example", place)
			text, err := json.Marshal(m["example"])
			require.NoError(t, err)
			schema := m["schema"].(map[string]any)
			reference, named := schema["$ref"].(string)
			if !named { // a body that is one of several: the first
				reference = schema["oneOf"].([]any)[0].(map[string]any)["$ref"].(string)
			}
			conforms(t, strings.TrimPrefix(reference, schemaPrefix), text)
			examples++
		}
	}
	for call, operation := range operations(tree(t, OpenAPI())) {
		if body, ok := operation["requestBody"].(map[string]any); ok {
			check(call, body["content"])
		}
		for status, response := range operation["responses"].(map[string]any) {
			if content, ok := response.(map[string]any)["content"]; ok && strings.HasPrefix(status, "2") {
				check(call+" "+status, content)
			}
		}
	}
	require.Greater(t, examples, 50)
}

// TestExampleValuesAreUsed: what is said of examples is about places that there are.
func TestExampleValuesAreUsed(t *testing.T) {
	t.Parallel()
	schemas := tree(t, OpenAPI())["components"].(map[string]any)["schemas"].(map[string]any)
	for _, place := range slices.Sorted(maps.Keys(exampleValues())) {
		name, property, whole := strings.Cut(place, ".")
		require.Contains(t, schemas, name, place)
		if whole {
			require.Contains(t, schemas[name].(map[string]any)["properties"], property, place)
		}
	}
}
