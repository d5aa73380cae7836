package lifecycle

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

const ops = "token:ops"

// refused is the error of a call that the state does not allow.
func refused(t *testing.T, err error) *Error {
	t.Helper()
	var known *Error
	require.ErrorAs(t, err, &known)
	require.Equal(t, CodeIllegalTransition, known.Code, known.Message)
	require.NotNil(t, known.Allowed)
	require.NotNil(t, known.Current)
	require.NotEmpty(t, known.Current.Actor)
	return known
}

func notFound(t *testing.T, err error) {
	t.Helper()
	var known *Error
	require.ErrorAs(t, err, &known)
	require.Equal(t, CodeNotFound, known.Code)
}

func TestRunPause(t *testing.T) {
	t.Parallel()
	b := setup(t)
	retried := step("retried")
	retried.Retry.MaxAttempts, retried.Retry.Initial = 2, time.Millisecond
	run := b.submit(planOf(step("a"), step("b", "a"), step("c"), retried))
	token := b.tokenOf(run, 3)
	a, again := b.start(run, 1), b.start(run, 4)
	require.NoError(t, b.RunPause(t.Context(), run, ops))
	require.Equal(t, RunPaused, b.runState(run))
	require.NoError(t, b.RunPause(t.Context(), run, "token:other"), "asking again is fine")

	answer, err := b.StepStart(t.Context(), StartRequest{Run: run, Step: 3, Token: token, Worker: b.worker})
	require.NoError(t, err)
	require.Equal(t, ResultSuperseded, answer.Result, "its dispatch was taken back")
	b.finish(a, OutcomeSucceeded)
	b.finish(again, OutcomeFailed)
	b.pass()
	require.NoError(t, b.dueOnce(t.Context()))
	require.Equal(t, StepAvailable, b.stepState(run, 2), "what runs is settled")
	require.Equal(t, StepRetrying, b.stepState(run, 4))
	require.Zero(t, scan[int](b, `select count(river_job_id)::int from weir.steps`), "nothing is dispatched")
	b.healthy()

	require.NoError(t, b.RunResume(t.Context(), run, ops))
	require.NoError(t, b.RunResume(t.Context(), run, ops), "asking again is fine")
	b.pass()
	require.Eventually(t, func() bool { return b.dueOnce(t.Context()) == nil && b.tokenOf(run, 4) > 0 }, 30*time.Second, time.Millisecond)
	for ordinal := 2; ordinal <= 4; ordinal++ {
		b.finish(b.start(run, ordinal), OutcomeSucceeded)
	}
	require.Equal(t, RunSucceeded, b.runState(run))
	require.Equal(t, "paused token:ops, resumed token:ops, steps_final",
		scan[string](b, `select string_agg(cause || case when actor like 'token:%' then ' ' || actor else '' end, ', ' order by id) from weir.transitions where run_id = $1 and step is null`, run))
	b.healthy()
}

// Everything ends while the run is paused: it ends once it is resumed.
func TestRunPauseHoldsTheEndBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a")))
	a := b.start(run, 1)
	require.NoError(t, b.RunPause(t.Context(), run, ops))
	b.finish(a, OutcomeSucceeded)
	b.pass()
	require.Equal(t, RunPaused, b.runState(run))
	require.NoError(t, b.RunResume(t.Context(), run, ops))
	b.pass()
	require.Equal(t, RunSucceeded, b.runState(run))
}

func TestRunPauseIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, act := range []func(uuid.UUID) error{
		func(run uuid.UUID) error { return b.RunPause(t.Context(), run, ops) },
		func(run uuid.UUID) error { return b.RunResume(t.Context(), run, ops) },
	} {
		notFound(t, act(uuid.New()))
		run := b.submit(planOf(step("a"), step("b")))
		attempt := b.start(run, 1)
		require.NoError(t, b.RunCancel(t.Context(), run, who))
		known := refused(t, act(run))
		require.Equal(t, []string{"cancelled"}, known.Allowed)
		require.Equal(t, "running", known.Current.State)
		b.pass()
		b.finish(attempt, OutcomeCancelled)
		require.Equal(t, RunCancelled, b.runState(run))
		known = refused(t, act(run))
		require.Empty(t, known.Allowed)
		require.Equal(t, "cancelled", known.Current.State)
	}
	run := b.submit(planOf(step("a")))
	require.NoError(t, b.RunPause(t.Context(), run, ops))
	require.NoError(t, b.RunCancel(t.Context(), run, who), "a paused run can be cancelled")
	_ = refused(t, b.RunResume(t.Context(), run, ops))
	b.pass()
	require.Equal(t, RunCancelled, b.runState(run))
	b.healthy()
}

// The run is so large that its dispatches are taken back in several transactions, and limited steps are the gate's again.
func TestRunPauseOfALargeRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(parallel(2*passSteps + 10)...))
	b.exec(`insert into weir.steps (run_id, step, key, kind, state, limited, river_job_id) values ($1, 9999, 'limited', 'noop', 'available', true, 1)`, run)
	b.exec(`insert into weir.slots (run_id, step, held_at) values ($1, 9999, clock_timestamp())`, run)
	require.NoError(t, b.RunPause(t.Context(), run, ops))
	require.Zero(t, scan[int](b, `select count(river_job_id)::int from weir.steps`))
	require.Equal(t, 9999, scan[int](b, `select max(step) from weir.dirty where shard = 16`))
	require.Equal(t, 2*passSteps+10, scan[int](b, `select count(*)::int from weir.river_job where state = 'available'`), "River's rows stay")
}

