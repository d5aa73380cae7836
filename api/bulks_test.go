package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBulks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 3 {
		b.submit(fmt.Sprintf(`{"name": "p", "labels": {"n": "%d"}, "steps": [{"key": "a", "kind": "noop"}]}`, i))
	}
	count := b.ask(http.MethodPost, "/v1/runs:cancel", `{"filter": {"name": "p"}, "dry_run": true}`)
	require.Equal(t, http.StatusOK, count.StatusCode, "%s", count.body)
	require.JSONEq(t, `{"count": 3}`, string(count.body))

	const body = `{"filter": {"state": "running", "name": "p", "labels": {"n": "1"}, "created_after": "2020-01-01T01:00:00+01:00", "created_before": "2999-01-01T00:00:00Z"}, "reason": "why"}`
	first := b.ask(http.MethodPost, "/v1/runs:cancel", body, "Idempotency-Key: k")
	require.Equal(t, http.StatusAccepted, first.StatusCode, "%s", first.body)
	conforms(t, "Bulk", first.body)
	bulk := first.json(t)
	id := bulk["id"].(string)
	sameJSON(t, fmt.Sprintf(`{"id": %q, "action": "cancel", "state": "running", "total": 1, "done": 0, "failed": 0, "created_at": %q, "created_by": "local",
		"finished_at": null, "reason": "why", "error": null, "filter": {"state": "running", "name": "p", "labels": {"n": "1"},
		"created_after": "2020-01-01T00:00:00.000000Z", "created_before": "2999-01-01T00:00:00.000000Z"}}`, id, bulk["created_at"]), bulk)
	again := b.ask(http.MethodPost, "/v1/runs:cancel", body, "Idempotency-Key: k")
	require.Equal(t, http.StatusAccepted, again.StatusCode)
	require.Equal(t, "true", again.Header.Get("Weir-Idempotent-Replay"))
	require.JSONEq(t, string(first.body), string(again.body))
	problem(t, b.ask(http.MethodPost, "/v1/runs:pause", body, "Idempotency-Key: k"), http.StatusConflict, "idempotency_conflict")

	b.engine()
	require.Eventually(t, func() bool { return b.get("/v1/bulks/" + id)["state"] == "done" }, eventually, often)
	require.Equal(t, 1, scan[int](b, `select count(*)::int from weir.runs where cancel_reason = 'why'`))
	problem(t, b.ask(http.MethodPost, "/v1/bulks/"+id+"/cancel", ""), http.StatusConflict, "illegal_transition")

	all := b.ask(http.MethodPost, "/v1/runs:pause", `{"all": true}`)
	require.Equal(t, http.StatusAccepted, all.StatusCode, "%s", all.body)
	list := b.ask(http.MethodGet, "/v1/bulks?limit=1", "")
	conforms(t, "BulkPage", list.body)
	require.Len(t, list.json(t)["items"], 1)
	next := b.get("/v1/bulks?limit=1&cursor=" + list.json(t)["next"].(string))
	require.Equal(t, id, next["items"].([]any)[0].(map[string]any)["id"])
	require.Nil(t, next["next"])
	require.Eventually(t, func() bool { return b.get("/v1/bulks")["items"].([]any)[0].(map[string]any)["state"] == "done" }, eventually, often)
	resumed := b.ask(http.MethodPost, "/v1/runs:resume", `{"filter": {"state": "paused"}, "dry_run": true}`)
	require.JSONEq(t, `{"count": 2}`, string(resumed.body))
	require.Eventually(t, func() bool { return scan[int](b, `select count(*)::int from weir.runs where state = 'cancelled'`) == 1 }, eventually, often)
	rerun := b.ask(http.MethodPost, "/v1/runs:rerun", `{"filter": {"labels": {"n": "1"}}}`)
	require.Equal(t, http.StatusAccepted, rerun.StatusCode, "%s", rerun.body)
	require.Eventually(t, func() bool {
		return scan[int](b, `select count(*)::int from weir.runs where rerun_of is not null`) == 1
	}, eventually, often)
}

func TestBulksThatAreNone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const none = "/v1/bulks/0198a8a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b"
	problem(t, b.ask(http.MethodGet, none, ""), http.StatusNotFound, "not_found")
	problem(t, b.ask(http.MethodPost, none+"/cancel", ""), http.StatusNotFound, "not_found")
	for body, location := range map[string]string{
		`{}`: "body.filter", `{"filter": {}, "dry_run": true}`: "body.filter", `{"all": 1}`: "body.all", `{"filter": {"state": "over"}}`: "body.filter.state",
		`{"filter": {"name": 1}}`: "body.filter.name", `{"filter": {"created_after": "now"}}`: "body.filter.created_after", `{"filter": {"labels": {"a": 1}}}`: "body.filter.labels",
		`{"filter": {"nome": "p"}}`: "body", `{"all": true, "reason": "` + strings.Repeat("x", 1025) + `"}`: "body.reason", `{"filter": {"labels": {"": "b"}}}`: "body.filter.labels",
	} {
		p := problem(t, b.ask(http.MethodPost, "/v1/runs:cancel", body), http.StatusUnprocessableEntity, "invalid_request")
		require.Equal(t, location, p["errors"].([]any)[0].(map[string]any)["location"], body)
	}
	p := problem(t, b.ask(http.MethodPost, "/v1/runs:cancel", `{"filter": {"state": "failed"}}`), http.StatusUnprocessableEntity, "invalid_request")
	require.Contains(t, p["detail"], "cancel is for runs that are running or paused")
	require.Zero(t, scan[int](b, `select count(*)::int from weir.bulks`))
}
