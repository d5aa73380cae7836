package lifecycle

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// A run is resumed while the gate takes its steps out of their line because it was paused: they come back.
func TestResumeWhileTheGateLooks(t *testing.T) {
	t.Parallel()
	var armed atomic.Bool
	looked, goOn := make(chan struct{}), make(chan struct{})
	b := setup(t, func(c *Config) {
		c.pauses = &pauses{hold: func(point string) {
			if point == pauseBeforeUnlock && armed.CompareAndSwap(true, false) {
				close(looked)
				<-goOn
			}
		}}
	})
	other := New(Config{Pool: b.pool, Replica: uuid.New()})
	run := b.submitYAML("name: x\nmax_parallel: 1\nsteps: [{key: first, kind: noop}, {key: second, kind: noop}]")
	attempts := b.claimed()
	require.Len(t, attempts, 1)
	require.NoError(t, b.RunPause(t.Context(), run, "local"))
	b.pass()
	b.finish(attempts[0], OutcomeSucceeded)
	require.Equal(t, []int{16}, scan[[]int](b, "select array_agg(distinct shard::int) from weir.dirty"), "the gate is told that a slot is free")

	armed.Store(true)
	passed := make(chan error, 1)
	go func() {
		_, _, err := b.passOnce(t.Context())
		passed <- err
	}()
	<-looked
	require.NoError(t, other.RunResume(t.Context(), run, "local"))
	served, _, err := other.passOnce(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, served, "the resume is served while the gate has not committed")
	close(goOn)
	require.NoError(t, <-passed)
	require.Len(t, b.claimed(), 1, "the second step is dispatched")
}

// A run is paused while the gate lets it in, and resumed before the gate looks again: it has its slots, so it is in.
func TestPauseWhileTheGateLetsIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\ndelay: 1ms\nsteps: [{key: a, kind: noop}]")
	require.Eventually(t, func() bool { return scan[bool](b, "select start_at <= clock_timestamp() from weir.runs") }, 30*time.Second, time.Millisecond)
	b.pausedWhenLetIn(run)
	require.NoError(t, b.RunResume(t.Context(), run, "local"))
	require.Equal(t, []string{"a"}, b.drive(nil))
	require.Equal(t, RunSucceeded, b.runState(run))
	b.clean()
}

// pausedWhenLetIn pauses a run after the gate has looked at it and before it lets it in.
func (b *bundle) pausedWhenLetIn(run uuid.UUID) {
	b.t.Helper()
	g := &gate{p: &pass{settler: b.newSettler(b.q, 1)}, limits: map[string]*limit{}, rates: map[string]*rate{}, lines: map[string]bool{}, granted: map[node]bool{}}
	looked, err := g.look(b.t.Context(), []node{{run: run}})
	require.NoError(b.t, err)
	require.Len(b.t, looked, 1)
	require.NoError(b.t, b.RunPause(b.t.Context(), run, "local"))
	require.NoError(b.t, g.sort(b.t.Context(), looked))
	require.NoError(b.t, g.write(b.t.Context()))
	require.NoError(b.t, g.leave(b.t.Context()))
}
