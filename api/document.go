package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// schemaPrefix is where the document keeps its schemas.
const schemaPrefix = "#/components/schemas/"

// document is the published description of the API, in both versions of OpenAPI.
type document struct {
	json31, json30 []byte
	digest         string // SHA-256 of json31 without the line that has it
	page           func() *docsPage
}

// Members of info in the document.
const (
	schemaExtension = "x-weir-schema-version" // the newest version of the database that this binary brings
	digestExtension = "x-weir-digest"
)

// OpenAPI is the document of the API in OpenAPI 3.1, as indented JSON.
func OpenAPI() []byte { return bytes.Clone(theDocument().json31) }

// OpenAPI30 is the same in OpenAPI 3.0, for tools that do not know 3.1 yet.
func OpenAPI30() []byte { return bytes.Clone(theDocument().json30) }

// theDocument is made once: it never changes.
var theDocument = sync.OnceValue(func() *document {
	return newDocument((&server{mux: http.NewServeMux()}).routes())
})

// describe says what the API is.
func describe(doc *huma.OpenAPI) {
	doc.Info.Description = "Weir runs plans, which are graphs of steps, and keeps what really happened.\n\n" +
		"Bodies are JSON. Every documented field is present; what is unknown is null. Whatever goes wrong is answered with a problem (RFC 9457) " +
		"that has a code of a closed list. Lists have pages: next of one page is the cursor of the next one."
	doc.Info.License = &huma.License{Name: "MIT", Identifier: "MIT"}
	doc.Servers = []*huma.Server{{URL: "http://127.0.0.1:8080", Description: "weir dev"}}
	doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		schemeToken:   {Type: "http", Scheme: "bearer", Description: "A token, as `weir token create` prints it. Each call names the scope that it needs in `x-weir-scope`; scope admin is all of them. Without tokens, on a loopback address, nobody is asked for one."},
		schemeSession: {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "For browsers: the cookie that `POST /v1/session` sets in exchange for a token."},
	}
	doc.Tags = []*huma.Tag{
		{Name: "runs", Description: "Executions of plans."},
		{Name: "steps", Description: "The nodes of a run: the units of work."},
		{Name: "plans", Description: "Plans with a name and versions."},
		{Name: "schedules", Description: "Named plans that are run by themselves, again and again."},
		{Name: "operate", Description: "For those who run replicas."},
	}
}

// newDocument finishes what Huma has gathered.
func newDocument(doc *huma.OpenAPI) *document {
	registry := doc.Components.Schemas
	delete(registry.Map(), "ErrorModel") // Huma's own, and what it is made of
	delete(registry.Map(), "ErrorDetail")
	registry.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for name, schema := range registry.Map() {
		finishSchema(registry.TypeFromRef(schemaPrefix+name), schema)
	}
	for _, item := range doc.Paths {
		for _, method := range methods() {
			if operation := operationOf(item, method); operation != nil {
				finishOperation(operation)
			}
		}
	}
	text, err := json.Marshal(doc)
	must(err)
	var tree map[string]any
	must(json.Unmarshal(text, &tree))
	schemas := tree["components"].(map[string]any)["schemas"].(map[string]any)
	schemas["Plan"] = planSchema(schemas)
	maps.Copy(schemas, bodySchemas())
	finishTree(tree)
	stateParameter(tree)
	addExamples(tree)
	info := tree["info"].(map[string]any)
	info[schemaExtension] = lifecycle.SchemaVersion()
	sum := sha256.Sum256(indented(tree))
	d := &document{digest: hex.EncodeToString(sum[:])}
	info[digestExtension] = d.digest
	d.json31 = indented(tree)
	d.page = sync.OnceValue(func() *docsPage { return newDocsPage(d.json31) })
	downgrade(tree)
	tree["openapi"] = "3.0.3"
	tree["info"].(map[string]any)["license"] = map[string]any{"name": "MIT", "url": "https://spdx.org/licenses/MIT.html"}
	d.json30 = indented(tree)
	return d
}

