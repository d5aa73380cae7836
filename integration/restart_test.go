//go:build linux

package integration_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// TestS8KillEveryProcessAndStartAgain kills every process while steps run, back off and are queued, and starts others.
// What backed off and what was queued has the same attempt number and due time as before, nothing runs twice at once,
// and everything ends.
func TestS8KillEveryProcessAndStartAgain(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: append(quick(), "--queue", "exec=2", "--queue", "slow=2")})
	old := []*cluster.Replica{c.Serve(), c.Serve()}
	run := c.Submit(old[0], fmt.Sprintf(`
name: durable
steps:
  - {key: once, kind: exec, queue: slow, with: &hold %s}
  - {key: again, kind: exec, queue: slow, with: *hold, retry: {on: [lost], max_attempts: 2, initial: 10ms}}
  - {key: hold1, kind: exec, with: *hold, retry: &lost {on: [lost], max_attempts: 3, initial: 10ms}}
  - {key: hold2, kind: exec, with: *hold, retry: *lost}
  - {key: hold3, kind: exec, with: *hold, retry: *lost}
  - {key: hold4, kind: exec, with: *hold, retry: *lost}
  - {key: queued1, kind: exec, priority: 4, with: &short %s}
  - {key: queued2, kind: exec, priority: 4, with: *short}
  - {key: gate, kind: exec, queue: slow, with: %s}
  - {key: soon, kind: exec, queue: slow, needs: [gate], with: &fail %s, retry: {max_attempts: 2, backoff: constant, initial: 15s, jitter: 0}}
  - {key: later, kind: exec, queue: slow, needs: [gate], with: *fail, retry: {max_attempts: 3, backoff: constant, initial: 1h}}
  - {key: needs, kind: noop, needs: [queued1, queued2]}
`, c.Work("until", "go"), c.Work("for", "0.05"), c.Work("until", "gate"), c.Work("fail", "7")))
	for _, key := range []string{"once", "again", "gate", "hold1", "hold2", "hold3", "hold4"} {
		c.Until(key+" has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: key}) })
	}
	c.Touch("gate") // only now, so that nothing is due before everything is killed
	for _, key := range []string{"soon", "later"} {
		c.StepBecomes(run, key, lifecycle.StepRetrying)
	}
	keep := []string{"queued1", "queued2", "soon", "later", "needs"}
	before := snapshot(c, run, keep)
	for _, r := range old {
		r.Kill()
	}
	for _, r := range old {
		r.NothingLeft()
	}
	require.Equal(t, before, snapshot(c, run, keep))
	soon := c.Step(run, "soon")
	c.Touch("go")

	next := c.Serve()
	c.Serve()
	require.Equal(t, lifecycle.CauseLeaseExpired, c.StepBecomes(run, "once", lifecycle.StepLost).Cause)
	for _, key := range []string{"again", "hold1", "hold2", "hold3", "hold4"} {
		s := c.StepBecomes(run, key, lifecycle.StepSucceeded)
		require.Equal(t, 2, s.Attempt, key)
		require.Equal(t, 1, s.Failures, key)
	}
	for _, key := range []string{"queued1", "queued2", "needs"} {
		s := c.StepBecomes(run, key, lifecycle.StepSucceeded)
		require.Equal(t, 1, s.Attempt, key)
		require.Zero(t, s.Failures, key)
	}
	s := c.StepBecomes(run, "soon", lifecycle.StepFailed)
	require.Equal(t, 2, s.Attempt)
	require.True(t, cluster.Value[bool](c, `
select bool_and(at >= $3) from weir.transitions where run_id = $1 and step = $2 and to_state = 'running' and attempt = 2`,
		run, s.Step, soon.RunAfter), "it was tried again when it was due, not sooner")
	require.Equal(t, before["later"], snapshot(c, run, keep)["later"], "what is due in an hour is as it was")

	_, err := next.Client.StepCancel(t.Context(), run, "later", "nobody waits for an hour")
	require.NoError(t, err)
	require.Equal(t, lifecycle.RunFailed, c.RunEnds(run))
	c.NeverTwice()
	c.NoViolations()
}

// snapshot is what must not change of steps that nobody holds.
func snapshot(c *cluster.Cluster, run uuid.UUID, keys []string) map[string]cluster.Step {
	all := c.Steps(run)
	kept := map[string]cluster.Step{}
	for _, key := range keys {
		kept[key] = all[key]
	}
	return kept
}
