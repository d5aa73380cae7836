package lifecycle

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

func TestStartNeedsTheToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a")))
	token := b.tokenOf(run, 1)
	a, err := b.StepStart(t.Context(), StartRequest{Run: run, Step: 1, Token: token + 1, Worker: b.worker})
	require.NoError(t, err)
	require.Equal(t, ResultSuperseded, a.Result)
	require.Equal(t, StepAvailable, b.stepState(run, 1))
}

// Connection cut in mid-commit: the same Start again is answered with the attempt that it already got.
func TestStartRepeated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a")))
	token := b.tokenOf(run, 1)
	first := b.start(run, 1)
	again, err := b.StepStart(t.Context(), StartRequest{Run: run, Step: 1, Token: token, Worker: b.worker})
	require.NoError(t, err)
	require.Equal(t, ResultStarted, again.Result)
	require.Equal(t, first.Attempt, again.Attempt.Attempt)
	require.Equal(t, 1, scan[int](b, `select attempt from weir.steps where run_id = $1`, run))

	other := uuid.New()
	b.addWorker(other)
	foreign, err := b.StepStart(t.Context(), StartRequest{Run: run, Step: 1, Token: token, Worker: other})
	require.NoError(t, err)
	require.Equal(t, ResultSuperseded, foreign.Result)
}

func TestStartOfAWorkerWhoseLeaseRanOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a")))
	b.exec(`update weir.workers set lease_until = clock_timestamp() - interval '1 second'`)
	_, err := b.StepStart(t.Context(), StartRequest{Run: run, Step: 1, Token: b.tokenOf(run, 1), Worker: b.worker})
	var refused *Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, CodeWorkerGone, refused.Code)
	require.False(t, IsRetryable(err))
	require.Equal(t, StepAvailable, b.stepState(run, 1))
}

func TestStartOfAPausedRunTakesTheDispatchBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a")))
	token := b.tokenOf(run, 1)
	b.exec(`update weir.runs set state = 'paused' where id = $1`, run)
	a, err := b.StepStart(t.Context(), StartRequest{Run: run, Step: 1, Token: token, Worker: b.worker})
	require.NoError(t, err)
	require.Equal(t, ResultPaused, a.Result)
	require.Nil(t, scan[*int64](b, `select river_job_id from weir.steps where run_id = $1`, run))
	b.exec(`update weir.runs set state = 'running' where id = $1`, run)
	b.pass()
	require.NotEqual(t, token, b.tokenOf(run, 1), "resume dispatches again")
	b.finish(b.start(run, 1), OutcomeSucceeded)
	require.Equal(t, RunSucceeded, b.runState(run))
}

func TestWhatAnAttemptIsGiven(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := step("first"), step("second", "first")
	second.With = json.RawMessage(`{"a": 1}`)
	second.Timeout, second.Grace, second.StallAfter = 90*time.Second, 3*time.Second, 5*time.Second
	p := planOf(first, second)
	p.Input = json.RawMessage(`{"x": "y"}`)
	run := b.submit(p)
	r := reportOf(b.start(run, 1), OutcomeSucceeded)
	r.Output = json.RawMessage(`[1, "two"]`)
	_, err := b.StepFinish(t.Context(), r)
	require.NoError(t, err)

	a := b.start(run, 2)
	require.JSONEq(t, `{"a": 1}`, string(a.With))
	require.JSONEq(t, `{"x": "y"}`, string(a.Input))
	require.Equal(t, "test", a.RunName)
	require.Equal(t, "second", a.Key)
	require.Equal(t, "noop", a.Kind)
	require.Equal(t, []time.Duration{90 * time.Second, 90 * time.Second, 3 * time.Second, 5 * time.Second}, []time.Duration{a.Timeout, a.Remaining, a.Grace, a.StallAfter})
	require.Equal(t, StepSucceeded, a.Needs["first"].State)
	require.JSONEq(t, `[1, "two"]`, string(a.Needs["first"].Output))
}

