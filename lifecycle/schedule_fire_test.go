package lifecycle

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestScheduleFires(t *testing.T) {
	t.Parallel()
	b := setup(t)
	view := b.schedule("nightly/load", hourly(), `"input": {"day": 2}`)
	require.Nil(t, view.LastRun)
	slots := b.back("nightly/load", time.Hour)
	b.exec(`update weir.schedules set missed = 'all'`)
	b.fire()
	b.fire()
	require.Equal(t, slots, b.fired("nightly/load"))
	view = b.scheduleNow("nightly/load")
	require.True(t, slots[0].Equal(*view.LastSlot))
	require.Equal(t, slots[0].Add(time.Hour), view.NextSlot.UTC())
	run, err := b.RunGet(t.Context(), *view.LastRun)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"team": "data", scheduleLabel: "nightly/load"}, run.Labels)
	require.JSONEq(t, `{"day": 2, "deep": {"a": 1}}`, string(run.Input))
	require.Equal(t, b.actor, run.CreatedBy)
	require.Equal(t, slots[0].Format(time.RFC3339), *run.IdempotencyKey)
	require.Equal(t, 1, scan[int](b, `select plan_version from weir.runs where id = $1`, run.ID))
	resolved, err := b.RunPlan(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"team": "data"}, resolved.Labels, "the plan can be submitted again")
}

// What happens to slots that nothing could fire.
func TestScheduleMissed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const long = 26*time.Hour + 30*time.Minute
	for name, c := range map[string]struct {
		changes string
		want    func(slots []time.Time) []time.Time
		skipped bool
	}{
		"skip":     {`"missed": "skip"`, func([]time.Time) []time.Time { return []time.Time{} }, true},
		"once":     {`"missed": "once"`, func(s []time.Time) []time.Time { return s[len(s)-1:] }, true},
		"stale":    {`"missed": "once", "window": "1s"`, func([]time.Time) []time.Time { return []time.Time{} }, true},
		"all":      {`"missed": "all", "overlap": "allow"`, func(s []time.Time) []time.Time { return s[len(s)-24:] }, true},
		"wide":     {`"missed": "all", "overlap": "allow", "window": "30d"`, func(s []time.Time) []time.Time { return s }, false},
		"jittered": {`"missed": "all", "overlap": "allow", "window": "30d", "jitter": "10s"`, func(s []time.Time) []time.Time { return s }, false},
	} {
		b.schedule(name, hourly(), c.changes)
		slots := b.back(name, long)
		b.fire()
		require.Equal(t, c.want(slots), b.fired(name), name)
		view := b.scheduleNow(name)
		require.Equal(t, slots[len(slots)-1].Add(time.Hour), view.NextSlot.UTC(), name)
		require.Equal(t, c.skipped, view.SkipReason != nil, name)
		if c.skipped {
			require.Equal(t, SkipMissed, *view.SkipReason)
			fired := b.fired(name)
			want := slots[len(slots)-1]
			if len(fired) > 0 {
				want = fired[0].Add(-time.Hour)
			}
			require.Equal(t, want, view.SkippedSlot.UTC(), "%s: the newest that is left out", name)
		}
		b.fire()
		require.Equal(t, c.want(slots), b.fired(name), "%s: again", name)
	}
}

// A schedule that is held up for less than half a minute has missed nothing, whatever it does with what it misses.
func TestScheduleHeldUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, missed := range []string{"skip", "once", "all"} {
		b.schedule(missed, everySecond, `"overlap": "allow", "missed": "`+missed+`"`)
		slots := b.back(missed, 20*time.Second)
		b.fire()
		fired := b.fired(missed)
		require.GreaterOrEqual(t, len(fired), len(slots))
		require.Equal(t, slots, fired[:len(slots)], missed)
		for i, slot := range fired {
			require.Equal(t, slots[0].Add(time.Duration(i)*time.Second), slot, missed)
		}
	}
}

