package jobs

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// sh is the `with` of a script, with further members.
func sh(t *testing.T, script string, more map[string]any) lifecycle.Attempt {
	t.Helper()
	with := map[string]any{"command": []string{"sh", "-c", script}}
	maps.Copy(with, more)
	raw, err := json.Marshal(with)
	require.NoError(t, err)
	c := aClaim("exec", string(raw))
	c.Timeout, c.Remaining = time.Minute, time.Minute
	return c
}

func (b *bench) stdout() []string {
	var out []string
	for _, l := range b.logged() {
		if l.Stream == "stdout" {
			out = append(out, l.Text)
		}
	}
	return out
}

func TestExecOutcomes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		more   map[string]any

		outcome   lifecycle.Outcome
		cause     lifecycle.Cause
		code      string
		retryable bool
		detail    string
	}{
		"success":      {script: `exit 0`, outcome: lifecycle.OutcomeSucceeded},
		"success code": {script: `exit 3`, more: map[string]any{"success_codes": []int{0, 3}}, outcome: lifecycle.OutcomeSucceeded},
		"no success code": {
			script: `exit 0`, more: map[string]any{"success_codes": []int{3}},
			outcome: lifecycle.OutcomeFailed, code: "exit_code", retryable: true, detail: `{"exit_code":0,"signal":null}`,
		},
		"failure": {
			script: `exit 1`, outcome: lifecycle.OutcomeFailed, code: "exit_code", retryable: true, detail: `{"exit_code":1,"signal":null}`,
		},
		"temporary": {
			script: `exit 75`, outcome: lifecycle.OutcomeFailed, code: "temporary", retryable: true, detail: `{"exit_code":75,"signal":null}`,
		},
		"126": {script: `exit 126`, outcome: lifecycle.OutcomeFailed, code: "exit_code", detail: `{"exit_code":126,"signal":null}`},
		"127": {script: `exit 127`, outcome: lifecycle.OutcomeFailed, code: "exit_code", detail: `{"exit_code":127,"signal":null}`},
		"not startable": {
			more:    map[string]any{"command": []string{"no-such-command"}},
			outcome: lifecycle.OutcomeFailed, code: "not_startable", detail: `{"exit_code":127,"signal":null}`,
		},
		"signal": {
			script: `kill -KILL $$`, outcome: lifecycle.OutcomeCrashed, cause: lifecycle.CauseKilled, code: "signal", retryable: true,
			detail: `{"exit_code":null,"signal":"SIGKILL"}`,
		},
		"cwd outside":     {more: map[string]any{"cwd": "../x"}, outcome: lifecycle.OutcomeFailed, code: "invalid_with"},
		"cwd not there":   {more: map[string]any{"cwd": "x"}, outcome: lifecycle.OutcomeFailed, code: "not_startable", detail: `{"exit_code":126,"signal":null}`},
		"Weir's variable": {more: map[string]any{"env": map[string]string{"WEIR_X": "1"}}, outcome: lifecycle.OutcomeFailed, code: "invalid_with"},
		"empty command":   {more: map[string]any{"command": []string{}}, outcome: lifecycle.OutcomeFailed, code: "invalid_with"},
		"odd workspace":   {more: map[string]any{"workspace": "mine"}, outcome: lifecycle.OutcomeFailed, code: "invalid_with"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := builtin(t, sh(t, c.script, c.more), nil)
			b.work(t)
			rep := b.only(t)
			require.Equal(t, c.outcome, rep.Outcome)
			if c.cause != "" {
				require.Equal(t, c.cause, rep.Cause)
			}
			if c.code == "" {
				require.Nil(t, rep.Error)
				return
			}
			require.Equal(t, c.code, rep.Error.Code)
			require.Equal(t, c.retryable, rep.Error.Retryable)
			if c.detail != "" {
				require.JSONEq(t, c.detail, string(rep.Error.Detail))
			}
		})
	}
}

func TestExecErrorQuotesItsLastWords(t *testing.T) {
	t.Parallel()
	b := builtin(t, sh(t, `echo one >&2; echo "no such table" >&2; echo >&2; exit 1`, nil), nil)
	b.work(t)
	require.Equal(t, "the command exited with code 1: no such table", b.only(t).Error.Message)
}

