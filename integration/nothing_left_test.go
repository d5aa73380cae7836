//go:build linux

package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// doing lists what a replica has goroutines for, of some functions. It has to serve its profiles.
func doing(t *testing.T, profiles string, functions ...string) (found []string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+profiles+"/debug/pprof/goroutine?debug=2", http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	stacks, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	for _, function := range functions {
		if strings.Contains(string(stacks), function+"(") {
			found = append(found, function)
		}
	}
	return found
}

// TestO6NothingIsLeft has commands, a request and a handler run beyond their deadline on a replica whose database does
// not answer any more, nor the server of the request. At timeout + grace all of it is gone from the replica, what ships
// its log too, and its slots are free; the outcomes alone are still offered, and after max(deadline + grace, end + lease)
// nothing is left. The database hears then that nobody could be told.
func TestO6NothingIsLeft(t *testing.T) {
	t.Parallel()
	asked, answers := make(chan struct{}, 1), make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-answers
	}))
	defer silent.Close()
	defer close(answers)
	c := cluster.New(t, cluster.Config{Flags: []string{"--lease", "5s", "--heartbeat", "1s", "--queue", "exec=2", "--http-allow", "127.0.0.0/8"}})
	proxy := c.Proxy()
	r := c.ServeAt(proxy.URL, "--debug-listen", "127.0.0.1:0")
	profiles := r.Logged(`msg="profiles are served" listen=(\S+)`)
	keys := []string{"chatty", "stubborn", "request", "handler"}
	run := c.Submit(r, fmt.Sprintf(`
name: left
defaults: {timeout: 5s, grace: 1s}
steps:
  - {key: chatty, kind: exec, with: {command: [sh, -c, 'touch "$CLUSTER_LEDGER/chatty"; while :; do echo still here; sleep 0.02; done']}}
  - {key: stubborn, kind: exec, with: %s}
  - {key: request, kind: http, with: {url: %q}}
  - {key: handler, kind: sleep, with: {duration: 1h}}
  - {key: after, kind: exec, needs: [chatty, stubborn, request, handler], run_if: all_finished, with: %s}
`, c.Work("stubborn", "never"), silent.URL, c.Work("for", "0.01")))
	<-asked
	for _, key := range keys {
		c.StepBecomes(run, key, lifecycle.StepRunning)
	}
	c.Until("the stubborn one has started", func() bool { return c.Noted(cluster.Entry{What: "start", Step: "stubborn"}) })
	const offers = "jobs.(*reporter).deliver"
	attempts := []string{"jobs.(*Supervisor).Work", "jobs.(*execution).handle", "jobs.(*sender).run", "jobs.(*execKind).run", "process.(*Process).read", "net/http.(*Client).do"}
	c.Until("goroutines are found by these names", func() bool { return len(doing(t, profiles, attempts...)) == len(attempts) })
	proxy.Freeze()

	c.Until("nothing of the attempts is left but their outcomes", func() bool { return len(doing(t, profiles, attempts...)) == 0 })
	require.Len(t, r.Left(), 1, "no process of them either")
	require.Equal(t, []string{offers}, doing(t, profiles, offers), "the outcomes are still offered")
	c.Until("nothing at all is left", func() bool { return len(doing(t, profiles, append(slices.Clone(attempts), offers)...)) == 0 })
	r.Logged("nobody took the report in time")
	for _, key := range keys {
		require.Equal(t, lifecycle.StepRunning, c.Step(run, key).State, "the database has heard of nothing")
	}
	proxy.Thaw()

	// The replica says in its next heartbeat what it could not deliver, unless the database sees the deadline before.
	for _, key := range keys {
		c.Until(key+" ends", func() bool { return c.Step(run, key).State.Final() })
		s := c.Step(run, key)
		require.Contains(t, []string{"crashed report_undeliverable", "timed_out deadline"}, fmt.Sprint(s.State, " ", s.Cause), key)
		require.Equal(t, 1, s.Attempt, key)
	}
	require.Equal(t, lifecycle.RunFailed, c.RunEnds(run))
	require.Equal(t, lifecycle.StepSucceeded, c.Step(run, "after").State, "the slots are back")
	c.NeverTwice()
	c.NoViolations()
}
