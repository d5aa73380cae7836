//go:build linux

package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// full is whether tests that take long take all the time that they need: WEIR_INTEGRATION_FULL=1 (just integration-full).
func full() bool { return os.Getenv("WEIR_INTEGRATION_FULL") != "" }

// sized is a size, which is smaller where the test is to be quick.
func sized(small, whole int) int {
	if full() {
		return whole
	}
	return small
}

// TestO9OneKeyDoesNotHoldUpAnother has 1,000 runs of a key that is limited to 2, and one run of another key, at ten
// processes (fewer of both where it is to be quick). The first key never has more than two runs, by looking again and
// again and by the history; the other run is not kept waiting; nothing is claimed twice.
func TestO9OneKeyDoesNotHoldUpAnother(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: []string{"--pool-size", "4"}})
	replicas := make([]*cluster.Replica, sized(3, 10))
	for i := range replicas {
		replicas[i] = c.Serve()
	}
	runs := sized(120, 1000)
	const keyed = `{"name": "many", "labels": {"key": "%s"}, "concurrency": {"key": "%[1]s", "limit": 2},
		"steps": [{"key": "a", "kind": "sleep", "with": {"duration": "10ms"}}, {"key": "b", "kind": "noop", "needs": ["a"]}]}`
	most := watch(t, c, `select count(*) from weir.runs r where r.labels->>'key' = 'busy' and r.finished_at is null
		and exists (select from weir.steps s where s.run_id = r.id and s.attempt > 0)`)
	submitMany(t, replicas, fmt.Sprintf(keyed, "busy"), runs)
	other := c.Submit(replicas[1], fmt.Sprintf(keyed, "quiet"))
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(other))
	left := cluster.Value[int](c, `select count(*)::int from weir.runs where finished_at is null`)
	require.Greater(t, left, runs/2, "the other key was served while most of the first one waited")
	c.Until("all runs have ended", func() bool {
		return cluster.Value[int](c, `select count(*)::int from weir.runs where finished_at is null`) == 0
	})

	require.LessOrEqual(t, most(), 2, "by looking")
	require.Equal(t, 2, cluster.Value[int](c, `
with turn as (
  select min(t.at) as at, 1 as by from weir.transitions t join weir.runs r on r.id = t.run_id where r.labels->>'key' = 'busy' and t.to_state = 'running' group by t.run_id
  union all
  select t.at, -1 from weir.transitions t join weir.runs r on r.id = t.run_id where r.labels->>'key' = 'busy' and t.step is null
)
select max(n)::int from (select sum(by) over (order by at, by) as n from turn) counted`), "by the history, which also shows that both slots were used")
	require.Equal(t, runs+1, cluster.Value[int](c, `select count(*)::int from weir.runs where state = 'succeeded'`))
	require.Zero(t, cluster.Value[int](c, `select count(*)::int from weir.steps where attempt <> 1`), "nothing is claimed twice")
	c.DispatchedOnce()
	c.NoViolations()
}

// TestS9LimitsAreNeverExceeded has steps of several runs share limits, on three processes of which one is killed with -9
// and another one takes its place, and changes a limit meanwhile. At no moment are there more than there may be, by
// looking and by the history, and what was held by the dead is given back.
func TestS9LimitsAreNeverExceeded(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: append(quick(), "--queue", "exec=8")})
	replicas := []*cluster.Replica{c.Serve(), c.Serve(), c.Serve()}
	put(t, replicas[0], "/v1/limits/set", `{"limit": 2}`)
	watched := map[string]func() int{}
	for _, key := range []string{"one", "three", "set"} {
		watched[key] = watch(t, c, `select count(*) from weir.steps s join weir.policies p using (run_id, step) where s.state = 'running' and p.concurrency_key = '`+key+`'`)
	}
	var runs []uuid.UUID
	for i := range sized(6, 30) {
		var plan strings.Builder
		fmt.Fprintf(&plan, "name: limited-%d\ndefaults: {retry: {on: [lost], max_attempts: 9, initial: 10ms}}\nsteps:\n", i)
		for key, limit := range map[string]int{"one": 1, "three": 3, "set": 100} { // what plans say of a key that is set does not count
			for n := range 3 {
				fmt.Fprintf(&plan, "  - {key: %s-%d, kind: exec, concurrency: {key: %s, limit: %d}, with: %s}\n", key, n, key, limit, c.Work("for", "0.05"))
			}
		}
		runs = append(runs, c.Submit(replicas[i%3], plan.String()))
	}
	c.Until("some have run", func() bool { return len(c.Ledger()) > 10 })
	replicas[2].Kill()
	c.Serve()
	for _, run := range runs {
		require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	}
	for key, limit := range map[string]int{"one": 1, "three": 3, "set": 2} {
		require.LessOrEqual(t, watched[key](), limit, "key %s, by looking", key)
		require.Equal(t, limit, atOnce(c, `p.concurrency_key = '`+key+`'`), "key %s, by the history, which also shows that all slots were used", key)
	}
	c.NeverTwice()
	c.NoViolations()
}

