package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/lifecycle/plan"
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

// Whoever ran out of time is told so, also by a group that was quicker to see it: a report that was too slow is sent again.
func TestGroupSaysWhyNobodyWaited(t *testing.T) {
	t.Parallel()
	f := newFlushes(1, func([]int) error { return nil })
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for range 100 {
		_, err := f.do(late, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	require.Empty(t, f.given)
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

// Large items go alone and have more time; small ones wait for no more of them than one.
func TestGroupBySize(t *testing.T) {
	t.Parallel()
	f := newFlushes(1, func([]int) error { return nil })
	var left []time.Duration
	flush := f.flush
	f.flush = func(ctx context.Context, items []int) ([]answer[int], error) {
		deadline, ok := ctx.Deadline()
		require.True(t, ok)
		left = append(left, time.Until(deadline))
		return flush(ctx, items)
	}
	f.sized(func(item int) int { return item }, 10, time.Hour)
	calls := f.calls(1, 2, 40, 3, 4, 5, 6)
	f.waiting, f.busy = slices.Clone(calls), 1
	f.run(t.Context())
	for _, c := range calls {
		require.Equal(t, c.item, c.answer.value)
	}
	require.Equal(t, [][]int{{1, 2}, {40}, {3, 4}, {5}, {6}}, f.given)
	require.Greater(t, left[1], 40*time.Hour)
	require.Less(t, left[4], 7*time.Hour)
}

// The largest plan that there may be has all the time that a statement may take, and a database that takes longer is a
// reason to ask again.
func TestLargestPlanHasTime(t *testing.T) {
	t.Parallel()
	p := &plan.Plan{Steps: make([]plan.Step, 100_000)}
	for i := range p.Steps {
		p.Steps[i].NeedOrdinals = make([]int, 10)
	}
	require.Greater(t, flushTimeout+submitWithin*time.Duration(sizeOfSubmission(Submission{Plan: p})), db.DefaultStatementTimeout)
	require.True(t, IsRetryable(mapError(fmt.Errorf("timeout: %w", context.DeadlineExceeded))))
}
