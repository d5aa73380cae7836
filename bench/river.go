package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// riverSystem is River alone, with the settings that serve it best here.
type riverSystem struct{}

func (riverSystem) name() string { return "river" }

type noopArgs struct{}

func (noopArgs) Kind() string { return "noop" }

type noopWorker struct {
	river.WorkerDefaults[noopArgs]

	worked func()
}

func (w *noopWorker) Work(context.Context, *river.Job[noopArgs]) error {
	w.worked()
	return nil
}

func openRiver(ctx context.Context, url string, worked func()) (*pgxpool.Pool, *river.Client[pgx.Tx], error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, nil, err
	}
	config.MaxConns = 12
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &noopWorker{worked: worked})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues: map[string]river.QueueConfig{"default": {MaxWorkers: 2000}}, Workers: workers,
		FetchCooldown: 2 * time.Millisecond, FetchPollInterval: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	return pool, client, err
}

func (riverSystem) drain(ctx context.Context, url string, runs int) (submit, drain time.Duration, err error) {
	var left atomic.Int64
	left.Store(int64(runs))
	pool, client, err := openRiver(ctx, url, func() { left.Add(-1) })
	if err != nil {
		return 0, 0, err
	}
	defer pool.Close()
	began := time.Now()
	for n := 0; n < runs; n += 1000 {
		batch := make([]river.InsertManyParams, min(1000, runs-n))
		for i := range batch {
			batch[i] = river.InsertManyParams{Args: noopArgs{}}
		}
		if _, err := client.InsertMany(ctx, batch); err != nil {
			return 0, 0, err
		}
	}
	submit = time.Since(began)
	began = time.Now()
	if err := client.Start(ctx); err != nil {
		return 0, 0, err
	}
	defer client.Stop(context.WithoutCancel(ctx)) //nolint:errcheck // it is over
	err = until(ctx, func() (bool, error) {
		if left.Load() > 0 {
			return false, nil
		}
		var open int
		err := pool.QueryRow(ctx, "select count(*) from river_job where state <> 'completed'").Scan(&open)
		return open == 0, err
	})
	return submit, time.Since(began), err
}

func (riverSystem) idle(ctx context.Context, url string, runs int) ([]time.Duration, error) {
	started := make(chan time.Time, 1)
	pool, client, err := openRiver(ctx, url, func() { started <- time.Now() })
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	if err := client.Start(ctx); err != nil {
		return nil, err
	}
	defer client.Stop(context.WithoutCancel(ctx)) //nolint:errcheck // it is over
	return oneByOne(ctx, runs, started, func() error {
		_, err := client.Insert(ctx, noopArgs{}, nil)
		return err
	})
}

// oneByOne submits to idle workers, with a rest between, and answers how long each submit took to start.
func oneByOne(ctx context.Context, runs int, started <-chan time.Time, submit func() error) ([]time.Duration, error) {
	var took []time.Duration
	for i := range runs + 10 {
		began := time.Now()
		if err := submit(); err != nil {
			return nil, err
		}
		select {
		case at := <-started:
			if i >= 10 { // the first ones warm up
				took = append(took, at.Sub(began))
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		time.Sleep(10 * time.Millisecond) //nolint:forbidigo // the workers are to be idle again
	}
	return took, nil
}

// until polls a condition.
func until(ctx context.Context, done func() (bool, error)) error {
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
