package cmd

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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
	submit := func(args ...string) (stdout, stderr string) {
		code, stdout, stderr := runs(t, append([]string{"WEIR_SERVER=" + server, "submit", file, "--input", "n=7"}, args...)...)
		require.Equal(t, exitDone, code, stderr)
		return stdout, stderr
	}
	var run struct {
		ID, State string
		Steps     map[string]int
	}
	stdout, stderr := submit("-o", "json")
	require.NoError(t, json.Unmarshal([]byte(stdout), &run))
	require.Equal(t, 1, run.Steps["total"])
	require.Empty(t, stderr)

	stdout, stderr = submit("-o", "json", "--wait")
	require.NoError(t, json.Unmarshal([]byte(stdout), &run), "the only answer is the run as it ended")
	require.Equal(t, "succeeded", run.State)
	require.Regexp(t, `^run `+run.ID+` succeeded in \S+: 1 step\n$`, stderr)

	stdout, _ = submit("-o", "yaml", "--wait")
	require.Contains(t, stdout, "\nstate: succeeded\n")

	stdout, stderr = submit("-q", "--wait")
	require.Regexp(t, `^[0-9a-f-]{36}\n$`, stdout)
	require.Empty(t, stderr)
}

func TestSubmitTakesInput(t *testing.T) {
	t.Parallel()
	server := served(t)
	const withInput = "name: in\ninput: {n: 1, keep: true}\nsteps: [{key: a, kind: noop}]\n"
	dir := t.TempDir()
	write := func(name, text string) string {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		return filepath.Join(dir, name)
	}
	file, object := write("plan.yaml", withInput), write("input.yaml", "m: [1, two]\n")
	for name, c := range map[string]struct {
		stdin, want string
		args        []string
	}{
		"as it is":             {"", `{"n": 1, "keep": true}`, []string{file}},
		"from stdin":           {withInput, `{"n": 1, "keep": true}`, []string{"-"}},
		"JSON":                 {"", `{"n": {"a": [1, 2]}, "keep": true}`, []string{file, "--input", `n={"a": [1, 2]}`}},
		"a string":             {"", `{"n": "a,b=c", "keep": true}`, []string{file, "--input", "n=a,b=c"}},
		"a string of a number": {"", `{"n": "7", "keep": true}`, []string{file, "--input", `n="7"`}},
		"nothing":              {"", `{"n": "", "keep": null}`, []string{file, "--input", "n=", "--input=keep=null"}},
		"several":              {"", `{"n": 2, "keep": true, "new": false}`, []string{file, "--input", "n=2", "--input", "new=false"}},
		"a file":               {"", `{"m": [1, "two"]}`, []string{file, "--input-file", object}},
		"a file, and more":     {"", `{"m": 3, "n": 4}`, []string{file, "--input-file", object, "--input", "m=3", "--input", "n=4"}},
		"a file from stdin":    {`{"m": 5}`, `{"m": 5}`, []string{file, "--input-file", "-"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr output
			code := run(t.Context(), environment{
				args: append([]string{"submit", "--server", server, "-o", "json"}, c.args...), stdin: strings.NewReader(c.stdin), stdout: &stdout, stderr: &stderr,
			})
			require.Equal(t, exitDone, code, stderr.String())
			var run struct{ Input json.RawMessage }
			require.NoError(t, json.Unmarshal([]byte(stdout.String()), &run))
			require.JSONEq(t, c.want, string(run.Input))
		})
	}
}

func TestSubmitIsIdempotent(t *testing.T) {
	t.Parallel()
	server := served(t)
	file := planIn(t, succeeding)
	code, first, stderr := runs(t, "submit", file, "--server", server, "--idempotency-key", "k1")
	require.Equal(t, exitDone, code, stderr)
	require.Empty(t, stderr)
	code, second, stderr := runs(t, "submit", file, "--server", server, "--idempotency-key", "k1")
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, first, second)
	require.Contains(t, stderr, "was used before")
	code, stdout, stderr := runs(t, "submit", file, "--server", server, "--idempotency-key", "k1", "--input", "n=2")
	require.Equal(t, exitError, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "\ntry: another --idempotency-key")
	code, other, _ := runs(t, "submit", file, "--server", server)
	require.Equal(t, exitDone, code)
	require.NotEqual(t, first, other)
	code, _, stderr = runs(t, "submit", file, "--server", server, "--idempotency-key", "no good")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "weir: ")
}

