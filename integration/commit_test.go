//go:build linux

package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// TestW3CommitsAreCut cuts connections in mid-commit while runs are submitted, steps start, steps end and workers say
// that they live: before the commit reaches the database, and after. Whoever wanted it finds out or does it again: each run
// is there once, each attempt runs once and has one end, and nobody is lost.
func TestW3CommitsAreCut(t *testing.T) {
	t.Parallel()
	for name, reached := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cluster.New(t, cluster.Config{Flags: []string{"--queue", "exec=4", "--lease", "6s", "--heartbeat", "1s"}})
			door, way := c.Proxy(), c.Proxy()
			asked, worker := c.ServeAt(door.URL, "--no-work"), c.ServeAt(way.URL, "--no-api", "--log-level", "debug")
			plan := func(name string, do ...string) string {
				return fmt.Sprintf(`{name: %s, steps: [{key: a, kind: exec, with: %s}, {key: b, kind: noop, needs: [a]}]}`, name, c.Work(do...))
			}
			// cutting does something while commits are cut, at least so many.
			cutting := func(p *cluster.Proxy, n int, do func()) {
				t.Helper()
				before := p.CommitsCut()
				p.CutCommits(reached)
				do()
				c.Until("commits are cut", func() bool { return p.CommitsCut() >= before+n })
				p.Heal()
			}
			succeeds := func(run uuid.UUID) {
				t.Helper()
				require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
				require.Equal(t, 1, cluster.Value[int](c, `select count(*)::int from weir.transitions where run_id = $1 and step = 1 and to_state = 'succeeded'`, run))
				require.Zero(t, cluster.Value[int](c, `select sum(failures)::int from weir.steps where run_id = $1`, run))
			}

			submitted := make(chan uuid.UUID, 1)
			cutting(door, 3, func() {
				go func() {
					submitted <- patientSubmit(t, asked, `{"name": "submit", "steps": [{"key": "a", "kind": "noop"}]}`)
				}()
			})
			succeeds(<-submitted)

			var run uuid.UUID
			cutting(way, 3, func() { run = c.Submit(asked, plan("start", "for", "0.01")) })
			succeeds(run)

			run = c.Submit(asked, plan("finish", "until", "go"))
			c.Until("it has started", func() bool { return c.Noted(cluster.Entry{What: "start", Run: run}) })
			cutting(way, 3, func() { c.Touch("go") })
			succeeds(run)
			require.Equal(t, 1, c.Step(run, "a").Attempt)

			run = c.Submit(asked, plan("heartbeat", "until", "later"))
			c.Until("it has started", func() bool { return c.Noted(cluster.Entry{What: "start", Run: run}) })
			cutting(way, 1, func() { worker.Logged("the heartbeat was not answered") })
			c.Until("it is heard of again", func() bool {
				return cluster.Value[bool](c, `select bool_and(lease_until > clock_timestamp() + interval '3 seconds') from weir.workers where pid = $1`, worker.PID())
			})
			c.Touch("later")
			succeeds(run)
			require.Equal(t, 1, c.Step(run, "a").Attempt)

			require.Equal(t, 4, cluster.Value[int](c, `select count(*)::int from weir.runs`))
			require.Zero(t, cluster.Value[int](c, `select count(*)::int from weir.late_reports`))
			c.NeverTwice()
			c.NoViolations()
		})
	}
}

// patientSubmit submits a plan as our client does it, for as long as it takes.
func patientSubmit(t *testing.T, r *cluster.Replica, plan string) uuid.UUID {
	t.Helper()
	api, err := client.New(client.Config{Server: r.Server, Attempts: 1000, Backoff: 20 * time.Millisecond})
	if err != nil {
		return uuid.Nil
	}
	answer, err := api.RunSubmit(t.Context(), json.RawMessage(plan), "")
	if err != nil {
		return uuid.Nil
	}
	return answer.Value.ID
}

// submitting submits runs of a plan from several clients until ctx ends, and gives those that were acknowledged. What is
// on its way when ctx ends is asked for until it is known.
func submitting(ctx context.Context, t *testing.T, plan string, replicas ...*cluster.Replica) (runs func() []uuid.UUID) {
	t.Helper()
	var mu sync.Mutex
	var found []uuid.UUID
	var all sync.WaitGroup
	for _, r := range replicas {
		all.Go(func() {
			for ctx.Err() == nil {
				run := patientSubmit(t, r, plan)
				mu.Lock()
				found = append(found, run)
				mu.Unlock()
			}
		})
	}
	return func() []uuid.UUID {
		all.Wait()
		return found
	}
}