// requests are the types of bodies that are sent to the API: they are closed.
func requests() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[Cancel](),
		reflect.TypeFor[Decision](),
		reflect.TypeFor[Signal](),
		reflect.TypeFor[Rerun](),
		reflect.TypeFor[BulkRequest](),
		reflect.TypeFor[BulkRequestFilter](),
		reflect.TypeFor[LimitSet](),
		reflect.TypeFor[SessionRequest](),
	}
}

// finishSchema says of every pointer that it may be null, and lets later versions add fields to answers.
func finishSchema(t reflect.Type, schema *huma.Schema) {
	if t == nil || t.Kind() != reflect.Struct {
		return
	}
	if !slices.Contains(requests(), t) {
		schema.AdditionalProperties = nil
	}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		property := schema.Properties[name]
		if property == nil || field.Type.Kind() != reflect.Pointer {
			continue
		}
		if property.Ref != "" {
			schema.Properties[name] = &huma.Schema{
				Description: field.Tag.Get("doc"), OneOf: []*huma.Schema{{Ref: property.Ref}, {Type: "null"}},
			}
			continue
		}
		property.Nullable = true
	}
}

// finishOperation describes the headers that every response has.
func finishOperation(operation *huma.Operation) {
	for status, response := range operation.Responses {
		if response.Headers == nil {
			response.Headers = map[string]*huma.Param{}
		}
		for name := range commonHeaders() {
			if name != retryAfterHeader || retryable(status) {
				response.Headers[name] = &huma.Param{Ref: headerPrefix + name}
			}
		}
		if response.Description == http.StatusText(http.StatusOK) {
			response.Description = "The answer"
		}
	}
	for _, parameter := range operation.Parameters {
		if parameter.Schema != nil {
			parameter.Schema.Description = "" // it stands beside the schema already
		}
	}
}

const (
	headerPrefix     = "#/components/headers/"
	retryAfterHeader = "Retry-After"
)

// commonHeaders are those that every response has, and the one that comes with what may be tried again.
func commonHeaders() map[string]any {
	header := func(kind, description string) any {
		return map[string]any{"description": description, "schema": map[string]any{"type": kind}}
	}
	return map[string]any{
		"Weir-Schema-Version": header(huma.TypeInteger, "The version of the database."),
		"Weir-Build":          header(huma.TypeString, "The build that answered."),
		requestIDHeader:       header(huma.TypeString, "The id of the request, which the log of the server has too."),
		retryAfterHeader:      header(huma.TypeInteger, "After how many seconds the request may be repeated."),
	}
}

func retryable(status string) bool {
	return slices.Contains([]string{"429", "503", "504"}, status)
}

// planSchema is the schema of the plan format, with its own definitions moved to where the document keeps schemas.
func planSchema(schemas map[string]any) any {
	var schema map[string]any
	text, err := json.Marshal(plan.Schema())
	must(err)
	must(json.Unmarshal(text, &schema))
	delete(schema, "$schema")
	definitions, _ := schema["$defs"].(map[string]any)
	delete(schema, "$defs")
	moved := func(ref string) string {
		if ref == "#" {
			return schemaPrefix + "Plan"
		}
		if name, ok := strings.CutPrefix(ref, "#/$defs/"); ok {
			return schemaPrefix + "Plan" + strings.ToUpper(name[:1]) + name[1:]
		}
		return ref
	}
	for name, definition := range definitions {
		walk(definition, func(node map[string]any) {
			if ref, ok := node["$ref"].(string); ok {
				node["$ref"] = moved(ref)
			}
		})
		schemas[strings.TrimPrefix(moved("#/$defs/"+name), schemaPrefix)] = definition
	}
	walk(schema, func(node map[string]any) {
		if ref, ok := node["$ref"].(string); ok {
			node["$ref"] = moved(ref)
		}
	})
	return schema
}

