package process

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// written collects what a command writes, and can be waited for.
type written struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	grown chan struct{}
}

func newWritten() *written { return &written{grown: make(chan struct{}, 1)} }

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.grown <- struct{}{}:
	default:
	}
	return w.buf.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// line waits until n lines were written and gives the last of them.
func (w *written) line(t *testing.T, n int) string {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		if lines := strings.SplitAfter(w.String(), "\n"); len(lines) > n {
			return strings.TrimSpace(lines[n-1])
		}
		select {
		case <-w.grown:
		case <-limit:
			require.Fail(t, "the command did not write", "line %d of %q", n, w.String())
		}
	}
}

func (w *written) pid(t *testing.T, n int) int {
	t.Helper()
	pid, err := strconv.Atoi(w.line(t, n))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, 0), "it lives")
	return pid
}

// gone says whether a process is no more, or only waits for its parent to notice.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) == syscall.ESRCH {
		return true
	}
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || bytes.Contains(raw, []byte(") Z "))
}

func requireGone(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		require.Eventually(t, func() bool { return gone(pid) }, 20*time.Second, 10*time.Millisecond)
	}
}

// shell starts a script.
func shell(t *testing.T, script string) (*Process, *written, *written) {
	t.Helper()
	out, errs := newWritten(), newWritten()
	p, err := Start(Spec{
		Command: []string{"sh", "-c", script}, Env: []string{"PATH=" + os.Getenv("PATH"), "ODD=a\xffb"}, Root: t.TempDir(),
		Stdin: []byte("input\n"), Stdout: out, Stderr: errs, Grace: time.Minute,
	})
	require.NoError(t, err)
	return p, out, errs
}

func TestCommandRuns(t *testing.T) {
	t.Parallel()
	p, out, errs := shell(t, `cat; printf %s "$ODD"; echo bad >&2; exit 7`)
	require.Equal(t, Result{ExitCode: 7}, p.Wait())
	require.Equal(t, "input\na\xffb", out.String())
	require.Equal(t, "bad\n", errs.String())
}

func TestCommandEndsBySignal(t *testing.T) {
	t.Parallel()
	p, _, _ := shell(t, `kill -SEGV $$`)
	require.Equal(t, Result{ExitCode: -1, Signal: "SIGSEGV"}, p.Wait())
}

func TestCommandThatCannotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	require.NoError(t, os.WriteFile(plain, []byte("text"), 0o600))
	require.NoError(t, os.Symlink("/etc", filepath.Join(dir, "outside")))
	for name, c := range map[string]struct {
		command, dir string
		code         int
	}{
		"not in PATH":       {"no-such-command-anywhere", "", ExitNotFound},
		"empty name":        {"", "", ExitNotFound},
		"not there":         {"./nothing", "", ExitNotFound},
		"not executable":    {plain, "", ExitNotExecutable},
		"not executable, P": {"plain", "", ExitNotExecutable},
		"no directory":      {"true", "nowhere", ExitNotExecutable},
		"symlink outside":   {"true", "outside", ExitNotExecutable},
		"dots outside":      {"true", "..", ExitNotExecutable},
		"absolute":          {"true", "/etc", ExitNotExecutable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := Start(Spec{
				Command: []string{c.command}, Env: []string{"PATH=relative:/bin:/usr/bin:" + dir}, Root: dir, Dir: c.dir,
			})
			require.NoError(t, err)
			res := p.Wait()
			require.Equal(t, c.code, res.ExitCode)
			require.NotEmpty(t, res.NotStarted)
		})
	}
}

func TestDirectoryInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	require.NoError(t, os.Symlink("a/b", filepath.Join(dir, "link")))
	out := newWritten()
	p, err := Start(Spec{Command: []string{"/bin/pwd", "-P"}, Root: dir, Dir: "link", Stdout: out})
	require.NoError(t, err)
	require.Zero(t, p.Wait().ExitCode)
	want, err := filepath.EvalSymlinks(filepath.Join(dir, "a", "b"))
	require.NoError(t, err)
	require.Equal(t, want, out.line(t, 1))
}

