package api

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

const nightlySchedule = `{"plan": "load/daily", "cron": "30 2 * * *", "timezone": "Europe/Berlin", "jitter": "90s", "input": {"day": 2}}`

func TestSchedules(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.putPlan(loadPlan("one"))
	a := b.ask(http.MethodPut, "/v1/schedules/nightly%2Fload", nightlySchedule)
	require.Equal(t, http.StatusCreated, a.StatusCode, "%s", a.body)
	conforms(t, "Schedule", a.body)
	put := a.json(t)
	for field, want := range map[string]any{
		"name": "nightly/load", "plan": "load/daily", "input": map[string]any{"day": 2.0}, "cron": "30 2 * * *", "timezone": "Europe/Berlin", "jitter": "1m30s",
		"overlap": "skip", "missed": "once", "window": "1d", "paused": false, "paused_at": nil, "created_by": "local", "updated_by": "local",
		"last_slot": nil, "last_run": nil, "last_fired_at": nil, "last_skip_reason": nil, "last_error": nil,
	} {
		require.Equal(t, want, put[field], field)
	}
	require.Regexp(t, `^\d{4}-\d\d-\d\dT0[01]:30:00\.000000Z$`, put["next_slot"])
	a = b.ask(http.MethodPut, "/v1/schedules/nightly%2Fload", nightlySchedule)
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Equal(t, put["created_at"], a.json(t)["created_at"])
	require.Equal(t, put["next_slot"], b.get("/v1/schedules/nightly%2Fload")["next_slot"])
	page := b.ask(http.MethodGet, "/v1/schedules", "")
	conforms(t, "SchedulePage", page.body)
	require.Len(t, page.json(t)["items"], 1)
	next := b.ask(http.MethodGet, "/v1/schedules/nightly%2Fload/next?n=3", "")
	conforms(t, "SlotPage", next.body)
	items := next.json(t)["items"].([]any)
	require.Len(t, items, 3)
	require.Equal(t, put["next_slot"], items[0].(map[string]any)["slot"])
	require.Equal(t, put["due_at"], items[0].(map[string]any)["due_at"])
	require.Len(t, b.get("/v1/schedules/nightly%2Fload/next")["items"], 5)

	paused := b.ask(http.MethodPost, "/v1/schedules/nightly%2Fload/pause", "").json(t)
	require.Equal(t, true, paused["paused"])
	require.Nil(t, paused["next_slot"])
	a = b.ask(http.MethodPost, "/v1/schedules/nightly%2Fload/trigger", "", "Idempotency-Key: k")
	require.Equal(t, http.StatusCreated, a.StatusCode, "%s", a.body)
	conforms(t, "Run", a.body)
	require.Equal(t, map[string]any{"team": "data", "weir/schedule": "nightly/load"}, a.json(t)["labels"])
	again := b.ask(http.MethodPost, "/v1/schedules/nightly%2Fload/trigger", "", "Idempotency-Key: k")
	require.Equal(t, http.StatusOK, again.StatusCode)
	require.Equal(t, a.json(t)["id"], again.json(t)["id"])
	require.Len(t, b.get("/v1/runs?label=weir/schedule:nightly/load")["items"], 1)
	require.Equal(t, false, b.ask(http.MethodPost, "/v1/schedules/nightly%2Fload/resume", "").json(t)["paused"])

	deleted := b.ask(http.MethodDelete, "/v1/schedules/nightly%2Fload", "")
	require.Equal(t, http.StatusOK, deleted.StatusCode)
	conforms(t, "Schedule", deleted.body)
	for call, method := range map[string]string{
		"": http.MethodGet, "/next": http.MethodGet, "/pause": http.MethodPost, "/resume": http.MethodPost, "/trigger": http.MethodPost,
	} {
		problem(t, b.ask(method, "/v1/schedules/nightly%2Fload"+call, ""), 404, "not_found")
	}
	problem(t, b.ask(http.MethodDelete, "/v1/schedules/nightly%2Fload", ""), 404, "not_found")
}

