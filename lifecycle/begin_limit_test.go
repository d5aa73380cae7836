package lifecycle

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// A limit of a plan step is one of its child runs.
func TestSubPlanThatIsLimited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := "name: x\nsteps:\n  - {key: p, kind: plan, concurrency: {key: k, limit: 2}, with: {plan: {name: c, steps: [{key: c, kind: noop}]}}}"
	runs := []uuid.UUID{b.submitYAML(text), b.submitYAML(text), b.submitYAML(text)}
	attempts := b.claimed()
	require.Len(t, attempts, 2)
	b.is(runs[2], "p pending; running")
	w, err := b.StepWhy(t.Context(), runs[2], "p")
	require.NoError(t, err)
	require.Len(t, w.Reasons, 1)
	require.Equal(t, ReasonConcurrency, w.Reasons[0].Code)
	b.finish(attempts[0], OutcomeSucceeded)
	b.finish(b.claimed()[0], OutcomeSucceeded)
	b.finish(attempts[1], OutcomeSucceeded)
	b.pass()
	for _, run := range runs {
		b.is(run, "p succeeded; succeeded")
	}
}
