//go:build linux

package integration_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// TestQueuesStayPaused pauses a queue that two processes work, and one that nobody works yet: neither they nor those that
// follow them start anything of either, until somebody resumes them, and steps of other queues go on.
func TestQueuesStayPaused(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: quick()})
	old := []*cluster.Replica{c.Serve(), c.Serve()}
	paused, err := old[0].Client.QueuePause(t.Context(), "default")
	require.NoError(t, err)
	require.True(t, paused.Value.Paused)
	run := c.Submit(old[1], "name: p\nsteps: [{key: a, kind: noop}, {key: b, kind: noop, queue: gpu}, {key: c, kind: noop, needs: [a, b]}]")
	_, err = old[1].Client.QueuePause(t.Context(), "gpu")
	require.NoError(t, err)
	waits := func(r *cluster.Replica) {
		t.Helper()
		other := c.Submit(r, "name: other\nsteps: [{key: x, kind: exec, with: "+c.Work("for", "0.1")+"}]")
		require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(other), "another queue goes on")
		for key, want := range map[string]lifecycle.StepState{"a": lifecycle.StepAvailable, "b": lifecycle.StepAvailable, "c": lifecycle.StepPending} {
			s := c.Step(run, key)
			require.Equal(t, want, s.State, key)
			require.Zero(t, s.Attempt, key)
		}
		why, err := r.Client.StepWhy(t.Context(), run, "a")
		require.NoError(t, err)
		require.EqualValues(t, "queue_paused", why.Value.Reasons[0].Code)
	}
	for _, r := range old {
		waits(r)
	}
	for _, r := range old {
		r.Kill()
	}
	next := []*cluster.Replica{c.Serve("--queue", "gpu=2"), c.Serve("--queue", "gpu=2")}
	for _, r := range next {
		waits(r)
	}
	for _, queue := range []string{"gpu", "default"} {
		resumed, err := next[0].Client.QueueResume(t.Context(), queue)
		require.NoError(t, err)
		require.False(t, resumed.Value.Paused)
	}
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	c.NeverTwice()
	c.NoViolations()
}

// TestBulkOutlivesItsReplica kills the process that was asked to cancel many runs: another one cancels them all, each once.
func TestBulkOutlivesItsReplica(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: quick()})
	asked, other := c.Serve(), c.Serve()
	_, err := asked.Client.QueuePause(t.Context(), "default")
	require.NoError(t, err)
	const runs = 250
	for range runs {
		c.Submit(asked, "name: many\nsteps: [{key: a, kind: noop}]")
	}
	bulk, err := asked.Client.BulkStart(t.Context(), "cancel", bulkOf("many"), "")
	require.NoError(t, err)
	asked.Kill()
	id := bulk.Value.ID
	require.EqualValues(t, runs, bulk.Value.Total)
	c.Until("the other one has cancelled them", func() bool {
		now, err := other.Client.BulkGet(t.Context(), id)
		return err == nil && now.Value.State == "done" && now.Value.Done == runs
	})
	c.Until("they have ended", func() bool {
		return cluster.Value[int](c, `select count(*)::int from weir.runs where state = 'cancelled'`) == runs
	})
	require.Equal(t, runs, cluster.Value[int](c, `select count(*)::int from weir.transitions where to_state = 'cancelled' and step is null`))
	c.NoViolations()
}

// bulkOf asks for something to be done to every run of a plan.
func bulkOf(name string) client.BulkRequest {
	return client.BulkRequest{Filter: &client.BulkRequestFilter{Name: &name}}
}
