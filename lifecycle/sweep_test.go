package lifecycle

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// swept is an engine on a database of its own whose hints are all served.
type swept struct {
	*bundle

	observed *observed
}

func newSwept(t *testing.T) *swept {
	t.Helper()
	o := &observed{expired: map[string]int{}, repaired: map[string]int{}}
	return &swept{bundle: setup(t, func(c *Config) { c.Observer = o }), observed: o}
}

// sweepAll sweeps, serves what that brought about, and looks for violations as they are seen once a minute has passed.
func (s *swept) sweepAll() {
	s.t.Helper()
	require.NoError(s.t, s.sweep(s.t.Context()))
	s.pass()
	s.noViolations()
}

func (s *swept) noViolations() {
	s.t.Helper()
	s.exec("update weir.pulse set beat_at = clock_timestamp(), steady_since = clock_timestamp() - interval '1 hour'")
	require.Empty(s.t, scan[[]string](s.bundle, "select array_agg(rule || ': ' || message) from weir.violations"))
}

// unguarded changes rows as no guard would let it, without history and hints.
func (s *swept) unguarded(sql string, args ...any) {
	s.t.Helper()
	tx, err := s.pool.Begin(s.t.Context())
	require.NoError(s.t, err)
	defer func() { _ = tx.Rollback(s.t.Context()) }()
	_, err = tx.Exec(s.t.Context(), "set local session_replication_role = replica")
	require.NoError(s.t, err)
	tag, err := tx.Exec(s.t.Context(), sql, args...)
	require.NoError(s.t, err)
	require.NotZero(s.t, tag.RowsAffected(), "there is something to break")
	require.NoError(s.t, tx.Commit(s.t.Context()))
}

func (s *swept) last(run uuid.UUID, ordinal int) string {
	s.t.Helper()
	return scan[string](s.bundle, "select to_state || ' ' || cause || ' ' || actor from weir.transitions where run_id = $1 and step = $2 order by xid desc, id desc limit 1", run, ordinal)
}

func TestSweepOfWhatIsRightDoesNothing(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	done := s.submit(planOf(step("a"), step("b", "a")))
	s.finish(s.start(done, 1), OutcomeSucceeded)
	s.pass()
	s.finish(s.start(done, 2), OutcomeSucceeded)
	half := s.submit(planOf(step("a"), step("b"), step("c", "a", "b"), step("d")))
	s.finish(s.start(half, 1), OutcomeFailed)
	s.start(half, 2)
	s.pass()
	s.exec("update weir.runs set state = 'paused' where id = $1", s.submit(planOf(step("a"))))
	s.pass()
	rows := "select array_agg(s::text order by run_id, step) from weir.steps s"
	before := scan[[]string](s.bundle, rows)
	s.sweepAll()
	require.Equal(t, before, scan[[]string](s.bundle, rows))
	require.Empty(t, s.observed.repaired)
}

