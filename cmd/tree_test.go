package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// window is a terminal of that size.
type window struct {
	output

	width, height int
}

func (w *window) Size() (width, height int) { return w.width, w.height }

// picture is what somebody sees: the lines that were written since the screen was last rewound.
func (w *window) picture() string {
	text := w.String()
	if at := strings.LastIndex(text, "\x1b[J"); at >= 0 {
		text = text[at:]
	}
	return escapes.ReplaceAllString(text, "")
}

// inWindow runs a command line on a terminal.
func inWindow(t *testing.T, w *window, args ...string) (stderr *output, interrupt func(), done <-chan int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	stderr, ended := &output{}, make(chan int, 1)
	go func() {
		ended <- run(ctx, environment{args: args, stdin: strings.NewReader(""), stdout: w, stderr: stderr})
	}()
	t.Cleanup(cancel)
	return stderr, cancel, ended
}

func TestTreeLives(t *testing.T) {
	t.Parallel()
	server := served(t)
	until := filepath.Join(t.TempDir(), "until")
	w := &window{width: 100, height: 30}
	stderr, _, done := inWindow(t, w, "submit", planIn(t, chatty(until)), "--wait", "--server", server)
	require.Eventually(t, func() bool {
		return strings.Contains(w.picture(), "● a  running") && strings.Contains(w.picture(), "  line ")
	}, patience, pollSoon/10, "the steps and their last lines are shown")
	require.NoError(t, os.WriteFile(until, nil, 0o600))
	require.Equal(t, exitDone, <-done, stderr)
	id, _, _ := strings.Cut(w.String(), "\n")
	require.Regexp(t, `^[0-9a-f-]{36}$`, id)
	require.Regexp(t, `^chatty  succeeded  2 of 2 steps  \S+\n  ✓ a  succeeded  \S+\n  ✓ b  succeeded  \S+\n$`, w.picture())
	require.Contains(t, w.String(), "\x1b[32m", "in colour")
	require.Regexp(t, `^run `+id+` succeeded in `, stderr.String())
}

func TestTreeOfALargeRun(t *testing.T) {
	t.Parallel()
	server := served(t)
	var plan strings.Builder
	plan.WriteString("name: large\nsteps:\n")
	for i := range treeSteps + 1 {
		fmt.Fprintf(&plan, "- {key: s%d, kind: noop}\n", i)
	}
	w := &window{width: 60, height: 10}
	stderr, _, done := inWindow(t, w, "submit", planIn(t, plan.String()), "--wait", "--server", server)
	require.Equal(t, exitDone, <-done, stderr)
	require.Contains(t, w.picture(), "large  succeeded  501 of 501 steps")
	require.Contains(t, w.picture(), "… and 402 more steps", "the last picture may scroll")
}

func TestTreeMakesRoomForNotes(t *testing.T) {
	t.Parallel()
	server := served(t)
	var o outage
	w := &window{width: 80, height: 24}
	stderr, interrupt, done := inWindow(t, w, "submit", planIn(t, endless), "--wait", "--server", o.before(t, server))
	require.Eventually(t, func() bool { return strings.Contains(w.picture(), "● loop ") }, patience, pollSoon/10)
	o.away.Store(true)
	require.Eventually(t, func() bool { return strings.Contains(stderr.String(), "; waiting for it\n") }, patience, pollSoon/10)
	require.Empty(t, w.picture(), "the tree makes way for what is said")
	o.away.Store(false)
	require.Eventually(t, func() bool { return strings.Contains(w.picture(), "● loop ") }, patience, pollSoon/10)
	interrupt()
	require.Equal(t, exitInterrupted, <-done)
	require.Contains(t, w.picture(), "● loop ", "the last picture stays")
	require.Contains(t, stderr.String(), "\nweir: interrupted: run ")
}

func TestNoTreeWhereNobodyLooks(t *testing.T) {
	t.Parallel()
	w := &window{width: 80, height: 24}
	env := map[string]string{"TERM": "dumb"}
	inv := &invocation{environment: environment{stdout: w, getenv: func(name string) string { return env[name] }}}
	require.Nil(t, newScreen(inv))
	env["TERM"], env["NO_COLOR"] = "xterm", "1"
	require.False(t, newScreen(inv).colour)
	inv.stdout = &output{}
	require.Nil(t, newScreen(inv))
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	inv.stdout = file
	require.Nil(t, newScreen(inv), "a file is no terminal")
}
