package lifecycle

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// queued is a step in a queue.
func queued(key, queue string, needs ...string) plan.Step {
	s := step(key, needs...)
	s.Queue = queue
	return s
}

// fetch does with the River job of a step what River's fetch does.
func (b *bundle) fetch(run uuid.UUID, ordinal int) {
	b.t.Helper()
	b.exec(`update weir.river_job set state = 'running', attempted_at = now(), attempt = 1 where id = $1`, b.tokenOf(run, ordinal))
}

func (b *bundle) queues() []QueueView {
	b.t.Helper()
	list, err := b.QueueList(b.t.Context())
	require.NoError(b.t, err)
	return list
}

func TestQueueList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Empty(t, b.queues())

	run := b.submit(planOf(queued("a", "x"), queued("b", "x"), queued("c", "x", "a"), queued("d", "y")))
	b.exec(`update weir.workers set queues = '{"default": 3}'`)
	b.exec(`insert into weir.river_queue (name, updated_at) values ('known', now())`)
	b.exec(`update weir.river_job set priority = 4, scheduled_at = '2026-05-04T12:00:00Z' where args ->> 'step' = '2'`)
	for _, ordinal := range []int{1, 4} {
		b.fetch(run, ordinal)
		b.start(run, ordinal)
	}
	oldest := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	list := b.queues()
	require.Len(t, list, 4)
	require.NotNil(t, list[2].OldestAt)
	require.True(t, list[2].OldestAt.Equal(oldest))
	list[2].OldestAt = &oldest
	require.Equal(t, []QueueView{
		{Name: "default"}, {Name: "known"}, {Name: "x", Available: 1, Running: 1, OldestAt: &oldest}, {Name: "y", Running: 1},
	}, list)

	b.exec(`update weir.workers set gone_at = now()`)
	require.Len(t, b.queues(), 3, "the queue of a worker that is gone, and where nothing waits, is none")
}

func TestQueuePause(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(queued("a", "x"), step("b")))
	token := b.tokenOf(run, 1)

	paused, err := b.QueuePause(t.Context(), "x")
	require.NoError(t, err)
	require.NotNil(t, paused.PausedAt)
	require.Equal(t, 1, paused.Available)
	again, err := b.QueuePause(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, paused, again, "asking again changes nothing")
	names, err := b.QueuesPaused(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"x"}, names)
	require.Equal(t, []ReasonCode{ReasonQueuePaused, ReasonNoLiveWorker}, b.reasons(run, "a"))

	// A replica that has not heard of it yet gets nothing.
	a, err := b.StepStart(t.Context(), StartRequest{Run: run, Step: 1, Token: token, Worker: b.worker})
	require.NoError(t, err)
	require.Equal(t, ResultPaused, a.Result)
	require.Equal(t, StepAvailable, b.stepState(run, 1))
	b.start(run, 2)
	b.pass()
	require.NotEqual(t, token, b.tokenOf(run, 1), "it is dispatched anew, and waits in its queue")

	resumed, err := b.QueueResume(t.Context(), "x")
	require.NoError(t, err)
	require.Nil(t, resumed.PausedAt)
	_, err = b.QueueResume(t.Context(), "x")
	require.NoError(t, err)
	b.start(run, 1)
}

func TestQueueThatNobodyKnows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, do := range map[string]func(string) error{
		"pause":  func(q string) error { _, err := b.QueuePause(t.Context(), q); return err },
		"resume": func(q string) error { _, err := b.QueueResume(t.Context(), q); return err },
	} {
		for _, queue := range []string{"gpu", "*", "\x00"} {
			var known *Error
			require.ErrorAs(t, do(queue), &known, name)
			require.Equal(t, CodeNotFound, known.Code)
		}
	}
	require.Zero(t, scan[int](b, `select count(*)::int from weir.river_queue`))
}

// TestQueueStaysPaused: River forgets queues that no replica works, but those that are paused have to stay so.
func TestQueueStaysPaused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(planOf(queued("a", "x")))
	_, err := b.QueuePause(t.Context(), "x")
	require.NoError(t, err)
	b.exec(`insert into weir.river_queue (name, updated_at) values ('y', now())`)
	b.exec(`update weir.river_queue set updated_at = now() - interval '23 hours'`)
	require.NoError(t, b.sweep(t.Context()))
	require.Equal(t, "x", scan[string](b, `select string_agg(name, ' ') from weir.river_queue where updated_at > now() - interval '1 hour'`))
}