func TestSweepOfAWideStepHalfCounted(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	run := s.submit(planOf(step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")))
	// a has ended, and is counted into b but not yet into c: so it is while a step with more than 1,000 dependants is settled.
	s.unguarded("update weir.steps set state = 'succeeded', river_job_id = null, finished_at = clock_timestamp(), attempt = 1 where run_id = $1 and step = 1", run)
	s.unguarded("update weir.needs set counted = true where run_id = $1 and step = 2", run)
	s.unguarded("update weir.steps set needs_open = 0, state = 'available' where run_id = $1 and step = 2", run)
	s.exec("insert into weir.dirty (shard, run_id, step) values (weir.shard_of($1), $1, 1), (weir.shard_of($1), $1, 2)", run)
	require.NoError(t, s.sweep(t.Context()))
	require.Empty(t, s.observed.repaired)
	s.unguarded("update weir.steps set needs_open = 1, state = 'pending' where run_id = $1 and step = 2", run)
	s.unguarded("delete from weir.dirty")
	require.NoError(t, s.sweep(t.Context()))
	s.pass()
	require.Equal(t, map[string]int{RepairNeedsCounted: 1, RepairForgotten: 1}, s.observed.repaired)
	require.Equal(t, StepAvailable, s.stepState(run, 2))
	require.Equal(t, StepAvailable, s.stepState(run, 3))
	require.Equal(t, 2, scan[int](s.bundle, "select needs_open from weir.steps where run_id = $1 and step = 4", run))
}

func TestSweepIsDoneByOneAMinute(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	run := s.submit(planOf(step("a")))
	s.unguarded("update weir.runs set steps_open = 0 where id = $1", run)
	s.exec("update weir.pulse set swept_at = clock_timestamp()")
	require.NoError(t, s.sweepOnce(t.Context()))
	require.Empty(t, s.observed.repaired, "the last one was less than a minute ago")
	s.exec("update weir.pulse set swept_at = clock_timestamp() - interval '61 seconds'")
	require.NoError(t, s.sweepOnce(t.Context()))
	require.Equal(t, map[string]int{RepairRunCounted: 1}, s.observed.repaired)
	require.NoError(t, s.sweepOnce(t.Context()))
}

func TestSweepRecountsRuns(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	run, stuck := s.submit(planOf(step("a"), step("b"))), s.submit(planOf(step("a")))
	s.finish(s.start(run, 1), OutcomeFailed)
	s.finish(s.start(stuck, 1), OutcomeSucceeded)
	s.pass()
	require.Equal(t, RunSucceeded, s.runState(stuck))
	s.unguarded("update weir.runs set steps_open = 0, steps_failed = 0 where id = $1", run)
	s.unguarded("update weir.runs set steps_open = 1, state = 'running', cause = 'submitted', finished_at = null where id = $1", stuck)
	s.unguarded("delete from weir.transitions where run_id = $1 and step is null", stuck)
	s.sweepAll()
	require.Equal(t, "1 1", scan[string](s.bundle, "select steps_open || ' ' || steps_failed from weir.runs where id = $1", run))
	require.Equal(t, RunSucceeded, s.runState(stuck), "its steps had all ended")
	require.Equal(t, map[string]int{RepairRunCounted: 2, RepairForgotten: 1}, s.observed.repaired)
	s.finish(s.start(run, 2), OutcomeSucceeded)
	s.pass()
	require.Equal(t, RunFailed, s.runState(run))
}

func TestSweepRecountsNeeds(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	run := s.submit(planOf(step("a"), step("b"), step("c", "a", "b"), step("d", "c"), step("e", "a"), step("f", "e")))
	s.finish(s.start(run, 1), OutcomeSucceeded)
	s.pass()
	require.Equal(t, StepAvailable, s.stepState(run, 5))
	s.finish(s.start(run, 5), OutcomeFailed)
	s.pass()
	require.Equal(t, StepSkipped, s.stepState(run, 6))
	s.unguarded("update weir.steps set needs_open = 2 where run_id = $1 and step = 3", run)
	// As if the failure of e had not been counted into f.
	s.unguarded("update weir.steps set state = 'pending', cause = 'submitted', settled = false, finished_at = null, needs_open = 1, needs_failed = 0 where run_id = $1 and step = 6", run)
	s.unguarded("delete from weir.transitions where run_id = $1 and step = 6", run)
	s.unguarded("update weir.runs set steps_open = 4, steps_failed = 1 where id = $1", run)
	s.sweepAll()
	require.Equal(t, 1, scan[int](s.bundle, "select needs_open from weir.steps where run_id = $1 and step = 3", run))
	require.Equal(t, StepSkipped, s.stepState(run, 6))
	require.Equal(t, map[string]int{RepairNeedsCounted: 2}, s.observed.repaired)
	s.finish(s.start(run, 2), OutcomeSucceeded)
	s.pass()
	s.finish(s.start(run, 3), OutcomeSucceeded)
	s.pass()
	s.finish(s.start(run, 4), OutcomeSucceeded)
	s.pass()
	require.Equal(t, RunFailed, s.runState(run))
	s.noViolations()
}

func TestSweepFindsWhatNobodyWasToldOf(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	ended, undispatched, undecided, due, cancelling, steps := s.submit(planOf(step("a"), step("b", "a"))), s.submit(planOf(step("a"))),
		s.submit(planOf(step("a"), step("b", "a"))), s.submit(planOf(step("a"))), s.submit(planOf(step("a"))), s.submit(planOf(step("a")))
	s.start(ended, 1)
	s.start(undecided, 1)
	s.start(due, 1)
	held := s.start(cancelling, 1)
	s.unguarded("update weir.steps set state = 'failed', river_job_id = null, finished_at = clock_timestamp() where run_id = $1 and step = 1", ended)
	s.unguarded("update weir.steps set river_job_id = null where run_id = $1", undispatched)
	s.unguarded("update weir.steps set state = 'succeeded', settled = true, river_job_id = null, finished_at = clock_timestamp() where run_id = $1 and step = 1", undecided)
	s.unguarded("update weir.steps set needs_open = 0 where run_id = $1 and step = 2", undecided)
	s.unguarded("update weir.runs set steps_open = 1 where id = $1", undecided)
	s.unguarded("update weir.steps set state = 'retrying', river_job_id = null, run_after = clock_timestamp() - interval '11 seconds' where run_id = $1", due)
	s.unguarded("update weir.runs set cancel_requested_at = clock_timestamp(), cancel_requested_by = 'local' where id = $1", cancelling)
	s.unguarded("update weir.steps set cancel_requested_at = clock_timestamp(), cancel_requested_by = 'local' where run_id = $1", steps)
	require.Zero(t, scan[int](s.bundle, "select count(*) from weir.dirty"))
	require.NoError(t, s.sweep(t.Context()))
	s.pass()
	require.Equal(t, map[string]int{RepairForgotten: 6}, s.observed.repaired)
	require.Equal(t, RunFailed, s.runState(ended))
	require.Equal(t, StepSkipped, s.stepState(ended, 2))
	require.Equal(t, RunFailed, s.runState(steps), "as after the cancellation of one step")
	require.Equal(t, StepCancelled, s.stepState(steps, 1))
	for _, dispatched := range []struct {
		run  uuid.UUID
		step int
	}{{undispatched, 1}, {undecided, 2}, {due, 1}} {
		require.NotNil(t, scan[*int64](s.bundle, "select river_job_id from weir.steps where run_id = $1 and step = $2", dispatched.run, dispatched.step))
	}
	require.Equal(t, 1, scan[int](s.bundle, "select count(*) from weir.stops where run_id = $1 and attempt = $2", cancelling, held.Attempt))
}

func TestW1RiverJobCancelled(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"cancelled", "deleted"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newSwept(t)
			change := func(token int64) {
				if what == "deleted" {
					s.exec("delete from weir.river_job where id = $1", token)
					return
				}
				s.exec("update weir.river_job set state = 'cancelled', finalized_at = now() where id = $1", token)
			}
			queued, retried, running := s.submit(planOf(step("a"), step("b", "a"))), s.submit(planOf(step("a"))), s.submit(planOf(step("a")))
			change(s.tokenOf(queued, 1))
			s.finish(s.start(retried, 1), OutcomeHandedBack)
			s.pass()
			change(s.tokenOf(retried, 1))
			held := s.start(running, 1)
			change(s.tokenOf(running, 1))
			require.NoError(t, s.sweep(t.Context()))
			s.pass()
			require.Equal(t, "cancelled cancel_requested river", s.last(queued, 1))
			require.Equal(t, "cancelled cancel_requested river", s.last(retried, 1))
			require.Equal(t, "river_job_"+what, scan[string](s.bundle, "select error_code from weir.outputs where run_id = $1", queued))
			require.Equal(t, RunFailed, s.runState(queued), "as after the cancellation of one step")
			require.Equal(t, StepSkipped, s.stepState(queued, 2))
			stops, err := s.WorkerStops(t.Context(), s.worker)
			require.NoError(t, err)
			require.Equal(t, []Stop{{Hold: Hold{Run: running, Step: 1, Attempt: 1}, Cause: CauseCancelRequested, Grace: 10 * time.Second}}, stops)
			s.finish(held, OutcomeCancelled)
			s.pass()
			require.Equal(t, StepCancelled, s.stepState(running, 1))
			repair := map[string]string{"deleted": RepairRiverDeleted, "cancelled": RepairRiverCancelled}[what]
			require.Equal(t, map[string]int{repair: 3}, s.observed.repaired)
			s.sweepAll()
			require.Equal(t, map[string]int{repair: 3}, s.observed.repaired)
		})
	}
}