func TestUnreadInputHoldsNothingUp(t *testing.T) {
	t.Parallel()
	p, err := Start(Spec{Command: []string{"true"}, Env: []string{"PATH=/bin:/usr/bin"}, Root: "/", Stdin: make([]byte, 1<<20)})
	require.NoError(t, err)
	require.Equal(t, Result{}, p.Wait())
}

func TestStopLetsTheCommandEnd(t *testing.T) {
	t.Parallel()
	p, out, _ := shell(t, `trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done`)
	out.line(t, 1)
	p.Stop(time.Minute)
	require.Equal(t, Result{ExitCode: 3, Stopped: true}, p.Wait())
	require.Equal(t, "bye", out.line(t, 2))
}

func TestStopKillsInTheEnd(t *testing.T) {
	t.Parallel()
	p, out, _ := shell(t, `trap '' TERM; sleep 1000 & echo $!; echo $$; wait; wait`)
	child, self := out.pid(t, 1), out.pid(t, 2)
	p.Stop(50 * time.Millisecond)
	require.Equal(t, Result{ExitCode: -1, Signal: "SIGKILL", Stopped: true, Killed: true}, p.Wait())
	require.True(t, gone(child))
	require.True(t, gone(self))
}

func TestSecondStopIsSooner(t *testing.T) {
	t.Parallel()
	p, out, _ := shell(t, `trap '' TERM; echo ready; while :; do sleep 0.01; done`)
	out.line(t, 1)
	p.Stop(time.Hour)
	p.Stop(0)
	require.True(t, p.Wait().Killed)
}

func TestNothingIsLeftWhenTheCommandExits(t *testing.T) {
	t.Parallel()
	p, out, _ := shell(t, `trap '' HUP TERM; sleep 1000 & echo $!; exit 0`)
	child := out.pid(t, 1)
	require.Equal(t, Result{}, p.Wait())
	require.True(t, gone(child))
}

// What a stopped command leaves behind has the rest of the grace, like the command.
func TestLeftoversHaveTheirGraceToo(t *testing.T) {
	t.Parallel()
	p, out, _ := shell(t, `(trap 'sleep 0.2; echo cleaned; exit' TERM; echo ready; while :; do sleep 0.01; done) & wait`)
	out.line(t, 1)
	p.Stop(time.Minute)
	require.Equal(t, "SIGTERM", p.Wait().Signal)
	require.Equal(t, "cleaned", out.line(t, 2))
}

// A killed replica: its command, and what left the command's group, end as well.
func TestNothingOutlivesItsReplica(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"child":            `sleep 1000 & echo $!; echo $$; wait`,
		"ignores TERM":     `trap '' TERM HUP INT; sleep 1000 & echo $!; echo $$; while :; do sleep 0.05; done`,
		"session, orphans": `setsid sh -c 'sleep 1000 & echo $!; wait' & echo $$; wait`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := newWritten()
			replica := exec.Command(os.Args[0])
			replica.Env = append(os.Environ(), "TEST_REPLICA_SCRIPT="+script)
			replica.Stdout, replica.Stderr = out, os.Stderr
			require.NoError(t, replica.Start())
			one, two := out.pid(t, 1), out.pid(t, 2)
			require.NoError(t, replica.Process.Kill())
			_ = replica.Wait()
			requireGone(t, one, two)
		})
	}
}

func TestMainLeavesOtherArgumentsAlone(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"serve"}, {"serve", Arg}, {Arg, "more"}} {
		handled, _ := Main(args)
		require.False(t, handled)
	}
	byHand := exec.Command(os.Args[0], Arg)
	stderr := new(bytes.Buffer)
	byHand.Stderr = stderr
	require.Error(t, byHand.Run())
	line, err := bufio.NewReader(stderr).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, ErrNotAGuard.Error())
}