func TestExecEnvironment(t *testing.T) {
	t.Parallel()
	claim := sh(t, `env`, map[string]any{"env": map[string]string{"MINE": "a b", "LANG": "C.UTF-8"}})
	environ := []string{
		"PATH=/usr/bin:/bin", "HOME=/home/x", "LANG=en", "PASSED=yes", "SECRET=no", "PGPASSWORD=no", "WEIR_TOKEN=no", "ODD",
	}
	for name, pass := range map[string][]string{"some": {"PASSED", "WEIR_TOKEN"}, "all": {"*"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := builtin(t, claim, func(c *BuiltinConfig) { c.Environ, c.PassEnv = environ, pass })
			b.work(t)
			env := map[string]string{}
			for _, line := range b.stdout() {
				k, v, _ := strings.Cut(line, "=")
				env[k] = v
			}
			run := b.only(t).Run.String()
			require.NoDirExists(t, filepath.Dir(env["WEIR_OUTPUT"]), "nothing of it is left")
			require.Regexp(t, `^00-`+strings.ReplaceAll(run, "-", "")+`-[0-9a-f]{16}-01$`, env["TRACEPARENT"])
			for _, set := range []string{"WEIR_OUTPUT", "TRACEPARENT", "PWD", "SHLVL", "_", "OLDPWD"} {
				delete(env, set)
			}
			want := map[string]string{
				"PATH": "/usr/bin:/bin", "HOME": "/home/x", "LANG": "C.UTF-8", "PASSED": "yes", "MINE": "a b",
				"WEIR_RUN": run, "WEIR_STEP": "a-step", "WEIR_ATTEMPT": "1", "WEIR_IDEMPOTENCY_KEY": run + "/a-step",
			}
			if name == "all" {
				want["SECRET"] = "no"
			}
			require.Equal(t, want, env)
		})
	}
}

func TestExecInput(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		more map[string]any
		want string
	}{
		"default": {nil, `{"input":{"x":1},"needs":{"a":{"n":2},"b":null}}`},
		"given":   {map[string]any{"stdin": []int{1}}, `[1]`},
		"null":    {map[string]any{"stdin": nil}, `null`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim := sh(t, `cat > in; if [ -s in ]; then cat in; else echo null; fi > "$WEIR_OUTPUT"`, c.more)
			claim.Input = json.RawMessage(`{"x":1}`)
			claim.Needs = map[string]lifecycle.Need{
				"a": {State: lifecycle.StepSucceeded, Output: json.RawMessage(`{"n":2}`)}, "b": {State: lifecycle.StepFailed},
			}
			b := builtin(t, claim, nil)
			b.work(t)
			require.JSONEq(t, c.want, string(b.only(t).Output))
		})
	}
}

// O10: whatever the command writes, the step reaches its true outcome.
func TestExecOutput(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		from   string
		want   string
		code   string
	}{
		"file":          {`echo '{"a":1}' > "$WEIR_OUTPUT"; echo text`, "file", `{"a":1}`, ""},
		"no file":       {`true`, "file", ``, ""},
		"empty file":    {`: > "$WEIR_OUTPUT"`, "file", ``, ""},
		"bad file":      {`echo '{' > "$WEIR_OUTPUT"`, "file", ``, outputInvalidJSON},
		"two values":    {`echo '1 2' > "$WEIR_OUTPUT"`, "file", ``, outputInvalidJSON},
		"not UTF-8":     {`printf '"\377"' > "$WEIR_OUTPUT"`, "file", ``, outputInvalidUTF8},
		"NUL":           {`printf '"\\u0000"' > "$WEIR_OUTPUT"`, "file", ``, outputNullCharacter},
		"large file":    {`head -c 20000000 /dev/zero > "$WEIR_OUTPUT"`, "file", ``, outputTooLarge},
		"pipe":          {`mkfifo "$WEIR_OUTPUT"`, "file", ``, outputInvalidJSON},
		"directory":     {`mkdir "$WEIR_OUTPUT"`, "file", ``, outputInvalidJSON},
		"symlink":       {`ln -s /etc/hostname "$WEIR_OUTPUT"`, "file", ``, outputInvalidJSON},
		"stdout":        {`echo '{"a":'; echo '2}'`, "stdout", `{"a":2}`, ""},
		"stdout, text":  {`echo text`, "stdout", ``, outputInvalidJSON},
		"stdout, large": {`yes 1 | head -c 3000000`, "stdout", ``, outputTooLarge},
		"stdout, none":  {`true`, "stdout", ``, ""},
		"none":          {`echo 1 > "$WEIR_OUTPUT"; echo 1`, "none", ``, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := builtin(t, sh(t, c.script, map[string]any{"output": c.from}), nil)
			b.work(t)
			rep := b.only(t)
			require.Equal(t, lifecycle.OutcomeSucceeded, rep.Outcome)
			if c.code != "" {
				require.NotNil(t, rep.OutputError)
				require.Equal(t, c.code, rep.OutputError.Code)
				require.Nil(t, rep.Output)
				return
			}
			require.Nil(t, rep.OutputError)
			if c.want == "" {
				require.Nil(t, rep.Output)
				return
			}
			require.JSONEq(t, c.want, string(rep.Output))
		})
	}
}

