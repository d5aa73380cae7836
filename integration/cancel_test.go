//go:build linux

package integration_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// TestM7CancelStopsCommandsOfOtherProcesses cancels a run through a replica that runs nothing of it. The commands are
// stopped, the one that ignores it too, and the run ends with its record kept.
func TestM7CancelStopsCommandsOfOtherProcesses(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{})
	worker, other := c.Serve(), c.Serve("--no-work")
	run := c.Submit(other, fmt.Sprintf(`
name: cancelled
defaults: {retry: {max_attempts: 5}}
steps:
  - {key: gentle, kind: exec, with: %s}
  - {key: stubborn, kind: exec, grace: 2s, with: %s}
  - {key: after, kind: noop, needs: [gentle]}
  - {key: anyway, kind: noop, needs: [gentle, stubborn], run_if: all_finished}
`, c.Work("until", "never"), c.Work("stubborn", "never")))
	for _, key := range []string{"gentle", "stubborn"} {
		c.Until(key+" has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: key}) })
	}
	_, err := other.Client.RunCancel(t.Context(), run, "nobody needs it")
	require.NoError(t, err)
	require.Equal(t, lifecycle.RunCancelled, c.RunEnds(run))
	c.Until("nothing of the commands is left", func() bool { return len(worker.Left()) == 1 })
	for key, s := range c.Steps(run) {
		require.Equal(t, lifecycle.StepCancelled, s.State, key)
		require.LessOrEqual(t, s.Attempt, 1, "nothing is tried again after a cancel")
	}
	answer, err := worker.Client.RunGet(t.Context(), run)
	require.NoError(t, err)
	require.NotNil(t, answer.Value.CancelRequestedAt, "the record stays")
	c.NeverTwice()
	c.NoViolations()
}

// TestS7ExhaustionFrees lets a command fail for good, and another one until its attempts are spent, on a replica with
// one slot. Both say why, the slot is free, and the next run needs no restart.
func TestS7ExhaustionFrees(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: []string{"--queue", "exec=1"}})
	r := c.Serve()
	run := c.Submit(r, fmt.Sprintf(`
name: exhausted
defaults: {retry: {max_attempts: 3, initial: 10ms}}
steps:
  - {key: never, kind: exec, with: {command: [no-such-command-anywhere]}}
  - {key: spent, kind: exec, with: %s}
`, c.Work("fail", "3")))
	require.Equal(t, lifecycle.RunFailed, c.RunEnds(run))
	for key, want := range map[string]struct {
		attempts int64
		code     string
		cause    client.Cause
	}{
		"never": {1, "not_startable", client.CausePermanent},
		"spent": {3, "exit_code", client.CauseAttemptsSpent},
	} {
		answer, err := r.Client.StepGet(t.Context(), run, key)
		require.NoError(t, err)
		require.Equal(t, client.StepStateFailed, answer.Value.State, key)
		require.Equal(t, want.cause, answer.Value.Cause, key)
		require.Equal(t, want.attempts, answer.Value.Attempt, key)
		require.Equal(t, want.attempts, answer.Value.Failures, key)
		require.Equal(t, want.code, answer.Value.Error.Code, key)
		require.NotEmpty(t, answer.Value.Error.Message, key)
	}
	next := c.Submit(r, fmt.Sprintf("{name: next, steps: [{key: a, kind: exec, with: %s}]}", c.Work("for", "0.01")))
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(next))
	c.NeverTwice()
	c.NoViolations()
}
