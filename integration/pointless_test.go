//go:build linux

package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// pointless is a plan whose process groups never end by themselves. Those of "always", "success" and "never" end at
// TERM, every process of them; of "stubborn" the command does, and its child does not. They have workspaces that are
// cleaned as their names say.
func pointless(name string) string {
	const listens = `sh -c 'while :; do sleep 0.05; done' "$1" & touch "$CLUSTER_LEDGER/$1"; wait`
	const stubborn = `sh -c 'trap "" TERM; while :; do sleep 0.05; done' "$1" & touch "$CLUSTER_LEDGER/$1"; wait`
	var steps []string
	for _, key := range []string{"always", "success", "never"} {
		steps = append(steps, pointlessStep(name, key, listens, `, "workspace": "step", "cleanup": "`+key+`"`))
	}
	steps = append(steps, pointlessStep(name, "run", listens, `, "workspace": "run", "cleanup": "always"`),
		pointlessStep(name, "stubborn", stubborn, ""), `{"key": "after", "kind": "noop", "needs": ["always"]}`)
	return fmt.Sprintf(`{"name": %q, "steps": [%s]}`, name, strings.Join(steps, ",\n"))
}

func pointlessStep(name, key, script, with string) string {
	return fmt.Sprintf(`{"key": %q, "kind": "exec", "grace": "6s", "with": {"command": ["sh", "-c", %q, "sh", "%s-of-%s"]%s}}`, key, script, key, name, with)
}

// commandsOf are the processes of the cluster that belong to a step of the plan pointless; "": to any.
func commandsOf(c *cluster.Cluster, name, key string) (found []string) {
	for _, process := range c.Left() {
		if strings.Contains(process, key+"-of-"+name) {
			found = append(found, process)
		}
	}
	return found
}

// begun waits until everything of a run of the plan pointless is there.
func begun(c *cluster.Cluster, name string) {
	for _, key := range []string{"always", "success", "never", "run", "stubborn"} {
		c.Until(key+" of "+name+" has started", func() bool {
			_, err := os.Stat(filepath.Join(c.Dir, key+"-of-"+name))
			return err == nil && len(commandsOf(c, name, key)) > 1
		})
	}
}

// isStopped waits until a run of the plan pointless has been stopped, and looks whether what is left of it is what its
// plan says.
func isStopped(t *testing.T, c *cluster.Cluster, run uuid.UUID, name string, cause lifecycle.Cause) {
	t.Helper()
	c.Until("who listens is gone", func() bool {
		return len(commandsOf(c, name, "always"))+len(commandsOf(c, name, "success"))+len(commandsOf(c, name, "never"))+len(commandsOf(c, name, "run")) == 0
	})
	require.NotEmpty(t, commandsOf(c, name, "stubborn"), "it was soon: who does not listen has time until its grace is over")
	require.Equal(t, lifecycle.RunRunning, c.RunState(run), "a request is not a fact")
	require.Equal(t, lifecycle.RunCancelled, c.RunEnds(run))
	require.Empty(t, commandsOf(c, name, ""), "the run ends when nothing of it lives")
	for key, s := range c.Steps(run) {
		require.Equal(t, fmt.Sprint(lifecycle.StepCancelled, " ", cause), fmt.Sprint(s.State, " ", s.Cause), key)
	}
	require.Equal(t, []string{string(cause)}, cluster.Value[[]string](c, `
select array_agg(distinct cause::text) from weir.transitions where run_id = $1 and to_state = 'cancelled'`, run), "the history says why")

	// The workspace of the run is the sweeper's, which looks once a minute and when a replica begins.
	c.Serve("--no-api")
	of := func(dir string) string { return filepath.Join(c.Dir, "workspaces", run.String(), dir) }
	c.Until("the workspace of the run is gone", func() bool {
		_, err := os.Stat(of("run"))
		return os.IsNotExist(err)
	})
	require.NoDirExists(t, of("step-1"), "cleanup: always")
	require.DirExists(t, of("step-2"), "cleanup: success")
	require.DirExists(t, of("step-3"), "cleanup: never")
}

// TestS5CancelStopsPointlessWork cancels a run through a replica that runs nothing of it, because its item was closed.
func TestS5CancelStopsPointlessWork(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{})
	c.Serve("--queue", "exec=8")
	other := c.Serve("--no-work")
	run := c.Submit(other, pointless("closed"))
	begun(c, "closed")
	_, err := other.Client.RunCancel(t.Context(), run, "its item was closed")
	require.NoError(t, err)
	isStopped(t, c, run, "closed", lifecycle.CauseCancelRequested)
	require.Equal(t, "local: its item was closed", cluster.Value[string](c, `
select cancel_requested_by || ': ' || cancel_reason from weir.runs where id = $1`, run))
	c.NoViolations()
}

// TestS5SupersedingStopsPointlessWork submits another run of the same key. It starts when nothing of the first one lives.
func TestS5SupersedingStopsPointlessWork(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{})
	c.Serve("--queue", "exec=8")
	other := c.Serve("--no-work")
	const path = "/v1/runs/by-key/item-7?on_conflict=replace"
	submit := func(plan string) uuid.UUID {
		var run struct{ ID uuid.UUID }
		require.NoError(t, json.Unmarshal(put(t, other, path, plan), &run))
		return run.ID
	}
	first := submit(pointless("first"))
	begun(c, "first")
	second := submit(`{"name": "second", "steps": [{"key": "a", "kind": "noop"}]}`)
	require.NotEqual(t, first, second)
	isStopped(t, c, first, "first", lifecycle.CauseSuperseded)
	require.Equal(t, "run "+second.String()+" of the same key takes its place", cluster.Value[string](c, `
select cancel_reason from weir.runs where id = $1`, first))
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(second))
	require.True(t, cluster.Value[bool](c, `
select s.started_at >= r.finished_at from weir.steps s, weir.runs r where s.run_id = $1 and r.id = $2`, second, first), "never both at once")
	c.NoViolations()
}