// finishTree lets what may be null be null where its values are listed, and names the problem codes.
func finishTree(tree map[string]any) {
	tree["components"].(map[string]any)["headers"] = commonHeaders()
	walk(tree, func(node map[string]any) {
		delete(node, "patternDescription") // Huma's own
		types, _ := node["type"].([]any)
		values, _ := node["enum"].([]any)
		if values != nil && slices.Contains(types, any("null")) && !slices.Contains(values, nil) {
			node["enum"] = append(values, nil)
		}
	})
	schemas := tree["components"].(map[string]any)["schemas"].(map[string]any)
	for _, list := range closedLists() {
		schemas[list.name] = map[string]any{"type": huma.TypeString, "description": list.description, "enum": list.values}
		for _, property := range list.properties {
			of, name, _ := strings.Cut(property, ".")
			schemas[of].(map[string]any)["properties"].(map[string]any)[name] = map[string]any{"$ref": schemaPrefix + list.name}
		}
	}
}

// stateParameter lets the filter of a list refer to the states.
func stateParameter(tree map[string]any) {
	walk(tree["paths"], func(node map[string]any) {
		if node["in"] == "query" && node["name"] == "state" {
			node["schema"] = map[string]any{"$ref": schemaPrefix + "RunState"}
		}
	})
}

// closedList is an enum that more than one place refers to.
type closedList struct {
	name, description string
	values            []any
	properties        []string // SCHEMA.PROPERTY
}

func closedLists() []closedList {
	return []closedList{
		{"RunState", "Where a run is in its life; succeeded, failed and cancelled are final.", anyOf(lifecycle.RunStates()), []string{"Run.state", "BulkRequestFilter.state"}},
		{"StepState", "Where a step is in its life; all from succeeded on are final.", anyOf(lifecycle.StepStates()), []string{"Step.state", "Why.state"}},
		{"Cause", "Why something came into its state.", anyOf(lifecycle.Causes()), []string{"Run.cause", "Step.cause", "Transition.cause"}},
		{"ReasonCode", "Why a step is, or is not, running.", anyOf(lifecycle.ReasonCodes()), []string{"Reason.code"}},
		{"ProblemCode", "What went wrong.", anyOf(ProblemCodes()), []string{"Problem.code"}},
	}
}

func anyOf[T ~string](values []T) []any {
	list := make([]any, len(values))
	for i, value := range values {
		list[i] = string(value)
	}
	return list
}

// walk visits every object of a JSON value.
func walk(value any, visit func(map[string]any)) {
	switch v := value.(type) {
	case map[string]any:
		visit(v)
		for _, member := range v {
			walk(member, visit)
		}
	case []any:
		for _, item := range v {
			walk(item, visit)
		}
	}
}

// indented is JSON for people and for version control: its members are sorted, but for the first ones.
func indented(tree map[string]any) []byte {
	ordered := struct {
		OpenAPI    any `json:"openapi"`
		Info       any `json:"info"`
		Servers    any `json:"servers"`
		Tags       any `json:"tags"`
		Paths      any `json:"paths"`
		Components any `json:"components"`
	}{tree["openapi"], tree["info"], tree["servers"], tree["tags"], tree["paths"], tree["components"]}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	must(encoder.Encode(ordered))
	return text.Bytes()
}

// must stops a program whose document cannot be built: a mistake in this package, which its tests find.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// schemaOf registers a type and refers to it.
func schemaOf[T any](routes huma.API) *huma.Schema {
	return routes.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}

// write answers with the document.
func (d *document) write(w http.ResponseWriter, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // the client may be gone
}

// examplePlan is the plan in the example of a submit.
func examplePlan() any {
	return map[string]any{
		"name":  "hello",
		"input": map[string]any{"name": "world"},
		"steps": []any{
			map[string]any{"key": "greet", "kind": "noop", "with": map[string]any{"output": "hello ${{ input.name }}"}},
			map[string]any{"key": "repeat", "kind": "noop", "needs": []any{"greet"}, "with": map[string]any{"output": "${{ needs.greet.output }}"}},
		},
	}
}