func TestExecLogs(t *testing.T) {
	t.Parallel()
	b := builtin(t, sh(t, `printf 'one\r\n\ntwo'; printf 'err\377\n' >&2; head -c 100000 /dev/zero | tr '\0' x; printf '\nlast'`, nil), nil)
	b.work(t)
	out := b.stdout()
	require.Equal(t, []string{"one", ""}, out[:2])
	require.Equal(t, "last", out[3])
	require.Len(t, out[2], maxLine)
	for _, l := range b.logged() {
		if l.Stream == "stderr" {
			require.Equal(t, "err\uFFFD", l.Text)
		}
		require.Equal(t, strings.HasPrefix(l.Text, "twoxxx"), l.Truncated)
	}
}

func TestExecWorkspaces(t *testing.T) {
	t.Parallel()
	work := func(b *bench, run uuid.UUID, step int) {
		require.NoError(t, b.sup.Work(t.Context(), run, step, 1))
	}
	t.Run("step", func(t *testing.T) {
		t.Parallel()
		var dir string
		b := builtin(t, sh(t, `pwd; echo x >> seen; [ "$(wc -l < seen)" = 2 ]`, map[string]any{"workspace": "step"}),
			func(c *BuiltinConfig) { dir = c.WorkspaceDir })
		run := uuid.New()
		work(b, run, 4)
		require.Equal(t, lifecycle.OutcomeFailed, b.sent()[0].Outcome)
		kept := filepath.Join(dir, run.String(), "step-4")
		require.FileExists(t, filepath.Join(kept, "seen"), "kept after a failure")
		work(b, run, 4)
		require.Equal(t, lifecycle.OutcomeSucceeded, b.sent()[1].Outcome, "the next attempt finds it")
		require.NoDirExists(t, filepath.Join(dir, run.String()), "removed after success")
		require.NoError(t, b.sup.Drain(t.Context()))
	})
	t.Run("never and always", func(t *testing.T) {
		t.Parallel()
		for cleanup, left := range map[string]bool{"never": true, "always": false} {
			var dir string
			b := builtin(t, sh(t, `mkdir -p a/b; chmod 500 a; exit 1`, map[string]any{"workspace": "step", "cleanup": cleanup}),
				func(c *BuiltinConfig) { dir = c.WorkspaceDir })
			run := uuid.New()
			work(b, run, 0)
			_, err := os.Stat(filepath.Join(dir, run.String()))
			require.Equal(t, left, err == nil)
			require.NoError(t, b.sup.Drain(t.Context()))
		}
	})
	t.Run("run", func(t *testing.T) {
		t.Parallel()
		var dir string
		b := builtin(t, sh(t, `echo x >> seen; wc -l < seen > "$WEIR_OUTPUT"`, map[string]any{"workspace": "run"}),
			func(c *BuiltinConfig) { dir = c.WorkspaceDir })
		run := uuid.New()
		work(b, run, 0)
		work(b, run, 1)
		require.JSONEq(t, `2`, string(b.sent()[1].Output), "shared by the steps of the run")
		require.DirExists(t, filepath.Join(dir, run.String(), "run"))
		require.NoError(t, b.sup.Drain(t.Context()))
	})
	t.Run("cwd", func(t *testing.T) {
		t.Parallel()
		b := builtin(t, sh(t, `mkdir -p in; ln -s / out; cd in; pwd`, map[string]any{"workspace": "step", "cleanup": "never"}), nil)
		run := uuid.New()
		work(b, run, 0)
		for cwd, want := range map[string]lifecycle.Outcome{"in": lifecycle.OutcomeSucceeded, "out/etc": lifecycle.OutcomeFailed} {
			b.claim = sh(t, `pwd`, map[string]any{"workspace": "step", "cleanup": "never", "cwd": cwd})
			work(b, run, 0)
			require.Equal(t, want, b.sent()[len(b.sent())-1].Outcome, cwd)
		}
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}

func TestExecOutputIsASignOfLife(t *testing.T) {
	t.Parallel()
	claim := sh(t, `for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do printf .; sleep 0.1; done`, nil)
	claim.StallAfter = 2 * time.Second
	b := builtin(t, claim, nil)
	b.work(t)
	require.Equal(t, lifecycle.OutcomeSucceeded, b.only(t).Outcome)
	require.Equal(t, []string{strings.Repeat(".", 25)}, b.stdout())
}

// pidOf waits until the command has logged a line that is a number.
func (b *bench) pidOf(t *testing.T) int {
	t.Helper()
	var pid int
	require.Eventually(t, func() bool {
		for _, line := range b.stdout() {
			if n, err := strconv.Atoi(line); err == nil {
				pid = n
				return true
			}
		}
		return false
	}, 30*time.Second, 10*time.Millisecond)
	return pid
}

func requireGone(t *testing.T, pid int) {
	t.Helper()
	require.Equal(t, syscall.ESRCH, syscall.Kill(pid, 0))
}

func TestExecEndsWithItsAttempt(t *testing.T) {
	t.Parallel()
	stubborn := `trap '' TERM; sleep 1000 & echo $!; while :; do sleep 0.05; done`
	polite := `trap 'exit 0' TERM; sleep 1000 & echo $!; while :; do sleep 0.05; done`
	for name, c := range map[string]struct {
		script string
		stop   bool
		drain  bool
		claim  func(*lifecycle.Attempt)

		outcome lifecycle.Outcome
		cause   lifecycle.Cause
		detail  string
	}{
		"deadline, stubborn": {
			script: stubborn, claim: func(a *lifecycle.Attempt) { a.Timeout, a.Remaining = 2*time.Second, 2*time.Second },
			outcome: lifecycle.OutcomeTimedOut, cause: lifecycle.CauseDeadline, detail: `{"exit_code":null,"signal":"SIGKILL"}`,
		},
		"deadline, polite": {
			script: polite, claim: func(a *lifecycle.Attempt) { a.Timeout, a.Remaining = 2*time.Second, 2*time.Second },
			outcome: lifecycle.OutcomeTimedOut, cause: lifecycle.CauseDeadline, detail: `{"exit_code":0,"signal":null}`,
		},
		"stall": {
			script: polite, claim: func(a *lifecycle.Attempt) { a.StallAfter = time.Second },
			outcome: lifecycle.OutcomeTimedOut, cause: lifecycle.CauseStalled, detail: `{"exit_code":0,"signal":null}`,
		},
		"cancel, stubborn": {
			script: stubborn, stop: true,
			outcome: lifecycle.OutcomeCancelled, cause: lifecycle.CauseCancelRequested, detail: `{"exit_code":null,"signal":"SIGKILL"}`,
		},
		"cancel, polite": {
			script: polite, stop: true,
			outcome: lifecycle.OutcomeCancelled, cause: lifecycle.CauseCancelRequested, detail: `{"exit_code":0,"signal":null}`,
		},
		"shutdown, stubborn": {
			script: stubborn, drain: true, outcome: lifecycle.OutcomeCrashed, cause: lifecycle.CauseKilled,
			detail: `{"exit_code":null,"signal":"SIGKILL"}`,
		},
		"shutdown, polite": {script: polite, drain: true, outcome: lifecycle.OutcomeHandedBack, cause: lifecycle.CauseHandedBack},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim := sh(t, c.script, nil)
			claim.Grace = 5 * time.Second // the most time there is between KILL and the end of patience
			if c.claim != nil {
				c.claim(&claim)
			}
			b := builtin(t, claim, nil)
			b.sup.cfg.ShutdownGrace = time.Millisecond
			run := uuid.New()
			over := make(chan error, 1)
			go func() { over <- b.sup.Work(t.Context(), run, 0, 1) }()
			pid := b.pidOf(t)
			if c.stop {
				b.sup.Stop(lifecycle.Stop{Hold: lifecycle.Hold{Run: run, Attempt: 1}, Cause: lifecycle.CauseCancelRequested})
			}
			if !c.drain {
				require.NoError(t, <-over)
			}
			require.NoError(t, b.sup.Drain(t.Context()))
			requireGone(t, pid)
			rep := b.only(t)
			require.Equal(t, c.outcome, rep.Outcome)
			require.Equal(t, c.cause, rep.Cause)
			if c.detail != "" {
				require.JSONEq(t, c.detail, string(rep.Error.Detail))
			}
		})
	}
}
