//go:build linux

package cluster_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// program is the T of a program: what is fatal ends a goroutine of its own.
type program struct {
	ctx context.Context //nolint:containedctx // as a test's
	dir string

	mu       sync.Mutex
	said     []string
	cleanups []func()
}

func (p *program) Name() string             { return "program" }
func (p *program) Helper()                  {}
func (p *program) Context() context.Context { return p.ctx }
func (p *program) TempDir() string          { return p.dir }
func (p *program) Logf(string, ...any)      {}

func (p *program) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanups = append(p.cleanups, f)
}

func (p *program) Errorf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, fmt.Sprintf(format, args...))
}

func (p *program) Fatalf(format string, args ...any) {
	p.Errorf(format, args...)
	runtime.Goexit()
}

func (p *program) Failed() bool { return len(p.errors()) > 0 }

func (p *program) errors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said
}

// end runs the cleanups, the last one first.
func (p *program) end() {
	for _, f := range slices.Backward(p.cleanups) {
		f()
	}
}

// run runs f in a goroutine and waits for its end.
func (p *program) run(f func()) {
	var all sync.WaitGroup
	all.Go(f)
	all.Wait()
}

// TestProgram runs a cluster without a test, with several goroutines that start processes at once.
func TestProgram(t *testing.T) {
	t.Parallel()
	p := &program{ctx: t.Context(), dir: t.TempDir()}
	const replicas = 3
	names, states := make(chan string, replicas), make(chan lifecycle.RunState, replicas)
	var started []*cluster.Process
	p.run(func() {
		c := cluster.New(p, cluster.Config{URL: cluster.NewServer(p).URL})
		var all sync.WaitGroup
		for range replicas {
			all.Go(func() {
				r := c.Await(c.ServeWith(cluster.Start{}))
				names <- r.Name
				states <- c.RunEnds(c.Submit(r, "{name: x, steps: [{key: a, kind: noop}]}"))
			})
		}
		all.Wait()
		started = c.Processes()
	})
	p.end()
	require.Empty(t, p.errors())
	require.Len(t, started, replicas)
	given := map[string]bool{}
	for range replicas {
		given[<-names] = true
		require.Equal(t, lifecycle.RunSucceeded, <-states)
	}
	require.Equal(t, map[string]bool{"01": true, "02": true, "03": true}, given)
}

// TestProgramNeedsAURL refuses to look for a database of tests.
func TestProgramNeedsAURL(t *testing.T) {
	t.Parallel()
	p := &program{ctx: t.Context(), dir: t.TempDir()}
	p.run(func() {
		cluster.New(p, cluster.Config{Binary: "none"})
		p.Errorf("it goes on")
	})
	p.end()
	require.Equal(t, []string{"a cluster of a program needs the URL of a database"}, p.errors())
}
