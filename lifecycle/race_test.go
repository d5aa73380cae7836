package lifecycle

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// TestO1JanitorAndCompletionRace lets the leases of 1,000 workers run out while each of them reports a success. Whoever
// comes first, each step has exactly one end, and everybody was told which.
func TestO1JanitorAndCompletionRace(t *testing.T) {
	t.Parallel()
	const rounds, width = 10, 100
	s := newSwept(t)
	won := map[StepState]int{}
	for range rounds {
		run := s.submit(planOf(parallel(width)...))
		attempts := s.startAll(run, width)
		s.exec("update weir.pulse set beat_at = clock_timestamp(), steady_since = clock_timestamp() - interval '1 hour'")
		s.exec("update weir.workers set seen_at = clock_timestamp() - interval '16 seconds', lease_until = clock_timestamp() - interval '1 second' where name = 'racer' and gone_at is null")
		answers := s.race(attempts)
		require.NoError(t, s.expire(t.Context())) // whoever is left: a worker whose row the janitor passed over
		for i, a := range attempts {
			state := s.stepState(run, a.Step)
			won[state]++
			require.Equal(t, state, answers[i].State)
			if answers[i].Result == ResultRecorded {
				require.Equal(t, StepSucceeded, state)
				continue
			}
			require.Equal(t, ResultTooLate, answers[i].Result)
			require.Equal(t, StepLost, state)
			require.Equal(t, s.actor, answers[i].Actor)
			require.True(t, answers[i].At.Equal(scan[time.Time](s.bundle, "select at from weir.transitions where run_id = $1 and step = $2 and from_state = 'running'", run, a.Step)), "when")
		}
		require.Equal(t, width, scan[int](s.bundle, "select count(*) from weir.transitions where run_id = $1 and step is not null and from_state = 'running'", run), "one final write each")
		s.pass()
		require.True(t, s.runState(run).Final())
	}
	t.Logf("of %d steps %v", rounds*width, won)
	require.Equal(t, won[StepLost], scan[int](s.bundle, "select count(*) from weir.late_reports"), "what came too late is evidence")
	require.Equal(t, won[StepLost], s.observed.expired["lease_expired"])
	s.noViolations()
}

// TestO1LateReportOnAnOldConnection reports a success long after the step was lost.
func TestO1LateReportOnAnOldConnection(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	run := s.submit(planOf(step("a")))
	a := s.startAll(run, 1)[0]
	s.exec("delete from weir.workers where id = $1", a.Worker)
	s.exec("update weir.pulse set beat_at = clock_timestamp(), steady_since = clock_timestamp() - interval '1 hour'")
	require.NoError(t, s.expire(t.Context()))
	s.pass()
	row := scan[string](s.bundle, "select s::text from weir.steps s")
	answer, err := s.StepFinish(t.Context(), reportOf(a, OutcomeSucceeded))
	require.NoError(t, err)
	require.Equal(t, ResultTooLate, answer.Result)
	require.Equal(t, StepLost, answer.State)
	require.Equal(t, s.actor, answer.Actor)
	require.Equal(t, row, scan[string](s.bundle, "select s::text from weir.steps s"))
	require.True(t, answer.At.Equal(scan[time.Time](s.bundle, "select at from weir.transitions where from_state = 'running'")), "when")
	require.Equal(t, "succeeded lost", scan[string](s.bundle, "select outcome || ' ' || state_was from weir.late_reports"))
	require.Equal(t, RunFailed, s.runState(run))
	s.noViolations()
}

