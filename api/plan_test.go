package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// fields draws an object with some of the members.
func fields(t *rapid.T, name string, all map[string][]any) map[string]any {
	object := map[string]any{}
	for _, member := range slices.Sorted(maps.Keys(all)) {
		if rapid.Bool().Draw(t, name+" has "+member) {
			object[member] = rapid.SampledFrom(all[member]).Draw(t, name+"."+member)
		}
	}
	return object
}

// anyPlan draws a plan that is right.
func anyPlan(t *rapid.T) map[string]any {
	type o = map[string]any
	p := fields(t, "plan", map[string][]any{
		"version": {1}, "description": {"", "d"}, "input": {o{}, o{"a": []any{1, 2}, "k": "x"}}, "labels": {o{"l": "v"}},
		"timeout": {"1h", "36h", "250ms"}, "on_failure": {"continue", "cancel", "pause"}, "max_parallel": {1, 10_000},
		"concurrency": {o{"key": "run/a", "limit": 1}, o{"key": "run/${{ input.k }}", "limit": 100_000, "strategy": "cancel_newest"}},
		"rate":        {o{"key": "r", "limit": 5, "per": "1m"}, o{"key": "${{ run.id }}", "limit": 1_000_000, "per": "365d"}},
		"output":      {1.5, o{"x": "${{ steps.s0.output }}"}, []any{}, "${{ run.name }}", false},
		"defaults":    {o{"queue": "q", "timeout": "2h", "retry": o{"max_attempts": 3}}, o{"priority": 4, "grace": "1m", "stall_after": "5m"}},
	})
	p["name"] = "p"
	when := rapid.SampledFrom([]o{{}, {"start_at": "2026-07-01T08:00:00Z"}, {"start_at": "2026-07-01T08:00:00.000001Z"}, {"delay": "90s"}}).Draw(t, "when")
	maps.Copy(p, when)
	steps := make([]any, rapid.IntRange(1, 5).Draw(t, "steps"))
	for i := range steps {
		steps[i] = anyStep(t, fmt.Sprintf("s%d", i), i)
	}
	p["steps"] = steps
	return p
}

// anyStep draws a step that may need those before it.
func anyStep(t *rapid.T, key string, before int) map[string]any {
	type o = map[string]any
	kind := rapid.SampledFrom([]string{"noop", "noop", "exec", "sleep", "wait", "plan"}).Draw(t, key+" kind")
	s := fields(t, key, map[string][]any{
		"run_if": {"all_succeeded", "all_finished", "any_failed"}, "allow_failure": {true, false}, "timeout": {"5m", "1d"},
		"for_each": {"${{ input.a }}", "${{ input }}"},
	})
	s["key"], s["kind"] = key, kind
	if s["for_each"] != nil && rapid.Bool().Draw(t, key+" has max_parallel") {
		s["max_parallel"] = 7
	}
	var needs []any
	for i := range before {
		if rapid.Bool().Draw(t, fmt.Sprintf("%s needs %d", key, i)) {
			needs = append(needs, fmt.Sprintf("s%d", i))
		}
	}
	if needs != nil {
		s["needs"] = needs
	}
	switch kind {
	case plan.KindWait:
		s["with"] = rapid.SampledFrom([]any{
			o{}, o{"for": "approval"}, o{"for": "time", "duration": "1m"}, o{"for": "time", "until": "${{ input.k }}"},
		}).Draw(t, key+" with")
		return s
	case plan.KindPlan:
		s["with"] = rapid.SampledFrom([]any{
			o{"plan": "other/plan@3", "input": o{"a": "${{ input.k }}"}},
			o{"plan": "${{ input.k }}"},
			o{"plan": o{"name": "q", "steps": []any{o{"key": "x", "kind": "noop", "with": o{"output": "${{ step.key }}"}}}}},
		}).Draw(t, key+" with")
		return s
	}
	maps.Copy(s, fields(t, key+" work", map[string][]any{
		"queue": {"q"}, "priority": {1}, "grace": {"1s"}, "stall_after": {"1m"}, "runs_on": {"replica"},
		"retry":       {o{}, o{"max_attempts": 5, "on": []any{"lost"}, "backoff": "constant", "initial": "2s", "max": "3s", "jitter": 0}, o{"on": []any{}}},
		"concurrency": {o{"key": "step/a", "limit": 2, "strategy": "cancel_oldest"}, o{"key": "step/${{ run.name }}", "limit": 1}},
		"rate":        {o{"key": "s", "limit": 1, "per": "1s"}},
	}))
	return s
}