// A long time is made up for in bounded transactions, and what is not to be made up for costs nothing.
func TestScheduleMakesUpInBatches(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.schedule("all", everySecond, `"overlap": "allow", "missed": "all", "window": "4m"`)
	b.exec(`update weir.schedules set next_slot = date_trunc('second', clock_timestamp()) - interval '1 year', due_at = date_trunc('second', clock_timestamp())`)
	name, err := b.scheduleFire(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, "all", name)
	require.Len(t, b.fired("all"), slotsAtOnce)
	b.fire()
	fired := b.fired("all")
	require.GreaterOrEqual(t, len(fired), 235)
	for i, slot := range fired {
		require.Equal(t, fired[0].Add(time.Duration(i)*time.Second), slot)
	}
	b.exec(`update weir.schedules set missed = 'once', next_slot = date_trunc('second', clock_timestamp()) - interval '1 year', due_at = date_trunc('second', clock_timestamp())`)
	b.fire()
	require.Equal(t, SkipMissed, *b.scheduleNow("all").SkipReason)
}

func TestScheduleOverlap(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.schedule("allow", hourly(), `"overlap": "allow", "missed": "all"`)
	b.schedule("skip", hourly(), `"overlap": "skip", "missed": "all"`)
	slots := b.back("allow", 5*time.Hour)
	require.Equal(t, slots, b.back("skip", 5*time.Hour))
	b.fire()
	require.Equal(t, slots, b.fired("allow"))
	require.Equal(t, slots[:1], b.fired("skip"), "the first one is open")
	view := b.scheduleNow("skip")
	require.Equal(t, slots[0], view.LastSlot.UTC())
	require.Equal(t, SkipOverlap, *view.SkipReason)
	require.Equal(t, slots[len(slots)-1], view.SkippedSlot.UTC())
	require.Equal(t, view.LastRun, view.SkipRun)

	b.back("skip", 5*time.Hour)
	b.fire()
	require.Equal(t, slots[:1], b.fired("skip"), "it still is")
	a := b.start(*view.LastRun, 1)
	b.finish(a, OutcomeSucceeded)
	b.pass()
	require.Equal(t, RunSucceeded, b.runState(*view.LastRun))
	b.exec(`update weir.schedules set next_slot = $1, due_at = $1 where name = 'skip'`, slots[1])
	b.fire()
	require.Equal(t, slots[:2], b.fired("skip"), "now there is room for one")
}

// With queue the runs come one after another, in the order of their slots.
func TestScheduleQueues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.schedule("s", hourly(), `"overlap": "queue", "missed": "all"`)
	slots := b.back("s", 3*time.Hour)
	b.fire()
	require.Equal(t, slots, b.fired("s"))
	triggered, err := b.ScheduleTrigger(t.Context(), "s", Submission{Actor: "local"})
	require.NoError(t, err)
	ids := scan[[]uuid.UUID](b, `select array_agg(id order by idempotency_key nulls last) from weir.runs`)
	require.Equal(t, triggered.ID, ids[3])
	for i, id := range ids {
		b.pass()
		require.Equal(t, i+1, scan[int](b, `select count(*)::int from weir.runs where admitted`))
		b.finish(b.start(id, 1), OutcomeSucceeded)
		b.pass()
		require.Equal(t, RunSucceeded, b.runState(id))
	}
}

// With replace a run takes the place of those before it, once their work has stopped.
func TestScheduleReplaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.schedule("s", hourly(), `"overlap": "replace", "missed": "once"`)
	slots := b.back("s", time.Hour)
	b.fire()
	require.Equal(t, slots, b.fired("s"))
	first := *b.scheduleNow("s").LastRun
	b.pass()
	a := b.start(first, 1)
	second, err := b.ScheduleTrigger(t.Context(), "s", Submission{Actor: "local"})
	require.NoError(t, err)
	b.pass()
	require.False(t, scan[bool](b, `select admitted from weir.runs where id = $1`, second.ID), "the work of the first goes on")
	require.Equal(t, "superseded", scan[string](b, `select cancel_cause::text from weir.runs where id = $1`, first))
	b.finish(a, OutcomeCancelled)
	b.pass()
	require.Equal(t, RunCancelled, b.runState(first))
	b.start(second.ID, 1)
	require.Empty(t, scan[[]string](b, `select coalesce(array_agg(error), '{}') from weir.quarantine`))
}

