package api

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// pages reads a list to its end, page by page, and gives the named field of every item. Between is called after each page.
func (b *bundle) pages(path, field string, between func()) []any {
	b.t.Helper()
	var all []any
	for cursor := ""; ; {
		page := b.get(path + "&cursor=" + url.QueryEscape(cursor))
		for _, item := range page["items"].([]any) {
			all = append(all, item.(map[string]any)[field])
		}
		if page["next"] == nil {
			return all
		}
		cursor = page["next"].(string)
		between()
	}
}

// TestRunPagesAreStable reads the list while runs are inserted: what was there before is read once and in order.
func TestRunPagesAreStable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var want []any
	for range 11 {
		want = append([]any{b.submit(onePlan).String()}, want...)
	}
	got := b.pages("/v1/runs?limit=2", "id", func() { b.submit(onePlan) })
	require.Equal(t, want, got)
	require.Equal(t, 16, scan[int](b, `select count(*) from weir.runs`))
	require.Len(t, b.get("/v1/runs")["items"], 16)
}

// TestRunPagesWithinOneMoment reads runs that were all created at the same time.
func TestRunPagesWithinOneMoment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`insert into weir.runs (id, name, steps_total, steps_open, created_at) select gen_random_uuid(), 'p', 1, 1, '2026-05-04T12:00:00.123456Z' from generate_series(1, 7)`)
	got := b.pages("/v1/runs?limit=3", "id", func() {})
	require.Len(t, got, 7)
	seen := map[any]bool{}
	for _, id := range got {
		seen[id] = true
	}
	require.Len(t, seen, 7)
}

func TestRunFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.submit(`{"name": "a", "labels": {"team": "data", "env": "prod"}, "steps": [{"key": "a", "kind": "noop"}]}`).String()
	c := b.submit(`{"name": "b", "labels": {"team": "data", "env": "test:1"}, "steps": [{"key": "a", "kind": "noop"}]}`).String()
	d := b.submit(`{"name": "b", "steps": [{"key": "a", "kind": "noop"}]}`).String()
	at := b.get("/v1/runs/" + c)["created_at"].(string)
	b.ask(http.MethodPost, "/v1/runs/"+d+"/cancel", "")
	b.engine()
	require.Eventually(t, func() bool { return b.get("/v1/runs/" + d)["state"] == "cancelled" }, eventually, often)
	for query, want := range map[string][]any{
		"":                                    {d, c, a},
		"state=running":                       {c, a},
		"state=cancelled":                     {d},
		"state=failed":                        nil,
		"name=b":                              {d, c},
		"name=b&state=running":                {c},
		"label=team:data":                     {c, a},
		"label=team:data&label=env:prod":      {a},
		"label=env:test:1":                    {c},
		"label=env:prod&label=env:test:1":     nil,
		"label=team:":                         nil,
		"created_after=" + at:                 {d, c},
		"created_before=" + at:                {a},
		"created_before=" + at + "&name=b":    nil,
		"label=team:data&created_after=" + at: {c},
	} {
		require.Equal(t, want, b.pages("/v1/runs?limit=1&"+query, "id", func() {}), query)
	}
}

func TestStepPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	plan, want := `{"name": "p", "steps": [`, []any{}
	for i := range 5 {
		plan += fmt.Sprintf(`{"key": "s%d", "kind": "noop"},`, 9-i)
		want = append(want, fmt.Sprintf("s%d", 9-i))
	}
	id := b.submit(plan[:len(plan)-1] + `]}`)
	require.Equal(t, want, b.pages("/v1/runs/"+id.String()+"/steps?limit=2", "key", func() {}), "in the order of the plan")
}

