package replica

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// TestRiverObeysPauses: River's own producers do what the engine says of a queue, at once, and River reads of it what it
// would have written itself.
func TestRiverObeysPauses(t *testing.T) {
	t.Parallel()
	r, seen, client := withRiver(t, true)
	engine := lifecycle.New(lifecycle.Config{Pool: r.pool, Replica: newID()})
	events, unsubscribe := client.Subscribe(river.EventKindQueuePaused, river.EventKindQueueResumed)
	t.Cleanup(unsubscribe)
	require.Eventually(t, func() bool { // its producer knows its queue
		queue, err := client.QueueGet(t.Context(), "default")
		return err == nil && queue.PausedAt == nil
	}, patience, time.Millisecond)

	view, err := engine.QueuePause(t.Context(), "default")
	require.NoError(t, err)
	require.Equal(t, river.EventKindQueuePaused, nextEvent(t, events))
	queue, err := client.QueueGet(t.Context(), "default")
	require.NoError(t, err)
	require.Equal(t, view.PausedAt, queue.PausedAt)
	id := insertQuietly(t, r.pool, "noop", "default")
	r.hub.nudge("default")

	_, err = engine.QueueResume(t.Context(), "default")
	require.NoError(t, err)
	require.Equal(t, river.EventKindQueueResumed, nextEvent(t, events))
	require.Equal(t, id, seen.next(t))
	queue, err = client.QueueGet(t.Context(), "default")
	require.NoError(t, err)
	require.Nil(t, queue.PausedAt)

	// What River does itself, we see.
	require.NoError(t, client.QueuePause(t.Context(), "default", nil))
	paused, err := engine.QueuesPaused(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"default"}, paused)
}

// TestRiverFindsPauses: a queue that was paused before any replica worked it stays so, and a replica that hears nothing
// finds out by looking.
func TestRiverFindsPauses(t *testing.T) {
	t.Parallel()
	r, seen, client := withRiver(t, false)
	engine := lifecycle.New(lifecycle.Config{Pool: r.pool, Replica: newID()})
	events, unsubscribe := client.Subscribe(river.EventKindQueuePaused, river.EventKindQueueResumed)
	t.Cleanup(unsubscribe)
	watch := &queueWatch{paused: engine.QueuesPaused, hub: &r.hub, queues: []string{"default"}}
	watch.runOnce(t.Context())

	_, err := engine.QueuePause(t.Context(), "default")
	require.NoError(t, err)
	watch.runOnce(t.Context())
	require.Equal(t, river.EventKindQueuePaused, nextEvent(t, events))

	id := insertQuietly(t, r.pool, "noop", "default") // nobody is told

	require.NoError(t, client.Stop(t.Context()))
	require.NoError(t, client.Start(context.WithoutCancel(t.Context())))
	queue, err := client.QueueGet(t.Context(), "default")
	require.NoError(t, err)
	require.NotNil(t, queue.PausedAt, "who starts later leaves it paused")
	require.Empty(t, seen.tokens)

	_, err = engine.QueueResume(t.Context(), "default")
	require.NoError(t, err)
	(&queueWatch{paused: func(context.Context) ([]string, error) { return nil, errors.New("away") }, hub: &r.hub, queues: []string{"default"}}).runOnce(t.Context())
	watch.runOnce(t.Context())
	require.Equal(t, id, seen.next(t))
}

// nextEvent waits for what River says of a queue.
func nextEvent(t *testing.T, events <-chan *river.Event) river.EventKind {
	t.Helper()
	select {
	case event := <-events:
		return event.Kind
	case <-time.After(patience):
		require.Fail(t, "River says nothing")
		return ""
	}
}