// A plan that cannot be run is an error of the slot: it is shown, nobody else waits for it, and the next slot tries again.
func TestScheduleOfABadPlan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(`{"name": "bad", "steps": [{"key": "a", "kind": "vanished"}]}`)
	b.schedule("bad", hourlyOf("bad"), `"overlap": "allow", "missed": "all"`)
	b.put(named("one"))
	b.schedule("good", hourly(), `"overlap": "allow", "missed": "all"`)
	b.schedule("worse", hourly(), `"overlap": "allow", "missed": "all"`)
	slots := b.back("bad", 2*time.Hour)
	b.back("good", 2*time.Hour)
	b.back("worse", 2*time.Hour)
	b.exec(`update weir.schedules set timezone = 'Mars/Olympus' where name = 'worse'`)
	b.fire()
	require.Equal(t, slots, b.fired("good"))
	require.Empty(t, b.fired("bad"))
	view := b.scheduleNow("bad")
	require.Equal(t, slots[1], view.ErrorSlot.UTC())
	require.Contains(t, *view.Error, "steps[0].kind")
	require.Equal(t, slots[1].Add(time.Hour), view.NextSlot.UTC())
	worse, err := b.ScheduleGet(t.Context(), "worse")
	require.NoError(t, err)
	require.Contains(t, *worse.Error, "time zone")
	require.True(t, worse.NextSlot.After(*worse.ErrorAt))

	b.exec(`insert into weir.kinds (kind) values ('vanished')`)
	b.exec(`update weir.schedules set next_slot = $1, due_at = $1 where name = 'bad'`, slots[1])
	b.fire()
	require.Equal(t, slots[1:], b.fired("bad"))
	require.Nil(t, b.scheduleNow("bad").Error)
}

// What the database refuses is an error of the slot, too.
func TestScheduleOfARunThatIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.schedule("bad", hourly(), `"missed": "all", "overlap": "allow"`)
	b.schedule("good", hourly(), `"missed": "all", "overlap": "allow"`)
	slots := b.back("bad", 2*time.Hour)
	b.back("good", 2*time.Hour)
	b.exec(`alter table weir.runs add constraint nothing_of_this_schedule check (labels ->> 'weir/schedule' <> 'bad')`)
	b.fire()
	require.Equal(t, slots, b.fired("good"))
	view := b.scheduleNow("bad")
	require.Equal(t, slots[1], view.ErrorSlot.UTC())
	require.Contains(t, *view.Error, "nothing_of_this_schedule")
	require.True(t, view.NextSlot.After(slots[1]))
}

// A transaction that does not come to its end has fired nothing, and the next one fires all of it once.
func TestScheduleFiredInATransactionThatDies(t *testing.T) {
	t.Parallel()
	killed := errors.New("killed")
	b := setup(t)
	b.schedule("s", hourly(), `"missed": "all", "overlap": "allow"`)
	slots := b.back("s", 3*time.Hour)
	dying := New(Config{Pool: b.pool, Replica: uuid.New(), pauses: &pauses{hold: func(point string) {
		if point == pauseFired {
			panic(killed)
		}
	}}})
	require.PanicsWithError(t, "killed", func() { _ = dying.schedulesOnce(t.Context()) })
	require.Empty(t, b.fired("s"))
	require.Equal(t, slots[0], b.scheduleNow("s").NextSlot.UTC())
	b.fire()
	require.Equal(t, slots, b.fired("s"))

	// Even where its row is set back, the runs of the slots are there.
	before := scan[[]uuid.UUID](b, `select array_agg(id order by id) from weir.runs`)
	b.back("s", 3*time.Hour)
	b.fire()
	require.Equal(t, slots, b.fired("s"))
	require.Equal(t, before, scan[[]uuid.UUID](b, `select array_agg(id order by id) from weir.runs`))
	require.Equal(t, slots[2], b.scheduleNow("s").LastSlot.UTC())
}

