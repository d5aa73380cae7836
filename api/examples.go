package api

import (
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// The things that examples tell of: a run of a plan, the replica that runs it, and when.
const (
	exampleRun     = "0198a8a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b"
	exampleReplica = "0198a8a0-0000-7000-8000-000000000000"
	exampleStarted = "2026-05-04T02:30:00.123456Z"
	exampleEnded   = "2026-05-04T02:30:01.654321Z"
	exampleDigest  = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	exampleCursor  = "eyJhIjoxfQ"
)

// addExamples gives every body that has none an example that its schema describes.
func addExamples(tree map[string]any) {
	schemas := tree["components"].(map[string]any)["schemas"].(map[string]any)
	fill := func(content any) {
		media, _ := content.(map[string]any)["application/json"].(map[string]any)
		if media != nil && media["example"] == nil && media["examples"] == nil {
			media["example"] = exampleOf(schemas, media["schema"].(map[string]any), "")
		}
	}
	for _, item := range tree["paths"].(map[string]any) {
		for _, operation := range item.(map[string]any) {
			call := operation.(map[string]any)
			if body, ok := call["requestBody"].(map[string]any); ok {
				fill(body["content"])
			}
			for status, response := range call["responses"].(map[string]any) {
				if content, ok := response.(map[string]any)["content"]; ok && strings.HasPrefix(status, "2") {
					fill(content)
				}
			}
		}
	}
}

// exampleOf is a value of a schema: the one of exampleValues for that place, SCHEMA.PROPERTY, else what the schema itself
// gives as an example, else null where that may be, else something of its type.
func exampleOf(schemas map[string]any, schema map[string]any, place string) any {
	if value, ok := exampleValues()[place]; ok {
		return value
	}
	if examples, ok := schema["examples"].([]any); ok && len(examples) > 0 {
		return examples[0]
	}
	if reference, ok := schema["$ref"].(string); ok {
		name := strings.TrimPrefix(reference, schemaPrefix)
		if value, ok := exampleValues()[name]; ok {
			return value
		}
		return exampleOf(schemas, schemas[name].(map[string]any), name)
	}
	if value, ok := schema["const"]; ok {
		return value
	}
	if mayBeNull(schema) && !strings.HasPrefix(place, "State.") { // all of State is there, unless something is wrong
		return nil
	}
	if values, ok := schema["enum"].([]any); ok {
		return values[0]
	}
	for _, choice := range []string{"oneOf", "anyOf"} {
		if choices, ok := schema[choice].([]any); ok {
			return exampleOf(schemas, choices[0].(map[string]any), place)
		}
	}
	return exampleOfType(schemas, schema, place)
}

// exampleOfType is a value of a schema that says nothing but a type.
func exampleOfType(schemas map[string]any, schema map[string]any, place string) any {
	kind := schema["type"]
	if kinds, ok := kind.([]any); ok {
		kind = kinds[0]
	}
	switch kind {
	case huma.TypeObject:
		value := map[string]any{}
		properties, _ := schema["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			value[name] = exampleOf(schemas, properties[name].(map[string]any), place+"."+name)
		}
		return value
	case huma.TypeArray:
		item := exampleOf(schemas, schema["items"].(map[string]any), place+"[]")
		return []any{item}
	case huma.TypeBoolean:
		return false
	case huma.TypeInteger, huma.TypeNumber:
		if least, ok := schema["minimum"].(float64); ok {
			return least
		}
		return 0
	case huma.TypeString:
		switch schema["format"] {
		case "uuid":
			return exampleRun
		case "date-time":
			return exampleStarted
		}
		return ""
	}
	return nil
}

// mayBeNull reports whether null is a value of the schema.
func mayBeNull(schema map[string]any) bool {
	if types, ok := schema["type"].([]any); ok && slices.Contains(types, any("null")) {
		return true
	}
	choices, _ := schema["oneOf"].([]any)
	return slices.ContainsFunc(choices, func(choice any) bool { return choice.(map[string]any)["type"] == "null" })
}

// exampleValues are what examples have in some places, so that they tell one story: two steps, which have succeeded.
func exampleValues() map[string]any {
	return map[string]any{
		"Plan":                       examplePlan(),
		"Run.name":                   "hello",
		"Run.state":                  "succeeded",
		"Run.cause":                  "steps_final",
		"Run.labels":                 map[string]any{"team": "data"},
		"Run.input":                  map[string]any{"name": "world"},
		"Run.finished_at":            exampleEnded,
		"RunSteps.total":             2,
		"RunSteps.succeeded":         2,
		"Step.key":                   "repeat",
		"Step.kind":                  "noop",
		"Step.state":                 "succeeded",
		"Step.cause":                 "reported",
		"Step.needs":                 []any{"greet"},
		"Step.attempt":               1,
		"Step.max_attempts":          1,
		"Step.started_at":            exampleStarted,
		"Step.finished_at":           exampleEnded,
		"Step.worker":                exampleReplica,
		"Step.parent":                nil,
		"Step.with":                  map[string]any{"output": "${{ needs.greet.output }}"},
		"Step.output":                "hello world",
		"Transition.id":              exampleCursor,
		"Transition.step":            "repeat",
		"Transition.attempt":         1,
		"Transition.cause":           "claimed",
		"Log.id":                     exampleCursor,
		"Log.step":                   "greet",
		"Log.text":                   "hello",
		"Why.step":                   "repeat",
		"Why.state":                  "pending",
		"Reason.detail":              map[string]any{"steps": []any{"greet"}},
		"Bulk.filter":                map[string]any{"state": nil, "name": "hello", "labels": map[string]any{}, "created_after": nil, "created_before": nil},
		"Limit.declared":             5,
		"Limit.used":                 1,
		"LimitHolder.run":            exampleRun,
		"NamedPlan.name":             "hello",
		"NamedPlan.digest":           exampleDigest,
		"NamedPlan.plan":             examplePlan(),
		"Difference.name":            "hello",
		"Difference.diff":            "--- hello@2\n+++ hello@3\n@@ -1,2 +1,2 @@\n name: hello\n-input: {name: moon}\n+input: {name: world}\n",
		"Schedule.plan":              "hello",
		"Schedule.input":             map[string]any{"name": "world"},
		"Schedule.jitter":            "0s",
		"Schedule.missed":            "once",
		"Schedule.window":            "24h",
		"Schedule.next_slot":         "2026-05-05T00:30:00.000000Z",
		"Schedule.due_at":            "2026-05-05T00:30:00.000000Z",
		"Slot.slot":                  "2026-05-05T00:30:00.000000Z",
		"Slot.due_at":                "2026-05-05T00:30:00.000000Z",
		"State.degraded":             []any{},
		"BuildInfo.time":             "2026-05-01T12:00:00.000000Z",
		"VersionInfo.openapi_digest": exampleDigest,
	}
}
