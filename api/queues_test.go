package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQueues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.submit(`{"name": "p", "steps": [{"key": "a", "kind": "noop", "queue": "x"}]}`)
	list := b.ask(http.MethodGet, "/v1/queues", "")
	conforms(t, "QueuePage", list.body)
	items := list.json(t)["items"].([]any)
	require.Len(t, items, 2, "that of the worker, and that of the step")
	since := items[1].(map[string]any)["oldest_at"]
	require.NotNil(t, since)
	sameJSON(t, `{"name": "default", "paused": false, "paused_at": null, "available": 0, "running": 0, "oldest_at": null}`, items[0])

	paused := b.ask(http.MethodPost, "/v1/queues/x/pause", "")
	require.Equal(t, http.StatusOK, paused.StatusCode, "%s", paused.body)
	conforms(t, "Queue", paused.body)
	require.Equal(t, true, paused.json(t)["paused"])
	require.NotNil(t, paused.json(t)["paused_at"])
	require.InDelta(t, 1, paused.json(t)["available"], 0)
	require.Equal(t, since, paused.json(t)["oldest_at"])
	reasons := b.get("/v1/runs/" + id.String() + "/steps/a/why")["reasons"].([]any)
	require.Equal(t, "queue_paused", reasons[0].(map[string]any)["code"])

	resumed := b.ask(http.MethodPost, "/v1/queues/x/resume", "")
	require.Equal(t, http.StatusOK, resumed.StatusCode, "%s", resumed.body)
	require.Equal(t, false, resumed.json(t)["paused"])
	require.Nil(t, resumed.json(t)["paused_at"])

	for _, call := range []string{"/v1/queues/gpu/pause", "/v1/queues/gpu/resume"} {
		problem(t, b.ask(http.MethodPost, call, ""), http.StatusNotFound, "not_found")
	}
	problem(t, b.ask(http.MethodPost, "/v1/queues/A/pause", ""), http.StatusUnprocessableEntity, "invalid_request")
	problem(t, b.ask(http.MethodGet, "/v1/queues?limit=1", ""), http.StatusUnprocessableEntity, "invalid_request")
}
