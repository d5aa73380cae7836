package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// predecessorWithin is how long the server of a killed process may take to end.
const predecessorWithin = 20 * time.Second

// waitForPredecessor waits for a server that still runs on the data: that of a process that was killed, which
// is just ending. What a server left behind that is gone is removed; its process id may be somebody else's by
// now, and PostgreSQL would not start for fear of it.
func waitForPredecessor(ctx context.Context, data string) error {
	ctx, cancel := context.WithTimeout(ctx, predecessorWithin)
	defer cancel()
	file := filepath.Join(data, "postmaster.pid")
	for {
		content, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look for an earlier server: %w", err)
		}
		first, _, _ := strings.Cut(string(content), "\n")
		pid, err := strconv.Atoi(strings.TrimSpace(first))
		if err != nil || !servesFrom(pid, data) {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("clear what an earlier server has left: %w", err)
			}
			return nil
		}
		timer := time.NewTimer(50 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return &Error{
				What: fmt.Sprintf("a PostgreSQL server (process %d) still runs on %s", pid, data),
				Hint: fmt.Sprintf("kill -INT %d, if nobody needs it", pid),
			}
		case <-timer.C:
		}
	}
}

// servesFrom tells whether the process lives and is a PostgreSQL server on the data.
func servesFrom(pid int, data string) bool {
	if pid <= 0 {
		return false
	}
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	// A server's working directory is its data directory.
	if dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil {
		resolved, err := filepath.EvalSymlinks(data)
		return err == nil && dir == resolved
	}
	// Another user's may not be looked at, and not every system has it. Rather wait too long than start a
	// second server on the same data.
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		name, err = exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	}
	return err == nil && strings.Contains(string(name), "postgres")
}
