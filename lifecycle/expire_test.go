package lifecycle

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestLeaseExpires(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	dead, alive := g.worker(), g.worker()
	lost, held := g.running(dead, "max_attempts = 5"), g.running(alive, "")
	again := g.running(dead, `max_attempts = 2, retry = '{"on": ["lost"], "jitter": 0, "initial_ms": 60000}'`)
	spent := g.running(dead, `retry = '{"on": ["lost"]}'`)
	tokens := ask[[]int64](g, "select array_agg(river_job_id) from weir.steps where worker_id = $1", dead)
	g.silent(dead)
	g.expire()
	actor := "reconcile:" + g.e.cfg.Replica.String()
	is := stepIs{State: "lost", Cause: "lease_expired", Outcome: "lost", Actor: actor, Error: "lease_expired", Attempt: 1, Failures: 1}
	require.Equal(t, is, g.step(lost), "never tried again without being asked: the work may have happened")
	require.Equal(t, is, g.step(spent))
	is.State = "retrying"
	require.Equal(t, is, g.step(again))
	require.True(t, ask[bool](g, "select run_after - clock_timestamp() between interval '30 seconds' and interval '60 seconds' from weir.steps where run_id = $1", again.Run))
	g.isRunning(held)
	require.True(t, ask[bool](g, "select gone_at is not null from weir.workers where id = $1", dead))
	require.True(t, ask[bool](g, "select gone_at is null from weir.workers where id = $1", alive))
	require.Equal(t, []string{"discarded", "discarded", "discarded"}, ask[[]string](g, "select array_agg(state::text) from weir.river_job where id = any ($1)", tokens))
	require.Equal(t, map[string]int{"lease_expired": 3}, g.observed.expired)
	require.Equal(t, []int{1, 1, 1}, []int{g.hinted(lost), g.hinted(spent), g.hinted(again)})
	g.expire()
	require.Equal(t, map[string]int{"lease_expired": 3}, g.observed.expired, "it is decided once")
}

func TestLeaseOfMoreThanABatch(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	dead := g.worker()
	run := uuid.Must(uuid.NewV7())
	g.sql("insert into weir.runs (id, name, steps_total, steps_open) values ($1, 'planted', 2500, 2500)", run)
	g.sql("insert into weir.steps (run_id, step, key, kind, state) select $1, i, 's' || i, 'noop', 'available' from generate_series(1, 2500) i", run)
	g.sql("update weir.steps set state = 'running', attempt = 1, worker_id = $2, claimed_at = clock_timestamp() where run_id = $1", run, dead)
	g.silent(dead)
	g.expire()
	require.Equal(t, 2500, ask[int](g, "select count(*) from weir.steps where state = 'lost'"))
}

func TestLeaseOfWhoLeftOrWasDeleted(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	left, deleted := g.worker(), g.worker()
	ofLeft, ofDeleted := g.running(left, ""), g.running(deleted, "")
	g.expire()
	g.isRunning(ofLeft)
	g.isRunning(ofDeleted)
	require.NoError(t, g.e.WorkerLeave(t.Context(), left))
	g.sql("delete from weir.workers where id = $1", deleted)
	g.expire()
	require.Equal(t, "lost", g.step(ofLeft).State)
	require.Equal(t, "lost", g.step(ofDeleted).State)
}

func TestLeaseOfAWorkerThatComesBackInTime(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	h := g.running(w, "")
	g.silent(w)
	g.heartbeat(Heartbeat{Worker: w, Holds: []Hold{h}})
	g.expire()
	g.isRunning(h)
}

func TestLeaseOfAWorkerThatComesBackJustInTime(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	h := g.running(w, "")
	g.steady()
	require.NoError(t, g.e.expireWorker(t.Context(), w)) // it was gone when the janitor looked, and is not any more
	g.isRunning(h)
}

func TestW2LeaseOfAWorkerThatComesBackTooLate(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	h := g.running(w, "")
	g.silent(w)
	g.expire()
	was := g.step(h)
	require.Equal(t, "lost", was.State)
	answer := g.heartbeat(Heartbeat{Worker: w, Holds: []Hold{h}})
	require.Equal(t, HeartbeatAnswer{Known: true, Stops: []Stop{}, Gone: []Hold{h}}, answer)
	g.heartbeat(Heartbeat{Worker: w, Ended: []Hold{h}})
	require.Equal(t, was, g.step(h))
}

