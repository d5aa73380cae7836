package lifecycle

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// reasons are the codes of why.
func (b *bundle) reasons(run uuid.UUID, key string) []ReasonCode {
	b.t.Helper()
	why, err := b.StepWhy(b.t.Context(), run, key)
	require.NoError(b.t, err)
	codes := make([]ReasonCode, len(why.Reasons))
	for i, reason := range why.Reasons {
		codes[i] = reason.Code
		require.NotEmpty(b.t, reason.Message)
	}
	return codes
}

// liveWorker has the worker of the bundle offer slots.
func (b *bundle) liveWorker(slots int) {
	b.t.Helper()
	b.exec(`update weir.workers set kinds = '{noop}', queues = jsonb_build_object('default', $2::int) where id = $1`, b.worker, slots)
}

func TestWhyOfALife(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(
		func() plan.Step { s := step("a"); s.Retry.MaxAttempts = 2; s.Retry.Initial = time.Hour; return s }(),
		step("b", "a"),
	))

	require.Equal(t, []ReasonCode{ReasonNoLiveWorker}, b.reasons(run, "a"), "nobody works the queue")
	b.exec(`update weir.workers set queues = '{"default": 5}' where id = $1`, b.worker)
	require.Equal(t, []ReasonCode{ReasonNoLiveWorker}, b.reasons(run, "a"), "nobody knows the kind")
	b.liveWorker(1)
	require.Empty(t, b.reasons(run, "a"), "nothing holds it back")

	other := b.submit(planOf(step("x")))
	held := b.start(other, 1)
	require.Equal(t, []ReasonCode{ReasonNoFreeSlot}, b.reasons(run, "a"))
	b.finish(held, OutcomeSucceeded)
	require.Empty(t, b.reasons(run, "a"))

	b.exec(`insert into weir.river_queue (name, paused_at) values ('default', now())`)
	require.Equal(t, []ReasonCode{ReasonQueuePaused}, b.reasons(run, "a"))
	b.exec(`update weir.river_queue set paused_at = null`)

	b.exec(`update weir.workers set lease_until = clock_timestamp() - interval '1 second'`)
	require.Equal(t, []ReasonCode{ReasonNoLiveWorker}, b.reasons(run, "a"), "its lease has run out")
	b.exec(`update weir.workers set lease_until = clock_timestamp() + interval '1 hour'`)

	require.Equal(t, []ReasonCode{ReasonNeedsUnfinished}, b.reasons(run, "b"))
	why, err := b.StepWhy(t.Context(), run, "b")
	require.NoError(t, err)
	require.Equal(t, StepPending, why.State)
	require.Equal(t, "a", why.Reasons[0].Detail["needs"].([]map[string]any)[0]["step"])

	attempt := b.start(run, 1)
	require.Equal(t, []ReasonCode{ReasonRunning}, b.reasons(run, "a"))
	b.finish(attempt, OutcomeFailed)
	require.Equal(t, []ReasonCode{ReasonBackoff}, b.reasons(run, "a"))

	require.NoError(t, b.RunCancel(t.Context(), run, CancelRequest{Actor: "local"}))
	require.Equal(t, []ReasonCode{ReasonCancelRequested, ReasonBackoff}, b.reasons(run, "a"))
	b.pass()
	require.Equal(t, []ReasonCode{ReasonFinal}, b.reasons(run, "a"))
	require.Equal(t, []ReasonCode{ReasonFinal}, b.reasons(run, "b"))
}

func TestWhySkipped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a"), step("b"), step("c", "a", "b")))
	b.finish(b.start(run, 1), OutcomeFailed)
	b.finish(b.start(run, 2), OutcomeSucceeded)
	b.pass()
	require.Equal(t, []ReasonCode{ReasonFinal, ReasonUpstreamFailed}, b.reasons(run, "c"))
	why, err := b.StepWhy(t.Context(), run, "c")
	require.NoError(t, err)
	needs := why.Reasons[1].Detail["needs"].([]map[string]any)
	require.Len(t, needs, 1, "only what failed is named")
	require.Equal(t, "a", needs[0]["step"])
}

func TestWhyPaused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.liveWorker(5)
	run := b.submit(planOf(step("a")))
	b.exec(`update weir.runs set state = 'paused', cause = 'paused' where id = $1`, run)
	require.Equal(t, []ReasonCode{ReasonRunPaused}, b.reasons(run, "a"))
}

func TestWhyOfNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a")))
	for _, missing := range []struct {
		run uuid.UUID
		key string
	}{{run, "b"}, {uuid.New(), "a"}} {
		_, err := b.StepWhy(t.Context(), missing.run, missing.key)
		var known *Error
		require.ErrorAs(t, err, &known)
		require.Equal(t, CodeNotFound, known.Code)
	}
}
