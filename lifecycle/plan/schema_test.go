package plan_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// samples are values that fit each field of the format.
var samples = map[string]any{
	"version": 1, "name": "p", "description": "d", "input": map[string]any{"a": 1}, "labels": map[string]any{"l": "v"},
	"on_failure": "continue", "key": "k", "kind": "noop", "with": map[string]any{"output": 1}, "needs": []any{}, "run_if": "any_failed",
	"allow_failure": true, "queue": "q", "priority": 1, "timeout": "1m", "grace": "1s", "stall_after": "5s", "runs_on": "replica",
	"start_at": "2026-07-01T08:00:00Z", "max_parallel": 3, "for_each": "${{ input.a }}", "limit": 4, "strategy": "cancel_newest",
	"per": "1h", "output": "${{ input.a }}", "max_attempts": 2, "on": []any{"lost"}, "backoff": "constant", "initial": "2s", "max": "3s", "jitter": 0.5,
}

// sample makes a value with every field that a schema lists.
func sample(t *testing.T, name string, s *jsonschema.Schema) any {
	t.Helper()
	switch {
	case len(s.Properties) > 0:
		object := map[string]any{}
		for member, schema := range s.Properties {
			if member != "delay" { // not beside start_at
				object[member] = sample(t, member, schema)
			}
		}
		if name == "" && object["steps"] != nil {
			object["concurrency"].(map[string]any)["key"] = "of/the/run" // not that of its step
		}
		return object
	case name == "steps":
		return []any{sample(t, "", s.Items)}
	}
	require.Contains(t, samples, name, "the schema has a field of which this test knows no value")
	return samples[name]
}

func TestSchemaAndParserHaveTheSameFields(t *testing.T) {
	t.Parallel()
	schema := plan.Schema()
	resolved, err := plan.Schema().Resolve(nil)
	require.NoError(t, err)
	check := func(doc any) (parser, validator error) {
		src, err := json.Marshal(doc)
		require.NoError(t, err)
		var plain any
		require.NoError(t, json.Unmarshal(src, &plain))
		_, parser = plan.ParseJSON(src)
		return parser, resolved.Validate(plain)
	}
	full := sample(t, "", schema)
	parser, validator := check(full)
	require.NoError(t, parser, "every field that the schema lists is accepted")
	require.NoError(t, validator)

	// In every object that is not free, a field that is not listed is refused by both, and one that is required is missed.
	objects := 0
	var walk func(s *jsonschema.Schema, v any)
	walk = func(s *jsonschema.Schema, v any) {
		switch v := v.(type) {
		case []any:
			if s.Items != nil {
				for _, item := range v {
					walk(s.Items, item)
				}
			}
		case map[string]any:
			if len(s.Properties) == 0 {
				return
			}
			objects++
			for _, name := range []string{"other", "x", "Key", "matrix", "cache", "if", "start_at", "steps2"} {
				v[name] = "v"
				parser, validator := check(full)
				require.Error(t, parser, name)
				require.Error(t, validator, name)
				delete(v, name)
			}
			for _, name := range slices.Sorted(maps.Keys(v)) {
				old := v[name]
				delete(v, name)
				if name == "for_each" {
					delete(v, "max_parallel")
				}
				parser, validator := check(full)
				require.Equal(t, slices.Contains(s.Required, name), parser != nil, name)
				require.Equal(t, slices.Contains(s.Required, name), validator != nil, name)
				v[name] = old
				if name == "for_each" {
					v["max_parallel"] = samples["max_parallel"]
				}
				walk(s.Properties[name], old)
			}
		}
	}
	walk(schema, full)
	require.Equal(t, 9, objects, "the plan, its defaults, its step, their retry policies, and the limits of the plan and the step")
}

