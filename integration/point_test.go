//go:build linux

package integration_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// standstill holds a replica at a point of its code until it is frozen: longer than anything else takes.
const standstill = "=15s!"

// TestW2FrozenInsideStart freezes a replica beyond its lease between the commit of a Start and its answer. The step is
// lost: nobody can know that nothing ran. When the replica goes on it learns that before it runs anything, or while it
// does; what was decided stays.
func TestW2FrozenInsideStart(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: quick()})
	other := c.Serve("--queue", "exec=0")
	frozen := c.ServeFaulty("started"+standstill, "--queue", "exec=2")
	run := c.Submit(other, fmt.Sprintf(`
name: started
steps:
  - {key: once, kind: exec, with: &hold %s}
  - {key: again, kind: exec, with: *hold, retry: {on: [lost], max_attempts: 2, initial: 10ms}}
`, c.Work("for", "0.3")))
	for _, key := range []string{"once", "again"} {
		c.StepBecomes(run, key, lifecycle.StepRunning) // as committed; the replica does not know yet
	}
	frozen.Freeze()
	require.Empty(t, c.Ledger(), "nothing has run")
	require.Equal(t, lifecycle.CauseLeaseExpired, c.StepBecomes(run, "once", lifecycle.StepLost).Cause)
	c.Serve("--queue", "exec=2")
	require.Equal(t, 2, c.StepBecomes(run, "again", lifecycle.StepSucceeded).Attempt)
	require.Equal(t, lifecycle.RunFailed, c.RunEnds(run))
	rows, history := []string{c.Row(run, "once"), c.Row(run, "again")}, c.History(run)

	frozen.Thaw()
	frozen.Logged(`(the report changed nothing|an attempt is not this worker's any more|the step is not to be started|was not started)`)
	c.Until("it is heard of again", func() bool {
		return cluster.Value[bool](c, `select bool_and(gone_at is null and lease_until > clock_timestamp()) from weir.workers where pid = $1`, frozen.PID())
	})
	c.Until("nothing of it runs", func() bool { return len(working(frozen)) == 0 })
	require.Equal(t, []string{c.Row(run, "once"), c.Row(run, "again")}, rows, "nothing changes")
	require.Equal(t, history, c.History(run))
	c.NeverTwice()
	c.NoViolations()
}

// TestW2FrozenInsideFinish freezes a replica beyond its lease between the commit of a Finish and its answer. The step has
// ended as it said; what it says again when it goes on is known.
func TestW2FrozenInsideFinish(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: quick()})
	other := c.Serve("--queue", "exec=0")
	frozen := c.ServeFaulty("finished"+standstill, "--queue", "exec=2")
	run := c.Submit(other, fmt.Sprintf(`
name: finished
steps:
  - {key: ends, kind: exec, with: %s}
  - {key: holds, kind: exec, with: %s}
  - {key: after, kind: noop, needs: [ends], queue: exec}
`, c.Work("until", "go"), c.Work("until", "never")))
	for _, key := range []string{"ends", "holds"} {
		c.Until(key+" has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: key}) })
	}
	c.Touch("go")
	c.StepBecomes(run, "ends", lifecycle.StepSucceeded)
	frozen.Freeze()
	c.Serve("--queue", "exec=2")
	c.Until("its lease has run out", func() bool {
		return cluster.Value[bool](c, `select bool_and(gone_at is not null) from weir.workers where pid = $1`, frozen.PID())
	})
	c.StepBecomes(run, "after", lifecycle.StepSucceeded)
	c.StepBecomes(run, "holds", lifecycle.StepLost)
	require.Equal(t, lifecycle.RunFailed, c.RunEnds(run))
	rows, history := []string{c.Row(run, "ends"), c.Row(run, "holds")}, c.History(run)

	frozen.Thaw()
	c.Until("it is heard of again", func() bool {
		return cluster.Value[bool](c, `select bool_and(gone_at is null and lease_until > clock_timestamp()) from weir.workers where pid = $1`, frozen.PID())
	})
	c.Until("nothing of it runs", func() bool { return len(working(frozen)) == 0 })
	require.Equal(t, []string{c.Row(run, "ends"), c.Row(run, "holds")}, rows, "nothing changes")
	require.Equal(t, history, c.History(run))
	require.Zero(t, cluster.Value[int](c, `select count(*)::int from weir.late_reports where step <> 2`), "what was recorded is no late report")
	c.NeverTwice()
	c.NoViolations()
}
