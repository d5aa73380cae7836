package lifecycle

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

const everySecond = `{"plan": "load/daily", "cron": "* * * * * *"}`

// hourly is a schedule with no slot near now.
func hourly() string { return hourlyOf("load/daily") }

func hourlyOf(name string) string {
	return fmt.Sprintf(`{"plan": %q, "cron": "%d * * * *"}`, name, farMinute())
}

func farMinute() int { return time.Now().Add(30 * time.Minute).Minute() }

// schedule puts a plan, and a schedule of it with changes to it, as JSON members.
func (b *bundle) schedule(name, text string, changes ...string) *ScheduleView {
	b.t.Helper()
	if scan[int](b, `select count(*)::int from weir.plans`) == 0 {
		b.put(named("one"))
	}
	view, _, err := b.tryschedule(name, text, changes...)
	require.NoError(b.t, err)
	return view
}

func (b *bundle) tryschedule(name, text string, changes ...string) (*ScheduleView, bool, error) {
	b.t.Helper()
	members := map[string]json.RawMessage{}
	require.NoError(b.t, json.Unmarshal([]byte(text), &members))
	for _, change := range changes {
		require.NoError(b.t, json.Unmarshal([]byte("{"+change+"}"), &members))
	}
	raw, err := json.Marshal(members)
	require.NoError(b.t, err)
	parsed, err := plan.Limits{}.ParseSchedule(raw)
	require.NoError(b.t, err)
	return b.SchedulePut(b.t.Context(), SchedulePutRequest{Name: name, Schedule: parsed, Actor: "local"})
}

// back has a schedule behave as if nothing had fired it for so long: its next slot is the first one after that.
func (b *bundle) back(name string, d time.Duration) (slots []time.Time) {
	b.t.Helper()
	view, err := b.ScheduleGet(b.t.Context(), name)
	require.NoError(b.t, err)
	when, err := view.When()
	require.NoError(b.t, err)
	now := scan[time.Time](b, `select clock_timestamp()`)
	for slot := when.Next(now.Add(-d)); !slot.After(now); slot = when.Next(slot) {
		slots = append(slots, slot)
	}
	require.NotEmpty(b.t, slots)
	b.exec(`update weir.schedules set next_slot = $2, due_at = $3 where name = $1`, name, slots[0], slots[0].Add(jitterOf(name, slots[0], view.Jitter)))
	return slots
}

// fired are the slots of a schedule's runs in order.
func (b *bundle) fired(name string) []time.Time {
	b.t.Helper()
	keys := scan[[]string](b, `select coalesce(array_agg(idempotency_key order by idempotency_key), '{}') from weir.runs where idempotency_scope = 'schedule:' || $1`, name)
	slots := make([]time.Time, len(keys))
	for i, key := range keys {
		slot, err := time.Parse(time.RFC3339, key)
		require.NoError(b.t, err)
		slots[i] = slot
	}
	return slots
}

// fire fires what is due now.
func (b *bundle) fire() {
	b.t.Helper()
	require.NoError(b.t, b.schedulesOnce(b.t.Context()))
}

func (b *bundle) scheduleNow(name string) *ScheduleView {
	b.t.Helper()
	view, err := b.ScheduleGet(b.t.Context(), name)
	require.NoError(b.t, err)
	return view
}

// A run that somebody triggered is a run of the schedule.
func TestScheduleTrigger(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.schedule("s", hourly(), `"paused": true`)
	run, err := b.ScheduleTrigger(t.Context(), "s", Submission{Actor: "token:ops"})
	require.NoError(t, err)
	got, err := b.RunGet(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, "s", got.Labels[scheduleLabel])
	require.Equal(t, "token:ops", got.CreatedBy)
	_, err = b.ScheduleTrigger(t.Context(), "s", Submission{Actor: "token:ops"})
	require.NoError(t, err)
	_, err = b.ScheduleResume(t.Context(), "s", "local")
	require.NoError(t, err)
	b.back("s", time.Hour)
	b.fire()
	require.Empty(t, b.fired("s"))
	require.Equal(t, SkipOverlap, *b.scheduleNow("s").SkipReason)
	_, err = b.ScheduleTrigger(t.Context(), "t", Submission{})
	requireCode(t, CodeNotFound, err)
}

