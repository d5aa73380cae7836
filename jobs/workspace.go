package jobs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// DefaultWorkspaceDir is where workspaces are made when nobody says: in the user's cache directory, or else in the
// temporary directory under the user's number.
func DefaultWorkspaceDir() string {
	if cache, err := os.UserCacheDir(); err == nil {
		return filepath.Join(cache, "weir", "workspaces")
	}
	return filepath.Join(os.TempDir(), "weir-"+strconv.Itoa(os.Getuid()), "workspaces")
}

// workspaces are directories that commands run in:
//
//	dir/RUN/run       one for all steps of a run on this machine; removed by the WorkspaceSweeper
//	dir/RUN/step-N    one for the attempts of a step; removed when an attempt ends
//	dir/RUN/cleanup   when dir/RUN/run is removed: the most careful wish of the steps that used it
type workspaces struct{ dir string }

const (
	runDir      = "run"
	cleanupFile = "cleanup"
)

// enter makes the workspace of an attempt, if it is not there yet.
func (w workspaces) enter(a *Attempt, in execInput) (string, error) {
	run := filepath.Join(w.dir, a.Run.String())
	dir := w.path(a, in)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the workspace: %w", err)
	}
	if in.Workspace == workspaceRun {
		if err := wishCleanup(run, in.Cleanup); err != nil {
			return "", fmt.Errorf("make the workspace: %w", err)
		}
	}
	return dir, nil
}

func (w workspaces) path(a *Attempt, in execInput) string {
	run := filepath.Join(w.dir, a.Run.String())
	if in.Workspace == workspaceRun {
		return filepath.Join(run, runDir)
	}
	return filepath.Join(run, "step-"+strconv.Itoa(a.exec.claim.Step))
}

// leave removes the workspace of a step whose attempt is over, if that is what its policy says.
func (w workspaces) leave(a *Attempt, in execInput, succeeded bool) error {
	if in.Workspace != workspaceStep || in.Cleanup == cleanupNever || in.Cleanup == cleanupSuccess && !succeeded {
		return nil
	}
	if err := removeAll(w.path(a, in)); err != nil {
		return err
	}
	_ = os.Remove(filepath.Join(w.dir, a.Run.String())) // only if nothing else is in it
	return nil
}

// wishCleanup notes when the workspace of a run may be removed; the most careful wish counts.
func wishCleanup(run, wish string) error {
	had := cleanupWish(run)
	if had == wish || had == cleanupNever || had == cleanupSuccess && wish == cleanupAlways {
		return nil
	}
	tmp, err := os.CreateTemp(run, cleanupFile+"-")
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(wish)
	if err := errors.Join(err, tmp.Close(), os.Rename(tmp.Name(), filepath.Join(run, cleanupFile))); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// cleanupWish reads the note; "" = there is none.
func cleanupWish(run string) string {
	raw, err := os.ReadFile(filepath.Join(run, cleanupFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// removeAll removes a directory, also one in which a command left directories that cannot be written to.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	_ = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = root.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
