package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRunByKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.engine()
	const path = "/v1/runs/by-key/tracker%2Fitem:17"
	first := b.ask(http.MethodPut, path, onePlan, "Idempotency-Key: first")
	require.Equal(t, http.StatusCreated, first.StatusCode, "%s", first.body)
	conforms(t, "Run", first.body)
	run := first.json(t)
	require.Equal(t, "tracker/item:17", run["key"])
	require.Equal(t, "/v1/runs/"+run["id"].(string), first.Header.Get("Location"))

	kept := b.ask(http.MethodPut, path, onePlan)
	require.Equal(t, http.StatusOK, kept.StatusCode)
	require.Equal(t, run["id"], kept.json(t)["id"])
	require.Empty(t, kept.Header.Get("Weir-Idempotent-Replay"))

	queued := b.ask(http.MethodPut, path+"?on_conflict=queue", onePlan)
	require.Equal(t, http.StatusCreated, queued.StatusCode)
	replacing := b.ask(http.MethodPut, path+"?on_conflict=replace", onePlan, "Idempotency-Key: third")
	require.Equal(t, http.StatusCreated, replacing.StatusCode)
	for _, ended := range []string{run["id"].(string), queued.json(t)["id"].(string)} {
		require.Eventually(t, func() bool { return b.get("/v1/runs/" + ended)["cause"] == "superseded" }, eventually, often)
	}
	again := b.ask(http.MethodPut, path+"?on_conflict=replace", onePlan, "Idempotency-Key: third")
	require.Equal(t, http.StatusOK, again.StatusCode)
	require.Equal(t, "true", again.Header.Get("Weir-Idempotent-Replay"))
	require.Equal(t, replacing.json(t)["id"], again.json(t)["id"])
	problem(t, b.ask(http.MethodPut, path+"?on_conflict=queue", onePlan, "Idempotency-Key: third"), http.StatusConflict, "idempotency_conflict")

	problem(t, b.ask(http.MethodPut, path+"?on_conflict=fight", onePlan), http.StatusUnprocessableEntity, "invalid_request")
	problem(t, b.ask(http.MethodPut, "/v1/runs/by-key/%2Fx", onePlan), http.StatusUnprocessableEntity, "invalid_request")
	problem(t, b.ask(http.MethodPut, path, `{"name": "p"}`), http.StatusUnprocessableEntity, "plan_invalid")
	problem(t, b.ask(http.MethodPut, path, ``), http.StatusBadRequest, "invalid_request")
}
