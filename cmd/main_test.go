package cmd

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirqueue/weir/jobs"
)

// TestMain also guards the commands of kind exec that tests run.
func TestMain(m *testing.M) {
	if handled, code := jobs.ExecMain(os.Args[1:]); handled {
		os.Exit(code)
	}
	// Without a database River goes on trying to give up its leadership for a while; nobody waits for that.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/riverqueue/river/internal/leadership.(*Elector).attemptResignLoop"),
		goleak.IgnoreAnyFunction("github.com/riverqueue/river/rivershared/startstop.StopAllParallel"),
		goleak.IgnoreAnyFunction("github.com/riverqueue/river/rivershared/startstop.(*BaseStartStop).Stop"))
}

// patience is how long a test waits for what has to come.
const patience = 60 * time.Second

// output collects what a command writes, and can be read at any time.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// command is a command line that runs inside the test.
type command struct {
	stdout, stderr *output
	interrupt      func()        // as the first signal
	hurry          func()        // as the second one
	done           chan struct{} // closed when it has ended
	code           int           // once it has
}

// start runs a command line until it ends by itself, or until the end of the test. Environment variables come as
// NAME=value before the arguments.
func start(t *testing.T, args ...string) *command {
	t.Helper()
	vars := map[string]string{}
	for len(args) > 0 && strings.HasPrefix(args[0], "WEIR_") {
		name, value, _ := strings.Cut(args[0], "=")
		vars[name] = value
		args = args[1:]
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	hurry := make(chan struct{})
	c := &command{stdout: &output{}, stderr: &output{}, interrupt: cancel, hurry: sync.OnceFunc(func() { close(hurry) }), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.code = run(ctx, environment{
			args: args, getenv: func(name string) string { return vars[name] }, environ: os.Environ(),
			stdin: strings.NewReader(""), stdout: c.stdout, stderr: c.stderr, hurry: hurry,
		})
	}()
	t.Cleanup(func() {
		cancel()
		c.hurry()
		c.wait(t)
		if t.Failed() {
			t.Logf("%s\nstdout: %s\nstderr: %s", strings.Join(args, " "), c.stdout, c.stderr)
		}
	})
	return c
}

// wait waits for the end of the command and answers its exit code.
func (c *command) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-c.done:
		return c.code
	case <-time.After(patience):
		require.Fail(t, "the command does not end", "stderr: %s", c.stderr)
		return -1
	}
}

// ready waits until a server has printed its URL.
func (c *command) ready(t *testing.T) string {
	t.Helper()
	var url string
	require.Eventually(t, func() bool {
		select {
		case <-c.done:
			return true
		default:
		}
		line, _, ok := strings.Cut(c.stdout.String(), "\n")
		url = line
		return ok
	}, patience, 5*time.Millisecond, "stderr: %s", c.stderr)
	require.True(t, strings.HasPrefix(url, "http://"), "stdout: %s\nstderr: %s", c.stdout, c.stderr)
	return url
}

// runs runs a command line to its end.
func runs(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	c := start(t, args...)
	code = c.wait(t)
	return code, c.stdout.String(), c.stderr.String()
}

// get makes a request.
func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	res, err := (&http.Client{Transport: transport}).Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(raw)
}