func TestW3AnOutageKillsNobody(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	h := g.running(w, "timeout = '1 second', grace = '0'")
	stalls := g.running(w, "stall_after = '1 second'")
	g.steady()
	g.silent(w)
	g.sql("update weir.pulse set beat_at = clock_timestamp() - interval '20 seconds'") // nobody could write for so long
	require.NoError(t, g.e.expire(t.Context()), "a replica that was frozen itself decides nothing either")
	g.isRunning(h)
	require.NoError(t, g.e.expireOnce(t.Context()))
	require.True(t, ask[bool](g, "select beat_at - steady_since < interval '1 second' from weir.pulse"))
	g.isRunning(stalls)
	require.True(t, ask[bool](g, "select gone_at is null from weir.workers where id = $1", w))
	// Only when the database has been there for a whole lease without hearing of it is the worker gone.
	g.sql("update weir.pulse set steady_since = clock_timestamp() - interval '14 seconds'")
	g.beatNow()
	g.isRunning(stalls)
	g.sql("update weir.pulse set steady_since = clock_timestamp() - interval '15 seconds'")
	g.beatNow()
	require.Equal(t, "lost", g.step(stalls).State)
}

// beatNow does one second's expiry, whatever the pulse says, with a beat of now.
func (g *garden) beatNow() {
	g.t.Helper()
	g.sql("update weir.pulse set beat_at = clock_timestamp()")
	require.NoError(g.t, g.e.expire(g.t.Context()))
}

func TestW6TheClockOfTheDatabaseJumps(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]string{"forward": "1 hour", "back": "-1 hour"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGarden(t)
			w := g.worker()
			h := g.running(w, "")
			g.steady()
			// Everything that was written before the jump is an hour off.
			g.sql("update weir.pulse set beat_at = beat_at - $1::interval, steady_since = steady_since - $1::interval", jump)
			g.sql("update weir.workers set seen_at = seen_at - $1::interval, lease_until = lease_until - $1::interval", jump)
			require.NoError(t, g.e.expireOnce(t.Context()))
			g.isRunning(h)
			require.True(t, ask[bool](g, "select gone_at is null from weir.workers where id = $1", w))
			require.True(t, ask[bool](g, "select steady_since > clock_timestamp() - interval '10 seconds' from weir.pulse"))
			// Whoever lives is heard of within a lease; whoever does not is gone then, whichever way the clock jumped.
			dead := g.worker()
			g.sql("update weir.workers set seen_at = seen_at - $1::interval, lease_until = lease_until - $1::interval where id = $2", jump, dead)
			ofDead := g.running(dead, "")
			g.heartbeat(Heartbeat{Worker: w, Holds: []Hold{h}})
			g.expire()
			g.isRunning(h)
			if name == "forward" {
				require.Equal(t, "lost", g.step(ofDead).State)
			} else {
				require.True(t, ask[bool](g, "select gone_at is not null from weir.workers where id = $1", dead))
			}
		})
	}
}

func TestDeadlineIsDecidedByTheDatabase(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	over := g.running(w, "timeout = '30 seconds', grace = '20 seconds', max_attempts = 5")
	again := g.running(w, `timeout = '30 seconds', grace = '20 seconds', max_attempts = 5, retry = '{"on": ["timed_out"]}'`)
	inGrace := g.running(w, "timeout = '30 seconds', grace = '10 minutes'")
	endless := g.running(w, "")
	g.expire()
	actor := "reconcile:" + g.e.cfg.Replica.String()
	is := stepIs{State: "timed_out", Cause: "deadline", Outcome: "timed_out", Actor: actor, Error: "deadline", Attempt: 1, Failures: 1}
	require.Equal(t, is, g.step(over), "nobody reported: tried again only on request")
	is.State = "retrying"
	require.Equal(t, is, g.step(again))
	g.isRunning(inGrace)
	g.isRunning(endless)
	answer := g.heartbeat(Heartbeat{Worker: w, Holds: []Hold{over, again, inGrace, endless}})
	require.ElementsMatch(t, []Hold{over, again}, answer.Gone)
	require.ElementsMatch(t, []Stop{{Hold: over, Cause: CauseDeadline, Grace: 20 * time.Second}, {Hold: again, Cause: CauseDeadline, Grace: 20 * time.Second}}, answer.Stops)
	g.sql("update weir.stops set give_up_at = clock_timestamp() - interval '1 second'")
	g.expire()
	require.Zero(t, ask[int](g, "select count(*) from weir.stops"))
}

func TestDeadlineNeedsASteadyPulse(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	h := g.running(g.worker(), "timeout = '10 seconds', grace = '20 seconds'")
	g.sql("update weir.pulse set steady_since = clock_timestamp() - interval '29 seconds'")
	g.beatNow()
	g.isRunning(h) // W6: the clock may have jumped, and the whole timeout was not there
	g.sql("update weir.pulse set steady_since = clock_timestamp() - interval '30 seconds'")
	g.beatNow()
	require.Equal(t, "timed_out", g.step(h).State)
}

