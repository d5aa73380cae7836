//go:build linux

package integration_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// TestTenMigrateAtOnce lets ten processes migrate the same empty database. Each of them succeeds, and replicas run on it.
func TestTenMigrateAtOnce(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{URL: dbtest.Empty(t).URL})
	var all []*cluster.Process
	for range 10 {
		all = append(all, c.Command("migrate", "up", "--database-url", c.URL))
	}
	for _, p := range all {
		require.Zero(t, p.Wait(), p.Stderr())
		require.Contains(t, p.Stdout(), "schema version ")
	}
	replicas := []*cluster.Replica{c.Serve(), c.Serve(), c.Serve()}
	run := c.Submit(replicas[2], "{name: first, steps: [{key: a, kind: noop}]}")
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	c.NoViolations()
}

// TestS2SchemaOutOfRange starts replicas on schemas that are too old and too new for them, with a step waiting: they end
// with code 1 before they claim it, and say which versions do not fit and what helps.
func TestS2SchemaOutOfRange(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]struct {
		change    string
		what, try string
	}{
		"older": {"update weir.schema_info set version = 1", "schema version 1, and this binary needs at least", "weir migrate up"},
		"newer": {"update weir.schema_info set version = 7777, min_binary = 7776", "accepts only binaries that know 7776 or later", "deploy a newer weir"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cluster.New(t, cluster.Config{})
			idle := c.Serve("--queue", "default=0") // it has the kind and no slot for it
			run := c.Submit(idle, "{name: waits, steps: [{key: a, kind: noop}]}")
			idle.Stop()
			c.Exec(s.change)
			p := c.Launch(c.URL)
			require.Equal(t, 1, p.Wait())
			require.Contains(t, p.Stderr(), s.what)
			require.Contains(t, p.Stderr(), "\ntry: "+s.try)
			require.NotContains(t, p.Stderr(), "goroutine ")
			require.Empty(t, p.Stdout())
			require.Equal(t, lifecycle.StepAvailable, c.Step(run, "a").State)
			require.Zero(t, cluster.Value[int](c, `select count(*)::int from weir.workers where pid = $1`, p.PID()))
		})
	}
}

// TestS2OneVersionBehind starts a replica on a database that somebody has migrated one version beyond it, and which still
// takes binaries like it: it works, and the difference shows.
func TestS2OneVersionBehind(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{})
	c.Exec("update weir.schema_info set version = version + 1")
	r := c.Serve()
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(c.Submit(r, "{name: behind, steps: [{key: a, kind: noop}]}")))
	state := stateOf(t, r)
	require.True(t, state.Skew)
	require.Len(t, state.Replicas, 1)
	require.Equal(t, state.Version.Schema, state.Replicas[0].Schema+1)
	require.Empty(t, state.Degraded)
	r.Stop()
	c.NoViolations()
}

// TestS2AnotherBuild starts a replica that is not the build that was to be deployed, with a step waiting.
func TestS2AnotherBuild(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{})
	idle := c.Serve("--queue", "default=0")
	run := c.Submit(idle, "{name: waits, steps: [{key: a, kind: noop}]}")
	idle.Stop()
	p := c.Launch(c.URL, "--expect-build", "0123456789ab")
	require.Equal(t, 1, p.Wait())
	require.Contains(t, p.Stderr(), "build 0123456789ab is expected")
	require.Contains(t, p.Stderr(), "\ntry: ")
	require.Equal(t, lifecycle.StepAvailable, c.Step(run, "a").State)
	require.Zero(t, cluster.Value[int](c, `select count(*)::int from weir.workers where pid = $1`, p.PID()))
}
