package jobs

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// The tests of this package run in bubbles of testing/synctest wherever time plays a part: their clock is not the
// machine's, and moves only when everybody waits.

// fake is a Lifecycle in memory. Unset functions answer well.
type fake struct {
	start     func(ctx context.Context, r lifecycle.StartRequest) (lifecycle.StartAnswer, error)
	finish    func(ctx context.Context, r lifecycle.Report) (lifecycle.FinishAnswer, error)
	heartbeat func(ctx context.Context, h lifecycle.Heartbeat) (lifecycle.HeartbeatAnswer, error)
	release   func() error
	stops     func(ctx context.Context) ([]lifecycle.Stop, error)
	logs      func(ctx context.Context, lines []lifecycle.LogLine) error

	mu       sync.Mutex
	released []lifecycle.StartRequest
	claim    lifecycle.Attempt
	reports  []lifecycle.Report
	lines    []lifecycle.LogLine
	progress []lifecycle.Progress
}

func (f *fake) StepStart(ctx context.Context, r lifecycle.StartRequest) (lifecycle.StartAnswer, error) {
	if f.start != nil {
		return f.start(ctx, r)
	}
	return f.started(r), nil
}

// started is the answer to a Start that is granted.
func (f *fake) started(r lifecycle.StartRequest) lifecycle.StartAnswer {
	c := f.claim
	c.Run, c.Step, c.Worker = r.Run, r.Step, r.Worker
	return lifecycle.StartAnswer{Result: lifecycle.ResultStarted, Attempt: &c}
}

func (f *fake) StepFinish(ctx context.Context, r lifecycle.Report) (lifecycle.FinishAnswer, error) {
	f.mu.Lock()
	f.reports = append(f.reports, r)
	f.mu.Unlock()
	if f.finish != nil {
		return f.finish(ctx, r)
	}
	return lifecycle.FinishAnswer{Result: lifecycle.ResultRecorded}, nil
}

func (f *fake) WorkerHeartbeat(ctx context.Context, h lifecycle.Heartbeat) (lifecycle.HeartbeatAnswer, error) {
	if f.heartbeat != nil {
		return f.heartbeat(ctx, h)
	}
	return lifecycle.HeartbeatAnswer{Known: true}, nil
}

func (f *fake) StepRelease(_ context.Context, r lifecycle.StartRequest) error {
	if f.release != nil {
		if err := f.release(); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.released = append(f.released, r)
	return nil
}

func (f *fake) WorkerStops(ctx context.Context, _ uuid.UUID) ([]lifecycle.Stop, error) {
	if f.stops != nil {
		return f.stops(ctx)
	}
	return nil, nil
}

func (f *fake) LogAppend(ctx context.Context, lines []lifecycle.LogLine) error {
	if f.logs != nil {
		if err := f.logs(ctx, lines); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, lines...)
	return nil
}

func (f *fake) ProgressSet(_ context.Context, p []lifecycle.Progress) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress = append(f.progress, p...)
	return nil
}

// sent is every report so far.
func (f *fake) sent() []lifecycle.Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]lifecycle.Report(nil), f.reports...)
}

// logged is every line so far.
func (f *fake) logged() []lifecycle.LogLine {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]lifecycle.LogLine(nil), f.lines...)
}

// only is the report of the one attempt that ran.
func (f *fake) only(t *testing.T) lifecycle.Report {
	t.Helper()
	sent := f.sent()
	require.Len(t, sent, 1)
	return sent[0]
}

// aClaim is an attempt of a kind with 10 s to run and 2 s of grace.
func aClaim(kind, with string) lifecycle.Attempt {
	return lifecycle.Attempt{
		RunName: "a-run", Key: "a-step", Kind: kind, Attempt: 1, With: json.RawMessage(with), Input: json.RawMessage(`{}`),
		Timeout: 10 * time.Second, Remaining: 10 * time.Second, Grace: 2 * time.Second, MaxAttempts: 1,
	}
}

// hang is a call that answers when its context ends.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// bench is a supervisor with one kind, "test", and the fake under it.
type bench struct {
	*fake
	sup *Supervisor
	obs *counts
}

type anyInput map[string]json.RawMessage

// setup makes a supervisor whose handler of kind "test" is fn.
func setup(t *testing.T, f *fake, fn func(ctx context.Context, in anyInput) (any, error)) *bench {
	t.Helper()
	reg := NewRegistry()
	require.NoError(t, Handle(reg, "test", fn))
	if f.claim.Kind == "" {
		f.claim = aClaim("test", `{}`)
	}
	obs := &counts{n: map[string]int{}}
	return &bench{fake: f, obs: obs, sup: NewSupervisor(SupervisorConfig{
		Lifecycle: f, Registry: reg, Worker: uuid.New(), Observer: obs,
	})}
}

// work runs one step to the end and drains.
func (b *bench) work(t *testing.T) {
	t.Helper()
	require.NoError(t, b.sup.Work(t.Context(), uuid.New(), 0, 1))
	require.NoError(t, b.sup.Drain(t.Context()))
}

// counts counts what an observer is told.
type counts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counts) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[what] += n
}

func (c *counts) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

func (c *counts) AttemptStarted(string) { c.add("started", 1) }

func (c *counts) AttemptFinished(_ string, o lifecycle.Outcome, _ lifecycle.Cause, _ time.Duration) {
	c.add("finished "+string(o), 1)
}
func (c *counts) AttemptAbandoned(string)             { c.add("abandoned", 1) }
func (c *counts) ReportRetried(string)                { c.add("retried", 1) }
func (c *counts) ReportReduced(string)                { c.add("reduced", 1) }
func (c *counts) ReportLate(string, lifecycle.Result) { c.add("late", 1) }
func (c *counts) ReportGivenUp(string)                { c.add("given up", 1) }
func (c *counts) LogDropped(_ string, lines int)      { c.add("lines dropped", lines) }
