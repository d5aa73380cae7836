package lifecycle

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
)

// cluster is several Engines on one database, each with a pool and a listener of its own, as several replicas are.
func cluster(t *testing.T, n int, change ...func(*Config)) []*bundle {
	t.Helper()
	database := dbtest.New(t)
	out := make([]*bundle, n)
	for i := range n {
		pool, err := db.Open(t.Context(), db.Config{URL: database.URL, MaxConns: 6})
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		listener := db.NewListener(db.ListenerConfig{URL: database.URL, Pool: pool, Channels: []string{db.ChannelDirty}})
		nudges, stop := listener.Subscribe(db.ChannelDirty)
		c := Config{Pool: pool, Replica: uuid.New(), PollInterval: -1, Nudge: nudges}
		for _, f := range change {
			f(&c)
		}
		out[i] = &bundle{Engine: New(c), t: t, pool: pool, worker: c.Replica}
		out[i].addWorker(c.Replica)
		out[i].exec(`insert into weir.kinds (kind) values ('noop') on conflict do nothing`)
		listen(t, listener, stop)
	}
	for _, b := range out {
		b.run()
	}
	return out
}

func listen(t *testing.T, l *db.Listener, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		cancel()
		require.NoError(t, <-done)
	})
	require.Eventually(t, func() bool { return l.Status().Mode == db.ModeListen }, 30*time.Second, time.Millisecond)
}

// delays holds an Engine for a moment at the points where a trigger could get lost.
func delays(c *Config) {
	c.pauses = &pauses{hold: func(string) {
		if rand.IntN(2) == 0 {
			pause(context.Background(), rand.N(3*time.Millisecond))
		}
	}}
}

// M1, M3: with polling switched off, parallel steps finish at three reconcilers at once, inside each other's passes,
// and their dependant is dispatched, once, in every repeat.
func TestM1NoTriggerIsLost(t *testing.T) {
	t.Parallel()
	replicas := cluster(t, 3, delays)
	const repeats = 450
	for range repeats { // one after the other: nothing else wakes the one that is stuck
		fanIn(replicas)
	}
	b := replicas[0]
	require.Equal(t, repeats, scan[int](b, `select count(*)::int from weir.runs where state = 'succeeded'`))
	require.Zero(t, scan[int](b, `select count(*)::int from (select from weir.river_job group by args having count(*) > 1) twice`))
	require.Eventually(t, func() bool { return scan[int](b, `select count(*)::int from weir.dirty`) == 0 }, 30*time.Second, 5*time.Millisecond)
	require.Zero(t, scan[int](b, `select count(*)::int from weir.violations`))
}

// fanIn runs three steps at three replicas at the same time, and the one that needs them all.
func fanIn(replicas []*bundle) {
	b := replicas[0]
	run := b.submit(planOf(step("a"), step("b"), step("c"), step("all", "a", "b", "c")))
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			r := replicas[i]
			r.finish(r.start(run, i+1), OutcomeSucceeded)
		})
	}
	wg.Wait()
	last := replicas[rand.IntN(len(replicas))]
	last.finish(last.start(run, 4), OutcomeSucceeded)
	require.Eventually(b.t, func() bool { return b.runState(run) == RunSucceeded }, 30*time.Second, time.Millisecond)
}

