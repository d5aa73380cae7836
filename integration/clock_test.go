//go:build linux

package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// aboutNow is how far from now a time may be that is right, where wrong ones are an hour off.
const aboutNow = 10 * time.Minute

// offClocks starts replicas whose wall clocks are right, an hour ahead and an hour behind, each with a way to the
// database of its own.
func offClocks(c *cluster.Cluster, flags ...string) (replicas []*cluster.Replica, ways []*cluster.Proxy) {
	for _, offset := range []string{"0s", "1h", "-1h"} {
		way := c.Proxy()
		ways = append(ways, way)
		replicas = append(replicas, c.Await(c.ServeWith(cluster.Start{URL: way.URL, Env: []string{cluster.EnvClock + "=" + offset}, Flags: flags})))
	}
	return replicas, ways
}

// TestW6ReplicasWithWrongClocks runs three replicas of which one's clock is an hour ahead and one's an hour behind. What is
// due is due when it is by the database's clock, leases and deadlines are as long as they should be, a report is offered
// as long as it should be, histories are in order, and who asks how things are sees the right times.
func TestW6ReplicasWithWrongClocks(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Binary: cluster.BinaryOf(t, cluster.Build{Clock: true})})
	replicas, ways := offClocks(c, "--queue", "exec=2", "--lease", "10s", "--heartbeat", "2s")
	put(t, replicas[0], "/v1/plans/tick", `{"name": "tick", "steps": [{"key": "a", "kind": "noop"}]}`)
	put(t, replicas[1], "/v1/schedules/tick", `{"plan": "tick", "cron": "@every 1s", "overlap": "allow"}`)
	plan := fmt.Sprintf(`
name: clocks
delay: 1s
steps:
  - {key: again, kind: exec, with: %s, retry: {max_attempts: 2, backoff: constant, initial: 2s, jitter: 0}}
  - {key: over, kind: exec, timeout: 2s, grace: 1s, with: %s}
  - {key: rest, kind: wait, with: {for: time, duration: 2s}}
  - {key: last, kind: noop, needs: [again, over, rest], run_if: all_finished}
`, c.Work("fail", "1"), c.Work("stubborn", "never"))
	hold := fmt.Sprintf(`{name: hold, steps: [{key: a, kind: exec, with: %s}]}`, c.Work("until", "go"))
	var runs, held []uuid.UUID
	for _, r := range replicas {
		runs = append(runs, c.Submit(r, plan))
	}
	for _, run := range runs {
		require.Equal(t, lifecycle.RunFailed, c.RunEnds(run))
	}
	for _, run := range runs {
		require.Equal(t, "failed attempts_spent, timed_out deadline, succeeded time, succeeded reported", cluster.Value[string](c, `
select string_agg(state || ' ' || cause, ', ' order by step) from weir.steps where run_id = $1`, run))
		for what, between := range map[string]string{ // each from the first to the second moment, in seconds
			"submitted, until its start":    `select start_at - created_at from weir.runs where id = $1`,
			"created, until its first step": `select min(started_at) - min(created_at) from weir.steps where run_id = $1`,
			"backing off":                   `select max(at) filter (where attempt = 2 and to_state = 'running') - max(at) filter (where to_state = 'retrying') from weir.transitions where run_id = $1 and step = 1`,
			"over its deadline":             `select finished_at - started_at from weir.steps where run_id = $1 and step = 2`,
			"waiting":                       `select max(at) filter (where to_state = 'succeeded') - max(at) filter (where to_state = 'waiting') from weir.transitions where run_id = $1 and step = 3`,
		} {
			took := cluster.Value[float64](c, `select extract(epoch from (`+between+`))::float8`, run)
			require.InDelta(t, 30, took, 29.1, "%s: %v seconds", what, took)
		}
		require.True(t, cluster.Value[bool](c, `
select bool_and(at >= before) from (select at, lag(at) over (order by xid, id) as before from weir.transitions where run_id = $1 and step = 1) t where before is not null`, run), "in order")
	}

	// All of them hold something while nothing can be reported for longer than a report is on its way.
	for range 6 {
		held = append(held, c.Submit(replicas[0], hold))
	}
	for _, run := range held {
		c.Until("it runs", func() bool { return c.Noted(cluster.Entry{What: "start", Run: run}) })
	}
	for _, r := range replicas {
		require.True(t, c.Noted(cluster.Entry{What: "start", Step: "a", Replica: r.Name}), "%s holds some", r)
	}
	for _, way := range ways {
		way.Freeze()
	}
	c.Touch("go")
	c.Pass(6 * time.Second)
	for _, way := range ways {
		way.Thaw()
	}
	for _, run := range held {
		require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(run))
		require.Equal(t, 1, c.Step(run, "a").Attempt)
	}

	for _, r := range replicas {
		looksRight(t, c, r)
	}
	require.True(t, cluster.Value[bool](c, `
select count(*) > 5 and max(last_slot) > clock_timestamp() - interval '15 seconds' and max(next_slot) < clock_timestamp() + interval '2 seconds' from weir.runs, weir.schedules
where labels ->> 'weir/schedule' = 'tick'`), "the schedule goes on, slot by slot")
	post(t, replicas[2], "/v1/schedules/tick/pause", `{}`)
	require.Zero(t, cluster.Value[int](c, `select count(*)::int from weir.workers where gone_at is not null`), "all live")
	c.NeverTwice()
	c.NoViolations()
}

// looksRight asks a replica how things are, and looks at every time that it tells.
func looksRight(t *testing.T, c *cluster.Cluster, r *cluster.Replica) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.Server+"/v1/state", http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var state any
	require.NoError(t, json.NewDecoder(response.Body).Decode(&state))
	now := cluster.Value[time.Time](c, `select clock_timestamp()`)
	seen := 0
	var look func(path string, value any)
	look = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for key, each := range value {
				look(path+"."+key, each)
			}
		case []any:
			for _, each := range value {
				look(path+"[]", each)
			}
		case string:
			if at, err := time.Parse(time.RFC3339, value); err == nil && path != ".version.build.time" {
				seen++
				require.WithinDuration(t, now, at, aboutNow, "%s of what %s says", path, r)
			}
		}
	}
	look("", state)
	require.Greater(t, seen, 8)
}