func TestSubmitRefuses(t *testing.T) {
	t.Parallel()
	server := served(t)
	const good = "name: x\nsteps: [{key: a, kind: noop}]\n"
	for name, c := range map[string]struct {
		plan string
		args []string
		code int
		says []string
	}{
		"what is not YAML": {"name: [x", nil, exitUsage, []string{"has 1 fault\n", ": the text is not YAML"}},
		"what is empty":    {"", nil, exitUsage, []string{"there is no plan in it"}},
		"every fault": {
			"name: x\nsteps:\n- {key: a, kind: noop, needs: [b]}\n- {key: b, kind: noop, needs: [a]}\n- {key: b, kind: noop, tiemout: 3s}\n", nil, exitUsage,
			[]string{
				"plan.yaml has 3 faults\n", "plan.yaml:3: steps[0].needs[0]: ", "a needs b needs a\n", "plan.yaml:5: steps[2].key: ",
				"plan.yaml:5: steps[2].tiemout: is not known, did you mean timeout?\n",
			},
		},
		"a kind that there is not": {
			"name: x\nsteps: [{key: a, kind: noop}, {key: b, kind: nope}]", nil, exitUsage,
			[]string{"the server refuses the plan: 1 fault\n      steps[1].kind: no replica has this kind"},
		},
		"what comes later":         {"name: x\nmatrix: {}\nsteps: [{key: a, kind: noop}]", nil, exitUsage, []string{"plan.yaml:2: matrix: "}},
		"an input that is no pair": {good, []string{"--input", "n"}, exitUsage, []string{"--input is KEY=VALUE\n"}},
		"an input without a name":  {good, []string{"--input", "=1"}, exitUsage, []string{"--input is KEY=VALUE\n"}},
		"an input that is no object": {
			good, []string{"--input-file", planIn(t, "[1]")}, exitUsage, []string{"the input must be an object\n"},
		},
		"an input that is not YAML": {good, []string{"--input-file", planIn(t, "{")}, exitUsage, []string{": the text is not YAML"}},
		"an input that is too large": {
			good, []string{"--input", "n=" + strings.Repeat("x", 1<<20)}, exitUsage, []string{"with this input has 1 fault\n", ": input: is larger than"},
		},
		"two texts from stdin":       {good, []string{"--input-file", "-"}, exitUsage, nil},
		"a timeout without wait":     {good, []string{"--timeout", "3s"}, exitUsage, []string{"--wait --timeout 3s\n"}},
		"a timeout that is none":     {good, []string{"--wait", "--timeout", "3"}, exitUsage, []string{"--timeout", "90s"}},
		"ids and more":               {good, []string{"-q", "-o", "yaml"}, exitUsage, []string{"-o yaml"}},
		"an output that there isn't": {good, []string{"-o", "xml"}, exitUsage, []string{"table"}},
		"an empty key":               {good, []string{"--idempotency-key", ""}, exitUsage, []string{"--idempotency-key is 1 to 255"}},
		"a server that is no URL":    {good, []string{"--server", "localhost:80"}, exitUsage, []string{"--server is http://HOST:PORT"}},
		"a server that is not there": {good, []string{"--server", "http://127.0.0.1:1"}, exitError, []string{"nothing answers at http://127.0.0.1:1: connection refused\n", "weir dev"}},
		"a token that is not there":  {good, []string{"--token-file", "/nowhere"}, exitError, []string{"the token cannot be read: /nowhere: no such file"}},
		"a token that is none":       {good, []string{"--token-file", planIn(t, "a b")}, exitUsage, []string{"the token holds characters"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := planIn(t, c.plan)
			if name == "two texts from stdin" {
				file = "-"
			}
			code, stdout, stderr := runs(t, append([]string{"WEIR_SERVER=" + server, "submit", file}, c.args...)...)
			require.Equal(t, c.code, code, stderr)
			require.Empty(t, stdout)
			require.True(t, strings.HasPrefix(stderr, "weir: "), stderr)
			require.Contains(t, stderr, "\ntry: ")
			for _, says := range c.says {
				require.Contains(t, stderr, says)
			}
		})
	}
	code, _, stderr := runs(t, "submit", filepath.Join(t.TempDir(), "none.yaml"), "--server", server)
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "none.yaml: no such file or directory\n")
	code, stdout, _ := runs(t, "runs", "-q", "--server", server)
	require.Equal(t, exitDone, code)
	require.Empty(t, stdout, "nothing was submitted")
}