func TestSchedulesRefuse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.putPlan(loadPlan("one"))
	for body, location := range map[string]string{
		`{}`:                                    "body.plan",
		`{"plan": "load/daily"}`:                "body.cron",
		`{"plan": "nothing", "cron": "@daily"}`: "body.plan",
		`{"plan": "load/daily@7", "cron": "@daily"}`:                                  "body.plan",
		`{"plan": "load/daily", "cron": "99 * * * *"}`:                                "body.cron",
		`{"plan": "load/daily", "cron": "0 0 30 2 *"}`:                                "body.cron",
		`{"plan": "load/daily", "cron": "@daily", "timezone": "Mars/Olympus"}`:        "body.timezone",
		`{"plan": "load/daily", "cron": "@daily", "window": "0s"}`:                    "body.window",
		`{"plan": "load/daily", "cron": "@daily", "window": 7}`:                       "body.window",
		`{"plan": "load/daily", "cron": "@daily", "jitter": "-1s"}`:                   "body.jitter",
		`{"plan": "load/daily", "cron": "@daily", "overlap": "explode"}`:              "body.overlap",
		`{"plan": "load/daily", "cron": "@daily", "missed": "some"}`:                  "body.missed",
		`{"plan": "load/daily", "cron": "@daily", "paused": "yes"}`:                   "body.paused",
		`{"plan": "load/daily", "cron": "@daily", "timezon": "UTC"}`:                  "body.timezon",
		`{"plan": "load/daily", "cron": "@daily", "input": 1}`:                        "body.input",
		`{"plan": "load/daily", "cron": "@daily", "cron": "@hourly", "window": "1h"}`: "body.cron",
	} {
		p := problem(t, b.ask(http.MethodPut, "/v1/schedules/s", body), 422, "invalid_request")
		first := p["errors"].([]any)[0].(map[string]any)
		require.Equal(t, location, first["location"], body)
		require.NotContains(t, first["message"], "Mars")
	}
	problem(t, b.ask(http.MethodPut, "/v1/schedules/S", nightlySchedule), 422, "invalid_request")
	problem(t, b.ask(http.MethodGet, "/v1/schedules/s/next?n=101", ""), 422, "invalid_request")
	require.Empty(t, b.get("/v1/schedules")["items"])
}

// TestEveryFieldOfASchedule reads a row in which everything is set.
func TestEveryFieldOfASchedule(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`insert into weir.schedules (name, plan, plan_version, input, cron, timezone, jitter, overlap, missed, missed_within, next_slot, due_at, paused_at, paused_by,
			created_at, created_by, updated_at, updated_by, last_slot, last_run, last_fired_at, skipped_slot, skipped_at, skip_reason, skip_run, error_slot, error_at, error)
		values ('s', 'p', 3, '{"a": 1}', '@daily', 'Asia/Tokyo', '90s', 'queue', 'all', '2 days', '2026-05-04 01:00Z', '2026-05-04 01:01Z', null, null,
			'2026-05-04 02:00Z', 'local', '2026-05-04 03:00Z', 'token:me', '2026-05-04 04:00Z', '0198a8a0-1c2d-7e3f-8a4b-000000000001', '2026-05-04 05:00Z',
			'2026-05-04 06:00Z', '2026-05-04 07:00Z', 'overlap', '0198a8a0-1c2d-7e3f-8a4b-000000000002', '2026-05-04 08:00Z', '2026-05-04 09:00Z', 'oops')`)
	a := b.ask(http.MethodGet, "/v1/schedules/s", "")
	conforms(t, "Schedule", a.body)
	want := regexp.MustCompile(`"AT(..:..)"`).ReplaceAllString(`{"name": "s", "plan": "p@3", "input": {"a": 1}, "cron": "@daily",
		"timezone": "Asia/Tokyo", "jitter": "1m30s", "overlap": "queue", "missed": "all", "window": "2d", "paused": false, "paused_at": null,
		"created_at": "AT02:00", "created_by": "local", "updated_at": "AT03:00", "updated_by": "token:me", "next_slot": "AT01:00", "due_at": "AT01:01",
		"last_slot": "AT04:00", "last_run": "0198a8a0-1c2d-7e3f-8a4b-000000000001", "last_fired_at": "AT05:00",
		"last_skipped_slot": "AT06:00", "last_skipped_at": "AT07:00", "last_skip_reason": "overlap", "last_skip_run": "0198a8a0-1c2d-7e3f-8a4b-000000000002",
		"last_error_slot": "AT08:00", "last_error_at": "AT09:00", "last_error": "oops"}`, `"2026-05-04T$1:00.000000Z"`)
	require.JSONEq(t, want, string(a.body))
	b.exec(`update weir.schedules set paused_at = '2026-05-04 01:00Z', paused_by = 'me', plan_version = null`)
	paused := b.get("/v1/schedules/s")
	require.Equal(t, []any{"p", true, "2026-05-04T01:00:00.000000Z", nil, nil},
		[]any{paused["plan"], paused["paused"], paused["paused_at"], paused["next_slot"], paused["due_at"]})
}
