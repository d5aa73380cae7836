package jobs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// S5: the workspace of a run is removed only where the policy of its steps says so, and only when the run's state is known.
func TestSweeperFollowsThePolicy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	states := map[uuid.UUID]lifecycle.RunState{}
	left := map[uuid.UUID]bool{}
	add := func(stays bool, state lifecycle.RunState, wishes ...string) {
		id := uuid.New()
		run := filepath.Join(dir, id.String())
		require.NoError(t, os.MkdirAll(filepath.Join(run, runDir, "data"), 0o700))
		for _, wish := range wishes {
			require.NoError(t, wishCleanup(run, wish))
		}
		if state != "" {
			states[id] = state
		}
		left[id] = stays
	}
	add(false, lifecycle.RunSucceeded, cleanupSuccess)
	add(true, lifecycle.RunFailed, cleanupSuccess)
	add(true, lifecycle.RunRunning, cleanupSuccess)
	add(false, lifecycle.RunFailed, cleanupAlways)
	add(false, lifecycle.RunCancelled, cleanupAlways, cleanupAlways)
	add(true, lifecycle.RunPaused, cleanupAlways)
	add(true, lifecycle.RunSucceeded, cleanupNever)
	add(true, lifecycle.RunFailed, cleanupAlways, cleanupSuccess)
	add(true, lifecycle.RunSucceeded, cleanupNever, cleanupAlways)
	add(true, "", cleanupAlways)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "something else"), 0o700))

	broken := true
	s := NewWorkspaceSweeper(WorkspaceSweeperConfig{Dir: dir, States: func(context.Context, []uuid.UUID) (map[uuid.UUID]lifecycle.RunState, error) {
		if broken {
			return nil, errors.New("no database")
		}
		return states, nil
	}})
	require.Error(t, s.runOnce(t.Context()))
	for id := range left {
		require.DirExists(t, filepath.Join(dir, id.String()), "nothing is removed when nothing is known")
	}
	broken = false
	require.NoError(t, s.runOnce(t.Context()))
	for id, left := range left {
		_, err := os.Stat(filepath.Join(dir, id.String()))
		require.Equal(t, left, err == nil, "%s", states[id])
	}
	require.DirExists(t, filepath.Join(dir, "something else"))
	require.NoError(t, NewWorkspaceSweeper(WorkspaceSweeperConfig{Dir: filepath.Join(dir, "nowhere")}).runOnce(t.Context()))
}
