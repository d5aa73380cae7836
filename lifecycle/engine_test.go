package lifecycle

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRunOfOneStep(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a")))
	require.Equal(t, StepAvailable, b.stepState(run, 1))
	a := b.start(run, 1)
	require.Equal(t, 1, a.Attempt)
	require.Equal(t, StepRunning, b.stepState(run, 1))
	b.finish(a, OutcomeSucceeded)
	require.Equal(t, StepSucceeded, b.stepState(run, 1))
	require.Equal(t, RunSucceeded, b.runState(run))
	require.Zero(t, scan[int](b, `select count(*)::int from weir.dirty`), "what a Finish settles itself needs no hint")
}

func TestDiamond(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")))
	b.finish(b.start(run, 1), OutcomeSucceeded)
	b.finish(b.start(run, 2), OutcomeSucceeded)
	require.Equal(t, StepPending, b.stepState(run, 4))
	b.finish(b.start(run, 3), OutcomeSucceeded)
	b.finish(b.start(run, 4), OutcomeSucceeded)
	require.Equal(t, RunSucceeded, b.runState(run))
}
