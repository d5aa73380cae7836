package lifecycle

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestWaitForASignal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\nsteps:\n  - {key: a, kind: noop}\n  - {key: w, kind: wait, needs: [a]}\n  - {key: b, kind: noop, needs: [w]}")
	require.Equal(t, []string{"a"}, b.drive(nil))
	b.is(run, "a succeeded, w waiting, b pending; running")
	require.NoError(t, b.StepSignal(t.Context(), run, "w", SignalRequest{Actor: "local", Payload: json.RawMessage(`{"x": 1}`)}))
	require.Equal(t, []string{"b"}, b.drive(nil))
	b.is(run, "a succeeded, w succeeded, b succeeded; succeeded")
	require.JSONEq(t, `{"x": 1}`, b.outputOf(run, "w"))
}

func TestWaitWhoseSignalCameEarly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\nsteps:\n  - {key: a, kind: noop}\n  - {key: w, kind: wait, needs: [a]}\n  - {key: b, kind: noop, needs: [w]}")
	require.NoError(t, b.StepSignal(t.Context(), run, "w", SignalRequest{Actor: "local", Payload: json.RawMessage(`"early"`)}))
	b.pass()
	b.is(run, "a available, w pending, b pending; running")
	require.Equal(t, []string{"a", "b"}, b.drive(nil))
	b.is(run, "a succeeded, w succeeded, b succeeded; succeeded")
	require.Equal(t, `"early"`, b.outputOf(run, "w"))
}

func TestWaitForATime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\ninput: {when: 1h}\nsteps:\n  - {key: w, kind: wait, with: {for: time, duration: '${{ input.when }}'}}\n  - {key: u, kind: wait, with: {for: time, until: 2020-01-01T00:00:00Z}}")
	b.due()
	b.is(run, "w waiting, u succeeded; running")
	b.exec(`update weir.steps set run_after = clock_timestamp() where key = 'w'`)
	b.due()
	b.is(run, "w succeeded, u succeeded; succeeded")
	require.Equal(t, "time", b.causeOf(run, "w"))
}

func TestWaitThatTimesOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\nsteps:\n  - {key: w, kind: wait, timeout: 1ms, with: {for: approval}}\n  - {key: b, kind: noop, needs: [w]}")
	b.pass()
	require.Eventually(t, func() bool { b.due(); return b.runState(run).Final() }, 30*time.Second, 10*time.Millisecond)
	b.is(run, "w timed_out, b skipped; failed")
}

func TestWaitWhoseExpressionLeadsNowhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\nsteps:\n  - {key: a, kind: noop}\n  - {key: w, kind: wait, needs: [a], with: {for: time, duration: '${{ needs.a.output.nothing }}'}}")
	b.drive(nil)
	b.is(run, "a succeeded, w failed; failed")
	require.Equal(t, "expression_missing", scan[string](b, `select error_code from weir.outputs where run_id = $1 and step = 2`, run))
}

func TestWaitOfAPausedRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\nsteps:\n  - {key: a, kind: noop}\n  - {key: w, kind: wait, needs: [a]}")
	a := b.claimed()[0]
	require.NoError(t, b.RunPause(t.Context(), run, "local"))
	b.finish(a, OutcomeSucceeded)
	b.pass()
	b.is(run, "a succeeded, w pending; paused")
	require.NoError(t, b.RunResume(t.Context(), run, "local"))
	b.pass()
	b.is(run, "a succeeded, w waiting; running")
}

func TestWaitThatIsCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\nsteps: [{key: w, kind: wait}, {key: v, kind: wait}]")
	b.pass()
	require.NoError(t, b.StepCancel(t.Context(), run, "w", CancelRequest{Actor: "local"}))
	b.pass()
	b.is(run, "w cancelled, v waiting; running")
	require.NoError(t, b.RunCancel(t.Context(), run, CancelRequest{Actor: "local"}))
	b.pass()
	b.is(run, "w cancelled, v cancelled; cancelled")
}

func fan(more string) string {
	return `
name: x
input: {list: [1, two, {x: 3}]}
steps:
  - {key: a, kind: noop}
  - {key: f, kind: noop, needs: [a], for_each: '${{ input.list }}', with: {output: '${{ item }}'}` + more + `}
  - {key: b, kind: noop, needs: [f]}
`
}

func TestForEach(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML(fan(""))
	require.Equal(t, []string{"a", "f[0]", "f[1]", "f[2]", "b"}, b.drive(nil))
	b.is(run, "a succeeded, f succeeded, b succeeded, f[0] succeeded, f[1] succeeded, f[2] succeeded; succeeded")
	require.JSONEq(t, `[{"of": "f[0]"}, {"of": "f[1]"}, {"of": "f[2]"}]`, b.outputOf(run, "f"))
	view, err := b.StepGet(t.Context(), run, "f[1]")
	require.NoError(t, err)
	require.Equal(t, "f", view.Parent)
	require.Equal(t, 1, *view.Item)
	require.JSONEq(t, `{"output": "${{ item }}"}`, string(view.With), "it is given what the fan-out is")
}

