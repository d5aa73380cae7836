package lifecycle

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirqueue/weir/db/queries"
)

// dueAgain is how soon what is due and could not be dispatched is looked at again.
const dueAgain = 20 * time.Millisecond

// Run makes reconcile's passes, looks at what is due, fires schedules and sweeps, until ctx ends; then it answers nil. What goes wrong
// is logged and tried again.
func (e *Engine) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.reconcile(ctx) })
	g.Go(func() error { return e.ticks(ctx) })
	g.Go(func() error { return e.bulkWork(ctx) })
	g.Go(func() error { return e.schedules(ctx) })
	g.Go(func() error { return e.refreshes(ctx) })
	g.Go(func() error { return e.follower.run(ctx) })
	g.Go(func() error { return e.everySecond(ctx, "expire what nobody ends", e.expireOnce) })
	g.Go(func() error { return e.everySecond(ctx, "sweep", e.sweepOnce) })
	if err := g.Wait(); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	return nil
}

// poll is a ticker with jitter, or nothing.
type poll struct {
	every time.Duration
	timer *time.Timer
	c     <-chan time.Time
}

func (e *Engine) newPoll() *poll {
	if e.cfg.PollInterval < 0 {
		return &poll{}
	}
	p := &poll{every: e.cfg.PollInterval, timer: time.NewTimer(0)}
	p.c = p.timer.C
	return p
}

func (p *poll) next() { p.timer.Reset(p.every*9/10 + rand.N(p.every/5+1)) }

func (p *poll) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// ticks looks at what time alone brings about: every second, and when a step is due to be tried again.
func (e *Engine) ticks(ctx context.Context) error {
	poll := e.newPoll()
	defer poll.stop()
	defer e.soon.stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.soon.c:
			e.tick(ctx, "dispatch what is due", e.dueOnce)
		case <-poll.c:
			poll.next()
			e.tick(ctx, "dispatch what is due", e.dueOnce)
			e.tick(ctx, "go on with cancellations", e.cancellingOnce)
			e.tick(ctx, "end what nobody ends", e.expireOnce)
			e.tick(ctx, "sweep", e.sweepOnce)
		}
	}
}

// everySecond does something every second, however often hints are looked for: the pulse may have no gap. Where
// polling is off, it is never done.
func (e *Engine) everySecond(ctx context.Context, what string, do func(context.Context) error) error {
	if e.cfg.PollInterval < 0 {
		return nil
	}
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			e.tick(ctx, what, do)
		}
	}
}

func (e *Engine) tick(ctx context.Context, what string, do func(context.Context) error) {
	if err := do(ctx); err != nil && ctx.Err() == nil {
		e.logger.Warn("reconcile could not do what it does every second", "what", what, "error", err)
	}
}

// dueOnce dispatches every step whose time to be tried again has come.
func (e *Engine) dueOnce(ctx context.Context) error {
	var held []int16
	for {
		rows, err := e.q.RetryDue(ctx, queries.RetryDueParams{Held: orNone(held), Most: takeMost})
		if err != nil {
			return err
		}
		hints := make([]hint, len(rows))
		for i, row := range rows {
			hints[i] = hintOf(row.RunID, row.Step)
		}
		served := 0
		if len(hints) > 0 {
			if served, err = e.serve(ctx, hints); err != nil {
				return err
			}
		}
		switch {
		case len(rows) < takeMost:
		case served > 0:
			continue
		case held == nil: // others hold these shards: there may be more behind them
			held = shardsHeld(hints)
			continue
		}
		break
	}
	if err := e.waitsOnce(ctx); err != nil {
		return err
	}
	for _, next := range []func(context.Context) (int64, error){e.q.RetryNext, e.q.DueNext} {
		ms, err := next(ctx)
		if err != nil {
			return err
		}
		if ms >= 0 {
			e.lookAgainIn(max(milliseconds(ms), dueAgain)) // what is due and was left is held by somebody else
		}
	}
	return nil
}

// waitsOnce ends waits and runs whose time is over, and shows the gate what the clock lets through.
func (e *Engine) waitsOnce(ctx context.Context) error {
	waits, err := e.q.WaitsDue(ctx, queries.WaitsDueParams{Held: []int16{}, Most: takeMost})
	if err != nil {
		return err
	}
	runs, err := e.q.RunsOverdue(ctx, takeMost)
	if err != nil {
		return err
	}
	gate, err := e.q.GateDue(ctx, takeMost)
	if err != nil {
		return err
	}
	var hints []hint
	for _, w := range waits {
		hints = append(hints, hintOf(w.RunID, w.Step))
	}
	for _, id := range runs {
		hints = append(hints, hintOf(id, 0))
	}
	for _, g := range gate {
		hints = append(hints, hint{shard: gateShard, run: g.RunID, step: g.Step})
	}
	if len(hints) == 0 {
		return nil
	}
	_, err = e.serve(ctx, hints)
	return err
}

// cancellingOnce goes on with the runs that are being cancelled: it finds what started while that was asked for.
func (e *Engine) cancellingOnce(ctx context.Context) error {
	ids, err := e.q.RunsCancelling(ctx, takeMost)
	if err != nil || len(ids) == 0 {
		return err
	}
	hints := make([]hint, len(ids))
	for i, id := range ids {
		hints[i] = hintOf(id, 0)
	}
	_, err = e.serve(ctx, hints)
	return err
}

// lookAgainIn has dueOnce called after d; below 0: not at all.
func (e *Engine) lookAgainIn(d time.Duration) {
	if d >= 0 {
		e.soon.in(d)
	}
}

// alarm rings once, at the earliest of the times that it was set to since it last rang.
type alarm struct {
	c chan struct{}

	mu    sync.Mutex
	at    time.Time
	timer *time.Timer
}

func newAlarm() *alarm { return &alarm{c: make(chan struct{}, 1)} }

func (a *alarm) in(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := time.Now().Add(d) //nolint:forbidigo // says when to look; what is due the database says
	if a.timer != nil && !a.at.IsZero() && !at.Before(a.at) {
		return
	}
	a.at = at
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = time.AfterFunc(d, a.ring)
}

func (a *alarm) ring() {
	a.mu.Lock()
	a.at = time.Time{}
	a.mu.Unlock()
	select {
	case a.c <- struct{}{}:
	default:
	}
}

func (a *alarm) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
	}
}
