//go:build linux

package integration_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// meddling is what people do to River jobs in psql; River UI's buttons do the same (TestW1ButtonsOfRiverUI).
func meddling() map[string]string {
	return map[string]string{
		"delete": `delete from weir.river_job where args ->> 'run' = $1 and (args ->> 'step')::int = $2`,
		"cancel": `update weir.river_job set state = 'cancelled', finalized_at = coalesce(finalized_at, now()) where args ->> 'run' = $1 and (args ->> 'step')::int = $2`,
		"retry": `update weir.river_job set state = 'available', finalized_at = null, scheduled_at = now(), max_attempts = max_attempts + 1
where args ->> 'run' = $1 and (args ->> 'step')::int = $2`,
	}
}

// TestW1MeddlingInPSQL deletes, cancels and retries the River jobs of steps that are queued, that run on one of two
// replicas, that back off and that have ended. Each step comes to a state that says what happened, nothing runs twice,
// and what had ended stays as it was.
func TestW1MeddlingInPSQL(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: []string{"--queue", "exec=16"}})
	replicas := []*cluster.Replica{c.Serve(), c.Serve()}
	runs := map[string]uuid.UUID{}
	for what := range meddling() {
		runs[what] = c.Submit(replicas[0], fmt.Sprintf(`
name: %s
steps:
  - {key: ended, kind: noop}
  - {key: backs-off, kind: exec, with: %s, retry: {max_attempts: 2, initial: 1h}}
  - {key: runs, kind: exec, with: %s}
  - {key: queued, kind: exec, queue: later, with: %s}
  - {key: after, kind: noop, needs: [runs, queued], run_if: all_finished}
`, what, c.Work("fail", "1"), c.Work("until", "go"), c.Work("for", "0.01")))
	}
	before := map[string][]string{}
	for what, run := range runs {
		c.StepBecomes(run, "ended", lifecycle.StepSucceeded)
		c.StepBecomes(run, "backs-off", lifecycle.StepRetrying)
		c.Until("it runs", func() bool { return c.Noted(cluster.Entry{What: "start", Run: run, Step: "runs"}) })
		c.Until("River has noted which jobs are over", func() bool {
			return cluster.Value[int](c, `select count(*)::int from weir.river_job where args ->> 'run' = $1 and state = 'completed'`, run.String()) == 2
		})
		before[what] = []string{c.Row(run, "ended"), c.Row(run, "backs-off")}
	}
	for what, sql := range meddling() {
		for _, s := range c.Steps(runs[what]) {
			c.Exec(sql, runs[what].String(), s.Step)
		}
	}

	sweepNow := func() {
		t.Helper()
		post(t, replicas[1], "/v1/refresh", `{}`)
	}
	sweepNow() // and not only within a minute
	for _, what := range []string{"delete", "cancel"} {
		run := runs[what]
		require.Equal(t, lifecycle.CauseCancelRequested, c.StepBecomes(run, "queued", lifecycle.StepCancelled).Cause, what)
		require.Equal(t, lifecycle.CauseCancelRequested, c.StepBecomes(run, "runs", lifecycle.StepCancelled).Cause, what)
		c.StepBecomes(run, "after", lifecycle.StepSucceeded)
		told := map[string]string{"delete": "deleted", "cancel": "cancelled"}[what]
		require.Equal(t, "its River job was "+told+", in River's UI or by hand", cluster.Value[string](c, `
select cancel_reason from weir.steps where run_id = $1 and key = 'runs'`, run))
		require.Equal(t, "river", cluster.Value[string](c, `
select actor from weir.transitions t join weir.steps s using (run_id, step) where t.run_id = $1 and s.key = 'queued' and to_state = 'cancelled'`, run))
	}
	c.Until("the commands are stopped", func() bool {
		return len(working(replicas[0]))+len(working(replicas[1])) == 1
	})

	// What was to be tried again runs once, and what is queued is not started twice either.
	run := runs["retry"]
	c.Serve("--queue", "later=4")
	require.Equal(t, 1, c.StepBecomes(run, "queued", lifecycle.StepSucceeded).Attempt)
	c.Until("every River job that was tried again is over, but that of what runs", func() bool {
		return cluster.Value[int](c, `select count(*)::int from weir.river_job where args ->> 'run' = $1 and state in ('available', 'retryable', 'scheduled')`, run.String()) == 0
	})
	require.Equal(t, lifecycle.StepRunning, c.Step(run, "runs").State)
	c.Touch("go")
	require.Equal(t, 1, c.StepBecomes(run, "runs", lifecycle.StepSucceeded).Attempt)
	c.StepBecomes(run, "after", lifecycle.StepSucceeded)

	sweepNow()
	for _, what := range slices.Sorted(maps.Keys(runs)) {
		run := runs[what]
		require.Equal(t, []string{c.Row(run, "ended"), c.Row(run, "backs-off")}, before[what], "%s: what had ended and what backs off are as they were", what)
		_, err := replicas[0].Client.RunCancel(t.Context(), run, "it would back off for an hour")
		require.NoError(t, err)
		require.Equal(t, lifecycle.RunCancelled, c.RunEnds(run))
	}
	starts := 0
	for _, e := range c.Ledger() {
		if e.What == "start" {
			starts++
			require.True(t, e.Step != "queued" || e.Run == run, "what was cancelled in the queue never ran")
		}
	}
	require.Equal(t, 3+3+1, starts)
	c.NeverTwice()
	c.NoViolations()
}