// O1, O4: the same report again is a duplicate, another one is late, and neither changes anything.
func TestLateReports(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a")))
	r := reportOf(b.start(run, 1), OutcomeFailed)
	first, err := b.StepFinish(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, ResultRecorded, first.Result)

	again, err := b.StepFinish(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, ResultDuplicate, again.Result)

	late := r
	late.ID, late.Outcome, late.Error, late.Output = uuid.New(), OutcomeSucceeded, nil, json.RawMessage(`{"precious": true}`)
	for range 20 {
		late.ID = uuid.New()
		answer, err := b.StepFinish(t.Context(), late)
		require.NoError(t, err)
		require.Equal(t, ResultTooLate, answer.Result)
		require.Equal(t, StepFailed, answer.State)
		require.Equal(t, "replica:"+b.worker.String(), answer.Actor)
	}
	require.Equal(t, StepFailed, b.stepState(run, 1))
	require.Equal(t, RunFailed, b.runState(run))
	require.Equal(t, 10, scan[int](b, `select count(*)::int from weir.late_reports where run_id = $1 and result = 'too_late'`, run), "ten are kept")
	require.JSONEq(t, `{"precious": true}`, scan[string](b, `select payload->>'output' from weir.late_reports where run_id = $1 limit 1`, run))
	require.Equal(t, 2, scan[int](b, `select count(*)::int from weir.transitions where run_id = $1 and step = 1`, run))
}

func TestReportOfAnAttemptThatWasSuperseded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := step("a")
	s.Retry.MaxAttempts, s.Retry.Initial = 2, time.Millisecond
	run := b.submit(planOf(s))
	old := b.start(run, 1)
	b.finish(old, OutcomeFailed)
	b.retryNow(run)
	b.start(run, 1)
	answer, err := b.StepFinish(t.Context(), reportOf(old, OutcomeSucceeded))
	require.NoError(t, err)
	require.Equal(t, ResultSuperseded, answer.Result)
	require.Equal(t, 2, answer.Attempt)
	require.Equal(t, StepRunning, b.stepState(run, 1))
}

// retryNow makes the steps of a run that wait to be tried again due, and dispatches them.
func (b *bundle) retryNow(run uuid.UUID) {
	b.t.Helper()
	b.exec(`update weir.steps set run_after = clock_timestamp() where run_id = $1 and state = 'retrying'`, run)
	require.NoError(b.t, b.dueOnce(b.t.Context()))
}

// S7: spent retries and permanent errors end a step with a category; nothing of it stays behind.
func TestRetries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		retry    plan.Retry
		outcomes []Outcome
		change   func(*Report)
		state    StepState
		cause    Cause
		failures int
	}{
		"no retries":       {plan.Retry{MaxAttempts: 1}, []Outcome{OutcomeFailed}, nil, StepFailed, CauseReported, 1},
		"succeeds at last": {plan.Retry{MaxAttempts: 3}, []Outcome{OutcomeFailed, OutcomeCrashed, OutcomeSucceeded}, nil, StepSucceeded, CauseReported, 2},
		"spent":            {plan.Retry{MaxAttempts: 2}, []Outcome{OutcomeFailed, OutcomeTimedOut}, nil, StepTimedOut, CauseAttemptsSpent, 2},
		"not this outcome": {plan.Retry{MaxAttempts: 5, On: []string{"crashed"}}, []Outcome{OutcomeFailed}, nil, StepFailed, CauseReported, 1},
		"permanent":        {plan.Retry{MaxAttempts: 5}, []Outcome{OutcomeFailed}, func(r *Report) { r.Error.Retryable = false }, StepFailed, CausePermanent, 1},
		"abandoned":        {plan.Retry{MaxAttempts: 5}, []Outcome{OutcomeTimedOut}, func(r *Report) { r.Cause = CauseAbandoned }, StepTimedOut, CauseAbandoned, 1},
		"abandoned, as asked": {
			plan.Retry{MaxAttempts: 2, On: []string{"timed_out"}},
			[]Outcome{OutcomeTimedOut, OutcomeSucceeded},
			func(r *Report) { r.Cause = CauseAbandoned }, StepSucceeded, CauseAbandoned, 1,
		},
		"handed back is no failure": {plan.Retry{MaxAttempts: 1}, []Outcome{OutcomeHandedBack, OutcomeHandedBack, OutcomeSucceeded}, nil, StepSucceeded, CauseReported, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			s := step("a")
			s.Retry.MaxAttempts, s.Retry.On = test.retry.MaxAttempts, test.retry.On
			run := b.submit(planOf(s))
			for i, outcome := range test.outcomes {
				r := reportOf(b.start(run, 1), outcome)
				require.Equal(t, i+1, r.Attempt)
				if test.change != nil {
					test.change(&r)
				}
				answer, err := b.StepFinish(t.Context(), r)
				require.NoError(t, err)
				require.Equal(t, ResultRecorded, answer.Result)
				if i < len(test.outcomes)-1 {
					require.Equal(t, StepRetrying, answer.State)
					b.retryNow(run)
				}
			}
			require.Equal(t, test.state, b.stepState(run, 1))
			require.Equal(t, string(test.cause), scan[string](b, `select cause::text from weir.steps where run_id = $1`, run))
			require.Equal(t, test.failures, scan[int](b, `select failures from weir.steps where run_id = $1`, run))
			require.True(t, b.runState(run).Final())
			require.Nil(t, scan[*int64](b, `select river_job_id from weir.steps where run_id = $1`, run))
		})
	}
}

