//go:build linux

package examples_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// trial is a cluster in which the plans of examples/plans are tried, each for itself.
type trial struct {
	*cluster.Cluster
	*cluster.Replica

	t *testing.T
}

// trials say what the plans do. They share one `weir dev`.
func trials() map[string]func(*trial) {
	return map[string]func(*trial){
		"run-if": func(x *trial) {
			x.ends(x.submit("run-if", ""), lifecycle.RunSucceeded, "build succeeded reported", "lint failed reported", "deploy succeeded reported",
				"warn succeeded reported", "alarm skipped run_if", "tidy-up succeeded reported")
		},
		"retry": func(x *trial) {
			run := x.submit("retry", "")
			x.ends(run, lifecycle.RunSucceeded, "flaky succeeded reported", "silent timed_out stalled")
			require.Equal(x.t, 2, x.Step(run, "flaky").Attempt)
		},
		"on-failure-cancel": func(x *trial) {
			x.ends(x.submit("on-failure-cancel", ""), lifecycle.RunFailed, "test failed reported", "package cancelled failure_policy",
				"publish cancelled failure_policy", "tidy-up succeeded reported")
		},
		"decision": func(x *trial) {
			run := x.submit("decision", "")
			x.StepBecomes(run, "migrate", lifecycle.StepWaiting)
			x.StepBecomes(run, "unrelated", lifecycle.StepSucceeded)
			require.Equal(x.t, lifecycle.RunRunning, x.RunState(run))
			x.post("/v1/runs/"+run.String()+"/steps/migrate/decision", `{"decision": "retry", "comment": "made room"}`)
			x.ends(run, lifecycle.RunSucceeded, "migrate succeeded reported", "verify succeeded reported")
		},
		"signal": func(x *trial) {
			run := x.submit("signal", "")
			x.StepBecomes(run, "upload", lifecycle.StepWaiting)
			x.post("/v1/runs/"+run.String()+"/steps/upload/signal", `{"payload": {"file": "orders.csv"}}`)
			x.ends(run, lifecycle.RunSucceeded, "upload succeeded signal", "import succeeded reported")
			require.JSONEq(x.t, `{"file": "orders.csv"}`, x.output(run, "upload"))
		},
		"approval": func(x *trial) {
			yes, no := x.submit("approval", ""), x.submit("approval", "")
			for run, decision := range map[uuid.UUID]string{yes: "accept", no: "fail"} {
				x.StepBecomes(run, "approve", lifecycle.StepWaiting)
				x.post("/v1/runs/"+run.String()+"/steps/approve/decision", `{"decision": "`+decision+`"}`)
			}
			x.ends(yes, lifecycle.RunSucceeded, "approve succeeded approval", "apply succeeded reported", "discard skipped run_if")
			x.ends(no, lifecycle.RunFailed, "approve failed approval", "apply skipped upstream_failed", "discard succeeded reported")
		},
		"wait-for-time": func(x *trial) {
			run := x.submit("wait-for-time", "")
			x.ends(run, lifecycle.RunSucceeded, "cool-down succeeded time", "remind succeeded reported")
			require.GreaterOrEqual(x.t, x.seconds(run, `select max(at) filter (where to_state = 'succeeded') - max(at) filter (where to_state = 'waiting') from weir.transitions where run_id = $1 and step = 2`), 0.5)
		},
		"delay": func(x *trial) {
			run := x.submit("delay", "")
			x.ends(run, lifecycle.RunSucceeded, "later succeeded reported")
			require.GreaterOrEqual(x.t, x.seconds(run, `select min(s.started_at) - min(r.created_at) from weir.steps s join weir.runs r on r.id = s.run_id where r.id = $1`), 1.0)
		},
		"timeout": func(x *trial) {
			run := x.submit("timeout", "")
			x.ends(run, lifecycle.RunFailed, "quick succeeded reported", "slow timed_out run_timeout", "after cancelled run_timeout")
			require.Equal(x.t, "run_timeout", cluster.Value[string](x.Cluster, "select cause::text from weir.runs where id = $1", run))
		},
		"max-parallel": func(x *trial) {
			run := x.submit("max-parallel", "")
			x.ends(run, lifecycle.RunSucceeded)
			require.Equal(x.t, 2, x.atOnce(run))
		},
		"concurrency": func(x *trial) {
			one, two := x.submit("concurrency", ""), x.submit("concurrency", "")
			x.ends(one, lifecycle.RunSucceeded)
			x.ends(two, lifecycle.RunSucceeded)
			require.Equal(x.t, 1, x.atOnce(one, two), "the second migration waits for the first")
		},
		"newest": func(x *trial) {
			older, other := x.submit("newest", ""), x.submit("newest", `{"branch": "other"}`)
			x.StepBecomes(older, "preview", lifecycle.StepRunning)
			x.StepBecomes(other, "preview", lifecycle.StepRunning)
			newer := x.submit("newest", "")
			require.Equal(x.t, lifecycle.RunCancelled, x.RunEnds(older))
			x.StepBecomes(newer, "preview", lifecycle.StepRunning)
			require.Equal(x.t, lifecycle.RunRunning, x.RunState(other), "another key")
			for _, run := range []uuid.UUID{newer, other} {
				x.post("/v1/runs/"+run.String()+"/cancel", `{}`)
				require.Equal(x.t, lifecycle.RunCancelled, x.RunEnds(run))
			}
		},
		"rate": func(x *trial) {
			run := x.submit("rate", "")
			x.ends(run, lifecycle.RunSucceeded)
			require.JSONEq(x.t, `["sent to ann", "sent to bob", "sent to cyd", "sent to dan", "sent to eve", "sent to fay", "sent to gus", "sent to hal"]`, x.output(run, "send"))
			require.Greater(x.t, x.seconds(run, `select max(started_at) - min(started_at) from weir.steps where run_id = $1`), 0.25, "five at once, and three that wait for a tenth of a second each")
		},
		"for-each": func(x *trial) {
			run := x.submit("for-each", "")
			x.ends(run, lifecycle.RunSucceeded, "load succeeded steps_final", "load[0] succeeded reported", "load[2] succeeded reported")
			require.JSONEq(x.t, `{"loaded": [{"rows": 10}, {"rows": 11}, {"rows": 12}], "first": 10}`, x.output(run, "report"))
			require.LessOrEqual(x.t, x.atOnce(run), 2)
		},
		"sub-plan": func(x *trial) {
			run := x.submit("sub-plan", "")
			x.ends(run, lifecycle.RunSucceeded, "measure succeeded steps_final", "say succeeded reported")
			require.JSONEq(x.t, `{"said": "Oslo: 7 degrees"}`, cluster.Value[string](x.Cluster, "select output::text from weir.run_outputs where run_id = $1", run))
			require.Equal(x.t, "examples/measure succeeded", cluster.Value[string](x.Cluster, "select name || ' ' || state from weir.runs where parent_run = $1", run))
		},
		"rerun": func(x *trial) {
			run := x.submit("rerun", "")
			x.ends(run, lifecycle.RunSucceeded)
			var again struct{ ID uuid.UUID }
			require.NoError(x.t, json.Unmarshal(x.post("/v1/runs/"+run.String()+"/rerun", `{"from": ["publish"]}`), &again))
			x.ends(again.ID, lifecycle.RunSucceeded, "costly succeeded rerun", "publish succeeded reported", "announce succeeded reported")
			require.Equal(x.t, []string{"costly"}, cluster.Value[[]string](x.Cluster, "select array_agg(key) from weir.steps where run_id = $1 and reused_from = $2", again.ID, run))
		},
		"keyed": func(x *trial) {
			by := func(onConflict string) (run uuid.UUID) {
				var answer struct{ ID uuid.UUID }
				require.NoError(x.t, json.Unmarshal(x.send(http.MethodPut, "/v1/runs/by-key/ticket%2F7?on_conflict="+onConflict, string(x.document("keyed", ""))), &answer))
				return answer.ID
			}
			first := by("keep")
			require.Equal(x.t, first, by("keep"), "it is live")
			second := by("replace")
			require.NotEqual(x.t, first, second)
			require.Equal(x.t, lifecycle.RunCancelled, x.RunEnds(first))
			x.StepBecomes(second, "work", lifecycle.StepWaiting)
			x.post("/v1/runs/"+second.String()+"/steps/work/signal", `{}`)
			x.ends(second, lifecycle.RunSucceeded, "work succeeded signal")
		},
		"nightly": func(x *trial) {
			x.send(http.MethodPut, "/v1/plans/examples%2Fnightly", string(x.document("nightly", "")))
			var run struct{ ID uuid.UUID }
			require.NoError(x.t, json.Unmarshal(x.post("/v1/runs", `{"plan": "examples/nightly", "input": {"keep": "7d"}}`), &run))
			x.ends(run.ID, lifecycle.RunSucceeded, "back-up succeeded reported", "prune succeeded reported")
			require.JSONEq(x.t, `{"kept": "7d"}`, cluster.Value[string](x.Cluster, "select output::text from weir.run_outputs where run_id = $1", run.ID))
			x.send(http.MethodPut, "/v1/schedules/examples%2Fnightly", `{"plan": "examples/nightly", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}`)
		},
	}
}