func TestW1RiverJobEndedOrRetried(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	completed, discarded, running := s.submit(planOf(step("a"))), s.submit(planOf(step("a"))), s.submit(planOf(step("a")))
	old := s.tokenOf(completed, 1)
	s.exec("update weir.river_job set state = 'completed', finalized_at = now() where id = $1", old)
	s.exec("update weir.river_job set state = 'discarded', finalized_at = now() where id = $1", s.tokenOf(discarded, 1))
	s.start(running, 1)
	s.exec("update weir.river_job set state = 'discarded', finalized_at = now() where id = $1", s.tokenOf(running, 1))
	s.sweepAll()
	require.Equal(t, map[string]int{RepairEndedNotStarted: 2}, s.observed.repaired)
	require.Equal(t, StepRunning, s.stepState(running, 1), "River discards what runs for long")
	require.NotEqual(t, old, s.tokenOf(completed, 1))
	// Somebody presses "retry" in River's UI: the old job starts nothing.
	s.exec("update weir.river_job set state = 'available', finalized_at = null where id = $1", old)
	answer, err := s.StepStart(t.Context(), StartRequest{Run: completed, Step: 1, Token: old, Worker: s.worker})
	require.NoError(t, err)
	require.Equal(t, ResultSuperseded, answer.Result)
	s.finish(s.start(completed, 1), OutcomeSucceeded)
	s.finish(s.start(discarded, 1), OutcomeSucceeded)
	s.pass()
	require.Equal(t, RunSucceeded, s.runState(completed))
	s.sweepAll()
}

