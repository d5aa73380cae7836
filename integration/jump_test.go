//go:build linux

package integration_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// jump is a cluster of two replicas on a server whose clock can jump.
type jump struct {
	*cluster.Cluster

	t      *testing.T
	server *cluster.Server
	worker *cluster.Replica
	victim *cluster.Replica // serves the queue victim alone

	held, victims, queued, limited, waits, late uuid.UUID
}

// newJump starts everything that is to be there when the clock jumps: steps that run, are queued behind them and behind a
// limit, have been granted by a rate, and are due at some time; and a schedule.
func newJump(t *testing.T) *jump {
	t.Helper()
	config := cluster.ServerConfig{Clock: true}
	if why := config.Unavailable(); why != "" {
		t.Skip(why)
	}
	j := &jump{t: t, server: cluster.NewServerWith(t, config)}
	j.Cluster = cluster.New(t, cluster.Config{URL: j.server.URL, Flags: append(quick(), "--queue", "default=0")})
	j.worker = j.Serve("--queue", "exec=3", "--queue", "default=8")
	j.victim = j.Serve("--queue", "victim=1", "--queue", "exec=0")
	j.held = j.Submit(j.worker, fmt.Sprintf(`
name: held
steps:
  - {key: long, kind: exec, grace: 1s, with: &hold %s}
  - {key: silent, kind: exec, grace: 1s, stall_after: 3m, with: *hold}
`, j.Work("until", "go")))
	j.victims = j.Submit(j.worker, fmt.Sprintf(`{name: victim, steps: [{key: a, kind: exec, queue: victim, with: %s}]}`, j.Work("until", "never")))
	limited := fmt.Sprintf(`{name: limited, concurrency: {key: one, limit: 1}, steps: [{key: a, kind: exec, with: %s}]}`, j.Work("until", "go"))
	j.Submit(j.worker, limited)
	for range 2 {
		j.Until("it has started", func() bool { return len(j.Ledger()) == 4 })
	}
	j.limited = j.Submit(j.worker, limited)
	j.queued = j.Submit(j.worker, fmt.Sprintf(`{name: queued, steps: [{key: a, kind: exec, with: %s}, {key: b, kind: noop, needs: [a]}]}`, j.Work("for", "0.01")))
	j.waits = j.Submit(j.worker, `{name: waits, steps: [{key: a, kind: wait, with: {for: time, duration: 30m}}, {key: b, kind: noop, needs: [a]}]}`)
	j.StepBecomes(j.waits, "a", lifecycle.StepWaiting)
	require.Equal(t, lifecycle.RunSucceeded, j.RunEnds(j.rated()))
	put(t, j.worker, "/v1/plans/tick", `{"name": "tick", "steps": [{"key": "a", "kind": "noop"}]}`)
	put(t, j.worker, "/v1/schedules/tick", `{"plan": "tick", "cron": "@every 1s", "overlap": "allow"}`)
	j.Until("the schedule goes", func() bool { return j.ticks() > 1 })
	j.Until("a rate holds a run back", func() bool {
		j.late = j.rated()
		return cluster.Value[int](j.Cluster, `select count(*)::int from weir.slots where waiting_on = '~rate/each'`) > 0
	})
	return j
}

// rated submits a run of which one may start every two seconds.
func (j *jump) rated() uuid.UUID {
	return j.Submit(j.worker, `{name: rated, rate: {key: each, limit: 1, per: 2s}, steps: [{key: a, kind: noop}]}`)
}

// ticks is how many slots of the schedule have made a run.
func (j *jump) ticks() int {
	return cluster.Value[int](j.Cluster, `select count(distinct idempotency_key)::int from weir.runs where labels ->> 'weir/schedule' = 'tick'`)
}

// nobodyIsLost waits until somebody could be declared lost, and looks whether anybody was.
func (j *jump) nobodyIsLost() {
	j.t.Helper()
	j.Until("somebody could be declared lost", func() bool {
		return cluster.Value[bool](j.Cluster, `select clock_timestamp() - steady_since between interval '8 seconds' and interval '1 minute' from weir.pulse`)
	})
	require.Zero(j.t, cluster.Value[int](j.Cluster, `select count(*)::int from weir.workers where gone_at is not null`))
	for key, s := range j.Steps(j.held) {
		require.Equal(j.t, lifecycle.StepRunning, s.State, "%s, cause %s", key, s.Cause)
		require.Equal(j.t, 1, s.Attempt, key)
	}
	require.Equal(j.t, lifecycle.StepRunning, j.Step(j.victims, "a").State)
}

// goesOn looks whether everything that does not wait for a time of day goes on, and who dies is still found out.
func (j *jump) goesOn() {
	j.t.Helper()
	for range 3 {
		require.Equal(j.t, lifecycle.RunSucceeded, j.RunEnds(j.rated()), "a rate has tokens")
	}
	j.Touch("go")
	for what, run := range map[string]uuid.UUID{"held": j.held, "queued": j.queued, "limited": j.limited, "late": j.late} {
		require.Equal(j.t, lifecycle.RunSucceeded, j.RunEnds(run), what)
		for key, s := range j.Steps(run) {
			require.Equal(j.t, 1, s.Attempt, key)
		}
	}
	again := j.Submit(j.worker, fmt.Sprintf(`{name: again, steps: [{key: a, kind: exec, with: %s, retry: {max_attempts: 2, initial: 1s}}]}`, j.Work("fail", "1")))
	require.Equal(j.t, lifecycle.RunFailed, j.RunEnds(again))
	require.Equal(j.t, 2, j.Step(again, "a").Attempt)
	j.victim.Kill()
	require.Equal(j.t, lifecycle.CauseLeaseExpired, j.StepBecomes(j.victims, "a", lifecycle.StepLost).Cause)
	j.NeverTwice()
	j.NoViolations()
}

// TestW6TheDatabasesClockJumpsForward moves the clock of the database an hour forward. Nobody is declared lost or over
// its time for it. What was due within the hour is due at once, and of the slots that were passed over the schedule makes
// up for what it is told to: one.
func TestW6TheDatabasesClockJumpsForward(t *testing.T) {
	t.Parallel()
	j := newJump(t)
	ticks := j.ticks()
	j.server.SetClock(time.Hour)
	j.nobodyIsLost()
	require.Equal(t, lifecycle.RunSucceeded, j.RunEnds(j.waits), "it waited for a time, which has come")
	j.Until("the schedule goes on", func() bool { return j.ticks() > ticks+3 })
	require.Less(t, j.ticks(), 600, "an hour of slots was not made up for")
	j.goesOn()
}

// TestW6TheDatabasesClockJumpsBack moves it an hour back. Nobody is declared lost, and nothing that has no date stands
// still for it. What is due at a time is due at that time, and no slot of the schedule makes two runs.
func TestW6TheDatabasesClockJumpsBack(t *testing.T) {
	t.Parallel()
	j := newJump(t)
	j.server.SetClock(-time.Hour)
	j.nobodyIsLost()
	ticks := j.ticks()
	j.goesOn()
	require.Equal(t, ticks, j.ticks(), "the next slot has not come yet")
	require.Equal(t, lifecycle.StepWaiting, j.Step(j.waits, "a").State)

	j.server.SetClock(0)
	j.Until("the schedule goes on", func() bool { return j.ticks() > ticks+3 })
	require.Equal(t, j.ticks(), cluster.Value[int](j.Cluster, `select count(*)::int from weir.runs where labels ->> 'weir/schedule' = 'tick'`), "a run for each slot")
}