// TestResolvedPlanIsThePlan writes plans as runs give them back, with every default filled in, and reads them again.
func TestResolvedPlanIsThePlan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		src, err := json.Marshal(anyPlan(t))
		require.NoError(t, err)
		first, err := plan.ParseJSON(src)
		require.NoError(t, err, "%s", src)
		body, err := json.Marshal(runPlanOf(first))
		require.NoError(t, err)
		second, err := plan.ParseJSON(body)
		require.NoError(t, err, "%s", body)
		for i := range first.Steps {
			if first.Steps[i].Retry.On == nil {
				first.Steps[i].Retry.On = []string{"failed", "crashed", "timed_out"}
			}
			if plan.BuiltIn(first.Steps[i].Kind) {
				second.Steps[i].Retry.On = first.Steps[i].Retry.On
			}
		}
		require.Equal(t, first, second)
		again, err := json.Marshal(runPlanOf(second))
		require.NoError(t, err)
		require.JSONEq(t, string(body), string(again))
	})
}

// TestRunPlanOfFlows reads back what a run of everything was submitted with, and submits that again.
func TestRunPlanOfFlows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.submit(`{"name": "flows", "input": {"tenant": "acme", "list": [1, 2]}, "start_at": "2036-07-01T08:00:00.123456Z", "timeout": "36h",
		"on_failure": "pause", "max_parallel": 3, "output": {"n": "${{ steps.each.output }}", "x": 1.50},
		"concurrency": {"key": "run/${{ input.tenant }}", "limit": 2, "strategy": "cancel_newest"}, "rate": {"key": "r/${{ run.name }}", "limit": 5, "per": "1m30s"},
		"steps": [
			{"key": "each", "kind": "noop", "for_each": "${{ input.list }}", "max_parallel": 2, "with": {"output": "${{ item }}"},
				"concurrency": {"key": "k", "limit": 7}, "rate": {"key": "${{ input.tenant }}", "limit": 1, "per": "365d"}},
			{"key": "wait", "kind": "wait", "with": {"for": "time", "duration": "1h"}, "needs": ["each"]},
			{"key": "sub", "kind": "plan", "timeout": "2h", "with": {"plan": {"name": "s", "steps": [{"key": "x", "kind": "noop"}]}, "input": {"a": "${{ needs.wait.state }}"}}, "needs": ["wait"]}
		]}`)
	const want = `{"version": 1, "name": "flows", "description": "", "labels": {}, "input": {"tenant": "acme", "list": [1, 2]},
		"start_at": "2036-07-01T08:00:00.123456Z", "timeout": "1d12h", "on_failure": "pause", "max_parallel": 3,
		"output": {"n": "${{ steps.each.output }}", "x": 1.50},
		"concurrency": {"key": "run/acme", "limit": 2, "strategy": "cancel_newest"}, "rate": {"key": "r/flows", "limit": 5, "per": "1m30s"},
		"steps": [
			{"key": "each", "kind": "noop", "for_each": "${{ input.list }}", "max_parallel": 2, "with": {"output": "${{ item }}"}, "needs": [],
				"run_if": "all_succeeded", "allow_failure": false, "timeout": "10m", "grace": "10s", "queue": "default", "priority": 2, "runs_on": "replica",
				"retry": {"max_attempts": 1, "on": ["failed", "crashed", "timed_out"], "backoff": "exponential", "initial": "1s", "max": "5m", "jitter": 0.1},
				"concurrency": {"key": "k", "limit": 7, "strategy": "queue"}, "rate": {"key": "acme", "limit": 1, "per": "365d"}},
			{"key": "wait", "kind": "wait", "with": {"for": "time", "duration": "1h"}, "needs": ["each"], "run_if": "all_succeeded", "allow_failure": false},
			{"key": "sub", "kind": "plan", "timeout": "2h", "needs": ["wait"], "run_if": "all_succeeded", "allow_failure": false,
				"with": {"plan": {"name": "s", "steps": [{"key": "x", "kind": "noop"}]}, "input": {"a": "${{ needs.wait.state }}"}}}
		]}`
	first := b.ask(http.MethodGet, "/v1/runs/"+id.String()+"/plan", "")
	conforms(t, "Plan", first.body)
	require.JSONEq(t, want, string(first.body))
	again := b.submit(string(first.body))
	require.JSONEq(t, want, b.text("/v1/runs/"+again.String()+"/plan"))

	// The children of a fan-out are steps of the run and not of its plan.
	b.exec(fmt.Sprintf(`set session_replication_role = replica;
		insert into weir.steps (run_id, step, key, kind, parent, item) values ('%s', 4, 'each[0]', 'noop', 1, 0);
		set session_replication_role = origin`, id))
	require.JSONEq(t, want, b.text("/v1/runs/"+id.String()+"/plan"))
	require.Len(t, b.get("/v1/runs/" + id.String() + "/steps")["items"], 4)
}
