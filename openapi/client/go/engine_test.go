package client_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/api"
	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/lifecycle"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// connected is a client of the API on a database of its own, which knows the kind noop and runs nothing.
func connected(t *testing.T) *client.Weir {
	t.Helper()
	pool := dbtest.Pool(t)
	_, err := pool.Exec(t.Context(), `insert into weir.kinds (kind) values ('noop')`)
	require.NoError(t, err)
	engine := lifecycle.New(lifecycle.Config{Pool: pool, Replica: uuid.New()})
	server := httptest.NewServer(api.New(api.Config{Lifecycle: engine, Loopback: true}))
	t.Cleanup(server.Close)
	weir, err := client.New(client.Config{Server: server.URL})
	require.NoError(t, err)
	return weir
}

// TestEveryCall makes every call of the client against the API itself.
func TestEveryCall(t *testing.T) {
	t.Parallel()
	weir, ctx := connected(t), t.Context()
	plan := json.RawMessage(`{"name": "p", "labels": {"team": "data", "env": "a b&c"}, "input": {"n": 12345678901234567890},
		"steps": [{"key": "a.b", "kind": "noop"}, {"key": "c", "kind": "noop", "needs": ["a.b"]}]}`)
	submitted, err := weir.RunSubmit(ctx, plan, "k")
	require.NoError(t, err)
	require.False(t, submitted.Replayed)
	again, err := weir.RunSubmit(ctx, plan, "k")
	require.NoError(t, err)
	require.True(t, again.Replayed)
	id := submitted.Value.ID
	require.Equal(t, id, again.Value.ID)

	run, err := weir.RunGet(ctx, id)
	require.NoError(t, err)
	require.Equal(t, client.RunStateRunning, run.Value.State)
	require.JSONEq(t, `{"n": 12345678901234567890}`, string(run.Value.Input))
	require.Contains(t, string(run.Value.Input), "12345678901234567890", "numbers stay as they are")
	require.WithinDuration(t, time.Now(), run.Value.CreatedAt, time.Hour)
	resolved, err := weir.RunPlan(ctx, id)
	require.NoError(t, err)
	require.Contains(t, string(resolved.JSON), `"a.b"`)

	limit, state := int64(1), client.RunStateRunning
	for _, labels := range [][]string{nil, {"team:data"}, {"team:data", "env:a b&c"}} {
		params := client.RunListParams{Limit: &limit, State: &state, CreatedBefore: new(time.Now().Add(24 * time.Hour))}
		if labels != nil {
			params.Label = &labels
		}
		found := 0
		for item, err := range weir.Runs(ctx, params) {
			require.NoError(t, err)
			require.Equal(t, id, item.Value.ID)
			found++
		}
		require.Equal(t, 1, found, labels)
	}
	none, err := weir.RunPage(ctx, client.RunListParams{Label: &[]string{"team:other"}})
	require.NoError(t, err)
	require.Empty(t, none.Value.Items)

	var keys []string
	for step, err := range weir.Steps(ctx, id, client.StepListParams{Limit: &limit}) {
		require.NoError(t, err)
		keys = append(keys, step.Value.Key)
	}
	require.Equal(t, []string{"a.b", "c"}, keys)
	step, err := weir.StepGet(ctx, id, "a.b")
	require.NoError(t, err)
	require.Equal(t, client.StepStateAvailable, step.Value.State)
	why, err := weir.StepWhy(ctx, id, "a.b")
	require.NoError(t, err)
	require.Equal(t, client.ReasonCodeNoLiveWorker, why.Value.Reasons[0].Code)
	for _, err := range weir.Transitions(ctx, id, client.TransitionListParams{}) {
		require.NoError(t, err)
	}
	for _, err := range weir.Logs(ctx, id, client.LogListParams{Step: new("c"), Attempt: new(int64(1))}) {
		require.NoError(t, err)
	}

	stopped, err := weir.StepCancel(ctx, id, "a.b", "not needed")
	require.NoError(t, err)
	require.NotNil(t, stopped.Value.CancelRequestedAt)
	cancelled, err := weir.RunCancel(ctx, id, "")
	require.NoError(t, err)
	require.NotNil(t, cancelled.Value.CancelRequestedAt)

	version, err := weir.Version(ctx)
	require.NoError(t, err)
	require.EqualValues(t, api.Version, version.Value.API)
	_, err = weir.Health(ctx)
	require.NoError(t, err)
	_, err = weir.Ready(ctx)
	require.NoError(t, err)

	batch := []json.RawMessage{json.RawMessage(`{"name": "one", "steps": [{"key": "a", "kind": "noop"}]}`), plan}
	many, err := weir.RunsBatch(ctx, batch, "batch")
	require.NoError(t, err)
	require.Len(t, many.Value.Runs, 2)
	repeated, err := weir.RunsBatch(ctx, batch, "batch")
	require.NoError(t, err)
	require.True(t, repeated.Replayed)
	require.Equal(t, many.Value, repeated.Value)
	late, err := weir.LatePage(ctx, client.LateListParams{})
	require.NoError(t, err)
	require.Empty(t, late.Value.Items)
	violations, err := weir.ViolationPage(ctx, client.ViolationListParams{})
	require.NoError(t, err)
	require.Empty(t, violations.Value.Items)
	whole, err := weir.State(ctx)
	require.NoError(t, err)
	require.NotNil(t, whole.Value.Counts)
	asked, err := weir.Refresh(ctx)
	require.NoError(t, err)
	require.False(t, asked.Value.Coalesced)
	session, err := weir.Session(ctx)
	require.NoError(t, err)
	require.Nil(t, session.Value.Name, "nobody is asked for a token")
	_, err = weir.SessionDelete(ctx)
	require.NoError(t, err)

	_, err = weir.RunGet(ctx, uuid.New())
	var problem *client.Problem
	require.ErrorAs(t, err, &problem)
	require.Equal(t, client.ProblemCodeNotFound, problem.Code)
	_, err = weir.RunSubmit(ctx, json.RawMessage(`{"name": "p", "steps": [{"key": "a", "kind": "other"}]}`), "")
	require.ErrorAs(t, err, &problem)
	require.Equal(t, "body.steps[0].kind", problem.Errors[0].Location)
	require.ErrorContains(t, err, "\n  body.steps[0].kind: ")
}