func TestForEachGivesItems(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submitYAML(fan(""))
	b.finish(b.claimed()[0], OutcomeSucceeded)
	for i, a := range b.claimed() {
		require.Equal(t, i, a.Index)
		require.JSONEq(t, []string{`1`, `"two"`, `{"x": 3}`}[i], string(a.Item))
		require.JSONEq(t, `{"output": "${{ item }}"}`, string(a.With))
		require.Equal(t, StepSucceeded, a.Needs["a"].State, "children see what the fan-out needs")
	}
}

func TestForEachOverNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.yaml(fan(""))
	p.Input = json.RawMessage(`{"list": []}`)
	run := b.submit(p)
	require.Equal(t, []string{"a", "b"}, b.drive(nil))
	b.is(run, "a succeeded, f succeeded, b succeeded; succeeded")
	require.Equal(t, "[]", b.outputOf(run, "f"))
}

func TestForEachOverNoList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.yaml(fan(""))
	p.Input = json.RawMessage(`{"list": {"a": 1}}`)
	run := b.submit(p)
	b.drive(nil)
	b.is(run, "a succeeded, f failed, b skipped; failed")
}

func TestForEachThatFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML(fan(""))
	b.drive(map[string]Outcome{"f[1]": OutcomeFailed})
	b.is(run, "a succeeded, f failed, b skipped, f[0] succeeded, f[1] failed, f[2] succeeded; failed")
	b = setup(t)
	run = b.submitYAML(fan(", allow_failure: true"))
	b.drive(map[string]Outcome{"f[1]": OutcomeFailed})
	b.is(run, "a succeeded, f succeeded, b succeeded, f[0] succeeded, f[1] failed, f[2] succeeded; succeeded")
	require.JSONEq(t, `[{"of": "f[0]"}, null, {"of": "f[2]"}]`, b.outputOf(run, "f"), "what needs it sees what there is")
}

func TestForEachInParallel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.yaml(fan(", max_parallel: 2"))
	items := make([]int, 12)
	p.Input, _ = json.Marshal(map[string]any{"list": items})
	run := b.submit(p)
	b.finish(b.claimed()[0], OutcomeSucceeded)
	ran := 0
	for {
		attempts := b.claimed()
		if len(attempts) == 0 {
			break
		}
		require.LessOrEqual(t, b.countRunning(), 2)
		b.finish(attempts[0], OutcomeSucceeded)
		ran++
		for _, a := range attempts[1:] {
			b.finish(a, OutcomeSucceeded)
			ran++
		}
	}
	require.Equal(t, 13, ran)
	require.Equal(t, RunSucceeded, b.runState(run))
	b.clean()
}

func TestForEachOfManyIsExpandedOnce(t *testing.T) {
	t.Parallel()
	replicas := cluster(t, 3)
	b := replicas[0]
	p := b.yaml(fan(""))
	p.Input, _ = json.Marshal(map[string]any{"list": make([]int, 2500)})
	run := b.submit(p)
	b.finish(b.claimed()[0], OutcomeSucceeded)
	for range 3 {
		b.pass()
	}
	require.Equal(t, 2500, scan[int](b, `select count(distinct item) from weir.steps where run_id = $1 and parent is not null`, run))
	require.Equal(t, 2503, scan[int](b, `select steps_total from weir.runs where id = $1`, run))
	require.Equal(t, 2503, scan[int](b, `select count(*) from weir.steps where run_id = $1`, run))
	b.clean()
}

func TestForEachWhoseOutputIsTooLarge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML(fan(""))
	b.finish(b.claimed()[0], OutcomeSucceeded)
	for _, a := range b.claimed() {
		r := reportOf(a, OutcomeSucceeded)
		r.Output, _ = json.Marshal(strings.Repeat(fmt.Sprint(a.Index), 500_000))
		answer, err := b.StepFinish(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, ResultRecorded, answer.Result)
	}
	b.pass()
	require.Equal(t, StepSucceeded, b.stepState(run, 2))
	require.JSONEq(t, `{"code": "too_large", "bytes": 1500009}`, scan[string](b, `select output_error::text from weir.outputs where run_id = $1 and step = 2`, run))
	b.clean()
}

func TestForEachThatIsCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML(fan(", max_parallel: 1"))
	b.finish(b.claimed()[0], OutcomeSucceeded)
	held := b.claimed()[0]
	require.NoError(t, b.StepCancel(t.Context(), run, "f", CancelRequest{Actor: "local"}))
	b.pass()
	b.is(run, "a succeeded, f cancelled, b skipped, f[0] running, f[1] cancelled, f[2] cancelled; running")
	b.finish(held, OutcomeCancelled)
	b.pass()
	b.is(run, "a succeeded, f cancelled, b skipped, f[0] cancelled, f[1] cancelled, f[2] cancelled; failed")
}

const parentPlan = `
name: parent
output: {got: '${{ steps.p.output.sum }}', state: '${{ steps.p.state }}'}
steps:
  - key: p
    kind: plan
    with:
      input: {n: 5}
      plan:
        name: child
        input: {n: 1, m: 2}
        output: {sum: '${{ input.n }}', m: '${{ input.m }}'}
        steps: [{key: c, kind: noop}]
  - {key: after, kind: noop, needs: [p]}
`

