//go:build linux

package integration_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// stubbornPlan has a command that ignores its deadline, and one that waits for its slot.
func stubbornPlan(c *cluster.Cluster) string {
	return fmt.Sprintf(`
name: stubborn
steps:
  - {key: a, kind: exec, timeout: 2s, grace: 1s, with: %s}
  - {key: b, kind: exec, priority: 4, with: %s}
`, c.Work("stubborn", "never"), c.Work("for", "0.01"))
}

// TestO6DeadlineWithoutDatabase freezes the way to the database while a command runs that ignores its deadline. At
// timeout + grace everything of it is gone, with nobody to ask. When the database answers again it learns the truth, and
// the slot is free.
func TestO6DeadlineWithoutDatabase(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: []string{"--queue", "exec=1"}})
	proxy := c.Proxy()
	r := c.ServeAt(proxy.URL)
	run := c.Submit(r, stubbornPlan(c))
	c.Until("a has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: "a"}) })
	proxy.Freeze()
	require.Greater(t, len(r.Left()), 1, "the command lives")
	c.Until("nothing of the command is left", func() bool { return len(r.Left()) == 1 })
	require.Equal(t, lifecycle.StepRunning, c.Step(run, "a").State, "the database has heard of nothing")
	proxy.Thaw()

	a := c.StepBecomes(run, "a", lifecycle.StepTimedOut)
	require.Equal(t, lifecycle.CauseDeadline, a.Cause, "as the replica says")
	require.Equal(t, lifecycle.RunFailed, c.RunEnds(run))
	require.Equal(t, lifecycle.StepSucceeded, c.Step(run, "b").State, "the slot is back")
	c.NeverTwice()
	c.NoViolations()
}

// TestO6DeadlineWithoutItsReplica is the same with another replica that does reach the database: it ends the attempt by
// the rules, and what the first one reports later is evidence.
func TestO6DeadlineWithoutItsReplica(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: []string{"--queue", "exec=1"}})
	proxy := c.Proxy()
	cut := c.ServeAt(proxy.URL)
	run := c.Submit(cut, stubbornPlan(c))
	c.Until("a has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: "a"}) })
	proxy.Freeze()
	other := c.Serve()
	c.Until("nothing of the command is left", func() bool { return len(cut.Left()) == 1 })
	a := c.StepBecomes(run, "a", lifecycle.StepTimedOut)
	require.Equal(t, lifecycle.CauseDeadline, a.Cause)
	require.Equal(t, lifecycle.RunFailed, c.RunEnds(run))
	require.True(t, c.Noted(cluster.Entry{What: "end", Step: "b", Replica: other.Name}))
	row, history := c.Row(run, "a"), c.History(run)

	proxy.Thaw()
	c.Until("the report is kept as evidence", func() bool {
		return cluster.Value[int](c, `select count(*)::int from weir.late_reports where run_id = $1`, run) == 1
	})
	require.Equal(t, row, c.Row(run, "a"), "nothing changes")
	require.Equal(t, history, c.History(run))
	c.NeverTwice()
	c.NoViolations()
}
