package lifecycle

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/queries"
)

// An old River row starts nothing, also when its worker shows both tokens at once: somebody has pressed "retry" in River's
// UI, or a Start took so long that the step was dispatched again.
func TestOldTokenInTheFlushOfTheNewOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a")))
	old := b.tokenOf(run, 1)
	b.exec(`update weir.steps set river_job_id = null where run_id = $1`, run)
	require.NoError(t, b.q.DirtyAdd(t.Context(), queries.DirtyAddParams{Runs: []uuid.UUID{run}, Steps: []int32{1}}))
	b.pass()
	request := StartRequest{Run: run, Step: 1, Token: b.tokenOf(run, 1), Worker: b.worker}
	stale := request
	stale.Token = old
	for range 2 { // the second time the attempt is there already
		answers, err := b.startFlush(t.Context(), []StartRequest{stale, request})
		require.NoError(t, err)
		require.NoError(t, answers[0].err)
		require.Equal(t, ResultSuperseded, answers[0].value.Result)
		require.Nil(t, answers[0].value.Attempt)
		require.Equal(t, ResultStarted, answers[1].value.Result)
		require.Equal(t, 1, answers[1].value.Attempt.Attempt)
	}
}

// A Start whose first commit comes through while the second one looks has to ask again: the attempt is its own.
func TestStartThatFindsItsOwnAttempt(t *testing.T) {
	t.Parallel()
	request := StartRequest{Run: uuid.New(), Step: 1, Token: 7, Worker: uuid.New()}
	look := queries.StepLookRow{State: "running", RunState: "running", RiverJobID: &request.Token, WorkerID: &request.Worker}
	require.True(t, IsRetryable(notStarted(request, &look, true).err))
	look.Cancelling = true // its worker is asked to stop it, and has to know that it has it
	require.True(t, IsRetryable(notStarted(request, &look, true).err))
	other := uuid.New()
	look.WorkerID = &other
	look.Cancelling = false
	require.Equal(t, ResultSuperseded, notStarted(request, &look, true).value.Result)
}

// Of two reports about one attempt in one flush, the one that is recorded is told so, and no other.
func TestTwoReportsOfAnAttemptInAFlush(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a"), step("b")))
	a := b.start(run, 1)
	reports := []Report{reportOf(a, OutcomeSucceeded), reportOf(a, OutcomeFailed)}
	answers, err := b.finishFlush(t.Context(), reports)
	require.NoError(t, err)
	recorded := scan[uuid.UUID](b, `select report from weir.steps where run_id = $1 and step = 1`, run)
	for i, answer := range answers {
		require.NoError(t, answer.err)
		if reports[i].ID == recorded {
			require.Contains(t, []Result{ResultRecorded, ResultDuplicate}, answer.value.Result)
			require.Equal(t, StepState(reports[i].Outcome), answer.value.State)
			continue
		}
		require.Equal(t, ResultTooLate, answer.value.Result)
	}
	require.Equal(t, 1, scan[int](b, `select steps_open from weir.runs where id = $1`, run), "it is counted once")
}

// What is small as text may be large as jsonb: a late report is answered all the same.
func TestEvidenceThatGrowsInTheDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a")))
	a := b.start(run, 1)
	b.finish(a, OutcomeFailed)
	late := reportOf(a, OutcomeSucceeded)
	late.Output = json.RawMessage("[1" + strings.Repeat(",1", 10_000) + "]")
	answer, err := b.StepFinish(t.Context(), late)
	require.NoError(t, err)
	require.Equal(t, ResultTooLate, answer.Result)
	require.Equal(t, 1, scan[int](b, `select count(*) from weir.late_reports where report = $1 and payload is not null`, late.ID))
}

// A Start that finds its run paused takes the dispatch back. If the run is resumed meanwhile, who resumes it still sees
// the token and does nothing: the step has to be looked at again.
func TestDispatchTakenBackDuringResume(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a")))
	token := b.tokenOf(run, 1)
	b.exec(`update weir.runs set state = 'paused' where id = $1`, run)
	holder, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer holder.Rollback(t.Context()) //nolint:errcheck // it only holds a lock
	_, err = holder.Exec(t.Context(), `select from weir.steps where run_id = $1 for update`, run)
	require.NoError(t, err)
	answered := make(chan error, 1)
	go func() {
		_, err := b.StepStart(t.Context(), StartRequest{Run: run, Step: 1, Token: token, Worker: b.worker})
		answered <- err
	}()
	require.Eventually(t, func() bool {
		return scan[bool](b, `select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')`)
	}, 30*time.Second, time.Millisecond, "the dispatch is being taken back")
	b.exec(`update weir.runs set state = 'running' where id = $1`, run)
	b.pass()
	require.NoError(t, holder.Rollback(t.Context()))
	require.NoError(t, <-answered)
	require.Nil(t, scan[*int64](b, `select river_job_id from weir.steps where run_id = $1`, run))
	b.pass()
	b.finish(b.start(run, 1), OutcomeSucceeded)
	require.Equal(t, RunSucceeded, b.runState(run))
}

// Why a step is not to be started stands in its row: its run's history, which may be long, is not read for it.
func TestStartRefusedWithoutHistory(t *testing.T) {
	t.Parallel()
	s := newSwept(t)
	run := s.submit(planOf(step("a"), step("b")))
	request := StartRequest{Run: run, Step: 1, Token: s.tokenOf(run, 1), Worker: uuid.New()}
	cancelled := StartRequest{Run: run, Step: 2, Token: s.tokenOf(run, 2), Worker: s.worker}
	s.addWorker(request.Worker)
	s.start(run, 1)
	require.NoError(t, s.StepCancel(t.Context(), run, "b", CancelRequest{Actor: "token:me"}))
	s.unguarded("delete from weir.transitions where run_id = $1", run)
	a, err := s.StepStart(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, ResultSuperseded, a.Result)
	require.Equal(t, "replica:"+s.worker.String(), a.Actor)
	require.True(t, scan[bool](s.bundle, "select claimed_at = $2 from weir.steps where run_id = $1 and step = 1", run, a.At))
	a, err = s.StepStart(t.Context(), cancelled)
	require.NoError(t, err)
	require.Equal(t, ResultCancelled, a.Result)
	require.Equal(t, "token:me", a.Actor)
}
