package api

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

func mustID(t *testing.T, id string) uuid.UUID {
	t.Helper()
	parsed, err := uuid.Parse(id)
	require.NoError(t, err)
	return parsed
}

// TestLateReports reads what came too late, newest first, of one run and of all.
func TestLateReports(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var runs []uuid.UUID
	for range 3 {
		run := b.submit(onePlan)
		runs = append(runs, run)
		attempt := b.start(run)
		b.finish(attempt, "succeeded")
		late, err := b.StepFinish(t.Context(), lifecycle.Report{
			ID: uuid.New(), Run: run, Step: 1, Attempt: 1, Worker: b.worker, Outcome: "failed", Cause: lifecycle.CauseReported,
			Error: &lifecycle.ReportError{Code: "failed", Message: "it failed"},
		})
		require.NoError(t, err)
		require.Equal(t, lifecycle.ResultTooLate, late.Result)
	}
	first := b.ask(http.MethodGet, "/v1/late-reports?limit=2", "")
	require.Equal(t, http.StatusOK, first.StatusCode, "%s", first.body)
	conforms(t, "LateReportPage", first.body)
	var seen []string
	for _, item := range first.json(t)["items"].([]any) {
		seen = append(seen, item.(map[string]any)["run"].(string))
	}
	next := b.get("/v1/late-reports?limit=2&cursor=" + first.json(t)["next"].(string))
	require.Nil(t, next["next"])
	last := next["items"].([]any)[0].(map[string]any)
	require.Equal(t, []string{runs[2].String(), runs[1].String()}, seen)
	require.Equal(t, runs[0].String(), last["run"])
	require.Equal(t, []any{"a", "failed", "too_late", "succeeded"}, []any{last["step"], last["outcome"], last["result"], last["state_was"]})
	require.Equal(t, "it failed", last["payload"].(map[string]any)["error"].(map[string]any)["message"])
	require.Len(t, b.get("/v1/late-reports?run=" + runs[1].String())["items"], 1)
	require.Empty(t, b.get("/v1/late-reports?run=" + uuid.NewString())["items"])
	problem(t, b.ask(http.MethodGet, "/v1/late-reports?cursor=x", ""), http.StatusUnprocessableEntity, "invalid_request")
	problem(t, b.ask(http.MethodGet, "/v1/late-reports?run=x", ""), http.StatusUnprocessableEntity, "invalid_request")
}

func TestViolations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(onePlan)
	a := b.ask(http.MethodGet, "/v1/violations", "")
	require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
	conforms(t, "ViolationPage", a.body)
	require.Empty(t, a.json(t)["items"])
	b.exec(`insert into weir.limits (key, used) values ('gpu', 3)`)
	a = b.ask(http.MethodGet, "/v1/violations", "")
	conforms(t, "ViolationPage", a.body)
	broken := a.json(t)["items"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"limits_count_their_slots", nil, nil}, []any{broken["rule"], broken["run"], broken["step"]})
}
