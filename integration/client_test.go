//go:build linux

package integration_test

import (
	"encoding/json"
	"strings"
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
	secret, reads := token(c, "submit,operate,read"), token(c, "read")
	server, limited := c.Serve(quick()...).Server, c.Serve(append(quick(), "--rate-limit", "1")...).Server
	as := func(server, token string, attempts int) *client.Weir {
		t.Helper()
		weir, err := client.New(client.Config{Server: server, Token: token, Attempts: attempts})
		require.NoError(t, err)
		return weir
	}
	weir, ctx := as(server, secret, 0), t.Context()
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
		client.ProblemCodeUnauthenticated: func() error { _, err := as(server, "", 0).RunGet(ctx, long.Value.ID); return err },
		client.ProblemCodeForbidden:       func() error { _, err := as(server, reads, 0).RunCancel(ctx, long.Value.ID, ""); return err },
		client.ProblemCodeRateLimited: func() error {
			impatient := as(limited, reads, 1)
			for {
				if _, err := impatient.RunGet(ctx, long.Value.ID); err != nil {
					return err
				}
			}
		},
	} {
		var problem *client.Problem
		require.ErrorAs(t, provoke(), &problem, code)
		require.Equal(t, code, problem.Code)
		require.NotEmpty(t, problem.RequestID)
	}
}

// token makes a token with those scopes. From then on replicas ask for one.
func token(c *cluster.Cluster, scopes string) string {
	create := c.Command("token", "create", "for-"+strings.ReplaceAll(scopes, ",", "-"), "--scope", scopes, "--database-url", c.URL)
	create.Wait()
	secret, _, _ := strings.Cut(create.Stdout(), "\n")
	return secret
}
