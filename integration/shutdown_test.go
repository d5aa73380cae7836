//go:build linux

package integration_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// TestShutdownLetsAttemptsEnd sends SIGTERM while a command runs that ends within --shutdown-grace: it counts.
func TestShutdownLetsAttemptsEnd(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{})
	r := c.Serve("--shutdown-grace", "2m")
	run := c.Submit(r, fmt.Sprintf(`
name: in-time
steps:
  - {key: a, kind: exec, with: %s}
  - {key: b, kind: exec, needs: [a], with: %s}
`, c.Work("until", "go"), c.Work("for", "0.01")))
	c.Until("a has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: "a"}) })
	r.Signal(syscall.SIGTERM)
	r.Logged("shutting down")
	require.Equal(t, lifecycle.StepRunning, c.Step(run, "a").State)
	c.Touch("go")
	require.Zero(t, r.Wait())
	r.NothingLeft()
	require.Equal(t, lifecycle.StepSucceeded, c.Step(run, "a").State)
	require.False(t, c.Noted(cluster.Entry{Step: "b"}), "nothing new is started")

	next := c.Serve()
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	require.True(t, c.Noted(cluster.Entry{What: "end", Step: "b", Replica: next.Name}))
	c.NeverTwice()
	c.NoViolations()
}

// TestShutdownHandsBack sends SIGTERM while steps run that would go on for long: when --shutdown-grace is over they are
// stopped and handed back, which is no failure, and another replica goes on with them.
func TestShutdownHandsBack(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{})
	r := c.Serve("--shutdown-grace", "10ms")
	run := c.Submit(r, fmt.Sprintf(`
name: too-long
steps:
  - {key: a, kind: exec, with: %s}
  - {key: b, kind: sleep, with: {duration: 1s}}
`, c.Work("until", "go")))
	c.Until("a has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: "a"}) })
	r.Stop()
	r.NothingLeft()
	a := c.Step(run, "a")
	require.Equal(t, lifecycle.StepRetrying, a.State)
	require.Equal(t, lifecycle.CauseHandedBack, a.Cause)
	require.Equal(t, 1, a.Attempt)
	require.Zero(t, a.Failures)
	require.False(t, c.Noted(cluster.Entry{What: "end", Step: "a"}))

	next := c.Serve()
	c.Touch("go")
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	a = c.Step(run, "a")
	require.Equal(t, 2, a.Attempt)
	require.Zero(t, a.Failures)
	require.True(t, c.Noted(cluster.Entry{What: "end", Step: "a", Attempt: "2", Replica: next.Name}))
	c.NeverTwice()
	c.NoViolations()
}

// TestShutdownAtTheSecondSignal sends SIGTERM twice while a command runs that ignores it: the process ends at once, and
// the command with it, although both may take an hour.
func TestShutdownAtTheSecondSignal(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: quick()})
	r := c.Serve("--shutdown-grace", "1h")
	run := c.Submit(r, fmt.Sprintf(`
name: stubborn
defaults: {grace: 10m, timeout: 1h, retry: {on: [lost, crashed], max_attempts: 2, initial: 1ms}}
steps:
  - {key: a, kind: exec, with: %s}
  - {key: b, kind: sleep, with: {duration: 1h}}
`, c.Work("stubborn", "never")))
	c.Until("a has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: "a"}) })
	c.StepBecomes(run, "b", lifecycle.StepRunning)
	r.Signal(syscall.SIGTERM)
	r.Logged("shutting down")
	require.False(t, r.Ended())
	r.Signal(syscall.SIGTERM)
	require.Zero(t, r.Wait())
	r.NothingLeft()

	// What became of the attempts is found out by others. They are tried again, for the plan says so.
	c.Serve()
	for _, key := range []string{"a", "b"} {
		c.Until(key+" runs again", func() bool {
			s := c.Step(run, key)
			return s.State == lifecycle.StepRunning && s.Attempt == 2
		})
	}
	c.NeverTwice()
}

// TestShutdownOfOneAfterTheOther replaces three replicas twice while runs come in. What they are in the middle of is
// handed on, and nothing fails for it.
func TestShutdownOfOneAfterTheOther(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: []string{"--shutdown-grace", "50ms", "--queue", "exec=4"}})
	api := c.Serve("--no-work")
	replicas := []*cluster.Replica{c.Serve(), c.Serve(), c.Serve()}
	plan := fmt.Sprintf(`
name: rolling
steps:
  - {key: a, kind: exec, with: &w %s}
  - {key: b, kind: sleep, with: {duration: 200ms}}
  - {key: c, kind: noop, needs: [a]}
  - {key: d, kind: exec, needs: [b, c], with: *w}
`, c.Work("for", "0.2"))
	var runs []uuid.UUID
	for range 2 {
		for i := range replicas {
			for range 4 {
				runs = append(runs, c.Submit(api, plan))
			}
			old := replicas[i]
			replicas[i] = c.Serve()
			old.Stop()
			old.NothingLeft()
		}
	}
	for _, run := range runs {
		require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
		for key, s := range c.Steps(run) {
			require.Zero(t, s.Failures, key)
		}
	}
	t.Logf("%d attempts were handed on", cluster.Value[int](c, `select count(*)::int from weir.transitions where cause = 'handed_back'`))
	c.NeverTwice()
	c.NoViolations()
}