// A step that is due to be tried again starts without being told, and no earlier than its backoff.
func TestRetryComesByItself(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.PollInterval = -1 })
	b.run()
	s := step("a")
	s.Retry.MaxAttempts, s.Retry.Initial = 2, 50*time.Millisecond
	run := b.submit(planOf(s))
	b.finish(b.start(run, 1), OutcomeFailed)
	b.start(run, 1)
	require.True(t, scan[bool](b, `select max(at) filter (where to_state = 'running') - max(at) filter (where to_state = 'retrying') >= interval '50 milliseconds' from weir.transitions where run_id = $1`, run))
}

// W8: a row that somebody holds delays nobody else's report.
func TestLockedStepDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a"), step("b")))
	locked, free := b.start(run, 1), b.start(run, 2)
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context()) //nolint:errcheck // it only holds a lock
	_, err = tx.Exec(t.Context(), `select from weir.steps where run_id = $1 and step = 1 for update`, run)
	require.NoError(t, err)
	answers, err := b.finishFlush(t.Context(), []Report{reportOf(locked, OutcomeSucceeded), reportOf(free, OutcomeSucceeded)})
	require.NoError(t, err)
	require.True(t, IsRetryable(answers[0].err))
	require.Equal(t, ResultRecorded, answers[1].value.Result)
	require.NoError(t, tx.Rollback(t.Context()))
	b.finish(locked, OutcomeSucceeded)
	require.Equal(t, RunSucceeded, b.runState(run))
}

// W8: what the database cannot store is refused alone.
func TestPoisonedReportInAFlush(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a"), step("b"), step("c")))
	var calls []*call[Report, FinishAnswer]
	for i := 1; i <= 3; i++ {
		r := reportOf(b.start(run, i), OutcomeSucceeded)
		if i == 2 {
			r.Output = json.RawMessage(`"\ud800"`) // JSON, but not for PostgreSQL
		}
		calls = append(calls, &call[Report, FinishAnswer]{item: r, done: make(chan struct{})})
	}
	b.finishes.commit(t.Context(), calls)
	require.Equal(t, ResultRecorded, calls[0].answer.value.Result)
	require.Equal(t, ResultRecorded, calls[2].answer.value.Result)
	var refused *Error
	require.ErrorAs(t, calls[1].answer.err, &refused)
	require.Equal(t, CodeReportRejected, refused.Code)
	require.False(t, refused.Retryable)
	require.Equal(t, StepRunning, b.stepState(run, 2))
}

// A step that was fetched and is not started there is dispatched again at once; one that runs is left alone.
func TestRelease(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.PollInterval = -1 })
	b.run()
	run := b.submit(planOf(step("a"), step("b")))
	token := b.tokenOf(run, 1)
	require.NoError(t, b.StepRelease(t.Context(), StartRequest{Run: run, Step: 1, Token: token, Worker: b.worker}))
	require.Eventually(t, func() bool {
		now := scan[*int64](b, `select river_job_id from weir.steps where run_id = $1 and step = 1`, run)
		return now != nil && *now != token
	}, 30*time.Second, time.Millisecond)
	a := b.start(run, 1)
	held := b.tokenOf(run, 1)
	require.NoError(t, b.StepRelease(t.Context(), StartRequest{Run: run, Step: 1, Token: held, Worker: b.worker}))
	require.Equal(t, StepRunning, b.stepState(run, 1))
	require.Equal(t, held, b.tokenOf(run, 1))
	b.finish(a, OutcomeSucceeded)
}

// retry: {on: []} wants nothing tried again. It is not the same as to say nothing.
func TestFinishOfAStepThatIsRetriedOnNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := planOf(step("a"), step("b"))
	for i := range p.Steps {
		p.Steps[i].Retry.MaxAttempts = 2
	}
	p.Steps[0].Retry.On = []string{}
	run := b.submit(p)
	b.finish(b.start(run, 1), OutcomeFailed)
	b.finish(b.start(run, 2), OutcomeFailed)
	require.Equal(t, StepFailed, b.stepState(run, 1))
	require.Equal(t, StepRetrying, b.stepState(run, 2))
}
