//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/weirqueue/weir/integration/prove/ledger"
	"github.com/weirqueue/weir/jobs"
)

// work is the input of a step.
type work struct {
	Attempts []act          `json:"attempts"`       // what attempt 1, 2, … does; the last one says it for all that come after
	Over     map[string]any `json:"over,omitempty"` // anything: what expressions gave
}

// act is what one attempt does.
type act struct {
	// Do is how it goes. ok: succeeds; fail: returns an error; permanent: one that is not tried again; later: one that asks
	// for 100 ms; panic; exit: ends its goroutine; hang: returns when its context ends; ignore: does not return then.
	Do  string `json:"do"`
	For int    `json:"for,omitempty"` // ms; of ignore: how long it goes on after its context has ended
	// Output is what an attempt that succeeds gives: "" or list, an object with a list and a number; big, more than a step
	// can have; nul, a character that no database takes; bytes, no UTF-8; deep, lists in lists; null; bad, no JSON.
	Output string `json:"output,omitempty"`
	Lines  int    `json:"lines,omitempty"` // written to the log, evenly over For
	Tell   bool   `json:"tell,omitempty"`  // progress is told with each line
}

// worker runs the steps.
type worker struct {
	replica string
	ledger  *ledger.Writer
}

var errFailed = errors.New("it fails, as it was told to")

// work does what the input says for this attempt.
func (w *worker) work(ctx context.Context, in work) (any, error) {
	a := jobs.FromContext(ctx)
	if len(in.Attempts) == 0 {
		return nil, jobs.Permanent(errors.New("attempts is empty"))
	}
	act := in.Attempts[min(max(a.Attempt, 1), len(in.Attempts))-1]
	w.note(a, ledger.Start, fmt.Sprintf("work %s %dms", act.Do, act.For))
	if w.goes(ctx, a, act) {
		w.note(a, ledger.End, "context: "+context.Cause(ctx).Error())
		return nil, ctx.Err()
	}
	switch act.Do {
	case "panic":
		w.note(a, ledger.End, "panic")
		panic("it panics, as it was told to")
	case "exit":
		w.note(a, ledger.End, "exit")
		runtime.Goexit()
	case "ok":
		out := outputOf(act.Output)
		w.note(a, ledger.End, "ok")
		return out, nil
	}
	err := errFailed
	switch act.Do {
	case "permanent":
		err = jobs.Permanent(err)
	case "later":
		err = jobs.RetryAfter(err, 100*time.Millisecond)
	case "fail":
	default:
		err = jobs.Permanent(fmt.Errorf("%q is nothing that an attempt can do", act.Do))
	}
	w.note(a, ledger.End, act.Do)
	return nil, err
}

// goes lets the time of an act pass. It is true when the context has ended it.
func (w *worker) goes(ctx context.Context, a *jobs.Attempt, act act) (ended bool) {
	all := time.Duration(act.For) * time.Millisecond
	switch act.Do {
	case "hang":
		all = 24 * time.Hour
	case "ignore":
		<-ctx.Done()
		<-time.After(all)
		return true
	}
	for i := range act.Lines {
		if !pass(ctx, all/time.Duration(act.Lines+1)) {
			return true
		}
		a.Logger().Info("still at it", "line", i)
		if act.Tell {
			a.Progress(float64(100*(i+1)/(act.Lines+1)), "at it")
		}
	}
	return !pass(ctx, all/time.Duration(act.Lines+1))
}

// pass waits, and is false when the context ended first.
func pass(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// note writes to the ledger. An execution of which nobody would know must not count: without the ledger it panics.
func (w *worker) note(a *jobs.Attempt, what, how string) {
	err := errors.New("CLUSTER_LEDGER is not set")
	if w.ledger != nil {
		err = w.ledger.Note(ledger.Entry{What: what, Run: a.Run, Step: a.Step, Attempt: a.Attempt, Replica: w.replica, Note: how})
	}
	if err != nil {
		panic(fmt.Sprintf("the %s of attempt %d of step %s of run %s is not in the ledger: %v", what, a.Attempt, a.Step, a.Run, err))
	}
}

// outputOf makes an output.
func outputOf(kind string) any {
	switch kind {
	case "big":
		return map[string]string{"text": strings.Repeat("0123456789abcdef", 80<<10)}
	case "nul":
		return map[string]string{"text": "a\x00b"}
	case "bytes":
		return json.RawMessage("{\"text\": \"a\xff\xfeb\"}")
	case "deep":
		return json.RawMessage(strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000))
	case "null":
		return nil
	case "bad":
		return json.RawMessage(`{"text": `)
	}
	return map[string]any{"list": []int{0, 1, 2}, "n": 3, "text": "drawn"}
}
