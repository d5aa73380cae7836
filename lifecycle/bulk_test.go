package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// bulkPlan is a plan with one step and labels.
func bulkPlan(name, team string) *plan.Plan {
	p := planOf(step("a"))
	p.Name, p.Labels = name, map[string]string{"team": team}
	return p
}

// submitSome submits runs of a plan.
func (b *bundle) submitSome(n int, p *plan.Plan) []uuid.UUID {
	b.t.Helper()
	many := make([]Submission, n)
	for i := range many {
		many[i] = Submission{Plan: p, Actor: "local"}
	}
	out, err := b.SubmitMany(b.t.Context(), many)
	require.NoError(b.t, err)
	ids := make([]uuid.UUID, n)
	for i, s := range out {
		ids[i] = s.ID
	}
	return ids
}

func (b *bundle) bulkStart(r BulkRequest) *BulkView {
	b.t.Helper()
	if r.Actor == "" {
		r.Actor = "token:me"
	}
	view, replayed, err := b.BulkStart(b.t.Context(), r)
	require.NoError(b.t, err)
	require.False(b.t, replayed)
	return view
}

// bulkGet reads an operation.
func (b *bundle) bulkGet(id uuid.UUID) *BulkView {
	b.t.Helper()
	view, err := b.BulkGet(b.t.Context(), id)
	require.NoError(b.t, err)
	return view
}

func TestBulkCancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mine := b.submitSome(150, bulkPlan("mine", "data"))
	b.submitSome(20, bulkPlan("mine", "web"))
	b.submitSome(20, bulkPlan("other", "data"))
	b.exec(`update weir.runs set state = 'paused', cause = 'paused' where id = $1`, mine[3])
	require.NoError(t, b.RunCancel(t.Context(), mine[7], CancelRequest{Actor: "local"}))
	b.finish(b.start(mine[9], 1), OutcomeSucceeded)
	b.pass()

	request := BulkRequest{Action: BulkCancel, Filter: RunFilter{Name: "mine", Labels: map[string]string{"team": "data"}}, Reason: "why not"}
	n, err := b.BulkCount(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, 148, n, "one had ended, and one is cancelled")
	require.Equal(t, 0, scan[int](b, `select count(*)::int from weir.bulks`))

	view := b.bulkStart(request)
	require.Equal(t, &BulkView{
		ID: view.ID, Action: BulkCancel, Filter: request.Filter, State: BulkRunning, Total: 148, CreatedAt: view.CreatedAt, CreatedBy: "token:me", Reason: &request.Reason,
	}, view)
	later := b.submitSome(10, bulkPlan("mine", "data"))

	id, err := b.bulkOnce(t.Context(), uuid.Nil)
	require.NoError(t, err)
	require.Equal(t, view.ID, id)
	require.Equal(t, 100, b.bulkGet(view.ID).Done, "a batch")
	require.NoError(t, b.bulkAll(t.Context()))
	end := b.bulkGet(view.ID)
	require.Equal(t, BulkDone, end.State)
	require.NotNil(t, end.FinishedAt)
	require.Equal(t, 148, end.Done)
	require.Equal(t, 150, scan[int](b, `select count(*)::int from weir.runs where cancel_requested_at is not null or finished_at is not null`))
	require.Equal(t, 148, scan[int](b, `select count(*)::int from weir.runs where cancel_requested_by = 'token:me' and cancel_reason = 'why not' and name = 'mine'`))
	require.Zero(t, scan[int](b, `select count(*)::int from weir.runs where id = any ($1) and cancel_requested_at is not null`, later), "they came later")
	b.pass()
	require.Equal(t, 149, scan[int](b, `select count(*)::int from weir.runs where state = 'cancelled'`))
	id, err = b.bulkOnce(t.Context(), uuid.Nil)
	require.NoError(t, err)
	require.Equal(t, uuid.Nil, id, "nothing is left")
}

