package process

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What leaves the process group and its parents is found all the same.
func TestDaemonsAreFound(t *testing.T) {
	t.Parallel()
	daemon := `setsid sh -c 'trap "" TERM HUP; (setsid sh -c "trap \"\" TERM HUP; echo \$\$; exec sleep 1000" &) ; exit 0' & `
	t.Run("at the exit", func(t *testing.T) {
		t.Parallel()
		p, out, _ := shell(t, daemon+`while [ ! -e go ]; do sleep 0.01; done; exit 0`)
		pid := out.pid(t, 1)
		require.NoError(t, os.WriteFile("/proc/"+strconv.Itoa(pid)+"/cwd/go", nil, 0o600))
		require.Equal(t, Result{}, p.Wait())
		require.True(t, gone(pid))
	})
	t.Run("at the stop", func(t *testing.T) {
		t.Parallel()
		p, out, _ := shell(t, daemon+`exec sleep 1000`)
		pid := out.pid(t, 1)
		p.Stop(50 * time.Millisecond)
		require.Equal(t, "SIGTERM", p.Wait().Signal)
		require.True(t, gone(pid))
	})
}

func TestDeathOfTheGuardIsNoticed(t *testing.T) {
	t.Parallel()
	p, out, _ := shell(t, `trap '' TERM; sleep 1000 & echo $!; echo $$; wait`)
	child, self := out.pid(t, 1), out.pid(t, 2)
	guard, ok := parentOf(self)
	require.True(t, ok)
	require.Equal(t, p.guard.Process.Pid, guard)
	require.NoError(t, syscall.Kill(guard, syscall.SIGKILL))
	require.True(t, p.Wait().Lost)
	requireGone(t, child, self)
}

// The guard dies, and its replica cannot do anything about it: the kernel ends the command.
func TestCommandDiesWithItsGuard(t *testing.T) {
	t.Parallel()
	out := newWritten()
	replica := exec.Command(os.Args[0])
	replica.Env = append(os.Environ(), "TEST_REPLICA_SCRIPT=echo $$; exec sleep 1000")
	replica.Stdout, replica.Stderr = out, os.Stderr
	require.NoError(t, replica.Start())
	pid := out.pid(t, 1)
	guard, ok := parentOf(pid)
	require.True(t, ok)
	require.NoError(t, replica.Process.Signal(syscall.SIGSTOP))
	require.NoError(t, syscall.Kill(guard, syscall.SIGKILL))
	requireGone(t, pid)
	require.NoError(t, replica.Process.Kill())
	_ = replica.Wait()
}

func TestCommandHasDefaultSignals(t *testing.T) {
	t.Parallel()
	p, out, _ := shell(t, `grep SigIgn /proc/self/status`)
	require.Zero(t, p.Wait().ExitCode)
	ignored, err := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(out.String(), "SigIgn:")), 16, 64)
	require.NoError(t, err)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE} {
		require.Zero(t, ignored&(1<<(sig-1)), sig.String())
	}
}

func TestCommandInheritsNoDescriptors(t *testing.T) {
	t.Parallel()
	inherited, err := syscall.Dup(0) // as whoever starts a replica may leave some open
	require.NoError(t, err)
	defer func() { _ = syscall.Close(inherited) }()
	out := newWritten()
	p, err := Start(Spec{Command: []string{"/bin/ls", "/proc/self/fd"}, Root: "/", Stdout: out})
	require.NoError(t, err)
	require.Zero(t, p.Wait().ExitCode)
	require.Equal(t, []string{"0", "1", "2", "3"}, strings.Fields(out.String()), "3 is ls's own")
}

// What a replica cannot clear up any more, the guard does; and only then.
func TestScratchOfADeadReplicaIsRemoved(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir() + "/scratch"
	require.NoError(t, os.Mkdir(scratch, 0o700))
	out := newWritten()
	replica := exec.Command(os.Args[0])
	replica.Env = append(os.Environ(), "TEST_REPLICA_SCRIPT=echo $$; exec sleep 1000", "TEST_REPLICA_SCRATCH="+scratch)
	replica.Stdout, replica.Stderr = out, os.Stderr
	require.NoError(t, replica.Start())
	pid := out.pid(t, 1)
	require.NoError(t, replica.Process.Kill())
	_ = replica.Wait()
	requireGone(t, pid)
	require.Eventually(t, func() bool {
		_, err := os.Stat(scratch)
		return os.IsNotExist(err)
	}, 30*time.Second, time.Millisecond)

	kept := t.TempDir()
	p, err := Start(Spec{Command: []string{"true"}, Env: os.Environ(), Root: "/", Scratch: kept})
	require.NoError(t, err)
	require.Zero(t, p.Wait().ExitCode)
	require.DirExists(t, kept)
}