// TestM10Parallelism has 20 steps that are ready at once in a run that may run three, on three processes.
func TestM10Parallelism(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: []string{"--queue", "exec=8"}})
	replicas := []*cluster.Replica{c.Serve(), c.Serve(), c.Serve()}
	var plan strings.Builder
	plan.WriteString("name: narrow\nmax_parallel: 3\nsteps:\n")
	for i := range 20 {
		fmt.Fprintf(&plan, "  - {key: s%d, kind: exec, with: %s}\n", i, c.Work("for", "0.05"))
	}
	most := watch(t, c, `select count(*) from weir.steps where state = 'running'`)
	run := c.Submit(replicas[0], plan.String())
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	require.LessOrEqual(t, most(), 3, "by looking")
	require.Equal(t, 3, atOnce(c, "true"), "by the history, which also shows that it was as many as may be")

	// Who did what, and why, can be read back.
	for key, s := range c.Steps(run) {
		require.Equal(t, lifecycle.StepSucceeded, s.State, key)
		history := rows[struct{ What, Actor string }](t, c, `
select concat_ws(' ', from_state, to_state, cause) as what, actor from weir.transitions where run_id = $1 and step = $2 order by xid, id`, run, s.Step)
		require.Equal(t, "available running claimed", history[len(history)-2].What)
		require.Equal(t, "running succeeded reported", history[len(history)-1].What)
		require.Equal(t, "replica:"+s.WorkerID.String(), history[len(history)-1].Actor)
	}
	require.Equal(t, "running succeeded steps_final", cluster.Value[string](c, `
select concat_ws(' ', from_state, to_state, cause) from weir.transitions where run_id = $1 and step is null`, run))
	c.NeverTwice()
	c.NoViolations()
}

// submitMany submits a plan so many times, at all replicas.
func submitMany(t *testing.T, replicas []*cluster.Replica, plan string, n int) {
	t.Helper()
	var group errgroup.Group
	for i, r := range replicas {
		group.Go(func() error {
			for range n/len(replicas) + min(1, max(0, n%len(replicas)-i)) {
				if _, err := r.Client.RunSubmit(t.Context(), json.RawMessage(plan), ""); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}

// atOnce is how many of the steps s with the policy p ran at once at most, by the history.
func atOnce(c *cluster.Cluster, which string) int {
	return cluster.Value[int](c, `
select coalesce(max(n), 0)::int from (
  select sum(by) over (order by at, by) as n
  from (
    select t.at, case when t.to_state = 'running' then 1 else -1 end as by
    from weir.transitions t
    join weir.steps s on s.run_id = t.run_id and s.step = t.step
    left join weir.policies p on p.run_id = s.run_id and p.step = s.step
    where 'running' in (t.from_state, t.to_state) and `+which+`
  ) turn
) counted`)
}

// watch counts again and again from now on, and answers the most that there was when it is called.
func watch(t *testing.T, c *cluster.Cluster, sql string) func() int {
	t.Helper()
	var most, looks atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			var n int64
			if c.Pool.QueryRow(ctx, sql).Scan(&n) == nil {
				most.Store(max(most.Load(), n))
				looks.Add(1)
			}
			select {
			case <-ctx.Done():
			case <-time.After(3 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return func() int {
		require.Positive(t, looks.Load(), "it was looked at")
		return int(most.Load())
	}
}