func (b *bundle) childOfRun(run uuid.UUID) uuid.UUID {
	b.t.Helper()
	return scan[uuid.UUID](b, `select id from weir.runs where parent_run = $1`, run)
}

func TestSubPlan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML(parentPlan)
	require.Equal(t, []string{"c", "after"}, b.drive(nil))
	b.is(run, "p succeeded, after succeeded; succeeded")
	require.JSONEq(t, `{"sum": 5, "m": 2}`, b.outputOf(run, "p"))
	require.JSONEq(t, `{"got": 5, "state": "succeeded"}`, scan[string](b, `select output::text from weir.run_outputs where run_id = $1`, run))
	b.is(b.childOfRun(run), "c succeeded; succeeded")
	view, err := b.StepGet(t.Context(), run, "p")
	require.NoError(t, err)
	require.Equal(t, b.childOfRun(run), *view.ChildRun)
	view, err = b.StepGet(t.Context(), run, "after")
	require.NoError(t, err)
	require.Nil(t, view.ChildRun)
}

func TestSubPlanThatFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML(parentPlan)
	b.drive(map[string]Outcome{"c": OutcomeFailed})
	b.is(run, "p failed, after skipped; failed")
}

func TestSubPlanIsCancelledFromAbove(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML(parentPlan)
	held := b.claimed()[0]
	require.NoError(t, b.RunCancel(t.Context(), run, CancelRequest{Actor: "local"}))
	b.pass()
	b.is(run, "p waiting, after cancelled; running")
	b.finish(held, OutcomeCancelled)
	b.pass()
	b.is(b.childOfRun(run), "c cancelled; cancelled")
	b.is(run, "p cancelled, after cancelled; cancelled")
}

func TestSubPlanWhoseRunTimesOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.yaml(parentPlan)
	run := b.submit(p)
	held := b.claimed()[0]
	b.exec(`update weir.runs set deadline_at = clock_timestamp() where id = $1`, run)
	b.due()
	b.finish(held, OutcomeCancelled)
	b.due()
	b.is(b.childOfRun(run), "c timed_out; failed")
	b.is(run, "p timed_out, after cancelled; failed")
}

func TestSubPlanWhoseStepTimesOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML(parentPlan)
	held := b.claimed()[0]
	require.Equal(t, "run", scan[string](b, `select waiting_for from weir.steps where run_id = $1 and key = 'p'`, run))
	b.corrupt(`update weir.steps set deadline_at = clock_timestamp() where run_id = $1 and key = 'p'`, run)
	b.due()
	b.is(run, "p waiting, after pending; running")
	b.finish(held, OutcomeCancelled)
	b.due()
	b.is(run, "p timed_out, after skipped; failed")
}

func TestSubPlanOfANameThatRunsItself(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(`{"name": "loop", "steps": [{"key": "again", "kind": "plan", "with": {"plan": "loop"}}]}`)
	run := b.submitYAML("name: x\nsteps: [{key: p, kind: plan, with: {plan: loop}}]")
	b.pass()
	b.is(run, "p failed; failed")
	require.Equal(t, 8, scan[int](b, `select max(depth) from weir.runs`))
	missing := b.submitYAML("name: x\nsteps: [{key: p, kind: plan, with: {plan: nobody}}]")
	b.pass()
	b.is(missing, "p failed; failed")
	require.Equal(t, "not_found", scan[string](b, `select error_code from weir.outputs where run_id = $1`, missing))
}

func TestForEachOfPlansAndWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML(`
name: x
input: {list: [1, 2]}
steps:
  - {key: p, kind: plan, for_each: '${{ input.list }}', max_parallel: 1, with: {input: {n: '${{ item }}'}, plan: {name: c, output: '${{ input.n }}', steps: [{key: c, kind: noop}]}}}
  - {key: w, kind: wait, for_each: '${{ input.list }}', with: {for: approval}}
`)
	b.pass()
	require.Equal(t, 1, scan[int](b, `select count(*) from weir.runs where parent_run = $1`, run), "max_parallel counts child runs")
	require.Equal(t, []string{"c", "c"}, b.drive(nil))
	for i := range 2 {
		require.NoError(t, b.StepDecision(t.Context(), run, fmt.Sprintf("w[%d]", i), DecisionRequest{Actor: "local", Decision: "accept"}))
	}
	b.pass()
	b.is(run, "p succeeded, w succeeded, p[0] succeeded, p[1] succeeded, w[0] succeeded, w[1] succeeded; succeeded")
	require.Equal(t, "[1, 2]", b.outputOf(run, "p"))
}

func TestRunOutputThatLeadsNowhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\noutput: '${{ steps.a.output.nothing }}'\nsteps: [{key: a, kind: noop}]")
	b.drive(nil)
	b.is(run, "a succeeded; succeeded")
	require.Equal(t, "expression_missing", scan[string](b, `select output_error->>'code' from weir.run_outputs where run_id = $1`, run))
}
