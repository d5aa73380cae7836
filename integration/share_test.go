//go:build linux

package integration_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// TestM3ThreeProcessesShareARun runs 38 steps, 21 commands among them, on three processes. The first five commands wait
// for each other, which takes three replicas with two slots each; after that everybody may take what there is.
func TestM3ThreeProcessesShareARun(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: []string{"--queue", "exec=2"}})
	replicas := []*cluster.Replica{c.Serve(), c.Serve(), c.Serve()}

	var plan strings.Builder
	plan.WriteString("name: shared\nsteps:\n")
	var last []string
	for i := range 5 {
		fmt.Fprintf(&plan, "  - {key: meet%d, kind: exec, with: %s}\n", i, c.Work("wait", "5"))
	}
	for i := range 15 {
		fmt.Fprintf(&plan, "  - {key: think%d, kind: noop, needs: [meet%d], with: {output: %d}}\n", i, i%5, i)
		fmt.Fprintf(&plan, "  - {key: work%d, kind: exec, needs: [think%d, think%d], with: %s}\n", i, i, (i+1)%15, c.Work("for", "0.1"))
		last = append(last, fmt.Sprintf("work%d", i))
	}
	fmt.Fprintf(&plan, "  - {key: rest, kind: sleep, needs: [meet0], with: {duration: 50ms}}\n")
	fmt.Fprintf(&plan, "  - {key: lone, kind: noop}\n")
	fmt.Fprintf(&plan, "  - {key: all, kind: exec, needs: [rest, lone, %s], with: %s}\n", strings.Join(last, ", "), c.Work("for", "0.01"))
	run := c.Submit(replicas[1], plan.String())

	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	steps := c.Steps(run)
	require.Len(t, steps, 38)
	workers := map[string]bool{}
	for key, s := range steps {
		require.Equal(t, lifecycle.StepSucceeded, s.State, key)
		require.Equal(t, 1, s.Attempt, key)
		workers[s.WorkerID.String()] = true
	}
	require.Len(t, workers, 3, "all three took part")
	for _, r := range replicas {
		require.True(t, c.Noted(cluster.Entry{What: "end", Run: run, Replica: r.Name}), "%s ran a command to its end", r)
	}
	c.NeverTwice()
	c.DispatchedOnce()
	c.NoViolations()
	for _, r := range replicas {
		r.Stop()
		r.NothingLeft()
	}
}
