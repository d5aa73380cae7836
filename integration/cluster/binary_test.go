//go:build linux

package cluster_test

import (
	"encoding/json"
	"os"
	osexec "os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// TestClockOff runs a replica whose wall clock is an hour off, and which works all the same.
func TestClockOff(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Binary: cluster.BinaryOf(t, cluster.Build{Clock: true})})
	for offset, run := range map[time.Duration]string{-time.Hour: "early", time.Hour: "late", 0: "right"} {
		p := c.ServeWith(cluster.Start{Env: []string{cluster.EnvClock + "=" + offset.String()}, Flags: []string{"--log-format", "json"}})
		r := c.Await(p)
		var first struct{ Time time.Time }
		require.NoError(t, json.Unmarshal([]byte(strings.Split(p.Stderr(), "\n")[0]), &first))
		require.WithinDuration(t, time.Now().Add(offset), first.Time, 10*time.Minute, "as it logs")
		require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(c.Submit(r, "{name: "+run+", steps: [{key: a, kind: noop}]}")))
		r.Stop()
	}
}

// TestVersion builds another version.
func TestVersion(t *testing.T) {
	t.Parallel()
	require.Equal(t, "weir v9.8.7", version(t, cluster.BinaryOf(t, cluster.Build{Version: "v9.8.7"})))
	require.Equal(t, "weir (devel)", version(t, cluster.Binary(t)))
}

// TestBuiltOnce asks twice.
func TestBuiltOnce(t *testing.T) {
	t.Parallel()
	require.Equal(t, cluster.Binary(t), cluster.BinaryOf(t, cluster.Build{}))
	require.NotEqual(t, cluster.Binary(t), cluster.FaultyBinary(t))
}

// version is the first line of what `weir version` says.
func version(t *testing.T, binary string) string {
	t.Helper()
	out, err := osexec.CommandContext(t.Context(), binary, "version").Output()
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}
