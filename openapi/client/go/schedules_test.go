package client_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// TestPlansAndSchedules makes every call about named plans and schedules against the API itself.
func TestPlansAndSchedules(t *testing.T) {
	t.Parallel()
	weir, ctx := connected(t), t.Context()
	plan := json.RawMessage(`{"name": "a/b", "input": {"n": 12345678901234567890}, "steps": [{"key": "a", "kind": "noop"}]}`)
	put, err := weir.PlanPut(ctx, "a/b", plan)
	require.NoError(t, err)
	require.EqualValues(t, 1, put.Value.Version)
	_, err = weir.PlanPut(ctx, "a/b", json.RawMessage(`{"name": "a/b", "steps": [{"key": "b", "kind": "noop"}]}`))
	require.NoError(t, err)
	got, err := weir.PlanGet(ctx, "a/b", 1)
	require.NoError(t, err)
	require.Contains(t, string(got.Value.Plan), "12345678901234567890", "numbers stay as they are")
	latest, err := weir.PlanGet(ctx, "a/b", 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, latest.Value.Version)
	plans, err := weir.PlanPage(ctx, client.PlanListParams{})
	require.NoError(t, err)
	require.Len(t, plans.Value.Items, 1)
	limit := int64(1)
	versions, err := weir.PlanVersionPage(ctx, "a/b", client.PlanVersionsParams{Limit: &limit})
	require.NoError(t, err)
	require.NotNil(t, versions.Value.Next)
	diff, err := weir.PlanDiff(ctx, "a/b", 0, 0)
	require.NoError(t, err)
	require.Contains(t, diff.Value.Diff, "+  - key: b")
	run, err := weir.RunSubmit(ctx, json.RawMessage(`{"plan": "a/b@1"}`), "")
	require.NoError(t, err)
	require.EqualValues(t, 1, *run.Value.PlanVersion)

	schedule, err := weir.SchedulePut(ctx, "c/d", json.RawMessage(`{"plan": "a/b", "cron": "@daily", "input": {"m": 12345678901234567890}}`))
	require.NoError(t, err)
	require.Contains(t, string(schedule.Value.Input), "12345678901234567890")
	read, err := weir.ScheduleGet(ctx, "c/d")
	require.NoError(t, err)
	require.Equal(t, schedule.Value, read.Value)
	schedules, err := weir.SchedulePage(ctx, client.ScheduleListParams{})
	require.NoError(t, err)
	require.Len(t, schedules.Value.Items, 1)
	slots, err := weir.ScheduleNext(ctx, "c/d", 3)
	require.NoError(t, err)
	require.Len(t, slots.Value.Items, 3)
	paused, err := weir.SchedulePause(ctx, "c/d")
	require.NoError(t, err)
	require.True(t, paused.Value.Paused)
	triggered, err := weir.ScheduleTrigger(ctx, "c/d", "k")
	require.NoError(t, err)
	again, err := weir.ScheduleTrigger(ctx, "c/d", "k")
	require.NoError(t, err)
	require.True(t, again.Replayed)
	require.Equal(t, triggered.Value.ID, again.Value.ID)
	resumed, err := weir.ScheduleResume(ctx, "c/d")
	require.NoError(t, err)
	require.False(t, resumed.Value.Paused)
	_, err = weir.ScheduleDelete(ctx, "c/d")
	require.NoError(t, err)
	_, err = weir.ScheduleGet(ctx, "c/d")
	var problem *client.Problem
	require.ErrorAs(t, err, &problem)
	require.Equal(t, "not_found", string(problem.Code))
}