func TestPlans(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	c := cluster.New(t, cluster.Config{})
	r := c.Dev(c.Command("dev", "--database-url", c.URL, "--listen", "127.0.0.1:0", "--exec-dir", root))
	files, err := filepath.Glob("plans/*.yaml")
	require.NoError(t, err)
	all := trials()
	require.Len(t, files, len(all), "every plan is tried")
	t.Run("all", func(t *testing.T) {
		for name, try := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				try(&trial{Cluster: c, Replica: r, t: t})
			})
		}
	})
	c.NoViolations()
}

// document is a plan of examples/plans as JSON, with another input.
func (x *trial) document(name, input string) json.RawMessage {
	x.t.Helper()
	return document(x.t, filepath.Join("plans", name+".yaml"), input)
}

func (x *trial) submit(name, input string) uuid.UUID {
	x.t.Helper()
	answer, err := x.Client.RunSubmit(x.t.Context(), x.document(name, input), "")
	require.NoError(x.t, err)
	return answer.Value.ID
}

// ends waits for the end of a run and compares it, and how some of its steps ended.
func (x *trial) ends(run uuid.UUID, state lifecycle.RunState, steps ...string) {
	x.t.Helper()
	require.Equal(x.t, state, x.RunEnds(run), "%v", x.Steps(run))
	byKey := x.Steps(run)
	for _, want := range steps {
		key, _, _ := strings.Cut(want, " ")
		require.Equal(x.t, want, key+" "+string(byKey[key].State)+" "+string(byKey[key].Cause))
	}
}

