//go:build linux

package check

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/integration/prove/ledger"
	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// flowPlan has a step for each way in which needs decide, and a retry, a panic, a command, a fan-out and a child run.
const flowPlan = `
name: flow
max_parallel: 3
defaults: {timeout: 20s, grace: 1s}
steps:
  - {key: a, kind: work, with: {attempts: [{do: ok, for: 100}]}}
  - {key: again, kind: work, with: {attempts: [{do: fail}, {do: ok, for: 50}]}, retry: {max_attempts: 2, initial: 10ms}}
  - {key: both, kind: work, needs: [a, again], with: {attempts: [{do: ok}]}}
  - {key: bad, kind: work, needs: [a], with: {attempts: [{do: permanent}]}}
  - {key: upstream, kind: work, needs: [bad], with: {attempts: [{do: ok}]}}
  - {key: tidy, kind: work, needs: [bad], run_if: all_finished, with: {attempts: [{do: ok}]}}
  - {key: alarm, kind: work, needs: [bad], run_if: any_failed, with: {attempts: [{do: ok}]}}
  - {key: quiet, kind: work, needs: [a], run_if: any_failed, with: {attempts: [{do: ok}]}}
  - {key: afterquiet, kind: work, needs: [quiet], with: {attempts: [{do: ok}]}}
  - {key: panics, kind: work, allow_failure: true, with: {attempts: [{do: panic}]}}
  - {key: forgiven, kind: work, needs: [panics], with: {attempts: [{do: ok}]}}
  - {key: command, kind: exec, with: {command: [%[1]q, "ok:20"]}}
  - {key: each, kind: work, for_each: "${{ input.list }}", max_parallel: 2, needs: [a], with: {attempts: [{do: ok, for: 100}]}}
  - {key: aftereach, kind: work, needs: [each], with: {attempts: [{do: ok}]}}
  - key: child
    kind: plan
    with: {plan: {name: inner, steps: [{key: in, kind: work, with: {attempts: [{do: ok}]}}]}}
  - {key: afterchild, kind: work, needs: [child], with: {attempts: [{do: ok}]}}
input: {list: [1, 2, 3, 4]}
`

const limitedPlan = `
name: limited
concurrency: {key: limit/2/queue/runs, limit: 2}
steps:
  - {key: a, kind: work, concurrency: {key: limit/1/queue/steps, limit: 1}, with: {attempts: [{do: ok, for: 50}]}}
  - {key: b, kind: work, needs: [a], concurrency: {key: limit/1/queue/steps, limit: 1}, with: {attempts: [{do: ok, for: 50}]}}
`

const lostPlan = `
name: lost
steps:
  - {key: lost, kind: work, with: {attempts: [{do: ok, for: 1500}, {do: ok}]}, retry: {max_attempts: 2, on: [lost], initial: 10ms}}
  - {key: gone, kind: work, with: {attempts: [{do: ok, for: 1500}]}}
  - {key: after, kind: work, needs: [lost], with: {attempts: [{do: ok}]}}
`

// life is what a small cluster went through, and what is known of it.
type life struct {
	*cluster.Cluster
	Evidence

	t       *testing.T
	runs    map[string]uuid.UUID
	serving *cluster.Replica
}

