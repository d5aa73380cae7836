package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weirqueue/weir/db/embedded/cluster"
)

// logKept is how much of an earlier log stays, in bytes; beyond that a start begins a new one.
const logKept = 8 << 20

// process is the server's main process.
type process struct {
	cmd     *exec.Cmd
	done    chan struct{} // closed when it has ended
	err     error         // how; to be read after done
	stopped atomic.Bool   // somebody asked for it
}

// startProcess starts postgres so that it does not outlive us.
func startProcess(path string, flags, env []string, data, log string, account cluster.Account) (*process, error) {
	if info, err := os.Stat(log); err == nil && info.Size() > logKept {
		if err := os.Remove(log); err != nil {
			return nil, fmt.Errorf("begin a new log: %w", err)
		}
	}
	output, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	defer output.Close() //nolint:errcheck // the server has its own
	cmd := exec.Command(path, flags...)
	cmd.Dir = data
	cmd.Stdout, cmd.Stderr = output, output
	// A process group of its own: Ctrl-C in the terminal is for us, who still need the database then.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	account.Run(cmd)
	cmd.Env = append(cmd.Env, env...)
	dieWithParent(cmd.SysProcAttr)
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The parent of which the death counts is this thread, so it must live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- fmt.Errorf("start %s: %w", path, err)
			return
		}
		release, err := watchParent(cmd.Process.Pid)
		if err != nil {
			err = errors.Join(err, cmd.Process.Kill(), ignoreExit(cmd.Wait()))
			started <- err
			return
		}
		started <- nil
		p.err = cmd.Wait()
		release()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// stop asks for a fast shutdown, then for an immediate one, and then kills.
func (p *process) stop(ctx context.Context) error {
	p.stopped.Store(true)
	for _, step := range []struct {
		signal syscall.Signal
		within time.Duration // 0: as long as ctx
	}{
		{syscall.SIGINT, 0},
		{syscall.SIGQUIT, 5 * time.Second},
		{syscall.SIGKILL, 5 * time.Second},
	} {
		if err := p.cmd.Process.Signal(step.signal); errors.Is(err, os.ErrProcessDone) {
			<-p.done
			return nil
		}
		if p.endsWithin(ctx, step.within) {
			return nil
		}
	}
	return errors.New("PostgreSQL does not end")
}

// endsWithin waits for the end of the process: for so long, or for as long as ctx if that is 0.
func (p *process) endsWithin(ctx context.Context, within time.Duration) bool {
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), within)
		defer cancel()
	}
	select {
	case <-p.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// ignoreExit drops the error that only says how a child ended.
func ignoreExit(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}