// A run that can no longer be paused when a part of it was taken back is dispatched again.
func TestRunPauseThatFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(parallel(passSteps + 10)...))
	b.exec(`create function public.asks() returns trigger language plpgsql as $$ begin
		update weir.runs set cancel_requested_at = now(), cancel_requested_by = 'local' where id = (select run_id from weir.steps limit 1) and cancel_requested_at is null;
		return null; end $$`)
	b.exec(`create trigger asks after update on weir.steps for each statement execute function public.asks()`)
	_ = refused(t, b.RunPause(t.Context(), run, ops))
	require.Equal(t, 1, scan[int](b, `select count(*)::int from weir.dirty where step is null and shard < 16 and at > (select min(at) from weir.dirty)`))
}

// A pass that holds the shard is waited for: what it dispatches is taken back.
func TestRunPauseWaitsForAPass(t *testing.T) {
	t.Parallel()
	taken, goOn := make(chan struct{}), make(chan struct{})
	b := setup(t, func(c *Config) {
		c.pauses = &pauses{hold: func(point string) {
			if point == pauseTaken {
				close(taken)
				<-goOn
			}
		}}
	})
	run := b.submit(planOf(step("a")))
	b.exec(`update weir.steps set river_job_id = null`)
	b.exec(`insert into weir.dirty (shard, run_id, step) values (weir.shard_of($1), $1, 1)`, run)
	var all sync.WaitGroup
	all.Go(b.pass)
	<-taken
	var paused error
	all.Go(func() { paused = b.RunPause(t.Context(), run, ops) })
	require.Eventually(t, func() bool {
		return scan[bool](b, `select exists (select from pg_locks where locktype = 'advisory' and not granted)`)
	}, 30*time.Second, time.Millisecond)
	require.Equal(t, RunRunning, b.runState(run))
	close(goOn)
	all.Wait()
	require.NoError(t, paused)
	require.Equal(t, RunPaused, b.runState(run))
	require.Zero(t, scan[int](b, `select count(river_job_id)::int from weir.steps`))
}

// TestRunPauseIsSharp pauses runs while their steps are started and reported, and dispatched by reconcile: once RunPause has
// returned nothing is claimed, and no claim stands behind the pause in the history, by time or by transaction.
func TestRunPauseIsSharp(t *testing.T) {
	t.Parallel()
	const repeats, width = 200, 6
	b := setup(t)
	b.run()
	claimed, kept := 0, 0
	for repeat := range repeats {
		steps := parallel(width)
		for i := range width {
			steps = append(steps, step("after-"+steps[i].Key, steps[i].Key))
		}
		p := planOf(steps...)
		p.MaxParallel = repeat % 2 * (width - 1) // on every second one the gate has a say, too
		run := b.submit(p)
		var all sync.WaitGroup
		begin := make(chan struct{})
		over := make(chan struct{})
		for ordinal := 1; ordinal <= 2*width; ordinal++ {
			all.Go(func() {
				<-begin
				for try := 0; ; try++ {
					var token *int64
					var state string
					if err := b.pool.QueryRow(t.Context(), `select river_job_id, state::text from weir.steps where run_id = $1 and step = $2`, run, ordinal).Scan(&token, &state); err != nil {
						t.Error(err)
						return
					}
					if token != nil && state == "available" {
						answer, err := b.StepStart(t.Context(), StartRequest{Run: run, Step: ordinal, Token: *token, Worker: b.worker})
						if err != nil && !IsRetryable(err) {
							t.Error(err)
							return
						}
						if err == nil && answer.Result == ResultStarted {
							report := reportOf(answer.Attempt, OutcomeSucceeded)
							for _, err = b.StepFinish(t.Context(), report); IsRetryable(err); { // as the reporter does
								_, err = b.StepFinish(t.Context(), report)
							}
							if err != nil {
								t.Error(err)
							}
							return
						}
					}
					select {
					case <-over:
						return
					default:
					}
				}
			})
		}
		close(begin)
		for range rand.N(40) {
			scan[int](b, `select 1`) // somewhere in the middle
		}
		err := b.RunPause(t.Context(), run, ops)
		var at time.Time
		if err == nil {
			at = scan[time.Time](b, `select clock_timestamp()`)
		}
		close(over)
		all.Wait()
		var known *Error
		if errors.As(err, &known) && known.Code == CodeIllegalTransition {
			require.Equal(t, RunSucceeded, b.runState(run))
			continue
		}
		require.NoError(t, err)
		kept++
		claimed += scan[int](b, `select count(*)::int from weir.transitions where run_id = $1 and to_state = 'running' and step is not null`, run)
		require.Zero(t, scan[int](b, `
			select count(*)::int
			from weir.transitions c
			join weir.transitions p on p.run_id = c.run_id and p.step is null and p.to_state = 'paused'
			where c.run_id = $1 and c.step is not null and c.to_state = 'running' and (c.at > p.at or (c.xid, c.id) > (p.xid, p.id) or c.at > $2)`, run, at))
		require.Zero(t, scan[int](b, `select count(*)::int from weir.steps where run_id = $1 and river_job_id is not null and state <> 'running'`, run))
	}
	require.Positive(t, kept)
	t.Logf("%d of %d runs were paused, with %d of %d steps claimed before", kept, repeats, claimed, kept*2*width)
	b.healthy()
}
