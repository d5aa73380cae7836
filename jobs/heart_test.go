package jobs

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

func TestHeartHoldsStopsAndGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{claim: aClaim("test", `{}`)}
		f.claim.Timeout = 0
		b := setup(t, f, ended(nil, context.Canceled))
		stopped, gone := uuid.New(), uuid.New()
		over := make(chan error, 2)
		go func() { over <- b.sup.Work(t.Context(), stopped, 0, 1) }()
		time.Sleep(time.Millisecond)
		go func() { over <- b.sup.Work(t.Context(), gone, 0, 2) }()
		synctest.Wait()

		var beat lifecycle.Heartbeat
		f.heartbeat = func(_ context.Context, h lifecycle.Heartbeat) (lifecycle.HeartbeatAnswer, error) {
			beat = h
			return lifecycle.HeartbeatAnswer{
				Known: true,
				Stops: []lifecycle.Stop{{Hold: h.Holds[0], Cause: lifecycle.CauseCancelRequested}},
				Gone:  []lifecycle.Hold{h.Holds[1], {Run: uuid.New(), Attempt: 9}},
			}, nil
		}
		worker := uuid.New()
		heart := NewHeart(HeartConfig{Lifecycle: f, Supervisor: b.sup, Worker: worker})
		require.NoError(t, heart.runOnce(t.Context()))
		require.Equal(t, worker, beat.Worker)
		require.Equal(t, []lifecycle.Hold{{Run: stopped, Attempt: 1}, {Run: gone, Attempt: 1}}, beat.Holds)
		require.NoError(t, <-over)
		require.NoError(t, <-over)
		outcomes := map[uuid.UUID]lifecycle.Outcome{}
		for _, rep := range b.sent() {
			outcomes[rep.Run] = rep.Outcome
		}
		require.Equal(t, map[uuid.UUID]lifecycle.Outcome{stopped: lifecycle.OutcomeCancelled, gone: lifecycle.OutcomeFailed}, outcomes)
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}

func TestHeartReadsStopsWhenNudged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := uuid.New()
		f := &fake{claim: aClaim("test", `{}`), stops: func(context.Context) ([]lifecycle.Stop, error) {
			return []lifecycle.Stop{{Hold: lifecycle.Hold{Run: run, Attempt: 1}, Cause: lifecycle.CauseCancelRequested}}, nil
		}}
		f.claim.Timeout = 0
		b := setup(t, f, ended(nil, context.Canceled))
		nudge := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		heart := NewHeart(HeartConfig{Lifecycle: f, Supervisor: b.sup, Worker: uuid.New(), StopsInterval: -1, Nudge: nudge})
		done := make(chan error)
		go func() { done <- heart.Run(ctx) }()
		over := make(chan error)
		go func() { over <- b.sup.Work(t.Context(), run, 0, 1) }()
		time.Sleep(time.Minute)
		require.Len(t, b.sup.Running(), 1, "nothing stops it without a nudge")
		nudge <- struct{}{}
		require.NoError(t, <-over)
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}

func TestHeartBeatsOnAndComesBackSoonAfterAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var beats atomic.Int64
		began := time.Now()
		f := &fake{}
		f.heartbeat = func(ctx context.Context, _ lifecycle.Heartbeat) (lifecycle.HeartbeatAnswer, error) {
			n := beats.Add(1)
			if n == 2 {
				return lifecycle.HeartbeatAnswer{}, hang(ctx)
			}
			if n == 3 {
				require.LessOrEqual(t, time.Since(began), 11*time.Second)
			}
			return lifecycle.HeartbeatAnswer{Known: n < 10}, nil
		}
		b := setup(t, f, now(nil, nil))
		heart := NewHeart(HeartConfig{Lifecycle: f, Supervisor: b.sup, Worker: uuid.New()})
		require.ErrorIs(t, heart.Run(t.Context()), ErrWorkerGone)
		require.LessOrEqual(t, time.Since(began), time.Minute)
		require.Equal(t, int64(10), beats.Load())
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}
