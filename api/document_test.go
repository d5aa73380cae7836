package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree reads a document.
func tree(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var document map[string]any
	require.NoError(t, json.Unmarshal(text, &document))
	return document
}

// operations are the calls of a document by method and path.
func operations(document map[string]any) map[string]map[string]any {
	all := map[string]map[string]any{}
	for path, item := range document["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			all[strings.ToUpper(method)+" "+path] = operation.(map[string]any)
		}
	}
	return all
}

// TestDocumentedFieldsArePresent: what an answer documents it has, always; what may be missing from it would be null.
func TestDocumentedFieldsArePresent(t *testing.T) {
	t.Parallel()
	for name, schema := range tree(t, OpenAPI())["components"].(map[string]any)["schemas"].(map[string]any) {
		s := schema.(map[string]any)
		properties, ok := s["properties"].(map[string]any)
		isRequest := slices.ContainsFunc(requests(), func(t reflect.Type) bool { return t.Name() == name })
		if !ok || isRequest || strings.HasPrefix(name, "Plan") || bodySchemas()[name] != nil {
			continue
		}
		var required []string
		for _, field := range s["required"].([]any) {
			required = append(required, field.(string))
		}
		require.ElementsMatch(t, slices.Collect(maps.Keys(properties)), required, name)
		require.NotEqual(t, false, s["additionalProperties"], "%s: a later version may add a field", name)
		for field := range properties {
			require.Regexp(t, `^[a-z][a-z_]*$`, field, name)
		}
	}
}

func TestOperationsAreDocumented(t *testing.T) {
	t.Parallel()
	document := tree(t, OpenAPI())
	require.Equal(t, "3.1.0", document["openapi"])
	ids := map[string]bool{}
	for call, operation := range operations(document) {
		id := operation["operationId"].(string)
		require.Regexp(t, `^[a-z]+(-[a-z]+)?$`, id, call)
		require.False(t, ids[id], "%s: %s is taken", call, id)
		ids[id] = true
		require.NotEmpty(t, operation["summary"], call)
		require.NotEmpty(t, operation["tags"], call)
		responses := operation["responses"].(map[string]any)
		for _, status := range []string{"421", "500", "503", "504"} {
			require.Contains(t, responses, status, call)
		}
		if !strings.HasPrefix(call, http.MethodGet) {
			for _, status := range []string{"400", "403", "413", "415", "422"} {
				require.Contains(t, responses, status, call)
			}
		}
		if strings.Contains(call, "{run}") {
			require.Contains(t, responses, "404", call)
			require.Contains(t, responses, "422", call)
		}
		for status, response := range responses {
			content := response.(map[string]any)["content"].(map[string]any)
			want := "application/json"
			switch {
			case status >= "400":
				want = problemType
			case id == "run-events":
				want = streamType
			}
			require.Contains(t, content, want, "%s %s", call, status)
			require.Contains(t, response.(map[string]any)["headers"], "Weir-Schema-Version", "%s %s", call, status)
		}
	}
	require.Greater(t, len(ids), 20)
}

// TestReferencesLeadSomewhere follows every $ref of both documents.
func TestReferencesLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, text := range [][]byte{OpenAPI(), OpenAPI30()} {
		document := tree(t, text)
		references := 0
		walk(document, func(node map[string]any) {
			reference, ok := node["$ref"].(string)
			if !ok {
				return
			}
			references++
			var at any = document
			for part := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
				at = at.(map[string]any)[part]
			}
			require.NotNil(t, at, reference)
		})
		require.Greater(t, references, 50)
	}
}

// TestOpenAPI30 has nothing in it that only 3.1 knows.
func TestOpenAPI30(t *testing.T) {
	t.Parallel()
	document := tree(t, OpenAPI30())
	require.Equal(t, "3.0.3", document["openapi"])
	require.ElementsMatch(t, slices.Collect(maps.Keys(operations(tree(t, OpenAPI())))), slices.Collect(maps.Keys(operations(document))))
	nullable := 0
	walk(document["components"], func(node map[string]any) {
		if kind, ok := node["type"]; ok {
			if _, isProperty := kind.(map[string]any); !isProperty { // a property that is called type
				require.IsType(t, "", kind)
				require.NotEqual(t, "null", kind)
			}
		}
		for _, unknown := range []string{"const", "$defs", "$schema", "patternProperties", "propertyNames", "examples", "dependentRequired", "if", "then", "else"} {
			require.NotContains(t, node, unknown)
		}
		if node["nullable"] == true {
			nullable++
		}
	})
	require.Greater(t, nullable, 20)
}

// TestDocumentIsServed compares what is served with what is published, and with its digest.
func TestDocumentIsServed(t *testing.T) {
	t.Parallel()
	handler := New(Config{})
	a := ask(t, handler, http.MethodGet, "/openapi.json", "")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Equal(t, "application/json", a.Header.Get("Content-Type"))
	require.JSONEq(t, string(OpenAPI()), string(a.body))
	require.JSONEq(t, string(OpenAPI30()), string(ask(t, handler, http.MethodGet, "/openapi-3.0.json", "").body))
	version := ask(t, handler, http.MethodGet, "/v1/version", "").json(t)
	require.Regexp(t, "^[0-9a-f]{64}$", version["openapi_digest"])
	require.Equal(t, map[string]any{"version": "", "revision": nil, "time": nil, "modified": false}, version["build"])
	require.ElementsMatch(t, []string{"api", "schema", "schema_min", "river_schema", "build", "openapi_digest"}, slices.Collect(maps.Keys(version)))
}

// TestEveryPathOfTheDocumentExists calls every operation without anything that it needs: none is unknown to the mux.
func TestEveryPathOfTheDocumentExists(t *testing.T) {
	t.Parallel()
	handler := New(Config{Lifecycle: broken{}})
	for call := range operations(tree(t, OpenAPI())) {
		method, template, _ := strings.Cut(call, " ")
		path := regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(template, "-")
		if method == http.MethodGet && strings.HasPrefix(path, "/v1/") && !strings.Contains(template, "{") && path != "/v1/version" {
			path += "?limit=0" // a list
		}
		status := ask(t, handler, method, path, "").StatusCode
		require.NotContains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusInternalServerError}, status, call)
	}
}
