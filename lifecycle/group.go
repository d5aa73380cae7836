package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/weirqueue/weir/db"
)

// Bounds of a flush.
const (
	flushTimeout = 10 * time.Second // and more for large items
	flushTries   = 4                // of a flush that meets errors which pass by themselves
	flushBackoff = 20 * time.Millisecond
)

// group coalesces calls into flushes: while one flush is in flight, the next one gathers. There is no timer, so an
// idle group adds no delay.
//
// A flush either does all of its items or none. Errors that pass (a lost connection, a deadlock) repeat the whole
// flush, which therefore has to be idempotent; any other error, and a panic, bisects it, so that a bad item answers for
// itself alone. An item whose caller has gone before it was sent is dropped: nothing piles up behind a database that
// hangs.
type group[T, R any] struct {
	flush func(ctx context.Context, items []T) ([]answer[R], error)
	most  int // items of a flush
	lanes int // flushes in flight

	size   func(T) int   // of an item; nil: they are all alike
	large  int           // size of all items of a flush, unless there is only one
	within time.Duration // more that a flush may take for each unit of size

	mu      sync.Mutex
	waiting []*call[T, R]
	busy    int
}

// answer is what became of one item.
type answer[R any] struct {
	value R
	err   error
}

// call is one item on its way.
type call[T, R any] struct {
	item   T
	gone   <-chan struct{} // closed when nobody waits for the answer; nil: never
	answer answer[R]
	done   chan struct{}
}

func newGroup[T, R any](most, lanes int, flush func(context.Context, []T) ([]answer[R], error)) *group[T, R] {
	return &group[T, R]{flush: flush, most: most, lanes: lanes}
}

// sized bounds what flushes hold by the size of their items, and gives large ones more time.
func (g *group[T, R]) sized(size func(T) int, large int, within time.Duration) *group[T, R] {
	g.size, g.large, g.within = size, large, within
	return g
}

// do adds an item to the next flush and waits for its answer. When ctx ends before, what becomes of the item is
// unknown.
func (g *group[T, R]) do(ctx context.Context, item T) (R, error) {
	c := &call[T, R]{item: item, gone: ctx.Done(), done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, c)
	start := g.busy < g.lanes
	if start {
		g.busy++
	}
	g.mu.Unlock()
	if start {
		go g.run(context.WithoutCancel(ctx))
	}
	select {
	case <-c.done:
		if errors.Is(c.answer.err, errNobodyWaits) {
			return c.answer.value, ctx.Err()
		}
		return c.answer.value, c.answer.err
	case <-ctx.Done():
		var none R
		return none, ctx.Err()
	}
}

// run flushes until nothing waits.
func (g *group[T, R]) run(ctx context.Context) {
	for {
		g.mu.Lock()
		n := g.next()
		if n == 0 {
			g.busy--
			g.mu.Unlock()
			return
		}
		batch := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		g.mu.Unlock()
		g.commit(ctx, batch)
	}
}

// next is how many of those that wait go into the next flush. The caller holds mu.
func (g *group[T, R]) next() int {
	most := min(len(g.waiting), g.most)
	if g.size == nil {
		return most
	}
	for n, total := 0, 0; n < most; n++ {
		if total += g.size(g.waiting[n].item); n > 0 && total > g.large {
			return n
		}
	}
	return most
}

// commit flushes a batch and answers every call in it.
func (g *group[T, R]) commit(ctx context.Context, batch []*call[T, R]) {
	if batch = waitedFor(batch); len(batch) == 0 {
		return
	}
	items := make([]T, len(batch))
	for i, c := range batch {
		items[i] = c.item
	}
	answers, err := g.try(ctx, items)
	if err != nil && len(batch) > 1 && !db.IsTransient(err) {
		half := len(batch) / 2
		g.commit(ctx, batch[:half])
		g.commit(ctx, batch[half:])
		return
	}
	for i, c := range batch {
		if err != nil {
			c.answer.err = mapError(err)
		} else {
			c.answer = answers[i]
		}
		close(c.done)
	}
}

// errNobodyWaits is the answer to a call that was dropped; its caller is told why its context ended.
var errNobodyWaits = errors.New("nobody waits for the answer")

// waitedFor drops the calls whose callers have gone.
func waitedFor[T, R any](batch []*call[T, R]) []*call[T, R] {
	kept := make([]*call[T, R], 0, len(batch))
	for _, c := range batch {
		select {
		case <-c.gone:
			c.answer.err = errNobodyWaits
			close(c.done)
		default:
			kept = append(kept, c)
		}
	}
	return kept
}

// try flushes, again for errors that pass by themselves.
func (g *group[T, R]) try(ctx context.Context, items []T) ([]answer[R], error) {
	for tries := 1; ; tries++ {
		answers, err := g.flushOnce(ctx, items)
		if err == nil || !db.IsTransient(err) || tries == flushTries {
			return answers, err
		}
		pause(ctx, time.Duration(tries)*flushBackoff)
	}
}

func (g *group[T, R]) flushOnce(ctx context.Context, items []T) (answers []answer[R], err error) {
	within := flushTimeout
	if g.within > 0 {
		for _, item := range items {
			within += time.Duration(g.size(item)) * g.within
		}
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("a flush panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return g.flush(ctx, items)
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
