package lifecycle

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// TestChildRunGetsItsInput starts child runs of inline plans: what the step gives is put over the plan's input.
func TestChildRunGetsItsInput(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run()
	p, err := plan.Parse([]byte(`
name: above
input: {who: ada, list: [1]}
steps:
- {key: good, kind: plan, with: {input: {a: "${{ input.who }}"}, plan: {name: below, input: {a: 1, b: "<2>"}, steps: [{key: x, kind: noop, with: {output: "${{ input.a }}"}}]}}}
- {key: bad, kind: plan, with: {input: "${{ input.list }}", plan: {name: below, steps: [{key: x, kind: noop}]}}}
- {key: missing, kind: plan, with: {input: "${{ input.none }}", plan: {name: below, steps: [{key: x, kind: noop}]}}}
`))
	require.NoError(t, err)
	run := b.submit(p)
	var child *uuid.UUID
	require.Eventually(t, func() bool {
		child = scan[*uuid.UUID](b, `select max(id::text)::uuid from weir.runs where parent_run = $1`, run)
		return child != nil && b.stepState(run, 2).Final() && b.stepState(run, 3).Final()
	}, 30*time.Second, 5*time.Millisecond)
	require.JSONEq(t, `{"a": "ada", "b": "<2>"}`, scan[string](b, `select input::text from weir.run_inputs where run_id = $1`, *child))
	require.JSONEq(t, `{"output": "${{ input.a }}"}`, scan[string](b, `select "with"::text from weir.step_inputs where run_id = $1 and step = 1`, *child),
		"expressions of the plan below are its own")
	const code = `select o.error_code || ': ' || o.error_message from weir.outputs o where o.run_id = $1 and o.step = $2`
	require.Equal(t, "plan_invalid: with.input: is a list, must be an object", scan[string](b, code, run, 2))
	require.Equal(t, "expression_missing: the expression input.none leads nowhere", scan[string](b, code, run, 3))
	require.Equal(t, int64(1), scan[int64](b, `select count(*) from weir.runs where parent_run = $1`, run))
}
