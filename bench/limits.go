package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirqueue/weir/jobs"
	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// waitingRuns is how many runs wait for the slots of one key.
const waitingRuns = 1000

// limits measures what limits cost: how fast work without a key is done alone and beside a thousand runs that wait for two
// slots, and how many steps a second go through two slots.
func limits(ctx context.Context, server *server, runs, rounds int, stdout, stderr io.Writer) error {
	figures := map[string][]float64{}
	measure := func(name string, waiting bool, keyed int) error {
		return server.database(ctx, func(url string) error {
			rate, err := drainBeside(ctx, url, runs, waiting, keyed)
			figures[name] = append(figures[name], rate)
			return err
		})
	}
	for round := range rounds {
		fmt.Fprintf(stderr, "round %d of %d\n", round+1, rounds)
		if err := errors.Join(measure("alone", false, 0), measure("beside", true, 0), measure("keyed", false, waitingRuns)); err != nil {
			return err
		}
	}
	median := func(name string) float64 {
		slices.Sort(figures[name])
		return figures[name][len(figures[name])/2]
	}
	fmt.Fprintf(stdout, "unkeyed runs/s alone %.0f, beside %d that wait for 2 slots %.0f (ratio %.2f); steps/s through 2 slots %.0f\n",
		median("alone"), waitingRuns, median("beside"), median("beside")/median("alone"), median("keyed"))
	return nil
}

// drainBeside is how many unkeyed runs (or keyed ones, if there are any) are done in a second. waiting: beside runs of a key
// whose two slots are held all the time.
func drainBeside(ctx context.Context, url string, runs int, waiting bool, keyed int) (float64, error) {
	if keyed > 0 {
		runs = keyed
	}
	var left atomic.Int64
	left.Store(int64(runs))
	w, err := openWeir(ctx, url, func() { left.Add(-1) })
	if err != nil {
		return 0, err
	}
	defer w.pool.Close()
	err = jobs.Handle(w.registry, "hold", func(ctx context.Context, _ nothing) (nothing, error) {
		<-ctx.Done()
		return nothing{}, context.Cause(ctx)
	})
	if err != nil {
		return 0, err
	}
	if err := w.engine.KindsRegister(ctx, w.registry.Kinds()); err != nil {
		return 0, err
	}
	if waiting {
		if err := w.submitMany(ctx, `{"name": "wait", "steps": [{"key": "a", "kind": "hold", "concurrency": {"key": "k", "limit": 2}}]}`, waitingRuns); err != nil {
			return 0, err
		}
	}
	text := `{"name": "bench", "steps": [{"key": "a", "kind": "noop"}]}`
	if keyed > 0 {
		text = `{"name": "bench", "steps": [{"key": "a", "kind": "noop", "concurrency": {"key": "k", "limit": 2}}]}`
	}
	if err := w.submitMany(ctx, text, runs); err != nil {
		return 0, err
	}
	began := time.Now()
	stop, err := w.start(ctx)
	if err != nil {
		return 0, err
	}
	err = until(ctx, func() (bool, error) {
		if left.Load() > 0 {
			return false, nil
		}
		var open int
		err := w.pool.QueryRow(ctx, "select count(*) from weir.runs where state <> 'succeeded' and name = 'bench'").Scan(&open)
		return open == 0, err
	})
	took := time.Since(began)
	return float64(runs) / took.Seconds(), errors.Join(err, stop())
}

func (w *weir) submitMany(ctx context.Context, text string, runs int) error {
	p, err := plan.ParseJSON([]byte(text))
	if err != nil {
		return err
	}
	for n := 0; n < runs; n += 1000 {
		batch := make([]lifecycle.Submission, min(1000, runs-n))
		for i := range batch {
			batch[i] = lifecycle.Submission{Plan: p, Actor: "local"}
		}
		if _, err := w.engine.SubmitMany(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}