// M2: an error inside a pass while a trigger arrives is followed by a new pass, without waiting for the poll.
func TestM2ErrorInsideAPass(t *testing.T) {
	t.Parallel()
	seen := &counter{}
	var broken atomic.Bool
	var trigger func()
	b := setup(t, func(c *Config) {
		c.PollInterval, c.Observer = -1, seen
		c.pauses = &pauses{hold: func(point string) {
			if point == pauseTaken && broken.CompareAndSwap(true, false) {
				trigger()
			}
		}}
	})
	run := b.submit(planOf(step("a"), step("b", "a"), step("c", "a")))
	a := b.start(run, 1)
	b.exec(`update weir.steps set state = 'succeeded' where run_id = $1 and step = 1`, run) // by hand: for reconcile to settle
	_ = a
	trigger = func() {
		// Another trigger arrives, and the pass's own connection is gone.
		b.exec(`update weir.steps set cancel_requested_at = clock_timestamp(), cancel_requested_by = 'test' where run_id = $1 and step = 3`, run)
		b.nudge()
		b.exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`)
	}
	broken.Store(true)
	b.run()
	b.nudge()
	require.Eventually(t, func() bool {
		return b.stepState(run, 2) == StepAvailable && b.stepState(run, 3) == StepCancelled
	}, 30*time.Second, time.Millisecond)
	require.Positive(t, seen.failed.Load())
}

type counter struct {
	Unobserved

	failed, quarantined atomic.Int64
}

func (c *counter) PassFailed()  { c.failed.Add(1) }
func (c *counter) Quarantined() { c.quarantined.Add(1) }

// One bad run cannot stop the others: it is set aside with its error, and comes back when it is mended.
func TestPoisonedRunIsSetAside(t *testing.T) {
	t.Parallel()
	seen := &counter{}
	b := setup(t, func(c *Config) { c.Observer = seen })
	var runs []uuid.UUID
	for range 5 {
		runs = append(runs, b.submit(planOf(step("a"), step("b", "a"))))
	}
	bad := runs[2]
	for _, run := range runs {
		b.start(run, 1)
	}
	b.corrupt(`update weir.steps set needs_open = 0, needs_total = 0 where run_id = $1 and step = 2`, bad) // counting its need breaks a CHECK
	b.exec(`update weir.steps set state = 'succeeded' where step = 1`)
	b.pass()
	for _, run := range runs {
		if run != bad {
			require.Equal(t, StepAvailable, b.stepState(run, 2))
		}
	}
	require.Equal(t, StepPending, b.stepState(bad, 2))
	require.Equal(t, int64(1), seen.quarantined.Load())
	require.Contains(t, scan[string](b, `select error from weir.quarantine where run_id = $1`, bad), "step_needs_counts_are_possible")
	require.Positive(t, scan[int](b, `select count(*)::int from weir.dirty where run_id = $1`, bad), "its hints stay")

	b.corrupt(`update weir.steps set needs_open = 1, needs_total = 1 where run_id = $1 and step = 2`, bad)
	b.exec(`update weir.quarantine set retry_at = clock_timestamp()`)
	b.pass()
	require.Equal(t, StepAvailable, b.stepState(bad, 2))
	require.Zero(t, scan[int](b, `select count(*)::int from weir.quarantine`))
}

// corrupt changes what the guards would not let pass.
func (b *bundle) corrupt(sql string, args ...any) {
	b.t.Helper()
	conn, err := b.pool.Acquire(b.t.Context())
	require.NoError(b.t, err)
	defer conn.Release()
	for _, s := range []string{`set session_replication_role = replica`, sql, `set session_replication_role = origin`} {
		var a []any
		if s == sql {
			a = args
		}
		_, err := conn.Exec(b.t.Context(), s, a...)
		require.NoError(b.t, err)
	}
}

// A report is recorded although what follows from it cannot be done: that is left to reconcile.
func TestReportOfAPoisonedRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run, healthy := b.submit(planOf(step("a"), step("b", "a"))), b.submit(planOf(step("a"), step("b", "a")))
	bad, good := b.start(run, 1), b.start(healthy, 1)
	b.corrupt(`update weir.steps set needs_open = 0, needs_total = 0 where run_id = $1 and step = 2`, run)
	answers, err := b.finishFlush(t.Context(), []Report{reportOf(bad, OutcomeSucceeded), reportOf(good, OutcomeSucceeded)})
	require.NoError(t, err)
	require.Equal(t, ResultRecorded, answers[0].value.Result)
	require.Equal(t, ResultRecorded, answers[1].value.Result)
	b.pass()
	require.Equal(t, StepSucceeded, b.stepState(run, 1))
	require.Equal(t, StepAvailable, b.stepState(healthy, 2))
}

// A pass leaves alone what another one is working on, and comes back for it.
func TestShardThatIsHeld(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.PollInterval = -1 })
	run := b.submit(planOf(step("a"), step("b", "a")))
	a := b.start(run, 1)
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context()) //nolint:errcheck // it only holds a lock
	_, err = tx.Exec(t.Context(), `select pg_advisory_xact_lock(2003134834, weir.shard_of($1))`, run)
	require.NoError(t, err)
	b.finish(a, OutcomeSucceeded)
	served, left, err := b.passOnce(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{0, 1}, []int{served, left})
	require.Equal(t, StepPending, b.stepState(run, 2))
	b.run()
	b.nudge()
	require.NoError(t, tx.Rollback(t.Context()))
	require.Eventually(t, func() bool { return b.stepState(run, 2) == StepAvailable }, 30*time.Second, time.Millisecond)
}

// A change by hand wakes the cluster, with polling switched off.
func TestChangeByHandIsServed(t *testing.T) {
	t.Parallel()
	b := cluster(t, 1)[0]
	run := b.submit(planOf(step("a"), step("b", "a")))
	b.start(run, 1)
	b.exec(`update weir.steps set state = 'failed' where run_id = $1 and step = 1`, run)
	require.Eventually(t, func() bool { return b.runState(run) == RunFailed }, 30*time.Second, time.Millisecond)
	require.Contains(t, scan[string](b, `select actor from weir.transitions where run_id = $1 and to_state = 'failed' and step = 1`, run), "db:")
}

// A shard that is held for long, by a process that was frozen in the middle of a transaction, hides no other's hints.
func TestShardThatIsHeldHidesNoOther(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.PollInterval = -1 })
	free, behind := uuid.New(), uuid.New()
	free[15], behind[15] = 1, 2
	for _, id := range []uuid.UUID{free, behind} {
		_, err := b.Submit(t.Context(), Submission{Plan: planOf(step("a")), ID: id, Actor: "local"})
		require.NoError(t, err)
	}
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context()) //nolint:errcheck // it only holds a lock
	_, err = tx.Exec(t.Context(), `select pg_advisory_xact_lock(2003134834, 2)`)
	require.NoError(t, err)
	b.exec(`insert into weir.dirty (shard, run_id, step) select 2, $1, 1 from generate_series(1, 301)`, behind)
	require.NoError(t, b.RunCancel(t.Context(), free, CancelRequest{Actor: "local"}))
	b.exec(`with b as (select set_config('weir.actor', 'local', true))
		update weir.steps set state = 'running', attempt = 1, worker_id = run_id, claimed_at = now() from b where run_id = $1`, behind)
	b.exec(`with b as (select set_config('weir.actor', 'local', true))
		update weir.steps set state = 'retrying', run_after = now() - interval '1 hour', river_job_id = null from b where run_id = $1`, behind)
	b.run()
	b.nudge()
	require.Eventually(t, func() bool { return b.runState(free) == RunCancelled }, 30*time.Second, time.Millisecond)
	require.NoError(t, tx.Rollback(t.Context()))
	require.Eventually(t, func() bool {
		return scan[bool](b, `select not exists (select from weir.dirty) and river_job_id is not null from weir.steps where run_id = $1`, behind)
	}, 30*time.Second, time.Millisecond)
}
