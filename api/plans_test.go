package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// loadPlan is a plan with that output.
func loadPlan(output string) string {
	return `{"name": "load/daily", "description": "d", "labels": {"team": "data"}, "input": {"day": 1},
		"steps": [{"key": "a", "kind": "noop", "with": {"output": "` + output + `"}}]}`
}

func (b *bundle) putPlan(text string) answer {
	b.t.Helper()
	a := b.ask(http.MethodPut, "/v1/plans/load%2Fdaily", text)
	require.Less(b.t, a.StatusCode, 300, "%s", a.body)
	return a
}

func TestNamedPlans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.putPlan(loadPlan("one"))
	require.Equal(t, http.StatusCreated, a.StatusCode)
	conforms(t, "NamedPlan", a.body)
	require.InDelta(t, 1, a.json(t)["version"], 0)
	require.Equal(t, "load/daily", a.json(t)["name"])
	a = b.putPlan(loadPlan("one"))
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.InDelta(t, 1, a.json(t)["version"], 0)
	require.InDelta(t, 2, b.putPlan(loadPlan("two")).json(t)["version"], 0)

	latest := b.ask(http.MethodGet, "/v1/plans/load%2Fdaily", "")
	conforms(t, "NamedPlan", latest.body)
	require.InDelta(t, 2, latest.json(t)["version"], 0)
	first := b.get("/v1/plans/load%2Fdaily?version=1")
	require.Equal(t, "one", first["plan"].(map[string]any)["steps"].([]any)[0].(map[string]any)["with"].(map[string]any)["output"])
	page := b.ask(http.MethodGet, "/v1/plans", "")
	conforms(t, "NamedPlanPage", page.body)
	require.Len(t, page.json(t)["items"], 1)
	require.Len(t, b.get("/v1/plans/load%2Fdaily/versions")["items"], 2)
	diff := b.ask(http.MethodGet, "/v1/plans/load%2Fdaily/diff", "")
	conforms(t, "Difference", diff.body)
	require.Contains(t, diff.json(t)["diff"], "\n-      output: one\n+      output: two\n")

	problem(t, b.ask(http.MethodGet, "/v1/plans/load", ""), 404, "not_found")
	problem(t, b.ask(http.MethodGet, "/v1/plans/load%2Fdaily?version=3", ""), 404, "not_found")
	problem(t, b.ask(http.MethodGet, "/v1/plans/load%2Fdaily?version=0", ""), 422, "invalid_request")
	problem(t, b.ask(http.MethodGet, "/v1/plans/load/versions", ""), 404, "not_found")
	problem(t, b.ask(http.MethodGet, "/v1/plans/Load", ""), 422, "invalid_request")
	p := problem(t, b.ask(http.MethodPut, "/v1/plans/other", loadPlan("one")), 422, "plan_invalid")
	require.Equal(t, "body.name", p["errors"].([]any)[0].(map[string]any)["location"])
	problem(t, b.ask(http.MethodPut, "/v1/plans/load", `{"name": "load", "steps": []}`), 422, "plan_invalid")
	problem(t, b.ask(http.MethodPut, "/v1/plans/load", `{`), 400, "invalid_request")
}

func TestSubmitByName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.putPlan(loadPlan("one"))
	b.putPlan(loadPlan("two"))
	a := b.ask(http.MethodPost, "/v1/runs", `{"plan": "load/daily@1", "input": {"more": [1]}, "labels": {"team": "ops"}}`, "Idempotency-Key: k")
	require.Equal(t, http.StatusCreated, a.StatusCode, "%s", a.body)
	run := a.json(t)
	require.InDelta(t, 1, run["plan_version"], 0)
	require.Equal(t, "load/daily", run["name"])
	require.Equal(t, map[string]any{"day": 1.0, "more": []any{1.0}}, run["input"])
	require.Equal(t, map[string]any{"team": "ops"}, run["labels"])
	again := b.ask(http.MethodPost, "/v1/runs", `{"labels": {"team": "ops"}, "input": {"more": [1]}, "plan": "load/daily@1"}`, "Idempotency-Key: k")
	require.Equal(t, http.StatusOK, again.StatusCode)
	require.Equal(t, run["id"], again.json(t)["id"])
	problem(t, b.ask(http.MethodPost, "/v1/runs", `{"plan": "load/daily"}`, "Idempotency-Key: k"), 409, "idempotency_conflict")
	require.InDelta(t, 2, b.ask(http.MethodPost, "/v1/runs", `{"plan": "load/daily"}`).json(t)["plan_version"], 0)
	require.Nil(t, b.ask(http.MethodPost, "/v1/runs", onePlan).json(t)["plan_version"])

	problem(t, b.ask(http.MethodPost, "/v1/runs", `{"plan": "nothing"}`), 404, "not_found")
	problem(t, b.ask(http.MethodPost, "/v1/runs", `{"plan": "load/daily@9"}`), 404, "not_found")
	for body, location := range map[string]string{
		`{"plan": "load/daily@0"}`:                     "body.plan",
		`{"plan": 7}`:                                  "body.plan",
		`{"plan": "load/daily", "inputs": {}}`:         "body.inputs",
		`{"plan": "load/daily", "input": []}`:          "body.input",
		`{"plan": "load/daily", "labels": {"A": "b"}}`: "body.labels.A",
		`{"plan": "load/daily", "plan": "load/daily"}`: "body.plan",
	} {
		p := problem(t, b.ask(http.MethodPost, "/v1/runs", body), 422, "plan_invalid")
		require.Equal(t, location, p["errors"].([]any)[0].(map[string]any)["location"], body)
	}
	b.putPlan(`{"name": "load/daily", "steps": [{"key": "a", "kind": "vanished"}]}`)
	problem(t, b.ask(http.MethodPost, "/v1/runs", `{"plan": "load/daily"}`), 422, "plan_invalid")
}
