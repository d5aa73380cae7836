//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/weirqueue/weir/integration/cluster"
)

// options are the flags.
type options struct {
	Minutes     float64 `help:"How long faults are made, in minutes. What was begun is brought to its end after that." default:"2"`
	Seed        uint64  `help:"Of plans and faults: the same seed makes the same ones. 0: a new one." default:"0"`
	Replicas    int     `help:"How many replicas." default:"3"`
	Rate        float64 `help:"How many runs are submitted a second, at the most." default:"12"`
	Outstanding int     `help:"How many runs may be open at once." default:"120"`
	Artefacts   string  `help:"Where to keep logs, evidence and the database when the proof fails. Empty: a new directory."`
	Keep        bool    `help:"Keep them also when it passes."`
	Schedule    bool    `help:"Only print the schedule of faults."`
	Verbose     bool    `help:"Tell of each fault when it is made." short:"v"`

	out io.Writer
}

func (o options) length() time.Duration { return time.Duration(o.Minutes * float64(time.Minute)) }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run answers 0: it is proved, 1: it is not, 2: the proof could not be made.
func run(args []string, stdout, stderr io.Writer) int {
	o := options{out: stdout}
	parser, err := kong.New(&o, kong.Name("prove"), kong.Writers(stdout, stderr),
		kong.Description("Runs a cluster of real processes under load and faults, and checks that nothing was lost or done twice."))
	if err == nil {
		_, err = parser.Parse(args)
	}
	switch {
	case err != nil:
	case o.Minutes <= 0 || o.Minutes > 24*60:
		err = fmt.Errorf("--minutes %g: it is more than 0 and at most a day", o.Minutes)
	case o.Replicas < 1 || o.Replicas > 20:
		err = fmt.Errorf("--replicas %d: 1 to 20 of them", o.Replicas)
	case o.Rate <= 0 || o.Outstanding < 1:
		err = errors.New("--rate and --outstanding are positive")
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "prove: %v\n", err)
		return 2
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64N(1_000_000_000) + 1
	}
	if o.Schedule {
		_, _ = fmt.Fprint(stdout, listing(schedule(o.Seed, o.length(), o.Replicas, nil)))
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = prove(ctx, o)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFailed):
		return 1
	default:
		_, _ = fmt.Fprintf(stderr, "prove: the proof could not be made, with seed %d: %v\n", o.Seed, err)
		return 2
	}
}

// lack is something that this machine does not have.
type lack struct{ what, why string }

func unavailable() []lack {
	var list []lack
	if why := (cluster.ServerConfig{Clock: true}).Unavailable(); why != "" {
		list = append(list, lack{"clock", "no faults of the database's clock: " + why})
	}
	if why := (cluster.ServerConfig{Disk: 1 << 20}).Unavailable(); why != "" {
		list = append(list, lack{"disk", "no full disk: " + why})
	}
	return list
}
