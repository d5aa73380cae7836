package api

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the page's template and style
	"encoding/base64"
	"encoding/json"
	"html"
	"html/template"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// The page at /docs is made of these and of the document. It needs nothing else: no script, no font, no other host.
var (
	//go:embed docs.gohtml
	docsTemplate string
	//go:embed docs.css
	docsStyle string
)

// docsPage is what /docs answers with.
type docsPage struct {
	html   []byte
	policy string // its Content-Security-Policy
}

// newDocsPage is the page of a document.
func newDocsPage(document []byte) *docsPage {
	functions := template.FuncMap{"prose": prose, "json": exampleText}
	page := template.Must(template.New("docs").Funcs(functions).Parse(docsTemplate))
	var tree map[string]any
	must(json.Unmarshal(document, &tree))
	var text bytes.Buffer
	must(page.Execute(&text, docsOf(tree)))
	sum := sha256.Sum256([]byte(docsStyle))
	return &docsPage{
		html: text.Bytes(),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}
}

// docs is the page for people.
func (s *server) docs(w http.ResponseWriter, _ *http.Request) {
	page := s.doc.page()
	w.Header().Set("Content-Security-Policy", page.policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page.html) // the client may be gone
}

// docsData is the document as the page shows it.
type docsData struct {
	Style              template.CSS
	Title, Description string
	Tags               []docsTag
	Schemas            []docsSchema
}

type docsTag struct {
	Name, Description string
	Calls             []docsCall
}

type docsCall struct {
	ID, Method, Path, Summary, Description string
	Scope                                  string // "": none is needed
	Parameters                             []docsField
	Body                                   *docsBody
	Answers                                []docsBody
}

// docsBody is a body that is sent, or an answer.
type docsBody struct {
	Status, Description string
	Problem             bool
	Type                []docsWord
	Example             any
}

type docsSchema struct {
	Name, Description string
	Type              []docsWord // of one that is no object
	Fields            []docsField
}

type docsField struct {
	Name, In, Description string
	Required              bool
	Type                  []docsWord
}

// docsWord is a part of what says the type of something; Schema is the one that it leads to.
type docsWord struct{ Text, Schema string }

// docsOf reads what the page shows out of the document.
func docsOf(tree map[string]any) docsData {
	info := tree["info"].(map[string]any)
	page := docsData{Style: template.CSS(docsStyle), Title: text(info, "title"), Description: text(info, "description")} //nolint:gosec // our own
	calls := map[string][]docsCall{}
	paths := tree["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for _, method := range methods() {
			if operation, ok := paths[path].(map[string]any)[strings.ToLower(method)].(map[string]any); ok {
				tag := operation["tags"].([]any)[0].(string)
				calls[tag] = append(calls[tag], docsCallOf(method, path, operation))
			}
		}
	}
	for _, tag := range tree["tags"].([]any) {
		t := tag.(map[string]any)
		page.Tags = append(page.Tags, docsTag{Name: text(t, "name"), Description: text(t, "description"), Calls: calls[text(t, "name")]})
	}
	schemas := tree["components"].(map[string]any)["schemas"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		schema := schemas[name].(map[string]any)
		one := docsSchema{Name: name, Description: text(schema, "description"), Fields: docsFields(schema)}
		if one.Fields == nil {
			one.Type = docsType(schema)
		}
		page.Schemas = append(page.Schemas, one)
	}
	return page
}

func docsCallOf(method, path string, operation map[string]any) docsCall {
	call := docsCall{
		ID: text(operation, "operationId"), Method: method, Path: path, Summary: text(operation, "summary"),
		Description: text(operation, "description"), Scope: text(operation, scopeExtension),
	}
	parameters, _ := operation["parameters"].([]any)
	for _, parameter := range parameters {
		p := parameter.(map[string]any)
		schema, _ := p["schema"].(map[string]any)
		call.Parameters = append(call.Parameters, docsField{
			Name: text(p, "name"), In: text(p, "in"), Description: text(p, "description"), Required: p["required"] == true, Type: docsType(schema),
		})
	}
	if body, ok := operation["requestBody"].(map[string]any); ok {
		sent := docsBodyOf("", body)
		call.Body = &sent
	}
	responses := operation["responses"].(map[string]any)
	for _, status := range slices.Sorted(maps.Keys(responses)) {
		call.Answers = append(call.Answers, docsBodyOf(status, responses[status].(map[string]any)))
	}
	return call
}

