package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/weirqueue/weir/lifecycle"
)

// ErrWorkerGone ends a Heart: the database does not know the worker any more. The process has to begin again under a
// new worker id.
var ErrWorkerGone = errors.New("the database does not know this worker any more")

// HeartConfig says how a Heart beats. Lifecycle, Supervisor and Worker are required. Its Lifecycle should have a
// connection of its own, so that a busy pool lets no lease run out.
type HeartConfig struct {
	Lifecycle  Lifecycle
	Supervisor *Supervisor
	Worker     uuid.UUID
	Logger     *slog.Logger // nil: discards

	Interval      time.Duration   // between heartbeats; 5s
	StopsInterval time.Duration   // between looks for stops; 1s; negative: only when nudged
	Nudge         <-chan struct{} // look for stops now; nil: never
}

// Heart keeps a worker's lease alive, says what the worker holds, and stops what it is told to stop. While the database
// cannot be reached it does nothing: the database alone decides who is lost.
type Heart struct {
	cfg  HeartConfig
	beat chan struct{} // receives after every heartbeat that was answered, for tests
}

// NewHeart returns a Heart that is ready to run.
func NewHeart(c HeartConfig) *Heart {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&c.Interval, 5*time.Second)
	setDefault(&c.StopsInterval, time.Second)
	return &Heart{cfg: c, beat: make(chan struct{}, 1)}
}

// Run beats, at once and then every Interval, until ctx ends (nil) or the worker is gone (ErrWorkerGone).
func (h *Heart) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.beats(ctx) })
	g.Go(func() error { return h.stops(ctx) })
	if err := g.Wait(); err != nil {
		return fmt.Errorf("keep the worker alive: %w", err)
	}
	return nil
}

func (h *Heart) beats(ctx context.Context) error {
	for failures := 0; ; {
		err := h.runOnce(ctx)
		wait := h.cfg.Interval - rand.N(h.cfg.Interval/10+1)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end of ctx is not an error
		case errors.Is(err, ErrWorkerGone):
			return err
		case err != nil:
			failures++
			h.cfg.Logger.Warn("the heartbeat was not answered", "error", err, "failures", failures)
			wait = min(wait, jittered(failures, h.cfg.Interval/10, h.cfg.Interval))
		default:
			failures = 0
			signal(h.beat)
		}
		sleep(ctx, wait)
	}
}

// runOnce sends one heartbeat and does what the answer says.
func (h *Heart) runOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Interval)
	defer cancel()
	sup := h.cfg.Supervisor
	beat := lifecycle.Heartbeat{Worker: h.cfg.Worker, Ended: sup.reporter.given()}
	for _, a := range sup.Running() {
		beat.Holds = append(beat.Holds, a.Hold)
	}
	answer, err := h.cfg.Lifecycle.WorkerHeartbeat(ctx, beat)
	if err != nil {
		return err
	}
	if !answer.Known {
		return ErrWorkerGone
	}
	sup.reporter.forget(beat.Ended)
	h.apply(answer.Stops)
	for _, hold := range answer.Gone {
		if sup.Gone(hold) {
			h.cfg.Logger.Warn("an attempt is not this worker's any more and is stopped", "run", hold.Run, "step_ordinal", hold.Step, "attempt", hold.Attempt)
		}
	}
	return nil
}

func (h *Heart) stops(ctx context.Context) error {
	var tick <-chan time.Time
	if h.cfg.StopsInterval > 0 {
		t := time.NewTicker(h.cfg.StopsInterval)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-tick:
		case <-h.cfg.Nudge:
		case <-ctx.Done():
			return nil
		}
		if err := h.stopsOnce(ctx); err != nil && ctx.Err() == nil {
			h.cfg.Logger.Debug("the stops were not read", "error", err)
		}
	}
}

// stopsOnce reads what is to be stopped and stops it.
func (h *Heart) stopsOnce(ctx context.Context) error {
	if len(h.cfg.Supervisor.Running()) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, max(h.cfg.StopsInterval, 2*time.Second))
	defer cancel()
	stops, err := h.cfg.Lifecycle.WorkerStops(ctx, h.cfg.Worker)
	if err != nil {
		return err
	}
	h.apply(stops)
	return nil
}

func (h *Heart) apply(stops []lifecycle.Stop) {
	for _, stop := range stops {
		h.cfg.Supervisor.Stop(stop)
	}
}
