package cmd

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSubmitWaits(t *testing.T) {
	t.Parallel()
	server := served(t)
	code, stdout, stderr := runs(t, "submit", planIn(t, failing), "--server", server, "--wait")
	require.Equal(t, exitRunFailed, code, stderr)
	id, history, _ := strings.Cut(stdout, "\n")
	require.Regexp(t, `^[0-9a-f-]{36}$`, id)
	lines := strings.Split(strings.TrimSuffix(history, "\n"), "\n")
	moves := make([]string, len(lines))
	for i, line := range lines {
		require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ [a-z_]+→[a-z_]+ [a-z_]+$`, line)
		_, moves[i], _ = strings.Cut(line, " ")
	}
	require.Equal(t, []string{
		"fetch available→running claimed", "fetch running→succeeded reported",
		"check pending→available needs_met", "check available→running claimed", "check running→retrying attempts_left",
		"check retrying→running claimed", "check running→failed attempts_spent",
		"after pending→skipped upstream_failed", "- running→failed steps_final",
	}, moves)
	require.Regexp(t, `^weir: run `+id+` failed after \S+: 1 succeeded, 1 failed, 1 skipped\n`+
		`      check failed after 2 attempts: the command exited with code 3: no good \(exit_code\)\n`+
		`try: weir logs `+id+` check --server `+server+`\n$`, stderr)

	code, again, _ := runs(t, "run", id, "--wait", "--server", server)
	require.Equal(t, exitRunFailed, code)
	require.Equal(t, history, again, "the history is the same for who comes later")
}

func TestSubmitAnswers(t *testing.T) {
	t.Parallel()
	server := served(t)
	file := planIn(t, succeeding)
	code, stdout, stderr := runs(t, "submit", file, "--server", server, "-o", "json", "--wait", "--input", "n=7")
	require.Equal(t, exitDone, code, stderr)
	var run struct {
		ID, State string
		Input     json.RawMessage
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &run))
	require.Equal(t, "succeeded", run.State)
	require.JSONEq(t, `{"n": 7}`, string(run.Input))
	require.Regexp(t, `^run \S+ succeeded in \S+: 1 step\n$`, stderr)
}