func docsBodyOf(status string, body map[string]any) docsBody {
	shown := docsBody{Status: status, Description: text(body, "description")}
	content, _ := body["content"].(map[string]any)
	for _, kind := range slices.Sorted(maps.Keys(content)) {
		media := content[kind].(map[string]any)
		schema, _ := media["schema"].(map[string]any)
		shown.Problem, shown.Type, shown.Example = kind == problemType, docsType(schema), media["example"]
	}
	return shown
}

// docsFields are the fields of an object, those that have to be there first; nil: it is none.
func docsFields(schema map[string]any) []docsField {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	var fields []docsField
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		property, _ := properties[name].(map[string]any) // false: only to forbid it
		fields = append(fields, docsField{
			Name: name, Description: text(property, "description"), Required: slices.Contains(required, any(name)), Type: docsType(property),
		})
	}
	slices.SortStableFunc(fields, func(a, b docsField) int {
		return cmp.Compare(map[bool]int{true: 0, false: 1}[a.Required], map[bool]int{true: 0, false: 1}[b.Required])
	})
	return fields
}

// docsType says of what type something is.
func docsType(schema map[string]any) []docsWord {
	if reference := text(schema, "$ref"); reference != "" {
		name := strings.TrimPrefix(reference, schemaPrefix)
		return []docsWord{{Text: name, Schema: name}}
	}
	if values, ok := schema["enum"].([]any); ok {
		names := make([]string, len(values))
		for i, value := range values {
			names[i] = exampleText(value)
		}
		return []docsWord{{Text: strings.Join(names, " | ")}}
	}
	for _, choice := range []string{"oneOf", "anyOf"} {
		choices, _ := schema[choice].([]any)
		var words []docsWord
		for _, one := range choices {
			if len(words) > 0 {
				words = append(words, docsWord{Text: " or "})
			}
			of, _ := one.(map[string]any)
			words = append(words, docsType(of)...)
		}
		if words != nil {
			return words
		}
	}
	if schema["type"] == "array" {
		items, _ := schema["items"].(map[string]any)
		return append([]docsWord{{Text: "list of "}}, docsType(items)...)
	}
	return []docsWord{{Text: docsTypeName(schema)}}
}

// docsTypeName is the type of what is no list, choice or reference.
func docsTypeName(schema map[string]any) string {
	var name string
	switch kind := schema["type"].(type) {
	case string:
		name = kind
	case []any:
		names := make([]string, len(kind))
		for i, one := range kind {
			names[i], _ = one.(string)
		}
		name = strings.Join(names, " or ")
	default:
		return "any JSON"
	}
	if format := text(schema, "format"); format != "" && !strings.HasPrefix(format, "int") && format != "double" {
		name += " (" + format + ")"
	}
	return name
}

// text is a member that is a text; "" if there is none.
func text(node map[string]any, name string) string {
	value, _ := node[name].(string)
	return value
}

// exampleText is JSON for people.
func exampleText(value any) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	must(encoder.Encode(value))
	return strings.TrimRight(text.String(), "\n")
}

// inCode is what stands between backticks.
var inCode = regexp.MustCompile("`([^`]+)`")

// prose shows a description: paragraphs, and code between backticks.
func prose(description string) template.HTML {
	var page strings.Builder
	for paragraph := range strings.SplitSeq(description, "\n\n") {
		page.WriteString("<p>" + inCode.ReplaceAllString(html.EscapeString(paragraph), "<code>$1</code>") + "</p>")
	}
	return template.HTML(page.String()) //nolint:gosec // escaped above
}
