package api

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// await brings the first step of a run to waiting.
func (b *bundle) await(run uuid.UUID, waitingFor string) {
	b.t.Helper()
	b.exec(`set session_replication_role = replica; update weir.steps set state = 'waiting', waiting_for = '` + waitingFor + `', river_job_id = null,
		expects = nullif('` + waitingFor + `', 'decision') where run_id = '` + run.String() + `' and step = 1; set session_replication_role = origin`)
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.submit(onePlan)
	path := "/v1/runs/" + id.String()
	first := b.ask(http.MethodPost, path+"/pause", "")
	require.Equal(t, http.StatusOK, first.StatusCode, "%s", first.body)
	conforms(t, "Run", first.body)
	require.Equal(t, "paused", first.json(t)["state"])
	require.Equal(t, "local", scan[string](b, `select actor from weir.transitions where run_id = $1`, id))
	again := b.ask(http.MethodPost, path+"/pause", "{}")
	require.Equal(t, http.StatusOK, again.StatusCode)
	require.JSONEq(t, string(first.body), string(again.body))

	problem(t, b.ask(http.MethodPost, path+"/pause", `{"for": "1h"}`), http.StatusUnprocessableEntity, "invalid_request")
	resumed := b.ask(http.MethodPost, path+"/resume", "")
	require.Equal(t, http.StatusOK, resumed.StatusCode)
	require.Equal(t, "running", resumed.json(t)["state"])
	require.Equal(t, "resumed", b.ask(http.MethodPost, path+"/resume", "").json(t)["cause"])

	require.Equal(t, http.StatusAccepted, b.ask(http.MethodPost, path+"/cancel", "").StatusCode)
	for _, call := range []string{"/pause", "/resume"} {
		p := problem(t, b.ask(http.MethodPost, path+call, ""), http.StatusConflict, "illegal_transition")
		require.Equal(t, []any{"cancelled"}, p["allowed"])
		require.Equal(t, "running", p["current"].(map[string]any)["state"])
		problem(t, b.ask(http.MethodPost, someRun+call, ""), http.StatusNotFound, "not_found")
	}
}

func TestDecision(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.submit(onePlan)
	path := "/v1/runs/" + id.String() + "/steps/a"
	p := problem(t, b.ask(http.MethodPost, path+"/decision", `{"decision": "retry"}`), http.StatusConflict, "illegal_transition")
	require.Equal(t, []any{"cancelled", "running"}, p["allowed"])
	b.await(id, "decision")
	for body, location := range map[string]string{
		``: "body.decision", `{"decision": "maybe"}`: "body.decision", `{"decision": "skip", "output": 1}`: "body.output", `{"decision": "skip", "comment": "\u0000"}`: "body.comment",
		`{"decision": 1}`: "body.decision", `{"decision": "skip", "why": 1}`: "body",
	} {
		p := problem(t, b.ask(http.MethodPost, path+"/decision", body), http.StatusUnprocessableEntity, "invalid_request")
		require.Equal(t, location, p["errors"].([]any)[0].(map[string]any)["location"], body)
	}
	decided := b.ask(http.MethodPost, path+"/decision", `{"decision": "accept", "output": {"n": 1}, "comment": "by hand"}`)
	require.Equal(t, http.StatusOK, decided.StatusCode, "%s", decided.body)
	conforms(t, "Step", decided.body)
	step := decided.json(t)
	require.Equal(t, "succeeded", step["state"])
	require.Equal(t, "decision", step["cause"])
	require.Equal(t, map[string]any{"n": 1.0}, step["output"])
	log := b.get("/v1/runs/" + id.String() + "/logs?step=a")["items"].([]any)[0].(map[string]any)
	require.Equal(t, "accept by local: by hand", log["text"])
	p = problem(t, b.ask(http.MethodPost, path+"/decision", `{"decision": "accept"}`), http.StatusConflict, "illegal_transition")
	require.Equal(t, []any{}, p["allowed"])
	problem(t, b.ask(http.MethodPost, someRun+"/steps/a/decision", `{"decision": "skip"}`), http.StatusNotFound, "not_found")
	problem(t, b.ask(http.MethodPost, "/v1/runs/"+id.String()+"/steps/none/decision", `{"decision": "skip"}`), http.StatusNotFound, "not_found")
}

