package cmd

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/weirqueue/weir/jobs"
)

// Main runs the command line of this process and answers its exit code. reg holds the program's own handlers and may
// be nil; the kinds that every replica brings are added to it. It is called once, first thing in main: a process that
// was started to guard a command of kind exec does that and nothing else.
//
// The first SIGINT or SIGTERM asks a server to shut down, the second one to do so at once, the third one ends the
// process.
func Main(reg *jobs.Registry) int {
	if handled, code := jobs.ExecMain(os.Args[1:]); handled {
		return code
	}
	ctx, hurry, stop := signals()
	defer stop()
	return run(ctx, environment{
		args: os.Args[1:], getenv: os.Getenv, environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		registry: reg, hurry: hurry,
	})
}

// signals turns signals into the end of a context and, the second time, of a channel.
func signals() (ctx context.Context, hurry <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	second := make(chan struct{})
	received := make(chan os.Signal, 2)
	signal.Notify(received, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer signal.Stop(received) // from here on signals do what they do to every process
		for _, then := range []func(){cancel, func() { close(second) }} {
			select {
			case <-received:
				then()
			case <-done:
				return
			}
		}
	}()
	return ctx, second, func() { close(done); cancel() }
}
