package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// devData is a new directory for a development database, in reach of the user that PostgreSQL runs as for root.
func devData(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711))
	return filepath.Join(dir, "weir")
}

// said waits until the command's answer matches and returns what the group matched.
func (c *command) said(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var match []string
	require.Eventually(t, func() bool {
		select {
		case <-c.done:
			return true
		default:
		}
		match = re.FindStringSubmatch(c.stdout.String())
		return match != nil
	}, patience, 5*time.Millisecond, "stdout: %s\nstderr: %s", c.stdout, c.stderr)
	require.NotNil(t, match, "stdout: %s\nstderr: %s", c.stdout, c.stderr)
	return match[1]
}

const (
	saidAPI  = `API +(http://\S+)`
	saidPsql = `psql '(\S+)'`
)

func TestDevKeepsTheHistory(t *testing.T) {
	t.Parallel()
	dir := devData(t)
	first := start(t, "dev", "--data", dir, "--listen", "127.0.0.1:0", "--replicas", "2")
	code, body := get(t, first.said(t, saidAPI)+"/readyz")
	require.Equal(t, 200, code, body)
	conn, err := pgx.Connect(t.Context(), first.said(t, saidPsql))
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "create table history as select 7 as seven")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))

	code, _, stderr := runs(t, "dev", "--data", dir, "--listen", "127.0.0.1:0")
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "is in use by process ")
	require.Contains(t, stderr, "\ntry: ")

	first.interrupt()
	require.Equal(t, exitDone, first.wait(t), first.stderr)

	second := start(t, "dev", "--data", dir, "--listen", "127.0.0.1:0")
	conn, err = pgx.Connect(t.Context(), second.said(t, saidPsql))
	require.NoError(t, err)
	var seven int
	require.NoError(t, conn.QueryRow(t.Context(), "select seven from history").Scan(&seven))
	require.NoError(t, conn.Close(t.Context()))
	second.interrupt()
	require.Equal(t, exitDone, second.wait(t), second.stderr)
}

func TestDevEndsWithItsDatabase(t *testing.T) {
	t.Parallel()
	c := start(t, "dev", "--data", devData(t), "--listen", "127.0.0.1:0")
	conn, err := pgx.Connect(t.Context(), c.said(t, saidPsql))
	require.NoError(t, err)
	var pid int
	require.NoError(t, conn.QueryRow(t.Context(), "select split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int").Scan(&pid))
	require.NoError(t, conn.Close(t.Context()))
	process, err := os.FindProcess(pid)
	require.NoError(t, err)
	require.NoError(t, process.Signal(os.Interrupt))
	require.Equal(t, exitError, c.wait(t))
	require.Contains(t, c.stderr.String(), "weir: PostgreSQL ended by itself")
	require.Contains(t, c.stderr.String(), "\ntry: ")
}

func TestDevOnADatabaseOfOnesOwn(t *testing.T) {
	t.Parallel()
	c := start(t, "dev", "--database-url", dbtest.Empty(t).URL, "--listen", "127.0.0.1:0")
	code, body := get(t, c.said(t, saidAPI)+"/readyz")
	require.Equal(t, 200, code, body)
	c.interrupt()
	require.Equal(t, exitDone, c.wait(t), c.stderr)
}

// Whoever ends it while steps run is told why it stays, and how to end it at once.
func TestDevTellsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	c := start(t, "dev", "--database-url", dbtest.URL(t), "--listen", "127.0.0.1:0", "--shutdown-grace", "10m")
	server := c.said(t, saidAPI)
	id := submitted(t, server, endless)
	require.Eventually(t, func() bool {
		_, stdout, _ := runs(t, "logs", id, "loop", "--server", server)
		return stdout != ""
	}, patience, 10*time.Millisecond)
	c.interrupt()
	c.said(t, `(steps are running, and have 10m0s to end; Ctrl-C again stops them)`)
	c.hurry()
	require.Equal(t, exitDone, c.wait(t), c.stderr)
}

// Ctrl-C while the database is being made is no error.
func TestDevInterruptedAtOnce(t *testing.T) {
	t.Parallel()
	dir := devData(t)
	c := start(t, "dev", "--data", dir, "--listen", "127.0.0.1:0")
	require.Eventually(t, func() bool {
		begun, err := filepath.Glob(filepath.Join(dir, "*", "PG_VERSION")) // initdb runs
		return err == nil && len(begun) > 0
	}, patience, time.Millisecond)
	c.interrupt()
	require.Equal(t, exitDone, c.wait(t), c.stderr)
	require.NotContains(t, c.stderr.String(), "weir: ")
}

func TestDevRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for name, c := range map[string]struct {
		args []string
		code int
		what string
	}{
		"no replicas":            {[]string{"dev", "--replicas", "0"}, exitUsage, "--replicas is from 1 to 10"},
		"an API beyond loopback": {[]string{"dev", "--listen", "0.0.0.0:0", "--database-url", dbtest.URL(t)}, exitUsage, "everybody who can connect"},
		"no home":                {[]string{"dev", "--listen", "127.0.0.1:0"}, exitUsage, "there is no home directory"},
		"data in a file":         {[]string{"dev", "--data", filepath.Join(file, "data")}, exitError, "the data directory cannot be made"},
		"an unreachable server":  {[]string{"dev", "--database-url", "postgres://127.0.0.1:1/weir"}, exitError, "nothing listens at 127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := runs(t, c.args...)
			require.Equal(t, c.code, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, "weir: ")
			require.Contains(t, stderr, c.what)
			require.Contains(t, stderr, "\ntry: ")
		})
	}
}
