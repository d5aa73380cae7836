package lifecycle

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

var who = CancelRequest{Actor: "token:ops", Reason: "wrong input"}

func TestCancelOfWhatNobodyHolds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	last := step("last", "b")
	last.RunIf = "all_finished"
	run := b.submit(planOf(step("a"), step("b", "a"), last))
	require.NoError(t, b.RunCancel(t.Context(), run, who))
	require.Equal(t, RunRunning, b.runState(run), "a request is not a fact")
	b.pass()
	require.Equal(t, RunCancelled, b.runState(run))
	for ordinal := 1; ordinal <= 3; ordinal++ {
		require.Equal(t, StepCancelled, b.stepState(run, ordinal), "a cancelled run starts nothing")
	}
	err := b.RunCancel(t.Context(), run, who)
	var refused *Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, CodeIllegalTransition, refused.Code)
	require.Equal(t, "cancelled", refused.Current.State)
	require.Empty(t, refused.Allowed)
	require.NotNil(t, refused.Allowed)
}

// What a worker reports after a cancel is true and wins; nothing is retried.
func TestCancelOfRunningSteps(t *testing.T) {
	t.Parallel()
	b := setup(t)
	steps := []plan.Step{step("finished"), step("stopped"), step("failed"), step("back"), step("later", "finished", "stopped")}
	for i := range steps {
		steps[i].Retry.MaxAttempts = 5
	}
	run := b.submit(planOf(steps...))
	var attempts []*Attempt
	for ordinal := 1; ordinal <= 4; ordinal++ {
		attempts = append(attempts, b.start(run, ordinal))
	}
	require.NoError(t, b.RunCancel(t.Context(), run, who))
	require.NoError(t, b.RunCancel(t.Context(), run, CancelRequest{Actor: "token:other"}), "asking again is fine")
	b.pass()
	require.Equal(t, 4, scan[int](b, `select count(*)::int from weir.stops where run_id = $1 and worker_id = $2`, run, b.worker))
	require.Equal(t, StepCancelled, b.stepState(run, 5))
	for i, outcome := range []Outcome{OutcomeSucceeded, OutcomeCancelled, OutcomeFailed, OutcomeHandedBack} {
		b.finish(attempts[i], outcome)
	}
	require.Equal(t, StepSucceeded, b.stepState(run, 1))
	for ordinal := 2; ordinal <= 4; ordinal++ {
		require.Equal(t, StepCancelled, b.stepState(run, ordinal))
	}
	require.Equal(t, RunCancelled, b.runState(run))
	require.Zero(t, scan[int](b, `select count(*)::int from weir.stops`))
	require.Equal(t, "token:ops", scan[string](b, `select cancel_requested_by from weir.runs where id = $1`, run), "the first request counts")
}

// A Start that commits while the cancellation is asked for is found and stopped.
func TestStartThatRacesWithACancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a")))
	require.NoError(t, b.RunCancel(t.Context(), run, who))
	answer, err := b.StepStart(t.Context(), StartRequest{Run: run, Step: 1, Token: b.tokenOf(run, 1), Worker: b.worker})
	require.NoError(t, err)
	require.Equal(t, ResultCancelled, answer.Result)

	other := b.submit(planOf(step("a")))
	attempt := b.start(other, 1)
	require.NoError(t, b.RunCancel(t.Context(), other, who))
	b.exec(`delete from weir.dirty`) // the pass that served the request came before the Start was visible
	require.NoError(t, b.cancellingOnce(t.Context()))
	require.Equal(t, 1, scan[int](b, `select count(*)::int from weir.stops where run_id = $1`, other))
	b.finish(attempt, OutcomeCancelled)
	require.Equal(t, RunCancelled, b.runState(other))
}

func TestCancelOfOneStep(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tidy := step("tidy", "a", "b")
	tidy.RunIf = "all_finished"
	run := b.submit(planOf(step("a"), step("b", "a"), tidy, step("d")))
	require.NoError(t, b.StepCancel(t.Context(), run, "b", who))
	b.pass()
	require.Equal(t, StepCancelled, b.stepState(run, 2))
	b.finish(b.start(run, 1), OutcomeSucceeded)
	b.finish(b.start(run, 3), OutcomeSucceeded)
	running := b.start(run, 4)
	require.NoError(t, b.StepCancel(t.Context(), run, "d", who))
	b.pass()
	require.Equal(t, 1, scan[int](b, `select count(*)::int from weir.stops where run_id = $1 and step = 4`, run))
	b.finish(running, OutcomeCancelled)
	require.Equal(t, RunFailed, b.runState(run), "a step that was cancelled is a failure of its run")

	var refused *Error
	require.ErrorAs(t, b.StepCancel(t.Context(), run, "b", who), &refused)
	require.Equal(t, CodeIllegalTransition, refused.Code)
	require.ErrorAs(t, b.StepCancel(t.Context(), run, "none", who), &refused)
	require.Equal(t, CodeNotFound, refused.Code)
	require.ErrorAs(t, b.RunCancel(t.Context(), uuid.New(), who), &refused)
	require.Equal(t, CodeNotFound, refused.Code)
}

func TestCancelOfALargeRunTakesSeveralTransactions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var steps []plan.Step
	for range 2*passSteps + 10 {
		steps = append(steps, step(uuid.NewString()))
	}
	run := b.submit(planOf(steps...))
	require.NoError(t, b.RunCancel(t.Context(), run, who))
	_, _, err := b.passOnce(t.Context())
	require.NoError(t, err)
	require.Equal(t, passSteps+10, scan[int](b, `select steps_open from weir.runs where id = $1`, run))
	b.pass()
	require.Equal(t, RunCancelled, b.runState(run))
}

// A report that was read before a cancellation was asked for, and is committed after reconcile has looked, has its step
// tried again. It is not: the hint about it is enough.
func TestReportThatRacesWithACancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := planOf(step("a"), step("b", "a"))
	p.Steps[0].Retry.MaxAttempts = 3
	run := b.submit(p)
	report := reportOf(b.start(run, 1), OutcomeFailed)
	b.exec(`create function public.wait_here() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(7); return new; end $$`)
	b.exec(`create trigger waits before insert on weir.outputs for each row execute function public.wait_here()`)
	holder, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer holder.Rollback(t.Context()) //nolint:errcheck // it only holds a lock
	_, err = holder.Exec(t.Context(), `select pg_advisory_xact_lock(7)`)
	require.NoError(t, err)
	params := finishParams(b.worker, []Report{report}, []int{0})
	params.Shards = []int32{}
	reported := make(chan error, 1)
	go func() {
		_, err := b.q.StepFinish(t.Context(), params)
		reported <- err
	}()
	require.Eventually(t, func() bool {
		return scan[bool](b, `select exists (select from pg_locks where locktype = 'advisory' and objid = 7 and not granted)`)
	}, 30*time.Second, time.Millisecond, "the report is being recorded")
	require.NoError(t, b.RunCancel(t.Context(), run, CancelRequest{Actor: "local"}))
	b.pass()
	require.NoError(t, holder.Rollback(t.Context()))
	require.NoError(t, <-reported)
	require.Equal(t, StepRetrying, b.stepState(run, 1))
	b.pass()
	require.Equal(t, StepCancelled, b.stepState(run, 1))
	require.Equal(t, RunCancelled, b.runState(run))
}
