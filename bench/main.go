// Command bench measures Weir beside raw River: the same no-op work on the same PostgreSQL, in one run, taking turns.
//
//	go run . [--runs 20000] [--idle 200] [--rounds 3] [--json]
//	go run . --limits [--runs 20000] [--rounds 3]
//
// The server is one that it starts for itself with PostgreSQL's own defaults, or the one that WEIR_BENCH_DATABASE_URL
// leads to, where it makes and drops databases. Ratios count, absolutes do not: machines differ and are noisy.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"time"
)

// system is what is measured.
type system interface {
	// name is the prefix of its figures.
	name() string
	// drain submits runs of one no-op step in batches of 1,000, then starts workers: how long each of the two took.
	drain(ctx context.Context, url string, runs int) (submit, drain time.Duration, err error)
	// idle submits one run at a time to idle workers: from the submit call to the first line of the handler.
	idle(ctx context.Context, url string, runs int) ([]time.Duration, error)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	runs := flags.Int("runs", 20_000, "runs of a drain")
	idle := flags.Int("idle", 200, "submits to idle workers")
	rounds := flags.Int("rounds", 3, "rounds; medians are printed")
	asJSON := flags.Bool("json", false, "print JSON")
	withLimits := flags.Bool("limits", false, "measure what concurrency limits cost instead")
	if err := flags.Parse(args); err != nil {
		return err
	}
	server, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer server.stop()
	if *withLimits {
		return limits(ctx, server, *runs, *rounds, stdout, stderr)
	}
	figures := map[string][]float64{}
	for round := range *rounds {
		for _, s := range []system{riverSystem{}, weirSystem{}} {
			fmt.Fprintf(stderr, "round %d of %d: %s\n", round+1, *rounds, s.name())
			if err := measure(ctx, server, s, *runs, *idle, figures); err != nil {
				return fmt.Errorf("measure %s: %w", s.name(), err)
			}
		}
	}
	return show(stdout, figures, *asJSON)
}

// measure runs both workloads on a fresh database each.
func measure(ctx context.Context, server *server, s system, runs, idle int, figures map[string][]float64) error {
	add := func(name string, v float64) { figures[s.name()+"."+name] = append(figures[s.name()+"."+name], v) }
	err := server.database(ctx, func(url string) error {
		submit, drain, err := s.drain(ctx, url, runs)
		add("submit", float64(runs)/submit.Seconds())
		add("drain", float64(runs)/drain.Seconds())
		return err
	})
	if err != nil {
		return err
	}
	return server.database(ctx, func(url string) error {
		took, err := s.idle(ctx, url, idle)
		if err != nil {
			return err
		}
		slices.Sort(took)
		add("idle_p50_ms", took[len(took)/2].Seconds()*1e3)
		add("idle_p99_ms", took[len(took)*99/100].Seconds()*1e3)
		return nil
	})
}

// show prints the median of each figure with its spread, and the ratios.
func show(w io.Writer, figures map[string][]float64, asJSON bool) error {
	medians := map[string]float64{}
	for name, values := range figures {
		slices.Sort(values)
		medians[name] = values[len(values)/2]
	}
	for _, name := range []string{"submit", "drain", "idle_p50_ms", "idle_p99_ms"} {
		medians["ratio."+name] = medians["weir."+name] / medians["river."+name]
	}
	if asJSON {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(medians)
	}
	fmt.Fprintf(w, "%-14s %12s %12s %8s   %s\n", "", "weir", "river", "ratio", "weir min to max")
	for _, name := range []string{"submit", "drain", "idle_p50_ms", "idle_p99_ms"} {
		mine := figures["weir."+name]
		fmt.Fprintf(w, "%-14s %12.1f %12.1f %8.2f   %.1f to %.1f\n",
			name, medians["weir."+name], medians["river."+name], medians["ratio."+name], mine[0], mine[len(mine)-1])
	}
	return nil
}
