package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/migrations"
	"github.com/weirqueue/weir/jobs"
	"github.com/weirqueue/weir/lifecycle"
)

// Bounds on what a worker does when it comes and goes.
const (
	registerWithin = 30 * time.Second // of trying to register
	leaveWithin    = 3 * time.Second  // to say goodbye
	riverWithin    = 5 * time.Second  // for River to note what has ended
	hurryWithin    = time.Second      // for all of that when nobody wants to wait
)

// worker is one life of the part of a replica that does the work.
type worker struct {
	id     uuid.UUID
	cfg    *Config
	engine engine // of the replica
	beats  engine // the same on connections of its own
	logger *slog.Logger
	sup    *jobs.Supervisor
	heart  *jobs.Heart
	river  *river.Client[pgx.Tx] // nil: works on nothing
	forget func()                // ends what its heart listens to

	listening func() db.ListenMode
}

// work is a worker, and another one under a new id whenever the database has forgotten the last one, until draining
// ends and what was started is over. ready is called when the first one takes on work.
func (r *replica) work(draining context.Context, ready func()) error {
	for id := r.id; ; id = newID() {
		w, err := r.newWorker(id)
		if err != nil {
			return err
		}
		err = w.run(draining, r.hurry, ready)
		w.forget()
		if !errors.Is(err, jobs.ErrWorkerGone) || draining.Err() != nil {
			return err
		}
		w.logger.Warn("the database does not know this worker any more: going on under a new id")
		ready = func() {}
	}
}

func (r *replica) newWorker(id uuid.UUID) (*worker, error) {
	logger := r.cfg.Logger.With("worker", id)
	w := &worker{id: id, cfg: &r.cfg, engine: r.engine, beats: r.beats, logger: logger}
	w.listening = func() db.ListenMode { return r.listener.Status().Mode }
	w.sup = jobs.NewSupervisor(jobs.SupervisorConfig{
		Lifecycle: r.engine, Registry: r.cfg.Registry, Worker: id, Logger: logger,
		Lease: r.cfg.Lease, ShutdownGrace: r.cfg.ShutdownGrace, Observer: &r.telemetry, ObserverFailed: r.telemetry.failed,
	})
	stops := time.Duration(0)
	if r.cfg.PollInterval < 0 {
		stops = -1
	}
	nudge, unsubscribe := r.listener.Subscribe(db.ChannelStop)
	w.forget = unsubscribe
	w.heart = jobs.NewHeart(jobs.HeartConfig{
		Lifecycle: r.beats, Supervisor: w.sup, Worker: id, Logger: logger,
		Interval: r.cfg.Heartbeat, StopsInterval: stops, Nudge: nudge,
	})
	if r.cfg.NoWork {
		return w, nil
	}
	var err error
	w.river, err = r.newRiver(id, w.sup)
	return w, err
}

// run registers, works until draining ends, and ends well. An error says why it could not start or go on.
func (w *worker) run(draining, hurry context.Context, ready func()) error {
	if err := w.register(draining); err != nil {
		return err
	}
	living, die := context.WithCancel(context.WithoutCancel(draining))
	gone := make(chan error, 1)
	var noting sync.WaitGroup
	noting.Go(func() { w.noteNotify(living) })
	defer noting.Wait()
	defer die()
	go func() { gone <- w.heart.Run(living) }()

	if w.river != nil {
		// Its context would cancel the work, so River gets one that does not end; Stop ends it.
		if err := w.river.Start(context.WithoutCancel(draining)); err != nil {
			w.leave(draining, die, gone)
			return fmt.Errorf("start River: %w", err)
		}
	}
	w.logger.Info("working", "queues", w.cfg.Queues)
	ready()

	select {
	case <-draining.Done():
		w.stop(hurry)
		w.leave(draining, die, gone)
		return nil
	case err := <-gone:
		// Nothing that is still running here counts any more.
		over, cancel := context.WithCancel(context.WithoutCancel(draining))
		cancel()
		w.stop(over)
		return err
	}
}

// register makes the worker known.
func (w *worker) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, registerWithin)
	defer cancel()
	var kinds []lifecycle.Kind
	queues := map[string]int{}
	if !w.cfg.NoWork {
		kinds, queues = w.cfg.Registry.Kinds(), w.cfg.Queues
	}
	names := make([]string, 0, len(kinds))
	for _, k := range kinds {
		names = append(names, k.Name)
	}
	host, _ := os.Hostname()
	name := w.cfg.Name
	if name == "" {
		name = host
	}
	return retry(ctx, func() error {
		err := w.engine.WorkerRegister(ctx, lifecycle.Worker{
			ID: w.id, Name: name, Host: host, PID: os.Getpid(), Build: w.cfg.Build.String(), Schema: migrations.Latest(),
			Kinds: names, Queues: queues,
		})
		if err != nil {
			return fmt.Errorf("register the worker: %w", err)
		}
		if err := w.engine.KindsRegister(ctx, kinds); err != nil { // the build that registers them is the worker's
			return fmt.Errorf("register the kinds: %w", err)
		}
		return nil
	})
}

// stop ends the work. First nothing new is fetched, then attempts may end, then they are made to, then what became of
// them is reported. When hurry ends nothing is waited for any more.
func (w *worker) stop(hurry context.Context) {
	waiting, giveUp := context.WithCancel(context.WithoutCancel(hurry))
	defer giveUp()
	stopped := make(chan error, 1)
	if w.river == nil {
		stopped <- nil
	} else {
		go func() { stopped <- w.river.Stop(waiting) }() // fetches nothing more; returns when River has noted every end
	}
	if err := w.sup.Drain(hurry); err != nil {
		w.logger.Warn("not everything that ended could be reported", "error", err)
	}
	within := riverWithin
	if hurry.Err() != nil {
		within = hurryWithin
	}
	t := time.AfterFunc(within, giveUp)
	defer t.Stop()
	if err := <-stopped; err == nil {
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(hurry), hurryWithin)
	defer cancel()
	if err := w.river.StopAndCancel(last); err != nil {
		w.logger.Warn("River did not stop in time; others put its rows right", "error", err)
	}
}

// leave ends the heart, because a heartbeat would bring the worker back, and says goodbye, so that nobody has to wait
// for the lease.
func (w *worker) leave(ctx context.Context, die context.CancelFunc, gone <-chan error) {
	die()
	if err := <-gone; err != nil {
		w.logger.Debug("the heart ended", "error", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	if err := w.beats.WorkerLeave(ctx, w.id); err != nil {
		w.logger.Warn("the worker could not say goodbye; its lease will run out", "error", err)
	}
}

// retry repeats a call while its error may pass.
func retry(ctx context.Context, call func() error) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := call()
		if err == nil || !lifecycle.IsRetryable(err) || ctx.Err() != nil {
			return err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}
