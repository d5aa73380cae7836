//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"
)

// program stands where a cluster expects a test. What would fail a test ends the proof; the first reason is kept.
type program struct {
	ctx context.Context //nolint:containedctx // of the whole proof, as a test has one
	end context.CancelFunc
	out io.Writer

	mu      sync.Mutex
	failure string
	cleanup []func()
}

func newProgram(ctx context.Context, out io.Writer) *program {
	ctx, end := context.WithCancel(ctx)
	return &program{ctx: ctx, end: end, out: out}
}

// Helper does nothing.
func (*program) Helper() {}

// Name is what it is called.
func (*program) Name() string { return "prove" }

// Context ends with the proof.
func (p *program) Context() context.Context { return p.ctx }

// Cleanup has f called at the end, the last one first.
func (p *program) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanup = append(p.cleanup, f)
}

// TempDir makes a directory that is removed at the end.
func (p *program) TempDir() string {
	dir, err := os.MkdirTemp("", "weir-prove-")
	if err != nil {
		p.Fatalf("make a directory: %v", err)
	}
	p.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Logf tells something.
func (p *program) Logf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

// Errorf keeps why the proof could not be made.
func (p *program) Errorf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == "" {
		p.failure = fmt.Sprintf(format, args...)
	}
}

// Fatalf also ends the goroutine, and the proof.
func (p *program) Fatalf(format string, args ...any) {
	p.Errorf(format, args...)
	p.end()
	runtime.Goexit()
}

// Failed says whether there is a reason.
func (p *program) Failed() bool { return p.reason() != "" }

func (p *program) reason() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

// clear calls what was registered, the last one first.
func (p *program) clear() {
	for {
		p.mu.Lock()
		n := len(p.cleanup)
		if n == 0 {
			p.mu.Unlock()
			return
		}
		f := p.cleanup[n-1]
		p.cleanup = p.cleanup[:n-1]
		p.mu.Unlock()
		f()
	}
}

// pass lets time go by, or ends early with ctx.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