func TestSweepForgetsSignsOfLife(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	p := planOf(step("a"), step("b"))
	p.Steps[0].StallAfter, p.Steps[1].StallAfter = time.Minute, time.Minute
	run := s.submit(p)
	a, b := s.start(run, 1), s.start(run, 2)
	require.NoError(t, s.ProgressSet(t.Context(), []Progress{{Hold: Hold{Run: run, Step: 1, Attempt: a.Attempt}}, {Hold: Hold{Run: run, Step: 2, Attempt: b.Attempt}}}))
	require.Equal(t, 2, scan[int](s.bundle, "select count(*) from weir.heard"))
	s.finish(a, OutcomeSucceeded)
	s.sweepAll()
	require.Equal(t, 2, scan[int](s.bundle, "select sum(step) from weir.heard"))
}

// A worker that dies after its report and before River has noted the end leaves a River job that runs for ever.
func TestSweepEndsRiverJobsThatDeadWorkersLeave(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	run, other := s.submit(planOf(step("a"))), s.submit(planOf(step("a")))
	left, kept := s.tokenOf(run, 1), s.tokenOf(other, 1)
	dead := uuid.New()
	s.exec("insert into weir.workers (id, name, lease_until, gone_at) values ($1, 'dead', now(), now())", dead)
	for token, worker := range map[int64]uuid.UUID{left: dead, kept: s.worker} {
		s.exec("update weir.river_job set state = 'running', attempt = 1, attempted_by = array[$2], attempted_at = now() - interval '1 hour' where id = $1", token, worker.String())
	}
	s.finish(s.start(run, 1), OutcomeSucceeded)
	s.finish(s.start(other, 1), OutcomeSucceeded)
	s.exec("update weir.pulse set beat_at = clock_timestamp(), steady_since = clock_timestamp() - interval '1 hour'")
	s.sweepAll()
	require.Equal(t, "discarded", scan[string](s.bundle, "select state from weir.river_job where id = $1", left))
	require.Equal(t, "running", scan[string](s.bundle, "select state from weir.river_job where id = $1", kept), "its worker lives and ends it itself")
}

// What cannot be counted right keeps nothing else from being counted.
func TestSweepOfARunWithTooManySteps(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	grown, wrong := s.submit(planOf(step("a"), step("b", "a"))), s.submit(planOf(step("a"), step("b"), step("c", "a", "b")))
	s.exec("insert into weir.steps (run_id, step, key, kind) values ($1, 3, 'by-hand', 'noop'), ($1, 4, 'by-hand-too', 'noop')", grown)
	s.exec("insert into weir.needs (run_id, need, step) values ($1, 3, 2)", grown)
	s.unguarded("update weir.runs set steps_open = 1 where id = $1", wrong)
	s.unguarded("update weir.steps set needs_open = 1 where run_id = $1 and step = 3", wrong)
	require.NoError(t, s.sweep(t.Context()))
	require.Equal(t, 3, scan[int](s.bundle, "select steps_open from weir.runs where id = $1", wrong))
	require.Equal(t, 2, scan[int](s.bundle, "select needs_open from weir.steps where run_id = $1 and step = 3", wrong))
}

// A run that was set aside, and ended in another way, is not shown for ever.
func TestSweepForgetsWhatIsNotSetAsideAnyMore(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	over, again := s.submit(planOf(step("a"))), s.submit(planOf(step("a")))
	for _, run := range []uuid.UUID{over, again} {
		s.exec("insert into weir.quarantine (run_id, error, retry_at) values ($1, 'it was', clock_timestamp() - interval '2 minutes')", run)
	}
	s.exec("insert into weir.dirty (shard, run_id) values (weir.shard_of($1), $1)", again)
	require.NoError(t, s.sweep(t.Context()))
	require.Equal(t, again, scan[uuid.UUID](s.bundle, "select run_id from weir.quarantine"))
	s.pass()
	require.Zero(t, scan[int](s.bundle, "select count(*) from weir.quarantine"))
}

// What was dispatched before the clock of the database went back is of the future, and River would not fetch it.
func TestW6SweepLetsRiverFetchWhatIsOfTheFuture(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	run, ended := s.submit(planOf(step("a"))), s.submit(planOf(step("a")))
	s.exec("insert into weir.river_queue (name, created_at, metadata, updated_at) values ('default', now(), '{}', now())") // some replica works it
	s.exec("update weir.river_job set scheduled_at = now() + interval '1 hour'")
	s.exec("update weir.river_job set state = 'completed', finalized_at = now() where id = $1", s.tokenOf(ended, 1))
	require.NoError(t, s.sweep(t.Context()))
	const soon = "select scheduled_at <= clock_timestamp() from weir.river_job where args ->> 'run' = $1 order by id limit 1"
	require.True(t, scan[bool](s.bundle, soon, run.String()))
	require.False(t, scan[bool](s.bundle, soon, ended.String()), "it is over")
}
