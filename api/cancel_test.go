package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// TestM5IllegalMoves asks for what the state does not allow: 409 with what would be allowed, and the row stays.
func TestM5IllegalMoves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.engine()
	id := b.submit(onePlan)
	b.finish(b.start(id), lifecycle.OutcomeSucceeded)
	path := "/v1/runs/" + id.String()
	require.Eventually(t, func() bool { return b.get(path)["state"] == "succeeded" }, eventually, often)
	const rows = `select to_jsonb(r)::text || to_jsonb(s)::text from weir.runs r join weir.steps s on s.run_id = r.id where r.id = $1`
	before := scan[string](b, rows, id)
	for _, call := range []string{path + "/cancel", path + "/steps/a/cancel"} {
		p := problem(t, b.ask(http.MethodPost, call, ""), http.StatusConflict, "illegal_transition")
		require.Equal(t, []any{}, p["allowed"], "final is final: nothing is allowed")
		current := p["current"].(map[string]any)
		require.Equal(t, "succeeded", current["state"])
		require.NotEmpty(t, current["actor"])
	}
	require.Equal(t, before, scan[string](b, rows, id))
}

func TestCancelRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.submit(`{"name": "p", "steps": [{"key": "a", "kind": "noop"}, {"key": "b", "kind": "noop", "needs": ["a"]}]}`)
	path := "/v1/runs/" + id.String()
	first := b.ask(http.MethodPost, path+"/cancel", `{"reason": "superseded"}`)
	require.Equal(t, http.StatusAccepted, first.StatusCode, "%s", first.body)
	conforms(t, "Run", first.body)
	require.NotNil(t, first.json(t)["cancel_requested_at"])
	require.Equal(t, "superseded", scan[string](b, `select cancel_reason from weir.runs where id = $1`, id))
	require.Equal(t, "local", scan[string](b, `select cancel_requested_by from weir.runs where id = $1`, id))

	why := b.get(path + "/steps/a/why")
	require.Equal(t, "cancel_requested", why["reasons"].([]any)[0].(map[string]any)["code"])

	again := b.ask(http.MethodPost, path+"/cancel", "")
	require.Equal(t, http.StatusAccepted, again.StatusCode)
	require.JSONEq(t, string(first.body), string(again.body), "asking again gets the same answer")

	b.engine()
	require.Eventually(t, func() bool { return b.get(path)["state"] == "cancelled" }, eventually, often)
	problem(t, b.ask(http.MethodPost, path+"/cancel", ""), http.StatusConflict, "illegal_transition")
}

func TestCancelStep(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.submit(`{"name": "p", "steps": [{"key": "a", "kind": "noop"}, {"key": "b", "kind": "noop"}]}`)
	path := "/v1/runs/" + id.String() + "/steps/a"
	first := b.ask(http.MethodPost, path+"/cancel", "")
	require.Equal(t, http.StatusAccepted, first.StatusCode, "%s", first.body)
	conforms(t, "Step", first.body)
	require.NotNil(t, first.json(t)["cancel_requested_at"])
	b.engine()
	require.Eventually(t, func() bool { return b.get(path)["state"] == "cancelled" }, eventually, often)
	require.Nil(t, b.get("/v1/runs/" + id.String())["cancel_requested_at"], "the run was not asked to end")
}

func TestCancelNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	problem(t, b.ask(http.MethodPost, someRun+"/cancel", ""), http.StatusNotFound, "not_found")
	problem(t, b.ask(http.MethodPost, someRun+"/steps/a/cancel", ""), http.StatusNotFound, "not_found")
	id := b.submit(onePlan)
	problem(t, b.ask(http.MethodPost, "/v1/runs/"+id.String()+"/steps/nothing/cancel", ""), http.StatusNotFound, "not_found")
	for _, path := range []string{"", "/plan", "/steps", "/steps/a", "/steps/a/why", "/transitions", "/logs", "/logs?step=a"} {
		problem(t, b.ask(http.MethodGet, someRun+path, ""), http.StatusNotFound, "not_found")
	}
	for _, path := range []string{"/steps/b", "/steps/b/why", "/logs?step=b"} {
		problem(t, b.ask(http.MethodGet, "/v1/runs/"+id.String()+path, ""), http.StatusNotFound, "not_found")
	}
}