func TestSignal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for body, output := range map[string]any{``: nil, `{}`: nil, `{"payload": [1, null]}`: []any{1.0, nil}, `{"payload": "go"}`: "go"} {
		id := b.submit(onePlan)
		path := "/v1/runs/" + id.String() + "/steps/a/signal"
		problem(t, b.ask(http.MethodPost, path, body), http.StatusConflict, "illegal_transition")
		b.await(id, "signal")
		signalled := b.ask(http.MethodPost, path, body)
		require.Equal(t, http.StatusOK, signalled.StatusCode, "%s", signalled.body)
		conforms(t, "Step", signalled.body)
		require.Equal(t, "signal", signalled.json(t)["cause"])
		require.Equal(t, output, signalled.json(t)["output"])
		problem(t, b.ask(http.MethodPost, path, body), http.StatusConflict, "illegal_transition")
		problem(t, b.ask(http.MethodPost, path, `{"pay": 1}`), http.StatusUnprocessableEntity, "invalid_request")
	}
}

func TestRerun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.engine()
	id := b.submit(`{"name": "p", "input": {"n": 1}, "steps": [{"key": "a", "kind": "noop"}, {"key": "b", "kind": "noop", "needs": ["a"]}]}`)
	path := "/v1/runs/" + id.String()
	p := problem(t, b.ask(http.MethodPost, path+"/rerun", ""), http.StatusConflict, "illegal_transition")
	require.Equal(t, "running", p["current"].(map[string]any)["state"])
	b.finish(b.start(id), lifecycle.OutcomeSucceeded)
	require.Equal(t, http.StatusAccepted, b.ask(http.MethodPost, path+"/cancel", "").StatusCode)
	require.Eventually(t, func() bool { return b.get(path)["state"] == "cancelled" }, eventually, often)

	made := b.ask(http.MethodPost, path+"/rerun", "", "Idempotency-Key: k")
	require.Equal(t, http.StatusCreated, made.StatusCode, "%s", made.body)
	conforms(t, "Run", made.body)
	run := made.json(t)
	require.Equal(t, id.String(), run["rerun_of"])
	require.Equal(t, "rerun", run["cause"])
	require.Equal(t, "k", run["idempotency_key"])
	require.Equal(t, "/v1/runs/"+run["id"].(string), made.Header.Get("Location"))
	require.Equal(t, id.String(), b.get(made.Header.Get("Location") + "/steps/a")["reused_from"])
	again := b.ask(http.MethodPost, path+"/rerun", "", "Idempotency-Key: k")
	require.Equal(t, http.StatusOK, again.StatusCode)
	require.Equal(t, "true", again.Header.Get("Weir-Idempotent-Replay"))
	require.Equal(t, run["id"], again.json(t)["id"])
	problem(t, b.ask(http.MethodPost, path+"/rerun", `{"from": ["a"]}`, "Idempotency-Key: k"), http.StatusConflict, "idempotency_conflict")

	whole := b.ask(http.MethodPost, path+"/rerun", `{"from": ["b"], "input": {"n": 2}}`)
	require.Equal(t, http.StatusCreated, whole.StatusCode, "%s", whole.body)
	require.Equal(t, map[string]any{"n": 2.0}, whole.json(t)["input"])
	require.InDelta(t, 0, whole.json(t)["steps"].(map[string]any)["succeeded"], 0)
	same := b.ask(http.MethodPost, path+"/rerun", `{"from": [], "input": null}`)
	require.InDelta(t, 1, same.json(t)["steps"].(map[string]any)["succeeded"], 0)

	for body, location := range map[string]string{
		`{"from": ["a", "x"]}`: "body.from[1]", `{"from": "a"}`: "body.from", `{"from": [1]}`: "body.from", `{"input": []}`: "body.input", `{"steps": []}`: "body",
	} {
		p := problem(t, b.ask(http.MethodPost, path+"/rerun", body), http.StatusUnprocessableEntity, "invalid_request")
		require.Equal(t, location, p["errors"].([]any)[0].(map[string]any)["location"], body)
	}
	problem(t, b.ask(http.MethodPost, path+"/rerun", `{"input": {"a": 1, "a": 2}}`, "Idempotency-Key: twice"), http.StatusUnprocessableEntity, "invalid_request")
	problem(t, b.ask(http.MethodPost, someRun+"/rerun", ""), http.StatusNotFound, "not_found")
}
