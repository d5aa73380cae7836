package lifecycle

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func (g *garden) heartbeat(h Heartbeat) HeartbeatAnswer {
	g.t.Helper()
	answer, err := g.e.WorkerHeartbeat(g.t.Context(), h)
	require.NoError(g.t, err)
	return answer
}

func TestHeartbeatRenewsTheLease(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	g.silent(w)
	require.True(t, g.heartbeat(Heartbeat{Worker: w}).Known)
	require.True(t, ask[bool](g, "select lease_until - seen_at >= interval '15 seconds' and lease_until <= clock_timestamp() + interval '15 seconds' from weir.workers where id = $1", w))
}

func TestHeartbeatOfAWorkerThatWasGone(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	require.NoError(t, g.e.WorkerLeave(t.Context(), w))
	require.True(t, ask[bool](g, "select gone_at is not null from weir.workers where id = $1", w))
	require.True(t, g.heartbeat(Heartbeat{Worker: w}).Known)
	require.True(t, ask[bool](g, "select gone_at is null from weir.workers where id = $1", w))
}

func TestHeartbeatOfAWorkerThatIsNotThere(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	require.Equal(t, HeartbeatAnswer{}, g.heartbeat(Heartbeat{Worker: uuid.New()}))
}

func TestHeartbeatForgetsTwice(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	named, unnamed, again := g.running(w, ""), g.running(w, ""), g.running(w, `max_attempts = 2, retry = '{"on": ["lost"]}'`)
	notIts := g.running(g.worker(), "")
	beat := Heartbeat{Worker: w, Holds: []Hold{named}}
	g.heartbeat(beat)
	g.isRunning(unnamed)
	g.heartbeat(beat)
	g.isRunning(named)
	g.isRunning(notIts)
	require.Zero(t, ask[int](g, "select unnamed from weir.steps where run_id = $1", notIts.Run))
	actor := "reconcile:" + g.e.cfg.Replica.String()
	require.Equal(t, stepIs{State: "lost", Cause: "worker_forgot", Outcome: "lost", Actor: actor, Error: "worker_forgot", Attempt: 1, Failures: 1}, g.step(unnamed))
	require.Equal(t, stepIs{State: "retrying", Cause: "worker_forgot", Outcome: "lost", Actor: actor, Error: "worker_forgot", Attempt: 1, Failures: 1}, g.step(again))
	require.Equal(t, 1, g.hinted(unnamed))
	require.Equal(t, 1, g.hinted(again))
}

func TestHeartbeatNamingStartsTheCountAgain(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	h := g.running(w, "")
	for range 3 {
		g.heartbeat(Heartbeat{Worker: w})
		g.heartbeat(Heartbeat{Worker: w, Holds: []Hold{h}})
	}
	g.isRunning(h)
	require.Zero(t, ask[int](g, "select unnamed from weir.steps where run_id = $1", h.Run))
}

func TestHeartbeatThatCrossedAStart(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	h := g.running(w, "")
	// The claim is newer than the last heartbeat: the worker may have begun this one before it.
	for range 3 {
		g.sql("update weir.workers set seen_at = clock_timestamp() - interval '2 minutes' where id = $1", w)
		g.heartbeat(Heartbeat{Worker: w})
	}
	g.isRunning(h)
	require.Zero(t, ask[int](g, "select unnamed from weir.steps where run_id = $1", h.Run))
}

func TestHeartbeatGivesReportsUp(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w, other := g.worker(), g.worker()
	h, again, notIts, old := g.running(w, ""), g.running(w, "max_attempts = 2"), g.running(other, ""), g.running(w, "")
	old.Attempt = 7
	g.heartbeat(Heartbeat{Worker: w, Ended: []Hold{h, again, notIts, old}})
	actor := "replica:" + w.String()
	require.Equal(t, stepIs{State: "crashed", Cause: "report_undeliverable", Outcome: "crashed", Actor: actor, Error: "report_undeliverable", Attempt: 1, Failures: 1}, g.step(h))
	require.Equal(t, stepIs{State: "retrying", Cause: "report_undeliverable", Outcome: "crashed", Actor: actor, Error: "report_undeliverable", Attempt: 1, Failures: 1}, g.step(again))
	g.isRunning(notIts)
	g.isRunning(old)
}

func TestHeartbeatNothingIsRetriedAfterACancel(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	ofRun, ofStep := g.running(w, "max_attempts = 9"), g.running(w, "max_attempts = 9")
	g.sql("update weir.runs set cancel_requested_at = clock_timestamp(), cancel_requested_by = 'local' where id = $1", ofRun.Run)
	g.sql("update weir.steps set cancel_requested_at = clock_timestamp(), cancel_requested_by = 'local' where run_id = $1", ofStep.Run)
	g.heartbeat(Heartbeat{Worker: w, Ended: []Hold{ofRun, ofStep}})
	require.Equal(t, "crashed", g.step(ofRun).State)
	require.Equal(t, "crashed", g.step(ofStep).State)
}

func TestHeartbeatAnswersWhatToStop(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w, other := g.worker(), g.worker()
	stopped, notIts, old := g.running(w, ""), g.running(other, ""), g.running(w, "")
	g.sql(`insert into weir.stops (run_id, step, attempt, worker_id, cause, give_up_at, grace) values
		($1, 1, 1, $2, 'cancel_requested', clock_timestamp() + interval '12 seconds', '10.5 seconds'), ($3, 1, 1, $4, 'cancel_requested', clock_timestamp(), '0')`, stopped.Run, w, notIts.Run, other)
	old.Attempt = 2
	answer := g.heartbeat(Heartbeat{Worker: w, Holds: []Hold{stopped, notIts, old}})
	stops := []Stop{{Hold: stopped, Cause: CauseCancelRequested, Grace: 10500 * time.Millisecond}}
	require.Equal(t, stops, answer.Stops)
	require.ElementsMatch(t, []Hold{notIts, old}, answer.Gone)
	read, err := g.e.WorkerStops(t.Context(), w)
	require.NoError(t, err)
	require.Equal(t, stops, read)
}

func TestHeartbeatOfAWorkerWithALockedStep(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	locked, ended := g.running(w, ""), g.running(w, "")
	g.silent(w)
	tx, err := g.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), "select from weir.steps where run_id = any ($1) for update", []uuid.UUID{locked.Run, ended.Run})
	require.NoError(t, err)
	require.True(t, g.heartbeat(Heartbeat{Worker: w, Holds: nil}).Known, "what was not named has time")
	_, err = g.e.WorkerHeartbeat(t.Context(), Heartbeat{Worker: w, Ended: []Hold{ended}})
	require.Error(t, err, "its word was not taken, and it has to say it again")
	require.True(t, IsRetryable(err))
	require.True(t, ask[bool](g, "select lease_until > clock_timestamp() from weir.workers where id = $1", w), "the lease is renewed all the same")
	require.NoError(t, tx.Rollback(t.Context()))
	g.heartbeat(Heartbeat{Worker: w, Ended: []Hold{ended}})
	require.Equal(t, "crashed", g.step(ended).State)
}
