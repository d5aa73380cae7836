package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/migrations"
	"github.com/weirqueue/weir/jobs"
	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
	"github.com/weirqueue/weir/replica"
)

// weirSystem is one replica as `weir serve` runs it, with nothing tuned.
type weirSystem struct{}

func (weirSystem) name() string { return "weir" }

type nothing struct{}

// weir is a database with an engine to submit with, and a replica to start.
type weir struct {
	url      string
	registry *jobs.Registry
	pool     *pgxpool.Pool
	engine   *lifecycle.Engine
	plan     *plan.Plan
}

func openWeir(ctx context.Context, url string, worked func()) (*weir, error) {
	if _, err := migrations.Up(ctx, url, nil); err != nil {
		return nil, err
	}
	registry := jobs.NewRegistry()
	err := jobs.Handle(registry, "noop", func(context.Context, nothing) (nothing, error) {
		worked()
		return nothing{}, nil
	})
	if err != nil {
		return nil, err
	}
	pool, err := db.Open(ctx, db.Config{URL: url})
	if err != nil {
		return nil, err
	}
	p, err := plan.ParseJSON([]byte(`{"name": "bench", "steps": [{"key": "a", "kind": "noop"}]}`))
	if err != nil {
		return nil, err
	}
	w := &weir{url: url, registry: registry, pool: pool, engine: lifecycle.New(lifecycle.Config{Pool: pool}), plan: p}
	return w, w.engine.KindsRegister(ctx, registry.Kinds())
}

// start runs a replica; stop ends it.
func (w *weir) start(ctx context.Context) (stop func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- replica.Run(ctx, replica.Config{
			Database: db.Config{URL: w.url}, Registry: w.registry, Listen: "127.0.0.1:0",
			Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
			Ready:  func(net.Addr) { close(ready) },
		})
	}()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		return nil, errors.Join(errors.New("the replica ended"), err)
	}
	return func() error { cancel(); return <-done }, nil
}

func (weirSystem) drain(ctx context.Context, url string, runs int) (submit, drain time.Duration, err error) {
	var left atomic.Int64
	left.Store(int64(runs))
	w, err := openWeir(ctx, url, func() { left.Add(-1) })
	if err != nil {
		return 0, 0, err
	}
	defer w.pool.Close()
	began := time.Now()
	for n := 0; n < runs; n += 1000 {
		batch := make([]lifecycle.Submission, min(1000, runs-n))
		for i := range batch {
			batch[i] = lifecycle.Submission{Plan: w.plan, Actor: "local"}
		}
		if _, err := w.engine.SubmitMany(ctx, batch); err != nil {
			return 0, 0, err
		}
	}
	submit = time.Since(began)
	began = time.Now()
	stop, err := w.start(ctx)
	if err != nil {
		return 0, 0, err
	}
	err = until(ctx, func() (bool, error) {
		if left.Load() > 0 {
			return false, nil
		}
		var open int
		err := w.pool.QueryRow(ctx, "select count(*) from weir.runs where state <> 'succeeded'").Scan(&open)
		return open == 0, err
	})
	drain = time.Since(began)
	return submit, drain, errors.Join(err, stop())
}

func (weirSystem) idle(ctx context.Context, url string, runs int) ([]time.Duration, error) {
	started := make(chan time.Time, 1)
	w, err := openWeir(ctx, url, func() { started <- time.Now() })
	if err != nil {
		return nil, err
	}
	defer w.pool.Close()
	stop, err := w.start(ctx)
	if err != nil {
		return nil, err
	}
	took, err := oneByOne(ctx, runs, started, func() error {
		_, err := w.engine.Submit(ctx, lifecycle.Submission{Plan: w.plan, Actor: "local"})
		return err
	})
	return took, errors.Join(err, stop())
}