// Slots that pass while a schedule is paused are not missed.
func TestSchedulePaused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.schedule("s", hourly(), `"missed": "all", "overlap": "allow"`)
	paused, err := b.SchedulePause(t.Context(), "s", "token:ops")
	require.NoError(t, err)
	require.NotNil(t, paused.PausedAt)
	require.Nil(t, paused.NextSlot)
	require.Equal(t, "token:ops", paused.UpdatedBy)
	again, err := b.SchedulePause(t.Context(), "s", "token:other")
	require.NoError(t, err)
	require.Equal(t, paused, again)
	slots := b.back("s", 5*time.Hour)
	b.fire()
	require.Empty(t, b.fired("s"))

	put := b.schedule("s", hourly(), `"missed": "all", "overlap": "queue"`)
	require.NotNil(t, put.PausedAt, "who puts it and says nothing of a pause leaves it paused")
	resumed, err := b.ScheduleResume(t.Context(), "s", "local")
	require.NoError(t, err)
	require.Nil(t, resumed.PausedAt)
	require.Equal(t, slots[len(slots)-1].Add(time.Hour), resumed.NextSlot.UTC())
	b.fire()
	require.Empty(t, b.fired("s"))

	b.schedule("s", hourly(), `"paused": true`)
	b.back("s", 5*time.Hour)
	put = b.schedule("s", hourly(), `"paused": false`)
	require.Equal(t, slots[len(slots)-1].Add(time.Hour), put.NextSlot.UTC(), "that is a resume, too")
	for _, call := range []func() error{
		func() error { _, err := b.SchedulePause(t.Context(), "none", "local"); return err },
		func() error { _, err := b.ScheduleDelete(t.Context(), "none"); return err },
		func() error { _, err := b.ScheduleSlots(t.Context(), "none", 3); return err },
	} {
		requireCode(t, CodeNotFound, call())
	}
}

// Putting a schedule again is safe at any time; other times begin with now.
func TestSchedulePutAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.schedule("s", hourly(), `"missed": "all", "overlap": "allow"`)
	slots := b.back("s", 5*time.Hour)
	put := b.schedule("s", hourly(), `"missed": "all", "overlap": "allow", "input": {"day": 3}`)
	require.Equal(t, slots[0], put.NextSlot.UTC(), "nothing is forgotten")
	b.fire()
	require.Equal(t, slots, b.fired("s"))

	b.back("s", 5*time.Hour)
	put = b.schedule("s", hourly(), fmt.Sprintf(`"cron": "%d */1 * * *", "missed": "all", "overlap": "allow"`, farMinute()))
	require.True(t, put.NextSlot.After(slots[len(slots)-1]), "what has passed is not fired anew")
	b.fire()
	require.Equal(t, slots, b.fired("s"))
	put = b.schedule("s", hourly(), `"timezone": "Asia/Kathmandu", "jitter": "30m"`)
	require.Equal(t, (farMinute()+15)%60, put.NextSlot.UTC().Minute(), "5:45 ahead")
	require.Equal(t, jitterOf("s", *put.NextSlot, 30*time.Minute), put.DueAt.Sub(*put.NextSlot))

	deleted, err := b.ScheduleDelete(t.Context(), "s")
	require.NoError(t, err)
	require.Equal(t, put, deleted)
	_, err = b.ScheduleGet(t.Context(), "s")
	requireCode(t, CodeNotFound, err)
	require.Equal(t, slots, b.fired("s"), "runs stay")
}

func TestSchedulePutRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, _, err := b.tryschedule("s", hourly())
	fault := requireCode(t, CodeInvalidRequest, err)[0]
	require.Equal(t, "plan", fault.Path)
	b.put(named("one"))
	_, _, err = b.tryschedule("s", hourly(), `"plan": "load/daily@2"`)
	require.Equal(t, "plan", requireCode(t, CodeInvalidRequest, err)[0].Path)
	_, made, err := b.tryschedule("s", hourly(), `"plan": "load/daily@1"`)
	require.NoError(t, err)
	require.True(t, made)
}

func TestScheduleSlots(t *testing.T) {
	t.Parallel()
	b := setup(t)
	view := b.schedule("s", hourly(), `"jitter": "5m"`)
	slots, err := b.ScheduleSlots(t.Context(), "s", 3)
	require.NoError(t, err)
	require.Len(t, slots, 3)
	require.Equal(t, Slot{view.NextSlot.UTC(), view.DueAt.UTC()}, Slot{slots[0].Slot.UTC(), slots[0].DueAt.UTC()})
	require.Equal(t, slots[1].Slot.Add(time.Hour), slots[2].Slot)
	_, err = b.SchedulePause(t.Context(), "s", "local")
	require.NoError(t, err)
	paused, err := b.ScheduleSlots(t.Context(), "s", 3)
	require.NoError(t, err)
	require.Equal(t, slots[1:], paused[1:])
}

func TestScheduleList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, name := range []string{"c", "a/b", "a"} {
		b.schedule(name, hourly())
	}
	var names []string
	for request := (PageRequest{Limit: 2}); ; {
		page, err := b.ScheduleList(t.Context(), request)
		require.NoError(t, err)
		for _, s := range page.Items {
			names = append(names, s.Name)
		}
		if request.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	require.Equal(t, []string{"a", "a/b", "c"}, names)
}