// Whatever single value is put in a place of a whole plan: the schema accepts it iff the parser does.
func TestSchemaAndParserAgreeOnValues(t *testing.T) {
	t.Parallel()
	schema := plan.Schema()
	resolved, err := plan.Schema().Resolve(nil)
	require.NoError(t, err)
	values := []any{
		nil, true, false, 0, 1, 2, 4, 5, 1000, 1001, -1, 0.5, 1.5, 1.0, 1e3, "", "a", "A", "a/b", "a b", "1m", "1h30m", "m", "5", "exec", "noop",
		"continue", "stop", "pause", "queue", "2026-07-01T08:00:00.123456+02:00", "${{ input.a }}", "x${{ run.id }}", "a:b", "all_finished", "replica", "exponential", "lost",
		[]any{},
		[]any{"lost"},
		[]any{"lost", "lost"},
		[]any{1},
		map[string]any{},
		map[string]any{"l": "v"},
		map[string]any{"L": "v"},
		map[string]any{"l": 1},
		strings.Repeat("x", 5000),
	}
	var places [][]string // names of members; steps stand for their first item
	var walk func(s *jsonschema.Schema, at []string)
	walk = func(s *jsonschema.Schema, at []string) {
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			place := append(slices.Clone(at), name)
			places = append(places, place)
			if name == "steps" {
				walk(s.Properties[name].Items, place)
			} else {
				walk(s.Properties[name], place)
			}
		}
	}
	walk(schema, nil)
	rapid.Check(t, func(rt *rapid.T) {
		place := rapid.SampledFrom(places).Draw(rt, "place")
		v := rapid.SampledFrom(values).Draw(rt, "value")
		doc := sample(t, "", schema)
		in := doc
		for _, name := range place[:len(place)-1] {
			in = in.(map[string]any)[name]
			if list, ok := in.([]any); ok {
				in = list[0]
			}
		}
		if place[0] == "delay" {
			delete(in.(map[string]any), "start_at")
		}
		in.(map[string]any)[place[len(place)-1]] = v
		src, err := json.Marshal(doc)
		require.NoError(rt, err)
		var plain any
		require.NoError(rt, json.Unmarshal(src, &plain))
		_, parser := plan.ParseJSON(src)
		validator := resolved.Validate(plain)
		if place[len(place)-1] == "needs" && parser != nil && strings.Contains(parser.Error(), "no step") {
			return // what a need leads to is beyond a schema
		}
		require.Equal(rt, parser == nil, validator == nil, "%v = %v\nparser: %v\nschema: %v", place, v, parser, validator)
	})
}

// agree requires that the schema refuses a plan iff the parser does.
func agree(t *testing.T, resolved *jsonschema.Resolved, src string) {
	t.Helper()
	raw, err := plan.JSON([]byte(src))
	require.NoError(t, err)
	var doc any
	require.NoError(t, json.Unmarshal(raw, &doc))
	_, parser := plan.ParseJSON(raw)
	validator := resolved.Validate(doc)
	require.Equal(t, parser == nil, validator == nil, "%s\nparser: %v\nschema: %v", src, parser, validator)
}

func TestSchemaAndParserAgreeOnWaitAndPlan(t *testing.T) {
	t.Parallel()
	resolved, err := plan.Schema().Resolve(nil)
	require.NoError(t, err)
	for fields, fault := range faultsOfWait() {
		if !strings.HasSuffix(fault, "bad_expression") && !strings.HasPrefix(fault, "with.duration out_of_range") { // beyond a schema
			agree(t, resolved, builtIn("wait", fields))
		}
	}
	for fields, fault := range faultsOfPlansInPlans() {
		if !strings.HasSuffix(fault, "bad_expression") && !strings.Contains(fault, "need") && !strings.Contains(fault, ".steps[") { // beyond a schema
			agree(t, resolved, builtIn("plan", fields))
		}
	}
	for _, fields := range []string{
		"with: {}", "timeout: 5m, with: {for: signal}", "with: {for: approval}", "with: {for: time, duration: 1h}", "with: {for: time, until: '2026-07-01T08:00:00Z'}",
		"with: {for: time, until: '${{ input.at }}'}", "with: {for: time, duration: '${{ input.n }}s'}", "for_each: '${{ input.a }}', max_parallel: 2",
	} {
		agree(t, resolved, builtIn("wait", fields))
	}
	for _, with := range []string{
		"plan: a/b", "plan: a@3", "plan: '${{ input.p }}'", "plan: a, input: {}", "plan: a, input: '${{ input }}'",
		"plan: {name: s, steps: [{key: x, kind: plan, with: {plan: {name: t, steps: [{key: y, kind: wait}]}}}]}",
		"plan: {name: s, steps: [{key: x, kind: plan, with: {plan: {name: t, stepz: [{key: y, kind: wait}]}}}]}",
		"plan: {name: s, steps: [{key: x, kind: wait, queue: q}]}",
	} {
		agree(t, resolved, builtIn("plan", "with: {"+with+"}"))
	}
}

func TestSchemaOfEveryFieldSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	raw, err := plan.SchemaJSON()
	require.NoError(t, err)
	again, err := plan.SchemaJSON()
	require.NoError(t, err)
	require.Equal(t, string(again), string(raw), "it can be committed")
	var walk func(s *jsonschema.Schema)
	walk = func(s *jsonschema.Schema) {
		for name, member := range s.Properties {
			require.NotEmpty(t, member.Description, name)
			walk(member)
		}
		if s.Items != nil {
			walk(s.Items)
		}
	}
	s := new(jsonschema.Schema)
	require.NoError(t, json.Unmarshal(raw, s))
	walk(s)
}
