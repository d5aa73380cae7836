//go:build linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/prove/ledger"
)

const (
	patience = time.Minute
	tick     = 5 * time.Millisecond
)

// start starts the command as a replica does.
func start(t *testing.T, binary, dir, attempt string, acts ...string) (*exec.Cmd, string) {
	t.Helper()
	output := filepath.Join(t.TempDir(), "output.json")
	cmd := exec.Command(binary, acts...)
	cmd.Env = []string{
		"CLUSTER_LEDGER=" + dir, "CLUSTER_REPLICA=01", "WEIR_RUN=" + uuid.Max.String(), "WEIR_STEP=a", "WEIR_ATTEMPT=" + attempt, "WEIR_OUTPUT=" + output,
	}
	require.NoError(t, cmd.Start())
	return cmd, output
}

// ended is how a command ended: its code, or -1 and the signal.
func ended(t *testing.T, cmd *exec.Cmd) (code int, sig syscall.Signal) {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), cmd.ProcessState.Sys().(syscall.WaitStatus).Signal()
}

func notes(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := ledger.Read(dir)
	require.NoError(t, err)
	for _, e := range entries {
		require.Equal(t, uuid.Max, e.Run)
		require.Equal(t, "a", e.Step)
		require.Equal(t, "01", e.Replica)
		list = append(list, e.What+": "+e.Note)
	}
	return list
}

func TestCommand(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "command")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)

	for name, test := range map[string]struct {
		attempt string
		acts    []string
		code    int
		sig     syscall.Signal
		notes   []string
		output  bool
	}{
		"ok":     {"1", []string{"ok:10"}, 0, -1, []string{"start: exec ok:10", "end: ok"}, true},
		"none":   {"1", []string{"ok:10:none"}, 0, -1, []string{"start: exec ok:10:none", "end: ok"}, false},
		"last":   {"5", []string{"ok:10", "fail:0:3"}, 3, -1, []string{"start: exec fail:0:3", "end: code 3"}, false},
		"first":  {"1", []string{"fail:0:75", "ok:10"}, 75, -1, []string{"start: exec fail:0:75", "end: code 75"}, false},
		"signal": {"1", []string{"signal:0:1"}, -1, syscall.SIGHUP, []string{"start: exec signal:0:1", "end: signal 1"}, false},
		"fork":   {"1", []string{"fork:0:1"}, 0, -1, []string{"start: exec fork:0:1", "end: ok"}, true},
		"misuse": {"0", []string{"ok:0"}, misused, -1, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd, output := start(t, binary, dir, test.attempt, test.acts...)
			code, sig := ended(t, cmd)
			require.Equal(t, test.code, code)
			require.Equal(t, test.sig, sig)
			require.Equal(t, test.notes, notes(t, dir))
			if _, err := os.Stat(output); test.output {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, os.ErrNotExist)
			}
		})
	}

	t.Run("TERM", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		cmd, _ := start(t, binary, dir, "1", "ok:60000")
		require.Eventually(t, func() bool { return len(notes(t, dir)) == 1 }, patience, tick)
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		code, _ := ended(t, cmd)
		require.Equal(t, byTerm, code)
		require.Equal(t, []string{"start: exec ok:60000", "end: TERM"}, notes(t, dir))
	})
	t.Run("TERM ignored", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		cmd, _ := start(t, binary, dir, "1", "ignore:100")
		require.Eventually(t, func() bool { return len(notes(t, dir)) > 0 }, patience, tick)
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		code, _ := ended(t, cmd)
		require.Zero(t, code)
		require.Equal(t, []string{"start: exec ignore:100", "end: ok"}, notes(t, dir))
	})
	t.Run("no ledger", func(t *testing.T) {
		t.Parallel()
		cmd, _ := start(t, binary, filepath.Join(t.TempDir(), "missing"), "1", "ok:0")
		code, _ := ended(t, cmd)
		require.Equal(t, noLedger, code)
	})
}
