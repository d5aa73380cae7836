package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A step is cancelled before its run is let in: what needs it is skipped, or starts once the run is in.
func TestStepCancelOfARunThatIsHeldBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML(`
name: x
delay: 1h
steps:
  - {key: a, kind: noop}
  - {key: other, kind: noop}
  - {key: needs, kind: noop, needs: [a, other]}
  - {key: tidy, kind: noop, needs: [a], run_if: all_finished}
  - {key: waits, kind: wait, needs: [a], run_if: any_failed, with: {for: time, duration: 1ms}}`)
	b.pass()
	require.NoError(t, b.StepCancel(t.Context(), run, "a", CancelRequest{Actor: "local"}))
	b.pass()
	require.Empty(t, b.claimed(), "nothing starts before its time")
	b.is(run, "a cancelled, other pending, needs skipped, tidy pending, waits pending; running")
	b.exec("update weir.runs set start_at = clock_timestamp()")
	b.exec("update weir.slots set due_at = clock_timestamp()")
	b.due()
	require.ElementsMatch(t, []string{"other", "tidy"}, b.drive(nil))
	require.Eventually(t, func() bool { b.due(); return b.runState(run).Final() }, 30*time.Second, time.Millisecond)
	b.is(run, "a cancelled, other succeeded, needs skipped, tidy succeeded, waits succeeded; failed")
	b.clean()
}
