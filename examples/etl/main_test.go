//go:build linux

package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// etl runs the plan to its end against a world of its own, on a replica with these flags.
func etl(t *testing.T, flags ...string) (c *cluster.Cluster, w *world, code int, said string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	w = &world{}
	outside := httptest.NewServer(w.handler())
	t.Cleanup(outside.Close)
	c = cluster.New(t, cluster.Config{})
	args := append([]string{"dev", "--database-url", c.URL, "--listen", "127.0.0.1:0", "--exec-dir", root}, flags...)
	server := c.Dev(c.Command(args...)).Server
	p := c.Command("submit", filepath.Join(root, "examples/etl.yaml"), "--wait", "--server", server, "--input", "server="+outside.URL)
	return c, w, p.Wait(), p.Stderr()
}

func TestETL(t *testing.T) {
	t.Parallel()
	c, w, code, said := etl(t, "--http-allow", "127.0.0.0/8")
	require.Zero(t, code, said)
	require.Contains(t, said, "rates failed, which is allowed: the response's status is 404 (unexpected_status)")
	var loaded []report
	for _, r := range w.reports {
		loaded = append(loaded, r)
	}
	require.Equal(t, []report{{Cents: map[string]int64{"UK": 2000, "FR": 350, "unknown": 99}}}, loaded)
	c.NoViolations()
}

// Without leave, no step reaches what is on this machine, and the error says which flag gives it.
func TestETLNeedsLeave(t *testing.T) {
	t.Parallel()
	c, w, code, said := etl(t)
	require.Equal(t, 3, code)
	require.Contains(t, said, "orders failed: address 127.0.0.1 is private or special")
	require.Contains(t, said, "--http-allow")
	require.Empty(t, w.reports)
	require.Equal(t, lifecycle.RunFailed, lifecycle.RunState(cluster.Value[string](c, `select state::text from weir.runs`)))
	c.NoViolations()
}
