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

// try is an attempt as the history has it.
type try struct {
	Began, Ended time.Time
	To           string
	Outcome      string // of an attempt that is followed by another one
	DueAt        *time.Time
}

// tries are the attempts of a step.
func tries(t *testing.T, c *cluster.Cluster, run any, key string) []try {
	t.Helper()
	return rows[try](t, c, `
select b.at as began, e.at as ended, e.to_state as to, coalesce(e.detail->>'outcome', '') as outcome, (e.detail->>'run_after')::timestamptz as dueat
from weir.steps s
join weir.transitions b on b.run_id = s.run_id and b.step = s.step and b.to_state = 'running'
join weir.transitions e on e.run_id = b.run_id and e.step = b.step and e.attempt = b.attempt and e.from_state = 'running'
where s.run_id = $1 and s.key = $2 order by b.attempt`, run, key)
}

// TestS6StallAndBackoff has a command say nothing for longer than it may, on two replicas that could both run it. Each
// attempt is timed_out, the next one starts when its backoff is over and not sooner, its command is gone by then, and a
// command that says something now and then is left alone.
func TestS6StallAndBackoff(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: quick()})
	replicas := []*cluster.Replica{c.Serve(), c.Serve()}
	run := c.Submit(replicas[0], fmt.Sprintf(`
name: stalls
steps:
  - {key: silent, kind: exec, stall_after: 1s, grace: 5s, retry: {max_attempts: 4, initial: 400ms, max: 800ms, jitter: 0}, with: %s}
  - {key: hopeless, kind: exec, stall_after: 1s, grace: 5s, retry: {max_attempts: 2, initial: 100ms}, with: %s}
  - {key: talks, kind: exec, stall_after: 2s, with: {command: [sh, -c, 'for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.4; done']}}
  - {key: after, kind: noop, needs: [silent, talks]}
`, c.Work("until", "go"), c.Work("until", "never")))
	c.Until("it is tried for the third time", func() bool { return c.Step(run, "silent").Failures == 3 })
	c.Touch("go")
	require.Equal(t, lifecycle.RunFailed, c.RunEnds(run))

	silent := c.Step(run, "silent")
	require.Equal(t, lifecycle.StepSucceeded, silent.State)
	require.Equal(t, 4, silent.Attempt)
	all := tries(t, c, run, "silent")
	require.Len(t, all, 4)
	for k, backoff := range []time.Duration{400 * time.Millisecond, 800 * time.Millisecond, 800 * time.Millisecond} {
		require.Equal(t, "retrying", all[k].To)
		require.Equal(t, string(lifecycle.StepTimedOut), all[k].Outcome)
		require.GreaterOrEqual(t, all[k].DueAt.Sub(all[k].Began), time.Second+backoff, "attempt %d was given the time to say something, and its backoff", k+1)
		require.False(t, all[k+1].Began.Before(*all[k].DueAt), "attempt %d began when it was due", k+2)
	}
	hopeless := c.Step(run, "hopeless")
	require.Equal(t, lifecycle.StepTimedOut, hopeless.State)
	require.Equal(t, 2, hopeless.Attempt)
	require.Equal(t, "stalled", cluster.Value[string](c, "select error_code from weir.outputs where run_id = $1 and step = $2 and attempt = 2", run, hopeless.Step))
	require.Equal(t, lifecycle.StepSucceeded, c.Step(run, "talks").State)
	require.Equal(t, lifecycle.StepSucceeded, c.Step(run, "after").State)
	c.NeverTwice()
	c.NoViolations()
}
