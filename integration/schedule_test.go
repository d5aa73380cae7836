//go:build linux

package integration_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// ticking is how large TestScheduleEverySecond is.
type ticking struct{ replicas, seconds, killed int }

func tickingSize() ticking {
	if full() {
		return ticking{replicas: 10, seconds: 60, killed: 3}
	}
	return ticking{replicas: 4, seconds: 12, killed: 2}
}

// TestScheduleEverySecond has several replicas fire a schedule every second, and kills some of them with -9 at random:
// often in the middle of a slot, since each stands still for a while between submitting the run of a slot and committing
// it. There is one run for each slot, and all of them end well.
func TestScheduleEverySecond(t *testing.T) {
	t.Parallel()
	chance := seeded(t)
	size := tickingSize()
	c := cluster.New(t, cluster.Config{Flags: quick()})
	replicas := make([]*cluster.Replica, size.replicas)
	for i := range replicas {
		replicas[i] = c.ServeFaulty("fired=300ms")
	}
	first := tick(t, c, replicas[0])
	last := first.Add(time.Duration(size.seconds-1) * time.Second)
	for _, at := range killTimes(chance, size) {
		c.Until("it is time for a victim", func() bool { return cluster.Value[bool](c, `select clock_timestamp() >= $1`, first.Add(at)) })
		i := chance.IntN(len(replicas))
		replicas[i].Kill()
		replicas = slices.Delete(replicas, i, i+1)
	}
	c.Until("the last slot has made its run", func() bool {
		return cluster.Value[bool](c, `select last_slot >= $1 from weir.schedules`, last)
	})
	_, err := replicas[0].Client.SchedulePause(t.Context(), "tick")
	require.NoError(t, err)

	slots := cluster.Value[[]string](c, `select array_agg(idempotency_key order by idempotency_key) from weir.runs where labels ->> 'weir/schedule' = 'tick'`)
	require.GreaterOrEqual(t, len(slots), size.seconds)
	for i, slot := range slots {
		require.Equal(t, first.Add(time.Duration(i)*time.Second).UTC().Format(time.RFC3339), slot, "one run for each slot")
	}
	for _, run := range cluster.Value[[]uuid.UUID](c, `select array_agg(id) from weir.runs`) {
		require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	}
	by := cluster.Value[int](c, `select count(distinct created_by)::int from weir.runs`)
	require.Greater(t, by, 1)
	t.Logf("%d runs, fired by %d replicas", len(slots), by)
	c.NoViolations()
}

// tick makes the schedule, and gives its first slot.
func tick(t *testing.T, c *cluster.Cluster, r *cluster.Replica) (first time.Time) {
	t.Helper()
	_, err := r.Client.PlanPut(t.Context(), "tick", json.RawMessage(`{"name": "tick", "steps": [
		{"key": "a", "kind": "noop", "retry": {"max_attempts": 10, "initial": "10ms", "on": ["lost", "crashed"]}}]}`))
	require.NoError(t, err)
	put, err := r.Client.SchedulePut(t.Context(), "tick", json.RawMessage(`{"plan": "tick", "cron": "* * * * * *", "overlap": "allow"}`))
	require.NoError(t, err)
	return *put.Value.NextSlot
}

// killTimes are when replicas die after the first slot, in order.
func killTimes(chance *rand.Rand, size ticking) []time.Duration {
	times := make([]time.Duration, size.killed)
	for i := range times {
		times[i] = time.Second + time.Duration(chance.Int64N(int64(time.Duration(size.seconds-3)*time.Second)))
	}
	slices.Sort(times)
	return times
}

// TestScheduleAfterAnOutage has every replica die, and the slots that pass meanwhile made up for as the schedule says, once,
// by two replicas that start at the same time.
func TestScheduleAfterAnOutage(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: quick()})
	r := c.Serve()
	_, err := r.Client.PlanPut(t.Context(), "p", json.RawMessage(`{"name": "p", "steps": [{"key": "a", "kind": "noop"}]}`))
	require.NoError(t, err)
	cron := fmt.Sprintf(`"cron": "%d * * * *"`, time.Now().Add(30*time.Minute).Minute()) // nothing is due while this test runs
	for name, body := range map[string]string{
		"all":  `"missed": "all", "window": "10h"`,
		"once": `"missed": "once"`,
		"skip": `"missed": "skip"`,
	} {
		_, err := r.Client.SchedulePut(t.Context(), name, json.RawMessage(`{"plan": "p", "overlap": "allow", `+cron+`, `+body+`}`))
		require.NoError(t, err)
	}
	next := cluster.Value[time.Time](c, `select min(next_slot) from weir.schedules`)
	r.Kill()
	// As if everything had been down for days: time itself cannot be made to pass.
	c.Exec(`update weir.schedules set next_slot = next_slot - interval '3 days', due_at = due_at - interval '3 days'`)
	one, other := c.Launch(c.URL), c.Launch(c.URL)
	c.Await(one)
	c.Await(other)
	c.Until("all slots are done with", func() bool {
		return cluster.Value[bool](c, `select bool_and(next_slot = $1) from weir.schedules`, next)
	})
	counts := map[string]int{}
	for _, name := range []string{"all", "once", "skip"} {
		counts[name] = cluster.Value[int](c, `select count(*)::int from weir.runs where labels ->> 'weir/schedule' = $1`, name)
	}
	require.Equal(t, map[string]int{"all": 10, "once": 1, "skip": 0}, counts)
	require.Equal(t, next.Add(-time.Hour).UTC().Format(time.RFC3339),
		cluster.Value[string](c, `select idempotency_key from weir.runs where labels ->> 'weir/schedule' = 'once'`), "the newest of them")
	c.NoViolations()
}
