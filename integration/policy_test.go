//go:build linux

package integration_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// failing is a plan in which a fails until a file is there, b needs a, c and slow are independent, and tidy cleans up.
func failing(c *cluster.Cluster, onFailure string) string {
	return fmt.Sprintf(`
name: fails
on_failure: %s
steps:
  - {key: a, kind: exec, with: {command: [test, -e, %q]}}
  - {key: b, kind: noop, needs: [a]}
  - {key: c, kind: exec, with: %s}
  - {key: slow, kind: exec, with: %s}
  - {key: tidy, kind: noop, needs: [a, slow], run_if: all_finished}
`, onFailure, filepath.Join(c.Dir, "repaired-"+onFailure), c.Work("for", "0.2"), c.Work("until", "go-"+onFailure))
}

// TestM6FailurePolicy has a step fail in a run for each on_failure, on two processes.
func TestM6FailurePolicy(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: append(quick(), "--queue", "exec=16")})
	replicas := []*cluster.Replica{c.Serve(), c.Serve()}
	go1 := func(policy string) uuid.UUID { return c.Submit(replicas[0], failing(c, policy)) }
	goesOn, cancels, pauses := go1("continue"), go1("cancel"), go1("pause")
	is := func(run uuid.UUID, key string, state lifecycle.StepState, cause lifecycle.Cause) {
		t.Helper()
		s := c.Step(run, key)
		require.Equal(t, fmt.Sprint(state, " ", cause), fmt.Sprint(s.State, " ", s.Cause), key)
	}

	// continue: what does not need it goes on.
	c.StepBecomes(goesOn, "b", lifecycle.StepSkipped)
	c.Touch("go-continue")
	require.Equal(t, lifecycle.RunFailed, c.RunEnds(goesOn))
	is(goesOn, "a", lifecycle.StepFailed, lifecycle.CauseReported)
	is(goesOn, "b", lifecycle.StepSkipped, lifecycle.CauseUpstreamFailed)
	for _, key := range []string{"c", "slow", "tidy"} {
		is(goesOn, key, lifecycle.StepSucceeded, lifecycle.CauseReported)
	}

	// cancel: what runs only after success is cancelled, its processes too; what cleans up runs.
	require.Equal(t, lifecycle.RunFailed, c.RunEnds(cancels))
	is(cancels, "a", lifecycle.StepFailed, lifecycle.CauseReported)
	is(cancels, "slow", lifecycle.StepCancelled, lifecycle.CauseFailurePolicy)
	is(cancels, "tidy", lifecycle.StepSucceeded, lifecycle.CauseReported)

	// pause: it waits for somebody to decide, while the rest goes on; tried again, it lets b run.
	c.StepBecomes(pauses, "a", lifecycle.StepWaiting)
	require.Equal(t, "decision", cluster.Value[string](c, "select waiting_for from weir.steps where run_id = $1 and key = 'a'", pauses))
	c.Touch("go-pause")
	for _, key := range []string{"c", "slow"} {
		c.StepBecomes(pauses, key, lifecycle.StepSucceeded)
	}
	require.Equal(t, lifecycle.RunRunning, c.RunState(pauses))
	require.Equal(t, lifecycle.StepPending, c.Step(pauses, "b").State)
	require.Equal(t, lifecycle.StepPending, c.Step(pauses, "tidy").State)
	c.Touch("repaired-pause")
	post(t, replicas[1], "/v1/runs/"+pauses.String()+"/steps/a/decision", `{"decision": "retry", "comment": "repaired it"}`)
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(pauses))
	require.Equal(t, 2, c.Step(pauses, "a").Attempt)
	require.Equal(t, 1, c.Step(pauses, "b").Attempt)
	c.NeverTwice()
	c.NoViolations()
}

// TestM9RestartKeepsPauses pauses a run, kills every process with -9 and starts others. It stays paused, what of it ran
// when they died follows its retry policy and does not start before the run is resumed, and other runs go on.
func TestM9RestartKeepsPauses(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{Flags: append(quick(), "--queue", "exec=8")})
	old := []*cluster.Replica{c.Serve(), c.Serve()}
	plan := fmt.Sprintf(`
name: paused
steps:
  - {key: again, kind: exec, retry: {on: [lost], max_attempts: 2, initial: 10ms}, with: %s}
  - {key: once, kind: exec, with: %[1]s}
  - {key: first, kind: noop}
  - {key: gate, kind: wait, needs: [first]}
  - {key: then, kind: noop, needs: [first, gate]}
  - {key: last, kind: noop, needs: [again, then]}
`, c.Work("until", "go"))
	paused, other := c.Submit(old[0], plan), c.Submit(old[0], plan)
	for _, run := range []uuid.UUID{paused, other} {
		for _, key := range []string{"again", "once"} {
			c.Until(key+" has started", func() bool { return c.Noted(cluster.Entry{What: "start", Run: run, Step: key}) })
		}
		c.StepBecomes(run, "gate", lifecycle.StepWaiting)
	}
	post(t, old[1], "/v1/runs/"+paused.String()+"/pause", `{}`)
	post(t, old[1], "/v1/runs/"+paused.String()+"/steps/gate/signal", `{"payload": 1}`)
	post(t, old[1], "/v1/runs/"+other.String()+"/steps/gate/signal", `{"payload": 1}`)
	for _, r := range old {
		r.Kill()
	}
	for _, r := range old {
		r.NothingLeft()
	}
	require.Equal(t, lifecycle.RunPaused, c.RunState(paused))
	c.Touch("go")
	next := c.Serve()
	c.Serve()

	// The run beside it goes on, and what was lost is what it is, in both of them.
	require.Equal(t, lifecycle.RunFailed, c.RunEnds(other))
	require.Equal(t, lifecycle.StepSucceeded, c.Step(other, "last").State)
	require.Equal(t, lifecycle.CauseLeaseExpired, c.StepBecomes(paused, "once", lifecycle.StepLost).Cause)
	c.StepBecomes(paused, "again", lifecycle.StepRetrying)
	c.Until("it has been due for some time", func() bool {
		return cluster.Value[bool](c, `select run_after < clock_timestamp() - interval '1500 milliseconds' from weir.steps where run_id = $1 and key = 'again'`, paused)
	})
	require.Equal(t, lifecycle.RunPaused, c.RunState(paused))
	require.Equal(t, lifecycle.StepRetrying, c.Step(paused, "again").State)
	require.Zero(t, c.Step(paused, "then").Attempt)
	require.Zero(t, cluster.Value[int](c, `
select count(*)::int from weir.transitions t where run_id = $1 and to_state = 'running' and at >= (select p.at from weir.transitions p where p.run_id = $1 and p.to_state = 'paused')`, paused),
		"nothing of it started while it was paused")

	post(t, next, "/v1/runs/"+paused.String()+"/resume", `{}`)
	require.Equal(t, lifecycle.RunFailed, c.RunEnds(paused))
	require.Equal(t, 2, c.StepBecomes(paused, "again", lifecycle.StepSucceeded).Attempt)
	require.Equal(t, lifecycle.StepSucceeded, c.Step(paused, "last").State)
	c.NeverTwice()
	c.NoViolations()
}