func TestStallIsDecidedByTheDatabase(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	const set = "stall_after = '40 seconds'"
	silent, slow, logs, talks, cut := g.running(w, set), g.running(w, "stall_after = '50 seconds'"), g.running(w, set), g.running(w, set), g.running(w, set)
	line := LogLine{Run: logs.Run, Step: 1, Attempt: 1, Seq: 1, At: time.Unix(0, 0), Stream: "stdout", Text: "by a clock that is wrong"} // W6
	require.NoError(t, g.e.LogAppend(t.Context(), []LogLine{line}))
	require.NoError(t, g.e.ProgressSet(t.Context(), []Progress{{Hold: talks}}))
	mark := LogLine{Run: cut.Run, Step: 1, Attempt: 1, Seq: 1, At: time.Unix(0, 0), Stream: "log", Text: "the log is cut here", Truncated: true}
	require.NoError(t, g.e.LogAppend(t.Context(), []LogLine{mark}))
	old := line
	old.Run, old.Attempt = silent.Run, 0
	require.NoError(t, g.e.LogAppend(t.Context(), []LogLine{old}), "no sign of life of this attempt")
	g.expire()
	actor := "reconcile:" + g.e.cfg.Replica.String()
	require.Equal(t, stepIs{State: "timed_out", Cause: "stalled", Outcome: "timed_out", Actor: actor, Error: "stalled", Attempt: 1, Failures: 1}, g.step(silent))
	for _, h := range []Hold{slow, logs, talks, cut} {
		g.isRunning(h)
	}
	g.sql("update weir.heard set at = at - interval '56 seconds'")
	g.expire()
	require.Equal(t, "timed_out", g.step(logs).State)
	require.Equal(t, "timed_out", g.step(talks).State)
	g.isRunning(cut) // its silence says nothing
}

func TestStopsAreGivenUp(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	given, waits, over := g.running(w, "max_attempts = 9"), g.running(w, ""), g.running(w, "")
	g.sql(`insert into weir.stops (run_id, step, attempt, worker_id, cause, give_up_at, grace)
		select s.run_id, s.step, s.attempt, s.worker_id, 'cancel_requested', clock_timestamp() + case s.run_id when $1 then interval '1 minute' else interval '-1 second' end, '10 seconds' from weir.steps s`, waits.Run)
	g.sql("update weir.steps set state = 'cancelled', river_job_id = null, finished_at = clock_timestamp() where run_id = $1", over.Run)
	g.expire()
	require.Equal(t, stepIs{State: "cancelled", Cause: "unconfirmed", Outcome: "cancelled", Actor: "reconcile:" + g.e.cfg.Replica.String(), Error: "unconfirmed", Attempt: 1}, g.step(given))
	g.isRunning(waits)
	require.Equal(t, []uuid.UUID{waits.Run}, ask[[]uuid.UUID](g, "select array_agg(run_id) from weir.stops"))
}

func TestO8FetchedAndNeverStarted(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	dead, alive := g.worker(), g.worker()
	ofDead, deadToken := g.available("")
	ofAlive, aliveToken := g.available("")
	justNow, justNowToken := g.available("")
	queued, _ := g.available("")
	started := g.running(alive, "")
	g.fetched(deadToken, dead, 11*time.Second)
	g.fetched(aliveToken, alive, 11*time.Second)
	g.fetched(justNowToken, alive, 9*time.Second)
	g.sql("insert into weir.river_job (args, kind, max_attempts, state, attempt, attempted_by, attempted_at) values ('{\"run\": \"x\", \"step\": {}}', 'foreign', 1, 'running', 1, '{x}', now() - interval '1 hour')")
	g.silent(dead)
	g.expire()
	for _, h := range []Hold{ofDead, ofAlive} {
		require.Equal(t, stepIs{State: "available", Cause: "submitted"}, g.step(h), "back to the queue, and not a failure")
		require.Equal(t, 1, g.hinted(h))
	}
	for _, h := range []Hold{justNow, queued} {
		require.Equal(t, stepIs{State: "available", Cause: "submitted", Token: true}, g.step(h))
	}
	g.isRunning(started)
	require.Equal(t, "discarded", ask[string](g, "select state from weir.river_job where id = $1", deadToken))
	require.Equal(t, "running", ask[string](g, "select state from weir.river_job where id = $1", aliveToken))
	require.Equal(t, map[string]int{RepairFetchedByDead: 1, RepairFetchedNotStarted: 1}, g.observed.repaired)
}

func TestO8FetchedDuringAnOutage(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	h, token := g.available("")
	g.fetched(token, g.worker(), 11*time.Second)
	g.sql("update weir.pulse set steady_since = clock_timestamp() - interval '9 seconds'")
	g.beatNow()
	require.True(t, g.step(h).Token, "it could not start before, and has time to")
	g.expire()
	require.False(t, g.step(h).Token)
}

func TestExpiryLeavesWhatIsLocked(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	w := g.worker()
	locked, free := g.running(w, ""), g.running(w, "")
	g.silent(w)
	tx, err := g.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), "select from weir.steps where run_id = $1 for no key update", locked.Run)
	require.NoError(t, err)
	g.expire()
	require.Equal(t, "lost", g.step(free).State)
	g.isRunning(locked)
	require.NoError(t, tx.Rollback(t.Context()))
	g.expire()
	require.Equal(t, "lost", g.step(locked).State)
}