// TestO1LateReportInAnOldTransaction has a worker see its step running, in a transaction that goes on while the step is
// lost and in which it then says that it succeeded: past every query of ours, at either isolation.
func TestO1LateReportInAnOldTransaction(t *testing.T) {
	t.Parallel()
	for isolation, want := range map[pgx.TxIsoLevel]string{pgx.ReadCommitted: db.CheckViolation, pgx.RepeatableRead: db.SerializationFailure} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			s := newSwept(t)
			run := s.submit(planOf(step("a")))
			a := s.startAll(run, 1)[0]
			tx, err := s.pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: isolation})
			require.NoError(t, err)
			defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
			var seen string
			require.NoError(t, tx.QueryRow(t.Context(), "select state::text from weir.steps where run_id = $1", run).Scan(&seen))
			require.Equal(t, "running", seen)
			s.exec("update weir.workers set gone_at = clock_timestamp() where id = $1", a.Worker)
			s.exec("update weir.pulse set beat_at = clock_timestamp(), steady_since = clock_timestamp() - interval '1 hour'")
			require.NoError(t, s.expire(t.Context()))
			s.pass()
			const look = "select array_agg(s::text) || array_agg(t::text order by t.id) from weir.steps s join weir.transitions t using (run_id, step)"
			before := scan[[]string](s.bundle, look)
			_, err = tx.Exec(t.Context(), "update weir.steps set state = 'succeeded', cause = 'reported', river_job_id = null, finished_at = clock_timestamp() where run_id = $1", run)
			refusal, ok := db.AsError(err)
			require.True(t, ok, "%v", err)
			require.Equal(t, want, refusal.SQLState)
			if want == db.CheckViolation {
				require.Equal(t, "step_transition_is_legal", refusal.Constraint)
			}
			require.Equal(t, StepLost, s.stepState(run, 1))
			require.Equal(t, before, scan[[]string](s.bundle, look))
			s.noViolations()
		})
	}
}

// parallel is so many steps that need nothing.
func parallel(n int) []plan.Step {
	steps := make([]plan.Step, n)
	for i := range steps {
		steps[i] = step("s" + strconv.Itoa(i+1))
	}
	return steps
}

// race reports all attempts in random order while janitors look for leases that ran out.
func (s *swept) race(attempts []*Attempt) []FinishAnswer {
	s.t.Helper()
	answers := make([]FinishAnswer, len(attempts))
	errs := make([]error, len(attempts))
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	var reports, janitors sync.WaitGroup
	begin, over := make(chan struct{}), make(chan struct{})
	for range 2 {
		janitors.Go(func() {
			<-begin
			for {
				_ = s.expire(ctx) // what it could not do the next one does
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	close(begin)
	waves := make([][]int, 1+rand.N(8)) // some reports come before the janitor, some after
	for i := range attempts {
		n := rand.N(len(waves))
		waves[n] = append(waves[n], i)
	}
	for _, wave := range waves {
		for _, i := range wave {
			reports.Go(func() {
				report := reportOf(attempts[i], OutcomeSucceeded)
				for answers[i], errs[i] = s.StepFinish(ctx, report); IsRetryable(errs[i]); { // as the reporter does
					answers[i], errs[i] = s.StepFinish(ctx, report)
				}
			})
		}
		reports.Wait()
	}
	close(over)
	janitors.Wait()
	for _, err := range errs {
		require.NoError(s.t, err)
	}
	return answers
}

// startAll starts the first n steps of a run, each by a worker of its own.
func (s *swept) startAll(run uuid.UUID, n int) []*Attempt {
	s.t.Helper()
	workers := make([]uuid.UUID, n)
	for i := range workers {
		workers[i] = uuid.New()
	}
	s.exec("insert into weir.workers (id, name, lease_until) select id, 'racer', clock_timestamp() + interval '15 seconds' from unnest($1::uuid[]) id", workers)
	attempts := make([]*Attempt, n)
	errs := make([]error, n)
	tokens := make([]int64, n)
	for i := range tokens {
		tokens[i] = s.tokenOf(run, i+1)
	}
	var all sync.WaitGroup
	for i, worker := range workers {
		all.Go(func() {
			var answer StartAnswer
			answer, errs[i] = s.StepStart(s.t.Context(), StartRequest{Run: run, Step: i + 1, Token: tokens[i], Worker: worker})
			attempts[i] = answer.Attempt
		})
	}
	all.Wait()
	for i := range attempts {
		require.NoError(s.t, errs[i])
		require.NotNil(s.t, attempts[i])
	}
	return attempts
}
