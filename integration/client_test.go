//go:build linux

package integration_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// TestGoClient submits, follows and cancels through a replica, and meets the problems that a client can provoke.
func TestGoClient(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{})
	weir := c.Serve(quick()...).Client
	ctx := t.Context()
	hello := json.RawMessage(`{"name": "hello", "steps": [{"key": "say", "kind": "exec", "with": {"command": ["sh", "-c", "echo hello; echo world"]}}, {"key": "b", "kind": "noop", "needs": ["say"]}]}`)
	run, err := weir.RunSubmit(ctx, hello, "once")
	require.NoError(t, err)
	follow := func(run uuid.UUID, after string) (transitions []client.Transition, lines []string, end *client.Run) {
		t.Helper()
		for event, err := range weir.RunFollow(ctx, run, after) {
			require.NoError(t, err)
			switch {
			case event.Transition != nil:
				require.Equal(t, event.Transition.ID, event.ID)
				transitions = append(transitions, *event.Transition)
			case event.Log != nil:
				lines = append(lines, event.Log.Text)
			case event.End != nil:
				end = event.End
			}
		}
		return transitions, lines, end
	}
	transitions, lines, end := follow(run.Value.ID, "")
	require.Equal(t, client.RunStateSucceeded, end.State)
	require.Equal(t, []string{"hello", "world"}, lines)
	var history []string
	for transition, err := range weir.Transitions(ctx, run.Value.ID, client.TransitionListParams{}) {
		require.NoError(t, err)
		history = append(history, transition.Value.ID)
	}
	require.Len(t, transitions, len(history))
	rest, _, end := follow(run.Value.ID, transitions[2].ID)
	require.Equal(t, transitions[3:], rest, "from an event on")
	require.NotNil(t, end)

	long, err := weir.RunSubmit(ctx, json.RawMessage(`{"name": "long", "steps": [{"key": "a", "kind": "sleep", "with": {"duration": "1h"}}]}`), "")
	require.NoError(t, err)
	_, err = weir.RunCancel(ctx, long.Value.ID, "only a test")
	require.NoError(t, err)
	_, _, end = follow(long.Value.ID, "")
	require.Equal(t, client.RunStateCancelled, end.State)

	for code, provoke := range map[client.ProblemCode]func() error{
		client.ProblemCodeNotFound:          func() error { _, err := weir.RunGet(ctx, uuid.New()); return err },
		client.ProblemCodeIllegalTransition: func() error { _, err := weir.RunCancel(ctx, long.Value.ID, ""); return err },
		client.ProblemCodeIdempotencyConflict: func() error {
			_, err := weir.RunSubmit(ctx, json.RawMessage(`{"name": "other", "steps": [{"key": "a", "kind": "noop"}]}`), "once")
			return err
		},
		client.ProblemCodePlanInvalid: func() error {
			_, err := weir.RunSubmit(ctx, json.RawMessage(`{"name": "p", "steps": [{"key": "a", "kind": "nobody-knows"}]}`), "")
			return err
		},
		client.ProblemCodeInvalidRequest: func() error {
			_, err := weir.RunPage(ctx, client.RunListParams{Limit: new(int64(0))})
			return err
		},
	} {
		var problem *client.Problem
		require.ErrorAs(t, provoke(), &problem, code)
		require.Equal(t, code, problem.Code)
		require.NotEmpty(t, problem.RequestID)
	}
}