// Several engines that look at the same schedules at the same time make one run for each slot.
func TestScheduleFiredByMany(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const seconds = 4
	b.schedule("s", everySecond, `"overlap": "allow", "missed": "all"`)
	b.schedule("t", everySecond, `"overlap": "allow", "missed": "all"`)
	b.back("s", 40*time.Second)
	engines := []*bundle{b}
	for range 4 {
		engines = append(engines, &bundle{Engine: New(Config{Pool: b.pool, Replica: uuid.New()}), t: t, pool: b.pool})
	}
	for _, other := range engines {
		other.run()
	}
	want := scan[time.Time](b, `select date_trunc('second', clock_timestamp()) + interval '4 s'`)
	for _, name := range []string{"s", "t"} {
		require.Eventually(t, func() bool {
			last := b.scheduleNow(name).LastSlot
			return last != nil && !last.Before(want)
		}, 30*time.Second, 10*time.Millisecond)
		fired := b.fired(name)
		require.GreaterOrEqual(t, len(fired), seconds)
		for i, slot := range fired {
			require.Equal(t, fired[0].Add(time.Duration(i)*time.Second), slot, "no slot twice, and none left out")
		}
	}
}

// Jitter spreads schedules, always in the same way, within its bound.
func TestJitter(t *testing.T) {
	t.Parallel()
	slot := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	require.Zero(t, jitterOf("s", slot, 0))
	seen := map[time.Duration]bool{}
	for i := range 100 {
		d := jitterOf("s", slot.Add(time.Duration(i)*time.Hour), time.Minute)
		require.Equal(t, d, jitterOf("s", slot.Add(time.Duration(i)*time.Hour), time.Minute))
		require.True(t, d >= 0 && d <= time.Minute)
		seen[d] = true
	}
	require.Greater(t, len(seen), 90)
	require.NotEqual(t, jitterOf("s", slot, time.Minute), jitterOf("t", slot, time.Minute))
}

// What a slot looks for it finds by index: among many runs that have ended, and many open ones of others.
func TestScheduleFindsWhatItLooksFor(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	g.sql(`insert into weir.runs (id, name, steps_total, steps_open) select gen_random_uuid(), 'other', 1, 1 from generate_series(1, 3000)`)
	g.sql(`insert into weir.runs (id, name, steps_total, steps_open, labels) select gen_random_uuid(), 'mine', 1, 0, '{"weir/schedule": "s"}' from generate_series(1, 3000)`)
	g.sql(`update weir.runs set state = 'succeeded', finished_at = clock_timestamp() where name = 'mine'`)
	g.sql(`insert into weir.schedules (name, plan, cron, next_slot, due_at) select 's' || i, 'p', '@daily', clock_timestamp(), clock_timestamp() + interval '1 day' from generate_series(1, 3000) i`)
	_, err := g.pool.Exec(t.Context(), "vacuum analyze weir.runs, weir.schedules")
	require.NoError(t, err)
	for sql, index := range map[string]string{
		"select id from weir.runs where labels ->> 'weir/schedule' = 's' and finished_at is null order by created_at desc, id desc limit 1": "runs_of_schedules_open",
		"select name from weir.schedules s where s.paused_at is null and s.due_at <= clock_timestamp() order by s.due_at limit 1":           "schedules_due",
		"select s.due_at from weir.schedules s where s.paused_at is null order by s.due_at limit 1":                                         "schedules_due",
	} {
		require.Contains(t, g.explain(sql), "using "+index+" ", sql)
	}
}
