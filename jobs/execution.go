package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/expr"
)

// execution is one attempt while its handler runs.
type execution struct {
	claim   lifecycle.Attempt
	hold    lifecycle.Hold
	kind    *kind
	logger  *slog.Logger // the replica's, with the attempt's names
	ctx     context.Context
	cancel  context.CancelCauseFunc
	release context.CancelFunc // of the deadline's timer
	sender  *sender

	lease    time.Duration // the worker's
	began    time.Time
	deadline time.Time     // zero: none
	sign     atomic.Int64  // last sign of life, nanoseconds after began
	kills    atomic.Bool   // the handler runs a process that is killed when its time is over
	spoke    chan struct{} // closed when the handler's goroutine has told its id
	id       string        // the goroutine's, for its stack
}

// result is what came out of a handler.
type result struct {
	output output
	err    error
	panic  *panicked
	cause  error // why the context had ended when the handler returned; nil: it had not
}

// panicked is a panic, or a handler that ended its goroutine.
type panicked struct {
	value string
	stack string
}

// newExecution makes the one context from which everything of the attempt hangs. base ends with the supervisor only.
func newExecution(base context.Context, c *SupervisorConfig, claim lifecycle.Attempt) *execution {
	e := &execution{
		claim: claim, kind: c.Registry.kind(claim.Kind), lease: c.Lease, began: time.Now(), spoke: make(chan struct{}),
		hold:   lifecycle.Hold{Run: claim.Run, Step: claim.Step, Attempt: claim.Attempt},
		logger: c.Logger.With("run", claim.Run, "step", claim.Key, "attempt", claim.Attempt, "kind", claim.Kind),
	}
	ctx, cancel := context.WithCancelCause(base)
	e.cancel = cancel
	e.ctx, e.release = ctx, func() {}
	if claim.Timeout > 0 {
		e.deadline = e.began.Add(claim.Remaining)
		e.ctx, e.release = context.WithTimeoutCause(ctx, claim.Remaining, ErrDeadline)
	}
	e.sender = newSender(base, e.ctx, c.Lifecycle, e.hold, e.logger, func(lines int) {
		c.observe(func(o Observer) { o.LogDropped(claim.Kind, lines) })
	})
	return e
}

// handle runs the handler in a goroutine of its own and gives what came out of it.
func (e *execution) handle(done chan<- result) {
	e.id = goroutineID()
	close(e.spoke)
	var r result
	returned := false
	defer func() {
		if !returned {
			r = result{panic: recovered(recover(), debug.Stack())}
		}
		r.cause = context.Cause(e.ctx)
		done <- r
	}()
	r.output, r.err = e.invoke()
	returned = true
}

func recovered(v any, stack []byte) *panicked {
	if v == nil {
		return &panicked{value: "the handler ended its goroutine", stack: string(stack)}
	}
	return &panicked{value: fmt.Sprint(v), stack: string(stack)}
}

// invoke evaluates the expressions of `with` and calls the handler.
func (e *execution) invoke() (output, error) {
	if e.kind == nil {
		return output{}, &Failure{Code: "unknown_kind", Message: "this replica has no such kind", Permanent: true}
	}
	with, err := e.with()
	if err != nil {
		return output{}, err
	}
	return e.kind.run(NewContext(e.ctx, e.attempt()), with)
}

func (e *execution) with() (json.RawMessage, error) {
	scope := expr.Scope{
		Input: e.claim.Input, Needs: make(map[string]expr.Need, len(e.claim.Needs)),
		RunID: e.claim.Run.String(), RunName: e.claim.RunName, StepKey: e.claim.Key, Attempt: e.claim.Attempt,
		Item: e.claim.Item, Index: max(e.claim.Index, 0),
	}
	for key, n := range e.claim.Needs {
		scope.Needs[key] = expr.Need{State: string(n.State), Output: n.Output}
	}
	with, err := expr.Eval(e.claim.With, scope, e.kind.literal...)
	var missing *expr.MissingError
	switch {
	case errors.As(err, &missing):
		return nil, &Failure{Code: "expression_missing", Err: err, Permanent: true}
	case err != nil:
		return nil, &Failure{Code: "bad_expression", Err: err, Permanent: true}
	}
	return with, nil
}

func (e *execution) attempt() *Attempt {
	c := &e.claim
	return &Attempt{
		Run: c.Run, RunName: c.RunName, Step: c.Key, Kind: c.Kind, Attempt: c.Attempt, Worker: c.Worker,
		Input: c.Input, Needs: c.Needs, exec: e,
	}
}

// await waits for the handler, and stops waiting at the end of its grace. It answers nil for a handler that has to be
// abandoned.
func (e *execution) await(done <-chan result, hurry <-chan struct{}) *result {
	stall := newStallTimer(e)
	defer stall.Stop()
	for ended := e.ctx.Done(); ended != nil; {
		select {
		case r := <-done:
			return &r
		case <-stall.C:
			stall.check()
		case <-ended:
			ended = nil
		}
	}
	patience := time.NewTimer(e.patience())
	defer patience.Stop()
	select {
	case r := <-done:
		return &r
	case <-patience.C:
	case <-hurry:
	}
	select {
	case r := <-done:
		return &r
	default:
		return nil
	}
}

// alive notes a sign of life.
func (e *execution) alive() { e.sign.Store(int64(time.Since(e.began))) }

// silence is how long ago the last sign of life was.
func (e *execution) silence() time.Duration {
	return time.Since(e.began) - time.Duration(e.sign.Load())
}

func (e *execution) log(stream, level, text string) { e.line(stream, level, text, false) }

func (e *execution) line(stream, level, text string, truncated bool) {
	e.alive()
	e.sender.line(time.Now(), stream, level, text, truncated)
}

func (e *execution) progress(percent float64, text string) {
	e.alive()
	e.sender.progress(percent, text)
}

// stop ends the attempt's context with a cause; only the first one counts.
func (e *execution) stop(cause error) { e.cancel(cause) }
