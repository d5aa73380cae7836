//go:build linux

package integration_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// TestW2FrozenReplica stops a replica with SIGSTOP beyond its lease. Its steps are lost, although their commands go on
// and end well; when it goes on, what it reports is evidence and changes nothing, and it is good for new work.
func TestW2FrozenReplica(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: quick()})
	frozen := c.Serve()
	run := c.Submit(frozen, fmt.Sprintf(`
name: frozen
steps:
  - {key: once, kind: exec, with: &hold %s}
  - {key: again, kind: exec, with: *hold, retry: {on: [lost], max_attempts: 2, initial: 1h}}
  - {key: after, kind: noop, needs: [once]}
`, c.Work("until", "go")))
	for _, key := range []string{"once", "again"} {
		c.Until(key+" has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: key}) })
	}
	other := c.Serve()
	frozen.Freeze()
	c.StepBecomes(run, "once", lifecycle.StepLost)
	c.StepBecomes(run, "again", lifecycle.StepRetrying)
	c.StepBecomes(run, "after", lifecycle.StepSkipped)
	c.Touch("go")
	for _, key := range []string{"once", "again"} {
		c.Until("the command of "+key+" has ended", func() bool { return c.Noted(cluster.Entry{What: "end", Step: key}) })
	}
	once, again, history := c.Row(run, "once"), c.Row(run, "again"), c.History(run)

	frozen.Thaw()
	c.Until("its reports are kept as evidence", func() bool {
		return cluster.Value[int](c, `select count(*)::int from weir.late_reports where run_id = $1 and attempt = 1`, run) == 2
	})
	require.Equal(t, once, c.Row(run, "once"), "nothing changes")
	require.Equal(t, again, c.Row(run, "again"), "nothing changes")
	require.Equal(t, history, c.History(run))
	require.Equal(t, "too_late lost, too_late retrying", cluster.Value[string](c, `
select string_agg(concat_ws(' ', result, state_was), ', ' order by step) from weir.late_reports where run_id = $1`, run))

	// It may go on.
	other.Stop()
	next := c.Submit(frozen, fmt.Sprintf("{name: next, steps: [{key: a, kind: exec, with: %s}]}", c.Work("for", "0.01")))
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(next))
	require.True(t, c.Noted(cluster.Entry{What: "end", Run: next, Replica: frozen.Name}))
	_, err := frozen.Client.RunCancel(t.Context(), run, "it would back off for an hour")
	require.NoError(t, err)
	require.Equal(t, lifecycle.RunCancelled, c.RunEnds(run))
	c.NeverTwice()
	c.NoViolations()
}

// TestW2FrozenInsideAPass freezes a replica while it holds the lock of a run's shard, in a transaction that has taken
// the run's hints. The database ends that transaction, and another replica does what was to be done.
func TestW2FrozenInsideAPass(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: []string{"--queue", "default=0"}}) // nothing is started: only passes move the run
	frozen := c.ServeFaulty("taken=10m!")
	run := c.Submit(frozen, "{name: held, steps: [{key: a, kind: noop}, {key: b, kind: noop, needs: [a]}]}")
	_, err := frozen.Client.StepCancel(t.Context(), run, "a", "to make a hint")
	require.NoError(t, err)
	held := `
select a.xact_start from pg_locks l join pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.classid = 2003134834 and l.database = (select oid from pg_database where datname = current_database()) and a.state = 'idle in transaction'`
	c.Until("it is inside of a pass", func() bool {
		return cluster.Value[bool](c, "select exists ("+held+")")
	})
	since := cluster.Value[time.Time](c, held)
	frozen.Freeze()
	c.Serve()
	require.Equal(t, lifecycle.RunFailed, c.RunEnds(run))
	require.Equal(t, lifecycle.StepCancelled, c.Step(run, "a").State)
	require.Equal(t, lifecycle.StepSkipped, c.Step(run, "b").State)
	took := cluster.Value[time.Time](c, "select finished_at from weir.runs where id = $1", run).Sub(since)
	require.Less(t, took, 20*time.Second, "who stands still is not waited for as long as an idle session may live")
	c.NoViolations()
}
