package lifecycle

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// TestS8KillEverythingAndStartAgain ends every process while steps run, back off and are queued, and starts another one
// a minute later, with an engine of its own. Only what ran is touched, and as its policy says.
func TestS8KillEverythingAndStartAgain(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	retried := func(key string) plan.Step {
		st := step(key)
		st.Retry.MaxAttempts, st.Retry.Initial = 5, time.Hour
		return st
	}
	optedIn := retried("opted-in")
	optedIn.Retry.On = []string{"lost"}
	run := s.submit(planOf(step("runs"), optedIn, retried("backs-off"), step("queued"), step("needs", "queued")))
	dead := s.worker
	runs, again := s.start(run, 1), s.start(run, 2)
	s.finish(s.start(run, 3), OutcomeFailed)
	s.pass()
	rest := "select array_agg(s::text order by step) from weir.steps s where run_id = $1 and step > 2"
	before := scan[[]string](s.bundle, rest, run)

	// Nobody beats for a minute; the lease of the old worker is long over.
	s.exec("update weir.pulse set beat_at = clock_timestamp() - interval '1 minute', steady_since = clock_timestamp() - interval '1 hour'")
	s.exec("update weir.workers set seen_at = clock_timestamp() - interval '1 minute', lease_until = clock_timestamp() - interval '45 seconds'")
	next := &swept{bundle: &bundle{t: t, pool: s.pool, worker: uuid.New()}, observed: s.observed}
	next.Engine = New(Config{Pool: s.pool, Replica: next.worker, Observer: s.observed})
	next.addWorker(next.worker)
	require.NoError(t, next.expireOnce(t.Context()))
	require.NoError(t, next.sweep(t.Context()))
	next.pass()
	require.Equal(t, StepRunning, next.stepState(run, 1), "for a lease the old worker may still be heard of")
	require.Equal(t, before, scan[[]string](s.bundle, rest, run))

	s.exec("update weir.pulse set beat_at = clock_timestamp(), steady_since = clock_timestamp() - interval '15 seconds'")
	require.NoError(t, next.expire(t.Context()))
	next.pass()
	require.Equal(t, StepLost, next.stepState(run, 1))
	require.Equal(t, StepRetrying, next.stepState(run, 2))
	require.Equal(t, before, scan[[]string](s.bundle, rest, run), "due times, attempt numbers and dispatches are as they were")

	// Nothing runs twice: the old process was only frozen, and everything that it says comes too late.
	for _, a := range []*Attempt{runs, again} {
		answer, err := s.StepFinish(t.Context(), reportOf(a, OutcomeSucceeded))
		require.NoError(t, err)
		require.Equal(t, ResultTooLate, answer.Result)
	}
	started, err := s.StepStart(t.Context(), StartRequest{Run: run, Step: 4, Token: s.tokenOf(run, 4), Worker: dead})
	if err == nil {
		require.NotEqual(t, ResultStarted, started.Result, "a worker that is gone starts nothing")
	}
	next.finish(next.start(run, 4), OutcomeSucceeded)
	next.pass()
	next.finish(next.start(run, 5), OutcomeSucceeded)
	next.pass()
	require.Equal(t, "2 open, 1 failed", scan[string](s.bundle, "select format('%s open, %s failed', steps_open, steps_failed) from weir.runs where id = $1", run))
	next.noViolations()
}

// TestRunLosesWhatADeadWorkerHeld lets the loops of two engines run, with a worker that is never heard of.
func TestRunLosesWhatADeadWorkerHeld(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.Lease = time.Second })
	other := &bundle{Engine: New(Config{Pool: b.pool, Replica: uuid.New(), Lease: time.Second}), t: t, pool: b.pool}
	require.NoError(t, b.WorkerRegister(t.Context(), Worker{ID: b.worker, Name: "dead"}))
	run := b.submit(planOf(step("a"), step("b", "a")))
	b.start(run, 1)
	b.run()
	other.run()
	require.Eventually(t, func() bool { return b.runState(run) == RunFailed }, time.Minute, 10*time.Millisecond)
	require.Equal(t, StepLost, b.stepState(run, 1))
	require.Equal(t, StepSkipped, b.stepState(run, 2))
}
