package jobs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
)

// WorkspaceSweeperConfig says how a WorkspaceSweeper works. States is required.
type WorkspaceSweeperConfig struct {
	// Dir is where the workspaces are; "" = DefaultWorkspaceDir.
	Dir string
	// States answers the states of runs. Runs that it does not know are left out of the answer, and left alone.
	States func(ctx context.Context, runs []uuid.UUID) (map[uuid.UUID]lifecycle.RunState, error)
	Every  time.Duration // 1m
	Logger *slog.Logger  // nil: discards
}

// WorkspaceSweeper removes the workspaces of runs that are over, where the policy of their steps says so. When it
// cannot learn a run's state it removes nothing.
type WorkspaceSweeper struct{ cfg WorkspaceSweeperConfig }

// NewWorkspaceSweeper returns a sweeper that is ready to run.
func NewWorkspaceSweeper(c WorkspaceSweeperConfig) *WorkspaceSweeper {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Dir == "" {
		c.Dir = DefaultWorkspaceDir()
	}
	setDefault(&c.Every, time.Minute)
	return &WorkspaceSweeper{cfg: c}
}

// Run sweeps every now and then until ctx ends.
func (s *WorkspaceSweeper) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.runOnce(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("the workspaces of runs that are over were not removed", "error", err)
		}
		sleep(ctx, s.cfg.Every)
	}
	return nil
}

// runOnce looks at every workspace of a run.
func (s *WorkspaceSweeper) runOnce(ctx context.Context) error {
	entries, err := os.ReadDir(s.cfg.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the workspaces: %w", err)
	}
	wishes := map[uuid.UUID]string{}
	var runs []uuid.UUID
	for _, entry := range entries {
		id, err := uuid.Parse(entry.Name())
		if err != nil || !entry.IsDir() {
			continue
		}
		if wish := cleanupWish(filepath.Join(s.cfg.Dir, entry.Name())); wish == cleanupAlways || wish == cleanupSuccess {
			wishes[id] = wish
			runs = append(runs, id)
		}
	}
	if len(runs) == 0 {
		return nil
	}
	states, err := s.cfg.States(ctx, runs)
	if err != nil {
		return fmt.Errorf("read the states of the runs with workspaces: %w", err)
	}
	var errs []error
	for _, id := range runs {
		state := states[id]
		if state == lifecycle.RunSucceeded || wishes[id] == cleanupAlways && state.Final() {
			errs = append(errs, s.remove(id))
		}
	}
	return errors.Join(errs...)
}

func (s *WorkspaceSweeper) remove(run uuid.UUID) error {
	dir := filepath.Join(s.cfg.Dir, run.String())
	if err := removeAll(filepath.Join(dir, runDir)); err != nil {
		return fmt.Errorf("remove the workspace of run %s: %w", run, err)
	}
	if err := os.Remove(filepath.Join(dir, cleanupFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the workspace of run %s: %w", run, err)
	}
	_ = os.Remove(dir) // only if no step left its own
	return nil
}
