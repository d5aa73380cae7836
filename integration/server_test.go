//go:build linux

package integration_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// ranOnce looks whether no attempt failed, and every command ran once. A claim whose answer came too late is handed back and
// ran nothing.
func ranOnce(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	require.Zero(t, cluster.Value[int](c, `select count(*)::int from weir.steps where failures > 0`))
	starts := map[string]int{}
	for _, e := range c.Ledger() {
		if e.What == "start" {
			starts[e.Run.String()+" "+e.Step]++
		}
	}
	for step, n := range starts {
		require.Equal(t, 1, n, step)
	}
}

// TestW3ServerRestarts ends PostgreSQL while runs are submitted and worked on by two replicas: so that it says good-bye,
// without a checkpoint, and by killing all of its processes. It is back soon. Every run that a client was told of is
// there once and succeeds, and no step is tried a second time for it, whatever it did meanwhile.
func TestW3ServerRestarts(t *testing.T) {
	t.Parallel()
	server := cluster.NewServer(t)
	c := cluster.New(t, cluster.Config{URL: server.URL, Flags: append(quick(), "--queue", "exec=8", "--log-level", "info")})
	replicas := []*cluster.Replica{c.Serve(), c.Serve()}
	held := c.Submit(replicas[0], fmt.Sprintf(`{name: held, steps: [{key: a, kind: exec, with: &w %s}, {key: b, kind: exec, with: *w}, {key: c, kind: noop, needs: [a, b]}]}`, c.Work("until", "go")))
	for _, key := range []string{"a", "b"} {
		c.Until(key+" has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: key}) })
	}
	commands := append(working(replicas[0]), working(replicas[1])...)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	runs := submitting(ctx, t, fmt.Sprintf(`{"name": "restart", "steps": [{"key": "a", "kind": "noop"}, {"key": "b", "kind": "exec", "with": {"command": [%q, "for", "0.05"]}},
		{"key": "c", "kind": "noop", "needs": ["a", "b"]}]}`, c.Dir+"/work.sh"), replicas...)
	for how, end := range map[string]func(){"fast": server.Stop, "immediate": server.StopImmediately, "crash": server.Crash} {
		var ended int
		c.Until("some have ended", func() bool {
			ended = cluster.Value[int](c, `select count(*)::int from weir.runs where state = 'succeeded'`)
			return ended > 3
		})
		end()
		server.Start()
		c.Pool.Reset()
		c.Until("it goes on after "+how, func() bool {
			return cluster.Value[int](c, `select count(*)::int from weir.runs where state = 'succeeded'`) > ended+5
		})
	}
	stop()
	acknowledged := runs()
	for _, run := range acknowledged {
		require.NotEqual(t, uuid.Nil, run, "our client goes on until it knows")
		require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	}
	require.Equal(t, len(acknowledged)+1, cluster.Value[int](c, `select count(*)::int from weir.runs`), "none is there twice")
	require.Subset(t, append(working(replicas[0]), working(replicas[1])...), commands, "who ran goes on")
	c.Touch("go")
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(held))
	ranOnce(t, c)
	require.Zero(t, cluster.Value[int](c, `select count(*)::int from weir.workers where gone_at is not null`))
	c.NeverTwice()
	c.NoViolations()
	t.Logf("%d runs", len(acknowledged))
}

// TestW3DiskIsFull leaves the database no room while steps run and runs are submitted, first so that it refuses to write and
// then so that it does not even start. When there is room again everything resumes, and nothing is lost.
func TestW3DiskIsFull(t *testing.T) {
	t.Parallel()
	config := cluster.ServerConfig{Disk: 256 << 20}
	if why := config.Unavailable(); why != "" {
		t.Skip(why)
	}
	server := cluster.NewServerWith(t, config)
	c := cluster.New(t, cluster.Config{URL: server.URL, Flags: append(quick(), "--queue", "exec=4", "--log-level", "info")})
	r := c.Serve()
	held := c.Submit(r, fmt.Sprintf(`{name: held, steps: [{key: a, kind: exec, with: %s}, {key: b, kind: exec, with: %s}, {key: c, kind: noop, needs: [a, b]}]}`,
		c.Work("until", "full"), c.Work("until", "go")))
	for _, key := range []string{"a", "b"} {
		c.Until(key+" has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: key}) })
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	runs := submitting(ctx, t, `{"name": "full", "steps": [{"key": "a", "kind": "noop"}, {"key": "b", "kind": "noop", "needs": ["a"]}]}`, r)
	c.Until("some have ended", func() bool {
		return cluster.Value[int](c, `select count(*)::int from weir.runs where state = 'succeeded'`) > 3
	})
	server.FillDisk()
	c.Touch("full") // its report finds no room
	c.Until("it has ended", func() bool { return c.Noted(cluster.Entry{What: "end", Step: "a"}) })
	r.Logged("(No space left|could not extend|could not write|is shutting down|recovery|terminating connection|connect)")
	c.Pass(2 * time.Second)
	server.Stop()
	_ = server.TryStart() // there may be just enough room to start
	c.Pass(time.Second)
	server.FreeDisk()
	require.NoError(t, server.TryStart())
	c.Pool.Reset()
	c.StepBecomes(held, "a", lifecycle.StepSucceeded)
	next := patientSubmit(t, r, `{"name": "next", "steps": [{"key": "a", "kind": "noop"}]}`)
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(next))
	stop()
	acknowledged := runs()
	for _, run := range acknowledged {
		require.NotEqual(t, uuid.Nil, run, "our client goes on until it knows")
		require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	}
	require.Equal(t, len(acknowledged)+2, cluster.Value[int](c, `select count(*)::int from weir.runs`), "none is there twice")
	c.Touch("go")
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(held))
	ranOnce(t, c)
	require.Zero(t, cluster.Value[int](c, `select count(*)::int from weir.quarantine`))
	c.NeverTwice()
	c.NoViolations()
}