func TestBulkPauseAndResume(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.submitSome(3, bulkPlan("p", "x"))
	b.exec(`update weir.runs set state = 'paused', cause = 'paused' where id = $1`, ids[0])
	token := b.tokenOf(ids[1], 1)
	pause := b.bulkStart(BulkRequest{Action: BulkPause})
	require.Equal(t, 2, pause.Total)
	require.NoError(t, b.bulkAll(t.Context()))
	require.Equal(t, 3, scan[int](b, `select count(*)::int from weir.runs where state = 'paused'`))
	require.Equal(t, 2, scan[int](b, `select count(*)::int from weir.transitions where to_state = 'paused' and actor = 'token:me'`))
	a, err := b.StepStart(t.Context(), StartRequest{Run: ids[1], Step: 1, Token: token, Worker: b.worker})
	require.NoError(t, err)
	require.Equal(t, ResultSuperseded, a.Result)

	resume := b.bulkStart(BulkRequest{Action: BulkResume, Filter: RunFilter{State: RunPaused}})
	require.Equal(t, 3, resume.Total)
	require.NoError(t, b.bulkAll(t.Context()))
	require.Equal(t, 3, b.bulkGet(resume.ID).Done)
	b.pass()
	b.start(ids[1], 1)
}

// TestBulkIsDoneOnce: however many replicas go on with an operation, and however they die, each run is dealt with once.
func TestBulkIsDoneOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submitSome(250, bulkPlan("p", "x"))
	view := b.bulkStart(BulkRequest{Action: BulkPause})

	// A replica dies in the middle of a batch: nothing of it has happened.
	died := errors.New("killed")
	err := b.inTx(t.Context(), func(tx pgx.Tx, _ *queries.Queries) error {
		q := b.q.WithTx(tx)
		taken, err := q.BulkTake(t.Context(), uuid.Nil)
		require.NoError(t, err)
		require.Len(t, taken, 1)
		require.NoError(t, (&bulkBatch{engine: b.Engine, tx: tx, row: &taken[0]}).do(t.Context(), q))
		id, err := b.bulkOnce(t.Context(), uuid.Nil)
		require.NoError(t, err)
		require.Equal(t, uuid.Nil, id, "somebody else has taken it")
		return died
	})
	require.ErrorIs(t, err, died)
	require.Zero(t, b.bulkGet(view.ID).Done)

	errs := make(chan error)
	for range 4 {
		other := New(Config{Pool: b.pool, Replica: uuid.New()})
		go func() { errs <- other.bulkAll(context.WithoutCancel(t.Context())) }()
	}
	for range 4 {
		require.NoError(t, <-errs)
	}
	require.NoError(t, b.bulkAll(t.Context()))
	require.Equal(t, 250, b.bulkGet(view.ID).Done)
	require.Equal(t, 250, scan[int](b, `select count(*)::int from weir.transitions where to_state = 'paused'`))
}

func TestBulkIsCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submitSome(150, bulkPlan("p", "x"))
	view := b.bulkStart(BulkRequest{Action: BulkCancel})
	_, err := b.bulkOnce(t.Context(), uuid.Nil)
	require.NoError(t, err)
	for range 2 {
		cancelled, err := b.BulkCancel(t.Context(), view.ID)
		require.NoError(t, err)
		require.Equal(t, BulkCancelled, cancelled.State)
		require.Equal(t, 100, cancelled.Done)
		require.NotNil(t, cancelled.FinishedAt)
	}
	require.NoError(t, b.bulkAll(t.Context()))
	require.Equal(t, 100, scan[int](b, `select count(*)::int from weir.runs where cancel_requested_at is not null`))

	done := b.bulkStart(BulkRequest{Action: BulkPause, Filter: RunFilter{Name: "nothing"}})
	require.NoError(t, b.bulkAll(t.Context()))
	require.Equal(t, BulkDone, b.bulkGet(done.ID).State)
	var known *Error
	_, err = b.BulkCancel(t.Context(), done.ID)
	require.ErrorAs(t, err, &known)
	require.Equal(t, CodeIllegalTransition, known.Code)
	_, err = b.BulkCancel(t.Context(), uuid.New())
	require.ErrorAs(t, err, &known)
	require.Equal(t, CodeNotFound, known.Code)
}