// live lets a small cluster live until everything has ended.
func live(t *testing.T) *life {
	t.Helper()
	c := cluster.New(t, cluster.Config{
		Binary: cluster.BinaryOf(t, cluster.Build{Package: "github.com/weirqueue/weir/integration/prove/worker"}),
		Flags:  []string{"--lease", "3s", "--heartbeat", "500ms"},
	})
	l := &life{Cluster: c, t: t, runs: map[string]uuid.UUID{}}
	w := NewWatcher(c.URL, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() { watched <- w.Run(ctx) }()
	t.Cleanup(cancel)

	// A replica is frozen beyond its lease.
	frozen := c.Serve()
	l.serving = frozen
	l.submit("lost", lostPlan)
	for _, key := range []string{"lost", "gone"} {
		c.Until(key+" has started", func() bool { return l.noted(ledger.Start, key) })
	}
	frozen.Freeze()
	l.serving = c.Serve()
	c.StepBecomes(l.runs["lost"], "lost", lifecycle.StepSucceeded)
	c.StepBecomes(l.runs["lost"], "gone", lifecycle.StepLost)
	frozen.Thaw()
	c.Until("its reports are late", func() bool {
		return cluster.Value[int](c, `select count(*)::int from weir.late_reports where run_id = $1`, l.runs["lost"]) == 2
	})
	book, err := ledger.Open(c.Dir)
	require.NoError(t, err)
	for _, key := range []string{"lost", "gone"} {
		require.NoError(t, book.Note(ledger.Entry{What: ledger.Late, Run: l.runs["lost"], Step: key, Attempt: 1, Replica: frozen.Name}))
	}
	require.NoError(t, book.Close())

	l.submit("flow", fmt.Sprintf(flowPlan, cluster.BinaryOf(t, cluster.Build{Package: "github.com/weirqueue/weir/integration/prove/command"})))
	for i := range 4 {
		l.submit(fmt.Sprint("limited", i), limitedPlan)
	}
	l.submit("limited0", limitedPlan) // again
	l.submit("decided", `{name: decided, on_failure: pause, steps: [{key: a, kind: work, with: {attempts: [{do: fail}]}}, {key: b, kind: noop, needs: [a]}]}`)
	c.StepBecomes(l.runs["decided"], "a", lifecycle.StepWaiting)
	l.post("/v1/runs/"+l.runs["decided"].String()+"/steps/a/decision", `{"decision": "accept"}`)
	l.submit("cancelled", `{name: cancelled, steps: [{key: a, kind: work, with: {attempts: [{do: hang}]}}, {key: b, kind: noop, needs: [a]}]}`)
	c.StepBecomes(l.runs["cancelled"], "a", lifecycle.StepRunning)
	l.post("/v1/runs/"+l.runs["cancelled"].String()+"/cancel", `{"reason": "enough"}`)

	require.Equal(t, lifecycle.RunFailed, c.RunEnds(l.runs["flow"]))
	var again struct{ ID uuid.UUID }
	require.NoError(t, json.Unmarshal(l.post("/v1/runs/"+l.runs["flow"].String()+"/rerun", `{}`), &again))
	l.runs["rerun"] = again.ID
	for name, run := range l.runs {
		require.True(t, c.RunEnds(run).Final(), name)
	}
	cancel()
	require.NoError(t, <-watched)
	l.Evidence.Ledger, err = ledger.Read(c.Dir)
	require.NoError(t, err)
	l.Snapshots, l.Samples, l.Moves, l.Forgotten = w.Snapshots(), w.Samples(), w.Moves(), w.Forgotten()
	l.runs["inner"] = cluster.Value[uuid.UUID](c, `select id from weir.runs where parent_run = $1`, l.runs["flow"])
	return l
}

// submit submits a plan under an Idempotency-Key, and keeps the answer.
func (l *life) submit(name, text string) {
	l.t.Helper()
	document, err := plan.JSON([]byte(text))
	require.NoError(l.t, err)
	answer, err := l.serving.Client.RunSubmit(l.t.Context(), document, "key-"+name)
	require.NoError(l.t, err)
	l.runs[name] = answer.Value.ID
	l.Acks = append(l.Acks, Ack{Run: answer.Value.ID, Key: "key-" + name, Name: answer.Value.Name, At: ledger.Now()})
}

func (l *life) post(path, body string) json.RawMessage {
	l.t.Helper()
	request, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, l.serving.Server+path, strings.NewReader(body))
	require.NoError(l.t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(l.t, err)
	defer func() { _ = response.Body.Close() }()
	var answer json.RawMessage
	require.NoError(l.t, json.NewDecoder(response.Body).Decode(&answer))
	require.Less(l.t, response.StatusCode, 300, "%s", answer)
	return answer
}

// noted says whether the ledger has such an entry.
func (l *life) noted(what, step string) bool {
	l.t.Helper()
	entries, err := ledger.Read(l.Dir)
	require.NoError(l.t, err)
	for _, e := range entries {
		if e.What == what && e.Step == step {
			return true
		}
	}
	return false
}