// TestTransitionPages reads the history in pieces, also from the last item that was seen.
func TestTransitionPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.submit(onePlan)
	path := "/v1/runs/" + id.String() + "/transitions"
	require.Empty(t, b.get(path)["items"])
	attempt := b.start(id)
	history := func() []any { return b.pages(path+"?limit=1", "to", func() {}) }
	require.Eventually(t, func() bool { return len(history()) == 1 }, eventually, often)
	started := b.get(path)["items"].([]any)[0].(map[string]any)
	require.Equal(t, "available", started["from"])
	require.Equal(t, "running", started["to"])
	require.Equal(t, "claimed", started["cause"])
	require.Equal(t, "replica:"+b.worker.String(), started["actor"])
	require.InDelta(t, 1, started["attempt"], 0)
	require.Equal(t, "a", started["step"])

	b.engine()
	b.finish(attempt, lifecycle.OutcomeSucceeded)
	require.Eventually(t, func() bool {
		return len(b.get(path + "?cursor=" + url.QueryEscape(started["id"].(string)))["items"].([]any)) == 2
	}, eventually, often)
	last := b.get(path)["items"].([]any)[2].(map[string]any)
	require.Nil(t, last["step"], "the run's own")
	require.Nil(t, last["attempt"])
	require.Equal(t, []any{"running", "succeeded", "succeeded"}, history())
}

func TestCursorsOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.submit(`{"name": "p", "steps": [{"key": "a", "kind": "noop"}, {"key": "b", "kind": "noop"}]}`)
	b.submit(onePlan)
	path := "/v1/runs/" + id.String()
	runs := b.get("/v1/runs?limit=1")["next"].(string)
	steps := b.get(path + "/steps?limit=1")["next"].(string)
	for _, call := range []string{
		"/v1/runs?cursor=nonsense", "/v1/runs?cursor=%00", "/v1/runs?cursor=" + steps, "/v1/runs?cursor=" + runs + "AAAA",
		path + "/steps?cursor=" + runs, path + "/transitions?cursor=" + runs, path + "/logs?cursor=" + steps,
	} {
		a := b.ask(http.MethodGet, call, "")
		problem(t, a, http.StatusUnprocessableEntity, "invalid_request")
		require.NotContains(t, string(a.body), "nonsense")
	}
	b.start(id)
	var cursor string
	require.Eventually(t, func() bool {
		items := b.get(path + "/transitions")["items"].([]any)
		if len(items) == 0 {
			return false
		}
		cursor = items[0].(map[string]any)["id"].(string)
		return true
	}, eventually, often)
	b.exec(`update weir.schema_info set epoch = gen_random_uuid()`)
	problem(t, b.ask(http.MethodGet, path+"/transitions?cursor="+cursor, ""), http.StatusUnprocessableEntity, "invalid_request")
}

func TestLogPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.submit(`{"name": "p", "steps": [{"key": "a", "kind": "noop"}, {"key": "b", "kind": "noop"}]}`)
	b.exec(`insert into weir.logs (run_id, step, attempt, seq, stream, text) values
		($1, 2, 1, 1, 'stdout', 'b1'), ($1, 1, 2, 1, 'stdout', 'a2'), ($1, 1, 1, 2, 'stderr', 'a1-2'), ($1, 1, 1, 1, 'log', 'a1-1')`, id)
	path := "/v1/runs/" + id.String() + "/logs"
	require.Equal(t, []any{"a1-1", "a1-2", "a2", "b1"}, b.pages(path+"?limit=1", "text", func() {}))
	require.Equal(t, []any{"a1-1", "a1-2", "a2"}, b.pages(path+"?limit=2&step=a", "text", func() {}))
	require.Equal(t, []any{"a1-1", "a1-2"}, b.pages(path+"?limit=1&step=a&attempt=1", "text", func() {}))
	lines := b.get(path + "?step=a")["items"].([]any)
	last := lines[len(lines)-1].(map[string]any)["id"].(string)
	b.exec(`insert into weir.logs (run_id, step, attempt, seq, stream, text) values ($1, 1, 2, 2, 'stdout', 'new')`, id)
	require.Equal(t, "new", b.get(path + "?step=a&cursor=" + last)["items"].([]any)[0].(map[string]any)["text"])
}