func (x *trial) output(run uuid.UUID, key string) string {
	x.t.Helper()
	return cluster.Value[string](x.Cluster, "select output::text from weir.outputs join weir.steps using (run_id, step, attempt) where run_id = $1 and key = $2", run, key)
}

// seconds is a time that has to do with a run.
func (x *trial) seconds(run uuid.UUID, sql string) float64 {
	x.t.Helper()
	return cluster.Value[float64](x.Cluster, "select extract(epoch from ("+sql+"))::float8", run)
}

// atOnce is how many steps of these runs ran at once at most.
func (x *trial) atOnce(runs ...uuid.UUID) int {
	x.t.Helper()
	return cluster.Value[int](x.Cluster, `
select max(n)::int from (
  select sum(by) over (order by at, by) as n
  from (select t.at, case when t.to_state = 'running' then 1 else -1 end as by
    from weir.transitions t join weir.steps s on s.run_id = t.run_id and s.step = t.step and s.kind = 'sleep' or s.run_id = t.run_id and s.step = t.step and s.parent is not null
    where t.run_id = any($1) and 'running' in (t.from_state, t.to_state)) turn
) counted`, runs)
}

func (x *trial) post(path, body string) json.RawMessage {
	x.t.Helper()
	return x.send(http.MethodPost, path, body)
}

func (x *trial) send(method, path, body string) json.RawMessage {
	x.t.Helper()
	request, err := http.NewRequestWithContext(context.WithoutCancel(x.t.Context()), method, x.Server+path, strings.NewReader(body))
	require.NoError(x.t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(x.t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(x.t, err)
	require.Less(x.t, response.StatusCode, 300, "%s %s: %s", method, path, answer)
	return answer
}
