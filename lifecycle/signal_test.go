package lifecycle

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestStepSignal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for payload, output := range map[string]string{`{"n": 1}`: `{"n": 1}`, `null`: `null`, ``: ``} {
		run := b.waitsFor("signal")
		request := SignalRequest{Actor: ops}
		if payload != "" {
			request.Payload = json.RawMessage(payload)
		}
		require.NoError(t, b.RunPause(t.Context(), run, ops))
		require.NoError(t, b.StepSignal(t.Context(), run, "a", request), "what comes from outside is no start")
		require.Equal(t, StepSucceeded, b.stepState(run, 2))
		b.pass()
		require.Equal(t, StepAvailable, b.stepState(run, 3))
		require.NoError(t, b.RunResume(t.Context(), run, ops))
		b.pass()
		require.Equal(t, output, string(b.start(run, 3).Needs["a"].Output))
		require.Equal(t, "token:ops signal", scan[string](b, `select actor || ' ' || cause from weir.transitions where run_id = $1 and step = 2 and from_state = 'waiting'`, run))
		known := refused(t, b.StepSignal(t.Context(), run, "a", request))
		require.Empty(t, known.Allowed)
		require.Equal(t, "succeeded", known.Current.State)
		b.healthy()
	}
}

// A signal that comes early is kept; the first one wins.
func TestStepSignalThatIsEarly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.expecting("signal")
	require.NoError(t, b.StepSignal(t.Context(), run, "a", SignalRequest{Actor: ops, Payload: json.RawMessage(`1`)}))
	require.Equal(t, StepPending, b.stepState(run, 2))
	known := refused(t, b.StepSignal(t.Context(), run, "a", SignalRequest{Actor: "token:other", Payload: json.RawMessage(`2`)}))
	require.Contains(t, known.Message, "kept")
	require.Equal(t, "pending", known.Current.State)
	require.Equal(t, "1 token:ops", scan[string](b, `select payload::text || ' ' || sent_by from weir.signals where run_id = $1 and step = 2`, run))
	b.finish(b.start(run, 1), OutcomeSucceeded)
	b.pass()
	require.Equal(t, "1", string(b.start(run, 3).Needs["a"].Output))
}

func TestStepSignalIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	signal := SignalRequest{Actor: ops}
	notFound(t, b.StepSignal(t.Context(), uuid.New(), "a", signal))
	run := b.submit(planOf(step("a")))
	notFound(t, b.StepSignal(t.Context(), run, "none", signal))
	known := refused(t, b.StepSignal(t.Context(), run, "a", signal))
	require.Contains(t, known.Message, "does not wait for a signal")
	require.Equal(t, "available", known.Current.State)
	_ = refused(t, b.StepSignal(t.Context(), b.waitsFor("approval"), "a", signal))

	for _, run := range []uuid.UUID{b.waitsFor("signal"), b.expecting("signal")} {
		for _, payload := range []string{`"\u0000"`, `{`, "\"\xff\""} {
			var known *Error
			require.ErrorAs(t, b.StepSignal(t.Context(), run, "a", SignalRequest{Actor: ops, Payload: json.RawMessage(payload)}), &known)
			require.Equal(t, CodeInvalidRequest, known.Code)
		}
		var known *Error
		require.ErrorAs(t, b.StepSignal(t.Context(), run, "a", SignalRequest{Actor: ops, Payload: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)}), &known)
		require.Equal(t, CodeTooLarge, known.Code)

		require.NoError(t, b.StepCancel(t.Context(), run, "a", who))
		known = refused(t, b.StepSignal(t.Context(), run, "a", signal))
		require.Equal(t, []string{"cancelled"}, known.Allowed)
	}
	require.Zero(t, scan[int](b, `select count(*)::int from weir.signals`))
}

// Of ten signals exactly one ends the step, or is kept for it.
func TestStepSignalRace(t *testing.T) {
	t.Parallel()
	const signals = 10
	b := setup(t)
	for round := range 16 {
		early := round%2 == 1
		run := b.expecting("signal")
		if !early {
			b.finish(b.start(run, 1), OutcomeSucceeded)
			b.pass()
		}
		errs := make([]error, signals)
		var all sync.WaitGroup
		begin := make(chan struct{})
		for i := range signals {
			all.Go(func() {
				<-begin
				errs[i] = b.StepSignal(t.Context(), run, "a", SignalRequest{Actor: ops, Payload: json.RawMessage(strconv.Itoa(i))})
			})
		}
		close(begin)
		all.Wait()
		winner := -1
		for i, err := range errs {
			if err == nil {
				require.Equal(t, -1, winner)
				winner = i
				continue
			}
			_ = refused(t, err)
		}
		require.NotEqual(t, -1, winner)
		if early {
			require.Equal(t, strconv.Itoa(winner), scan[string](b, `select payload::text from weir.signals where run_id = $1`, run))
			b.finish(b.start(run, 1), OutcomeSucceeded)
			b.pass()
		}
		require.Equal(t, strconv.Itoa(winner), scan[string](b, `select output::text from weir.outputs where run_id = $1 and step = 2`, run))
		require.Equal(t, 1, scan[int](b, `select count(*)::int from weir.transitions where run_id = $1 and step = 2 and to_state = 'succeeded'`, run))
	}
}

// A signal races with the pass that has its step wait: it is kept in time, or it ends the step, and never gets lost.
func TestStepSignalWhileItsStepBeginsToWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run()
	runs := make([]uuid.UUID, 60)
	for i := range runs {
		runs[i] = b.expecting("signal")
		attempt := b.start(runs[i], 1)
		var all sync.WaitGroup
		var sent error
		all.Go(func() { b.finish(attempt, OutcomeSucceeded) })
		all.Go(func() {
			for range rand.N(30) {
				scan[int](b, `select 1`) // somewhere around it
			}
			sent = b.StepSignal(t.Context(), runs[i], "a", SignalRequest{Actor: ops})
		})
		all.Wait()
		require.NoError(t, sent)
	}
	require.Eventually(t, func() bool {
		return scan[int](b, `select count(*)::int from weir.steps where key = 'a' and state = 'succeeded' and cause = 'signal'`) == len(runs)
	}, 30*time.Second, 10*time.Millisecond)
	t.Logf("%d of %d signals came early", scan[int](b, `select count(*)::int from weir.signals`), len(runs))
}

// A signal that arrives while its step is being made to wait, by a transaction that has not seen it, ends it.
func TestStepSignalThatRacesWithTheWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.expecting("signal")
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context()) //nolint:errcheck // after the commit it does nothing
	_, err = tx.Exec(t.Context(), `select set_config('weir.actor', 'reconcile:test', true)`)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `update weir.steps set state = 'waiting', waiting_for = 'signal', needs_open = 0 where run_id = $1 and step = 2`, run)
	require.NoError(t, err)
	var sent error
	var all sync.WaitGroup
	all.Go(func() {
		sent = b.StepSignal(t.Context(), run, "a", SignalRequest{Actor: ops, Payload: json.RawMessage(`7`)})
	})
	require.Eventually(t, func() bool {
		return scan[bool](b, `select exists (select from pg_locks where not granted)`)
	}, 30*time.Second, time.Millisecond)
	require.NoError(t, tx.Commit(t.Context()))
	all.Wait()
	require.NoError(t, sent)
	require.Equal(t, StepSucceeded, b.stepState(run, 2))
	require.Equal(t, "7", scan[string](b, `select output::text from weir.outputs where run_id = $1 and step = 2`, run))
	require.Zero(t, scan[int](b, `select count(*)::int from weir.signals`))
}
