//go:build linux

package integration_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// TestW3BackendsTerminated ends every connection to the database, again and again, while four clients submit runs
// through three replicas that work on them. No run that a client was told of is lost, none is there twice, each of them
// succeeds, and no step is tried a second time for it.
func TestW3BackendsTerminated(t *testing.T) {
	t.Parallel()
	const clients, each = 4, 40
	chance := seeded(t)
	c := cluster.New(t, cluster.Config{})
	replicas := []*cluster.Replica{c.Serve(), c.Serve(), c.Serve()}
	plan := json.RawMessage(`{"name": "cut", "steps": [
		{"key": "a", "kind": "noop"}, {"key": "b", "kind": "sleep", "with": {"duration": "5ms"}},
		{"key": "c", "kind": "noop", "needs": ["a", "b"]}, {"key": "d", "kind": "noop", "needs": ["c"]}]}`)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var mu sync.Mutex
	var runs []uuid.UUID
	var failures []error
	var submitting sync.WaitGroup
	for i := range clients {
		submitting.Go(func() {
			api, err := client.New(client.Config{Server: replicas[i%len(replicas)].Server, Attempts: 100, Backoff: 20 * time.Millisecond})
			for range each {
				var answer client.Answer[client.Run]
				if err == nil {
					answer, err = api.RunSubmit(ctx, plan, "")
				}
				mu.Lock()
				if err != nil {
					failures = append(failures, err)
				} else {
					runs = append(runs, answer.Value.ID)
				}
				mu.Unlock()
			}
		})
	}
	submitted := make(chan struct{})
	go func() { submitting.Wait(); close(submitted) }()
	cuts := 0
	for over := false; !over; {
		c.Exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name <> 'integration test'`)
		cuts++
		select {
		case <-submitted:
			over = true
		case <-time.After(time.Duration(200+chance.IntN(600)) * time.Millisecond):
		}
	}
	t.Logf("all connections were cut %d times", cuts)
	require.Empty(t, failures, "our client goes on until it knows")
	require.Len(t, runs, clients*each)
	for _, run := range runs {
		require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
	}
	require.Equal(t, clients*each, cluster.Value[int](c, `select count(*)::int from weir.runs`), "none is there twice")
	require.Zero(t, cluster.Value[int](c, `select count(*)::int from weir.steps where failures > 0`))
	c.NoViolations()
}
