//go:build linux

package integration_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// TestM1NoTriggerIsLostOverProcesses runs three parallel steps and one that needs them all, 50 times, over three
// processes with polling off and delays where a trigger could get lost: after the commit of a Start or Finish, before
// the try-lock, after the last read of weir.dirty, before the lock is released. The processes have a slot each, so the
// three steps run, and end, at three of them. The runs come one after the other: nothing else wakes one that is stuck.
func TestM1NoTriggerIsLostOverProcesses(t *testing.T) {
	t.Parallel()
	const repeats = 50
	c := cluster.New(t, cluster.Config{Flags: []string{"--poll-interval", "0", "--queue", "default=1"}})
	const delays = "started=3ms,finished=3ms,before take=3ms,before lock=3ms,taken=5ms,before unlock=5ms"
	replicas := []*cluster.Replica{c.ServeFaulty(delays), c.ServeFaulty(delays), c.ServeFaulty(delays)}
	for _, r := range replicas {
		c.Until("notifications arrive at "+r.String(), func() bool {
			return cluster.Value[int](c, `select count(*)::int from weir.workers where pid = $1 and notify = 'listen'`, r.PID()) == 1
		})
	}
	together := 0
	for range repeats {
		run := c.Submit(replicas[rand.IntN(len(replicas))], `
name: fan-in
steps:
  - {key: a, kind: sleep, with: {duration: 20ms}}
  - {key: b, kind: sleep, with: {duration: 20ms}}
  - {key: c, kind: sleep, with: {duration: 20ms}}
  - {key: all, kind: noop, needs: [a, b, c]}
`)
		require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
		workers := map[uuid.UUID]bool{}
		for key, s := range c.Steps(run) {
			require.Equal(t, lifecycle.StepSucceeded, s.State, key)
			require.Equal(t, 1, s.Attempt, key)
			workers[*s.WorkerID] = true
		}
		if len(workers) == len(replicas) {
			together++
		}
	}
	require.Positive(t, together, "steps of one run end at three processes")
	t.Logf("in %d of %d runs the steps ended at three processes", together, repeats)
	c.DispatchedOnce()
	c.NoViolations()
}
