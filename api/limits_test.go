package api

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	set := b.ask(http.MethodPut, "/v1/limits/db%2Fmain:x", `{"limit": 3}`)
	require.Equal(t, http.StatusOK, set.StatusCode, "%s", set.body)
	conforms(t, "Limit", set.body)
	sameJSON(t, fmt.Sprintf(`{"key": "db/main:x", "limit": 3, "declared": null, "administered": 3, "administered_at": %q, "administered_by": "local", "used": 0, "waiting": 0, "holders": []}`,
		set.json(t)["administered_at"]), set.json(t))
	require.JSONEq(t, string(set.body), b.text("/v1/limits/db%2Fmain:x"))

	id := b.submit(onePlan)
	b.exec(`update weir.limits set used = 2, declared = 9`)
	b.exec(`insert into weir.slots (run_id, step, concurrency_key, holds, held_at) values ($1, 0, 'db/main:x', '{db/main:x}', '2026-05-04T12:00:00Z'), ($1, 1, 'db/main:x', '{db/main:x}', '2026-05-04T12:00:01Z')`, id)
	b.exec(`insert into weir.slots (run_id, step, concurrency_key, waiting_on) values (gen_random_uuid(), 0, 'db/main:x', 'db/main:x')`)
	got := b.get("/v1/limits/db%2Fmain:x")
	sameJSON(t, fmt.Sprintf(`[{"run": %q, "step": null, "at": "2026-05-04T12:00:00.000000Z"}, {"run": %[1]q, "step": "a", "at": "2026-05-04T12:00:01.000000Z"}]`, id), got["holders"])
	require.InDelta(t, 1, got["waiting"], 0)
	list := b.ask(http.MethodGet, "/v1/limits?limit=1", "")
	conforms(t, "LimitPage", list.body)
	items := list.json(t)["items"].([]any)
	require.Len(t, items, 1)
	require.Nil(t, items[0].(map[string]any)["holders"])

	unset := b.ask(http.MethodDelete, "/v1/limits/db%2Fmain:x", "")
	require.Equal(t, http.StatusOK, unset.StatusCode, "%s", unset.body)
	require.InDelta(t, 9, unset.json(t)["limit"], 0)
	require.Nil(t, unset.json(t)["administered"])

	for _, body := range []string{``, `{}`, `{"limit": 0}`, `{"limit": 100001}`, `{"limit": 1.5}`, `{"limit": "5"}`, `{"limit": null}`} {
		p := problem(t, b.ask(http.MethodPut, "/v1/limits/k", body), http.StatusUnprocessableEntity, "invalid_request")
		require.Equal(t, "body.limit", p["errors"].([]any)[0].(map[string]any)["location"], body)
	}
	problem(t, b.ask(http.MethodPut, "/v1/limits/~run", `{"limit": 1}`), http.StatusUnprocessableEntity, "invalid_request")
	problem(t, b.ask(http.MethodGet, "/v1/limits/none", ""), http.StatusNotFound, "not_found")
	problem(t, b.ask(http.MethodDelete, "/v1/limits/none", ""), http.StatusNotFound, "not_found")
}
