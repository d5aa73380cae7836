package cmd

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// waiting is a run with a step for each thing that somebody has to say, and a step that needs them all.
const waiting = `
name: waiting
input: {n: 1}
steps:
  - {key: approve, kind: wait, with: {for: approval}}
  - {key: reject, kind: wait, with: {for: approval}, allow_failure: true}
  - {key: told, kind: wait}
  - {key: late, kind: wait, needs: [told]}
  - {key: after, kind: noop, needs: [approve, reject, told, late], with: {output: ["${{ needs.approve.output }}", "${{ needs.told.output }}", "${{ needs.late.output }}", "${{ input.n }}"]}}
`

// becomes waits until a step is in a state.
func (a asked) becomes(t *testing.T, step, state string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var s struct{ State string }
		a.json(t, &s, "steps", a.run, step)
		return s.State == state
	}, patience, 20*time.Millisecond, "%s is %s", step, state)
}

// fails is what a command that does not work says, for the exit code that it has.
func (a asked) fails(t *testing.T, exit int, args ...string) (stderr string) {
	t.Helper()
	code, stdout, stderr := runs(t, append([]string{"WEIR_SERVER=" + a.server}, args...)...)
	require.Equal(t, exit, code, stderr)
	require.Empty(t, stdout)
	return stderr
}

func TestControl(t *testing.T) {
	t.Parallel()
	a := asked{server: served(t)}
	a.run = submitted(t, a.server, waiting)
	a.becomes(t, "approve", "waiting")
	a.becomes(t, "told", "waiting")
	require.Equal(t, "run RUN is paused\n", a.still(a.answer(t, "pause", a.run)))
	require.Equal(t, a.run+"\n", a.answer(t, "pause", a.run, "-q"))
	require.Contains(t, a.answer(t, "why", a.run, "after"), "needs_unfinished")

	require.Equal(t, "step late is pending: the signal is kept until it waits\n", a.answer(t, "signal", a.run, "late", "--payload", "a word"))
	require.Regexp(t, `^weir: a signal is kept for the step already: the first one wins \(pending since .*\)\ntry: weir steps `+a.run+"\n$", a.fails(t, exitError, "signal", a.run, "late"))
	require.Equal(t, "told\n", a.answer(t, "signal", a.run, "told", "--payload", `{"a": [1]}`, "-q"))
	require.Equal(t, "step approve is succeeded\n", a.answer(t, "approve", a.run, "approve", "--value", "7", "--comment", "looks good"))
	var rejected struct {
		State string
		Error struct{ Code, Message string }
	}
	a.json(t, &rejected, "reject", a.run, "reject", "--comment", "too dear")
	require.Equal(t, "failed rejected too dear", rejected.State+" "+rejected.Error.Code+" "+rejected.Error.Message)
	require.Contains(t, a.answer(t, "logs", a.run, "approve"), "accept by local: looks good")
	require.Regexp(t, `^weir: the step is final \(succeeded since .*\)\ntry: weir steps `+a.run+"\n$", a.fails(t, exitError, "decide", a.run, "approve", "accept"))
	require.Contains(t, a.fails(t, exitUsage, "decide", a.run, "told", "fail", "--value", "1"), "--value is the output of what is accepted")
	require.Contains(t, a.fails(t, exitUsage, "decide", a.run, "told", "maybe"), "retry")

	require.Equal(t, "run RUN is running\n", a.still(a.answer(t, "resume", a.run)))
	code, _, stderr := runs(t, "run", a.run, "--wait", "--server", a.server)
	require.Equal(t, exitDone, code, stderr)
	var after struct{ Output []any }
	a.json(t, &after, "steps", a.run, "after")
	require.Equal(t, []any{7.0, map[string]any{"a": []any{1.0}}, "a word", 1.0}, after.Output)

	require.Regexp(t, `^weir: the run is final \(succeeded since .*\)\ntry: weir run `+a.run+"\n$", a.fails(t, exitError, "pause", a.run))
	require.Contains(t, a.fails(t, exitError, "resume", "0198a8a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b"), "there is no such run")
	require.Contains(t, a.fails(t, exitUsage, "pause"), "which run?")
	require.Equal(t, "would pause 0 runs\n", a.answer(t, "pause", "--state", "running", "--dry-run"))
}

func TestRerun(t *testing.T) {
	t.Parallel()
	a := setupAsked(t)
	code, stdout, stderr := runs(t, "rerun", a.run, "--wait", "--server", a.server)
	require.Equal(t, exitRunFailed, code, stderr)
	id, history, _ := strings.Cut(stdout, "\n")
	require.NotContains(t, history, "fetch", "it had succeeded")
	require.Contains(t, history, "check retrying→running claimed")
	require.Contains(t, a.answer(t, "run", id), "rerun of")

	var run struct {
		Input   map[string]any
		RerunOf string `json:"rerun_of"`
		Steps   map[string]int
	}
	a.json(t, &run, "rerun", a.run, "--input", "more=[1]", "--from", "check")
	require.Equal(t, map[string]any{"day": 1.0, "more": []any{1.0}}, run.Input)
	require.Equal(t, a.run, run.RerunOf)
	require.Zero(t, run.Steps["succeeded"])
	require.Regexp(t, `^[0-9a-f-]{36}\n$`, a.answer(t, "rerun", a.run, "--from", "fetch", "-q"))

	require.Contains(t, a.fails(t, exitUsage, "rerun", a.run, "--from", "fetch", "--from", "nothing"), "--from[1]: the plan of the run has no step with this key")
	require.Contains(t, a.fails(t, exitUsage, "rerun", a.run, "--input", "x"), "--input is KEY=VALUE")
	require.Contains(t, a.fails(t, exitUsage, "rerun", "--all", "--from", "fetch"), "are for one run")
	require.Contains(t, a.fails(t, exitUsage, "rerun", a.run, "--timeout", "3s"), "--wait --timeout 3s")
	require.Contains(t, a.fails(t, exitUsage, "rerun", a.run, "--all"), "give one of them")
	require.Regexp(t, `^would rerun [1-9]\d* runs?\n$`, a.answer(t, "rerun", "--state", "failed", "--dry-run"))
	require.Regexp(t, `^bulk \S+ is done: rerun done to (\d+) of \d+ runs?\n$`, a.answer(t, "rerun", "--state", "failed", "--wait"))
	endlessRun := submitted(t, a.server, endless)
	require.Regexp(t, `^weir: the run is not final: it goes on \(running since .*\)\ntry: weir run `+endlessRun+"\n$", a.fails(t, exitError, "rerun", endlessRun))
}

func TestSubmitByKey(t *testing.T) {
	t.Parallel()
	a := asked{server: served(t)}
	file := planIn(t, endless)
	first := a.answer(t, "submit", file, "--key", "item/17")
	require.Equal(t, first, a.answer(t, "submit", file, "--key", "item/17"))
	second := a.answer(t, "submit", file, "--key", "item/17", "--on-conflict", "replace")
	require.NotEqual(t, first, second)
	code, _, stderr := runs(t, "run", strings.TrimSpace(first), "--wait", "--server", a.server)
	require.Equal(t, exitRunCanceled, code, stderr)
	a.run = strings.TrimSpace(second)
	a.becomes(t, "loop", "running")
	require.Contains(t, a.fails(t, exitUsage, "submit", file, "--on-conflict", "queue"), "--key tracker-17 --on-conflict queue")
	require.Contains(t, a.fails(t, exitUsage, "submit", file, "--key", "no good"), "--key: ")
	require.Contains(t, a.fails(t, exitUsage, "submit", file, "--key", "k", "--on-conflict", "fight"), "keep")
}
