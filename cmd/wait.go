package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirqueue/weir/lifecycle/plan"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// waitFlags are the flags of commands that can wait for the end of a run.
type waitFlags struct {
	Wait    bool     `help:"Wait for the end of the run, and show how it goes."`
	Timeout lifetime `placeholder:"DURATION" help:"With --wait: give up waiting after that long, 90s or 1h30m for example. The run goes on."`
}

// lifetime is a duration as contract and plans have it.
type lifetime time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *lifetime) UnmarshalText(text []byte) error {
	parsed, err := plan.ParseDuration(string(text))
	*d = lifetime(parsed)
	return err
}

// check refuses flags that exclude each other.
func (f waitFlags) check() error {
	if f.Timeout != 0 && !f.Wait {
		return &usageError{what: "--timeout is how long --wait waits: give both", try: "--wait --timeout " + plan.FormatDuration(time.Duration(f.Timeout))}
	}
	return nil
}

// errWaited ends the context of a command when --timeout has passed.
var errWaited = errors.New("--timeout has passed")

// bound is the context of the waiting.
func (f waitFlags) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.Timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, time.Duration(f.Timeout), errWaited)
}

// await waits for the end of a run, shows how it goes, and says how it went.
func (f waitFlags) await(server *connection, answer answerFlags, run client.Answer[client.Run]) error {
	ctx, cancel := f.bound(server.inv.ctx)
	defer cancel()
	w := newWatch(server, run)
	w.shown = server.display(answer)
	server.note = w.shown.note
	err := w.toTheEnd(ctx)
	if closing := w.shown.close(w); err == nil {
		err = closing
	}
	if answer.Output != "table" {
		if err := answer.raw(server.inv.stdout, w.run.JSON); err != nil {
			return err
		}
	}
	if err != nil && (!w.final() || !errors.Is(context.Cause(ctx), errWaited)) {
		return f.gaveUp(ctx, server, err, w.run.Value)
	}
	return server.ended(server.inv.ctx, answer, w.run.Value)
}

// gaveUp is the error of waiting that ended before the run.
func (f waitFlags) gaveUp(ctx context.Context, server *connection, err error, run client.Run) error {
	id := run.ID.String()
	follow := server.command("run", id, "--wait")
	switch {
	case errors.Is(context.Cause(ctx), errWaited):
		what := fmt.Sprintf("run %s goes on after %s", id, plan.FormatDuration(time.Duration(f.Timeout)))
		return &outcome{failure: failure{what: what, try: follow, err: err}, code: exitTimeout}
	case ctx.Err() != nil:
		return &outcome{failure: failure{what: "interrupted: run " + id + " goes on", try: follow, err: err}, code: exitInterrupted}
	}
	return server.explain(err)
}
