//go:build linux

// Command worker is weir with a kind of its own, work, whose steps do what their input says and note in the ledger of
// the directory CLUSTER_LEDGER when they begin and when they really end.
package main

import (
	"fmt"
	"os"

	"github.com/weirqueue/weir/cmd"
	"github.com/weirqueue/weir/integration/prove/ledger"
	"github.com/weirqueue/weir/jobs"
)

func main() { os.Exit(run()) }

func run() int {
	reg := jobs.NewRegistry()
	w := &worker{replica: os.Getenv("CLUSTER_REPLICA")}
	if dir := os.Getenv("CLUSTER_LEDGER"); dir != "" { // without: a command that runs no steps
		book, err := ledger.Open(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			return 1
		}
		w.ledger = book
	}
	if err := jobs.Handle(reg, "work", w.work); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	return cmd.Main(reg)
}
