package lifecycle

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// A fan-out that had succeeded is carried over with its joined output, and one that had not fans out anew.
func TestRunRerunOfAFanOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.submitYAML(fan(""))
	b.drive(map[string]Outcome{"b": OutcomeFailed})
	run := b.rerun(old, RerunRequest{})
	b.is(run, "a succeeded, f succeeded, b available; running")
	attempts := b.claimed()
	require.Len(t, attempts, 1)
	require.JSONEq(t, `[{"of": "f[0]"}, {"of": "f[1]"}, {"of": "f[2]"}]`, string(attempts[0].Needs["f"].Output))
	b.finish(attempts[0], OutcomeSucceeded)
	b.is(run, "a succeeded, f succeeded, b succeeded; succeeded")

	again := b.rerun(run, RerunRequest{From: []string{"f"}})
	require.Equal(t, []string{"f[0]", "f[1]", "f[2]", "b"}, b.drive(nil))
	b.is(again, "a succeeded, f succeeded, b succeeded, f[0] succeeded, f[1] succeeded, f[2] succeeded; succeeded")

	failed := b.submitYAML(fan(""))
	b.drive(map[string]Outcome{"f[1]": OutcomeFailed})
	b.rerun(failed, RerunRequest{})
	require.Equal(t, []string{"f[0]", "f[1]", "f[2]", "b"}, b.drive(nil))
	_, err := b.RunRerun(t.Context(), failed, RerunRequest{Actor: ops, From: []string{"f[1]"}})
	var known *Error
	require.ErrorAs(t, err, &known)
	require.Equal(t, CodeInvalidRequest, known.Code, "children are none of the plan's steps")
}

// A rerun makes child runs of its own, and evaluates the output of the run, also from what was carried over.
func TestRunRerunOfSubPlans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.submitYAML(parentPlan)
	b.drive(map[string]Outcome{"after": OutcomeFailed})
	b.is(old, "p succeeded, after failed; failed")
	run := b.rerun(old, RerunRequest{})
	require.Equal(t, []string{"after"}, b.drive(nil))
	b.is(run, "p succeeded, after succeeded; succeeded")
	require.JSONEq(t, `{"got": 5, "state": "succeeded"}`, scan[string](b, `select output::text from weir.run_outputs where run_id = $1`, run))

	whole := b.rerun(run, RerunRequest{})
	require.Equal(t, []string{"c", "after"}, b.drive(nil))
	b.is(whole, "p succeeded, after succeeded; succeeded")
	child := b.rerun(b.childOfRun(whole), RerunRequest{})
	require.Equal(t, []string{"c"}, b.drive(nil))
	b.is(child, "c succeeded; succeeded")
	require.Nil(t, scan[*uuid.UUID](b, `select parent_run from weir.runs where id = $1`, child), "it stands for itself")
}

// What limits runs and steps limits reruns, too, and waits wait again.
func TestRunRerunIsLimited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := "name: x\nmax_parallel: 1\ntimeout: 1h\nconcurrency: {key: k, limit: 1}\nsteps: [{key: a, kind: noop}, {key: b, kind: noop, concurrency: {key: l, limit: 1}}, {key: w, kind: wait}, {key: c, kind: noop, needs: [a, b, w], run_if: any_failed}]"
	old := b.submitYAML(text)
	b.drive(map[string]Outcome{"b": OutcomeFailed})
	require.NoError(t, b.StepSignal(t.Context(), old, "w", SignalRequest{Actor: ops}))
	b.drive(nil)
	b.is(old, "a succeeded, b failed, w succeeded, c succeeded; failed")

	first, second := b.rerun(old, RerunRequest{From: []string{"a", "w"}}), b.rerun(old, RerunRequest{})
	require.True(t, scan[bool](b, `select deadline_at is null from weir.runs where id = $1`, second), "its timeout counts from its admission")
	attempts := b.claimed()
	require.Len(t, attempts, 1, "max_parallel")
	require.Equal(t, StepWaiting, b.stepState(first, 3))
	b.is(second, "a succeeded, b pending, w succeeded, c pending; running")
	require.True(t, scan[bool](b, `select deadline_at > clock_timestamp() from weir.runs where id = $1`, first))
	b.finish(attempts[0], OutcomeSucceeded)
	require.Len(t, b.drive(nil), 1)
	b.is(first, "a succeeded, b succeeded, w waiting, c pending; running")
	require.NoError(t, b.StepSignal(t.Context(), first, "w", SignalRequest{Actor: ops}))
	require.Equal(t, []string{"b"}, b.drive(nil), "the second one is let in")
	b.is(first, "a succeeded, b succeeded, w succeeded, c skipped; succeeded")
	b.is(second, "a succeeded, b succeeded, w succeeded, c skipped; succeeded")
}
