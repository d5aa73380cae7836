package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// TestRunShapes goes through a whole run and compares every answer with the document.
func TestRunShapes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	created := b.ask(http.MethodPost, "/v1/runs", `{
		"name": "shapes", "description": "all of it", "labels": {"team": "data"}, "input": {"n": 1},
		"steps": [
			{"key": "a", "kind": "noop", "with": {"output": {"x": 1}}, "stall_after": "90s"},
			{"key": "b", "kind": "noop", "needs": ["a"], "retry": {"max_attempts": 3, "on": ["failed", "lost"]}, "allow_failure": true}
		]}`, "Idempotency-Key: shapes")
	require.Equal(t, http.StatusCreated, created.StatusCode, "%s", created.body)
	conforms(t, "Run", created.body)
	run := created.json(t)
	path := "/v1/runs/" + run["id"].(string)
	require.Equal(t, path, created.Header.Get("Location"))
	require.Empty(t, created.Header.Get("Weir-Idempotent-Replay"))
	require.Equal(t, "running", run["state"])
	require.Equal(t, map[string]any{"n": 1.0}, run["input"])
	require.Equal(t, map[string]any{"team": "data"}, run["labels"])
	require.Equal(t, "local", run["created_by"])
	require.Equal(t, "shapes", run["idempotency_key"])
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`, run["created_at"])
	require.Nil(t, run["finished_at"])
	steps := run["steps"].(map[string]any)
	require.InDelta(t, 2, steps["total"], 0)
	require.InDelta(t, 1, steps["available"], 0)
	require.InDelta(t, 1, steps["pending"], 0)

	id := b.submit(onePlan)
	attempt := b.start(id)
	b.exec(`insert into weir.progress (run_id, step, attempt, percent, message) values ($1, 1, 1, 50, 'half')`, id)
	b.exec(`insert into weir.logs (run_id, step, attempt, seq, stream, level, text) values ($1, 1, 1, 1, 'stdout', '', 'hello'), ($1, 1, 1, 2, 'log', 'info', 'there')`, id)
	half := b.ask(http.MethodGet, "/v1/runs/"+id.String()+"/steps/a", "")
	conforms(t, "Step", half.body)
	require.InDelta(t, 50, half.json(t)["progress"].(map[string]any)["percent"], 0)
	require.Equal(t, b.worker.String(), half.json(t)["worker"])
	b.finish(attempt, lifecycle.OutcomeFailed, func(r *lifecycle.Report) {
		r.Error = &lifecycle.ReportError{Code: "broken", Message: "it broke", Detail: []byte(`{"exit_code": 1}`)}
	})

	for name, at := range map[string]string{
		"Run": path, "RunPage": "/v1/runs", "Plan": path + "/plan", "StepPage": path + "/steps", "Step": path + "/steps/b",
		"Why": path + "/steps/b/why", "TransitionPage": "/v1/runs/" + id.String() + "/transitions", "LogPage": "/v1/runs/" + id.String() + "/logs",
		"VersionInfo": "/v1/version", "Health": "/healthz",
	} {
		a := b.ask(http.MethodGet, at, "")
		require.Equal(t, http.StatusOK, a.StatusCode, "%s: %s", at, a.body)
		require.Equal(t, "application/json", a.Header.Get("Content-Type"), at)
		require.Equal(t, "1", a.Header.Get("Weir-Schema-Version"), at)
		require.Equal(t, "test", a.Header.Get("Weir-Build"), at)
		require.NotContains(t, string(a.body), "$schema", at)
		conforms(t, name, a.body)
	}

	failed := b.get("/v1/runs/" + id.String() + "/steps/a")
	require.Equal(t, "failed", failed["state"])
	require.Equal(t, map[string]any{"code": "broken", "message": "it broke", "retryable": false, "detail": map[string]any{"exit_code": 1.0}}, failed["error"])
	require.Nil(t, failed["output"])

	second := b.get(path + "/steps/b")
	require.Equal(t, []any{"a"}, second["needs"])
	require.InDelta(t, 3, second["max_attempts"], 0)
	require.Equal(t, true, second["allow_failure"])
	first := b.get(path + "/steps/a")
	require.Equal(t, "1m30s", first["stall_after"])
	require.Equal(t, "10m", first["timeout"])
	require.Equal(t, map[string]any{"output": map[string]any{"x": 1.0}}, first["with"])

	for _, item := range b.get("/v1/runs")["items"].([]any) {
		require.Nil(t, item.(map[string]any)["input"], "input is not in lists")
	}
	for _, item := range b.get(path + "/steps")["items"].([]any) {
		require.Nil(t, item.(map[string]any)["with"], "with is not in lists")
	}
}

// TestRunPlanAgain submits the plan that a run gives back, and gets the same plan back again.
func TestRunPlanAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.submit(`{"name": "again", "labels": {"a": "b"}, "input": {"n": 1},
		"defaults": {"timeout": "90s", "retry": {"max_attempts": 2, "initial": "250ms", "jitter": 0.5}},
		"steps": [{"key": "a", "kind": "noop", "with": {"output": 1}}, {"key": "b", "kind": "noop", "needs": ["a"], "run_if": "any_failed", "priority": 1, "grace": "1s"}]}`)
	first := b.ask(http.MethodGet, "/v1/runs/"+id.String()+"/plan", "")
	conforms(t, "Plan", first.body)
	again := b.submit(string(first.body))
	second := b.ask(http.MethodGet, "/v1/runs/"+again.String()+"/plan", "")
	require.JSONEq(t, string(first.body), string(second.body))
	steps := first.json(t)["steps"].([]any)
	require.Equal(t, "1m30s", steps[0].(map[string]any)["timeout"])
	require.Equal(t, map[string]any{
		"max_attempts": 2.0, "on": []any{"failed", "crashed", "timed_out"}, "backoff": "exponential", "initial": "250ms", "max": "5m", "jitter": 0.5,
	}, steps[1].(map[string]any)["retry"])
}
