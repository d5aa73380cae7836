package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// served is a replica that serves its API and runs commands.
func served(t *testing.T) (url string) {
	t.Helper()
	c := start(t, "serve", "--database-url", dbtest.URL(t), "--listen", "127.0.0.1:0", "--queue", "default=8", "--queue", "exec=8", "--enable-exec",
		"--shutdown-grace", "1s")
	return c.ready(t)
}

// planIn writes a plan into a file.
func planIn(t *testing.T, text string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "plan.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// submitted submits a plan and gives the id of its run.
func submitted(t *testing.T, server, text string) (id string) {
	t.Helper()
	code, stdout, stderr := runs(t, "submit", planIn(t, text), "--server", server)
	require.Equal(t, exitDone, code, stderr)
	require.Empty(t, stderr)
	return strings.TrimSuffix(stdout, "\n")
}

// finished submits a plan, waits for its end, and gives the id of its run.
func finished(t *testing.T, server, text string) (id string) {
	t.Helper()
	_, stdout, stderr := runs(t, "submit", planIn(t, text), "--server", server, "--wait", "-q")
	require.NotEmpty(t, stdout, stderr)
	return strings.TrimSuffix(stdout, "\n")
}

// failing is a run that fails, with something of everything.
const failing = `
name: team/failing
labels: {team: data}
input: {day: 1}
steps:
  - key: fetch
    kind: exec
    with: {command: [sh, -c, 'printf "fetched \033[31mred\033[0m\a\n"; echo {\"rows\":3} > $WEIR_OUTPUT']}
  - key: check
    kind: exec
    needs: [fetch]
    retry: {max_attempts: 2, initial: 1ms}
    with: {command: [sh, -c, 'echo "no good" >&2; exit 3']}
  - {key: after, kind: noop, needs: [check]}
`

// endless is a run that ends when it is cancelled.
const endless = `
name: endless
steps:
  - key: loop
    kind: exec
    with: {command: [sh, -c, 'echo begun; exec sleep 600']}
  - {key: after, kind: noop, needs: [loop]}
`

const succeeding = `{"name": "fine", "steps": [{"key": "one", "kind": "noop", "with": {"output": {"n": "${{ input.n }}"}}}]}`