// TestBulkGoesOnPastARunThatRefuses: one that cannot be dealt with keeps no other from it.
func TestBulkGoesOnPastARunThatRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.submitSome(5, bulkPlan("p", "x"))
	b.exec(fmt.Sprintf(`create function weir.never() returns trigger language plpgsql as $$ begin raise exception 'no' using errcode = 'check_violation', constraint = 'never'; end $$;
		create trigger never before update on weir.runs for each row when (old.id = '%s') execute function weir.never()`, ids[2]))
	view := b.bulkStart(BulkRequest{Action: BulkPause})
	require.NoError(t, b.bulkAll(t.Context()))
	end := b.bulkGet(view.ID)
	require.Equal(t, BulkDone, end.State)
	require.Equal(t, 4, end.Done)
	require.Equal(t, 1, end.Failed)
	require.Contains(t, *end.Error, "never")

	alone := b.bulkStart(BulkRequest{Action: BulkPause})
	require.Equal(t, 1, alone.Total)
	require.NoError(t, b.bulkAll(t.Context()))
	require.Equal(t, BulkFailed, b.bulkGet(alone.ID).State)
}

func TestBulkIdempotencyKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	request := BulkRequest{
		Action: BulkCancel, Actor: "token:me", IdempotencyKey: "k",
		Filter: RunFilter{Name: "p", CreatedAfter: time.Date(2026, 5, 4, 12, 0, 0, 0, time.FixedZone("", 3600))},
	}
	first := b.bulkStart(request)
	again, replayed, err := b.BulkStart(t.Context(), request)
	require.NoError(t, err)
	require.True(t, replayed)
	require.Equal(t, first, again)
	request.Filter.Name = "q"
	_, _, err = b.BulkStart(t.Context(), request)
	var known *Error
	require.ErrorAs(t, err, &known)
	require.Equal(t, CodeIdempotencyConflict, known.Code)
	request.Actor = "token:you"
	b.bulkStart(request)
}

func TestBulkList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ids []uuid.UUID
	for range 5 {
		ids = append(ids, b.bulkStart(BulkRequest{Action: BulkCancel}).ID)
	}
	var got []uuid.UUID
	for cursor := ""; ; {
		page, err := b.BulkList(t.Context(), PageRequest{Limit: 2, Cursor: cursor})
		require.NoError(t, err)
		for _, view := range page.Items {
			got = append([]uuid.UUID{view.ID}, got...)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	require.Equal(t, ids, got)
	_, err := b.BulkCount(t.Context(), BulkRequest{Action: BulkPause, Filter: RunFilter{State: RunFailed}})
	require.ErrorContains(t, err, "pause is for runs that are running")
	_, err = b.BulkCount(t.Context(), BulkRequest{Action: BulkRerun, Filter: RunFilter{State: RunRunning}})
	require.ErrorContains(t, err, "rerun is for runs that are succeeded, failed or cancelled")
	_, err = b.BulkList(t.Context(), PageRequest{Cursor: "x"})
	require.Error(t, err)
}

// TestBulkByItself: the loops of an engine do all of it, and are told at once.
func TestBulkByItself(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.PollInterval = -1 })
	b.run()
	b.submitSome(150, bulkPlan("p", "x"))
	view := b.bulkStart(BulkRequest{Action: BulkCancel})
	require.Eventually(t, func() bool {
		return b.bulkGet(view.ID).State == BulkDone && scan[int](b, `select count(*)::int from weir.runs where state = 'cancelled'`) == 150
	}, 30*time.Second, 5*time.Millisecond)
}

func TestBulkRerun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.submitSome(25, bulkPlan("p", "x"))
	for _, id := range ids {
		b.finish(b.start(id, 1), OutcomeFailed)
	}
	fine := b.submit(bulkPlan("p", "x"))
	b.finish(b.start(fine, 1), OutcomeSucceeded)
	b.pass()
	b.exec(fmt.Sprintf(`set session_replication_role = replica; update weir.runs set parent_run = '%s', parent_step = 1 where id = '%s'; set session_replication_role = origin`, fine, ids[0]))

	view := b.bulkStart(BulkRequest{Action: BulkRerun, Filter: RunFilter{State: RunFailed}})
	require.Equal(t, 24, view.Total, "a child run is done again with its parent")
	require.NoError(t, b.bulkAll(t.Context()))
	end := b.bulkGet(view.ID)
	require.Equal(t, BulkDone, end.State)
	require.Equal(t, 24, end.Done)
	require.Equal(t, 24, scan[int](b, `select count(distinct rerun_of)::int from weir.runs where rerun_of is not null and created_by = 'token:me' and state = 'running'`))
	require.Equal(t, 24, scan[int](b, `select count(*)::int from weir.runs where rerun_of is not null`))

	again := b.bulkStart(BulkRequest{Action: BulkRerun})
	require.Equal(t, 25, again.Total, "those that run are left alone")
}