func TestSubmitSaysSomethingElseAnswered(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	code, _, stderr := runs(t, "submit", planIn(t, succeeding), "--server", other.URL)
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "weir: something that is not Weir answered: 404 Not Found at "+other.URL)
}

func TestSubmitSendsTheToken(t *testing.T) {
	t.Parallel()
	var sent atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { sent.Store(r.Header.Get("Authorization")) }))
	t.Cleanup(server.Close)
	runs(t, "WEIR_TOKEN=one", "submit", planIn(t, succeeding), "--server", server.URL)
	require.Equal(t, "Bearer one", sent.Load())
	runs(t, "WEIR_TOKEN=one", "WEIR_TOKEN_FILE="+planIn(t, "two\n"), "submit", planIn(t, succeeding), "--server", server.URL)
	require.Equal(t, "Bearer two", sent.Load())
}

// outage is a server that can be away.
type outage struct {
	away    atomic.Bool
	refused atomic.Int64
}

func (o *outage) before(t *testing.T, server string) (behind string) {
	t.Helper()
	target, err := url.Parse(server)
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.away.Load() {
			o.refused.Add(1)
			panic(http.ErrAbortHandler)
		}
		(&httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}).ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

func TestSubmitSitsOutAnAbsence(t *testing.T) {
	t.Parallel()
	server := served(t)
	var o outage
	behind := o.before(t, server)
	c := start(t, "submit", planIn(t, endless), "--wait", "--server", behind)
	id := c.said(t, `([0-9a-f-]{36})\n`)
	c.said(t, `loop available→(running)`)
	o.away.Store(true)
	require.Eventually(t, func() bool { return o.refused.Load() > 2 }, patience, pollSoon)
	code, _, stderr := runs(t, "cancel", id, "--server", server)
	require.Equal(t, exitDone, code, stderr)
	o.away.Store(false)
	require.Equal(t, exitRunCanceled, c.wait(t), c.stderr)
	require.Equal(t, 1, strings.Count(c.stderr.String(), "; waiting for it\n"), c.stderr)
	_, history, _ := strings.Cut(c.stdout.String(), "\n")
	_, again, _ := runs(t, "run", id, "--wait", "--server", server)
	require.Equal(t, again, history, "no gap, nothing twice")
}

func TestSubmitGivesUp(t *testing.T) {
	t.Parallel()
	server := served(t)
	code, stdout, stderr := runs(t, "submit", planIn(t, endless), "--server", server, "--wait", "--timeout", "500ms", "-q")
	require.Equal(t, exitTimeout, code, stderr)
	id := strings.TrimSpace(stdout)
	require.Equal(t, "weir: run "+id+" goes on after 500ms\ntry: weir run "+id+" --wait --server "+server+"\n", stderr)

	c := start(t, "run", id, "--wait", "--server", server)
	c.said(t, `loop available→(running)`)
	c.interrupt()
	require.Equal(t, exitInterrupted, c.wait(t))
	require.Equal(t, "weir: interrupted: run "+id+" goes on\ntry: weir run "+id+" --wait --server "+server+"\n", c.stderr.String())

	code, stdout, stderr = runs(t, "run", id, "--wait", "--timeout", "1ms", "-o", "json", "--server", server)
	require.Equal(t, exitTimeout, code, stderr)
	require.Contains(t, stdout, `"state": "running"`, "the answer is what was known last")
	code, _, stderr = runs(t, "cancel", id, "--server", server)
	require.Equal(t, exitDone, code, stderr)
	code, _, stderr = runs(t, "run", id, "--wait", "--server", server)
	require.Equal(t, exitRunCanceled, code, stderr)
	require.Contains(t, stderr, "weir: run "+id+" was cancelled after ")
}

func TestSubmitThatIsInterruptedSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then it is seen that the client goes
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	file := planIn(t, succeeding)
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr output
	done := make(chan int)
	go func() {
		done <- run(ctx, environment{args: []string{"submit", file, "--input", "s=a b", "--server", server.URL}, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr})
	}()
	<-asked
	cancel()
	require.Equal(t, exitInterrupted, <-done)
	require.Empty(t, stdout.String())
	require.Regexp(t, `^weir: interrupted before the server answered; whether there is a run is not known\n`+
		`try: weir submit \S+ --input 's=a b' --idempotency-key \S+ --server \S+\n$`, stderr.String())
}
