package lifecycle

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What a person does in psql, in one line, is what happened: reconcile goes on from there.
func TestStepCancelledByHand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a"), step("b", "a"), step("c")))
	b.exec(`update weir.steps set state = 'cancelled' where run_id = $1 and key = 'a'`, run)
	b.pass()
	require.Equal(t, StepSkipped, b.stepState(run, 2))
	b.finish(b.start(run, 3), OutcomeSucceeded)
	b.pass()
	require.Equal(t, RunFailed, b.runState(run))
	require.Equal(t, "available cancelled manual", scan[string](b, `
select concat_ws(' ', from_state, to_state, cause) from weir.transitions where run_id = $1 and step = 1 and actor = 'db:' || session_user`, run))
	b.healthy()
}

// A step that is taken from its worker by hand is dispatched again, and its worker comes too late.
func TestStepRetriedByHand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a")))
	first := b.start(run, 1)
	b.exec(`update weir.steps set state = 'retrying' where run_id = $1`, run)
	b.pass()
	late, err := b.StepFinish(t.Context(), reportOf(first, OutcomeSucceeded))
	require.NoError(t, err)
	require.NotEqual(t, ResultRecorded, late.Result)
	second := b.start(run, 1)
	require.Equal(t, 2, second.Attempt)
	b.finish(second, OutcomeSucceeded)
	require.Equal(t, RunSucceeded, b.runState(run))
	b.healthy()
}

// Pause and resume are one line each, too.
func TestRunPausedByHand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a"), step("b", "a")))
	running := b.start(run, 1)
	b.exec(`update weir.runs set state = 'paused' where id = $1`, run)
	b.finish(running, OutcomeSucceeded)
	b.pass()
	require.Equal(t, StepAvailable, b.stepState(run, 2))
	require.Nil(t, scan[*int64](b, `select river_job_id from weir.steps where run_id = $1 and step = 2`, run), "nothing starts")
	b.exec(`update weir.runs set state = 'running' where id = $1`, run)
	b.pass()
	b.finish(b.start(run, 2), OutcomeSucceeded)
	require.Equal(t, RunSucceeded, b.runState(run))
	b.healthy()
}

// So is the request to cancel a run: the rest is reconcile's.
func TestRunCancelledByHand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a"), step("b", "a")))
	b.exec(`update weir.runs set cancel_requested_at = now(), cancel_requested_by = 'me' where id = $1`, run)
	b.pass()
	require.Equal(t, StepCancelled, b.stepState(run, 1))
	require.Equal(t, StepCancelled, b.stepState(run, 2))
	require.Equal(t, RunCancelled, b.runState(run))
	b.healthy()
}
