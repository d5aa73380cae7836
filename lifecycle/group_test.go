package lifecycle

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// flushes is a group that notes what it was given, and answers each item with itself.
type flushes struct {
	*group[int, int]

	mu    sync.Mutex
	given [][]int
}

func newFlushes(lanes int, before func(items []int) error) *flushes {
	f := &flushes{}
	f.group = newGroup(100, lanes, func(_ context.Context, items []int) ([]answer[int], error) {
		f.mu.Lock()
		f.given = append(f.given, slices.Clone(items))
		f.mu.Unlock()
		if err := before(items); err != nil {
			return nil, err
		}
		answers := make([]answer[int], len(items))
		for i, item := range items {
			answers[i].value = item
		}
		return answers, nil
	})
	return f
}

func (f *flushes) calls(items ...int) []*call[int, int] {
	calls := make([]*call[int, int], len(items))
	for i, item := range items {
		calls[i] = &call[int, int]{item: item, done: make(chan struct{})}
	}
	return calls
}

// What nobody waits for any more when its turn comes is not sent.
func TestGroupDropsWhatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f := newFlushes(1, func([]int) error {
		once.Do(func() {
			close(held)
			<-release
		})
		return nil
	})
	var callers sync.WaitGroup
	callers.Go(func() { _, _ = f.do(t.Context(), 1) })
	<-held
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.do(gone, 2)
	require.ErrorIs(t, err, context.Canceled)
	callers.Go(func() { _, _ = f.do(t.Context(), 3) })
	require.Eventually(t, func() bool {
		f.group.mu.Lock()
		defer f.group.mu.Unlock()
		return len(f.waiting) == 2
	}, 30*time.Second, time.Millisecond)
	close(release)
	callers.Wait()
	require.Equal(t, [][]int{{1}, {3}}, f.given)
}

// A flush that ran out of its time is not cut in halves, each with the same time again, for callers that have gone.
func TestGroupDoesNotBisectForNobody(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	var once sync.Once
	f := newFlushes(1, func([]int) error {
		once.Do(func() { close(gone) })
		return context.DeadlineExceeded
	})
	calls := f.calls(1, 2, 3, 4)
	for _, c := range calls {
		c.gone = gone
	}
	f.commit(t.Context(), calls)
	for _, c := range calls {
		<-c.done
		require.Error(t, c.answer.err)
	}
	require.Equal(t, [][]int{{1, 2, 3, 4}}, f.given)
}

// An item that makes the flush panic answers for itself alone; the process lives.
func TestGroupOutlivesAPanic(t *testing.T) {
	t.Parallel()
	f := newFlushes(1, func(items []int) error {
		if slices.Contains(items, 2) {
			panic("two")
		}
		return nil
	})
	calls := f.calls(1, 2, 3)
	f.commit(t.Context(), calls)
	require.NoError(t, calls[0].answer.err)
	require.Equal(t, 3, calls[2].answer.value)
	require.ErrorContains(t, calls[1].answer.err, "two")
}
