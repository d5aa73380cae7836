package jobs

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

func TestStartThatIsNotGrantedRunsNothing(t *testing.T) {
	t.Parallel()
	for _, result := range []lifecycle.Result{
		lifecycle.ResultSuperseded, lifecycle.ResultPaused, lifecycle.ResultCancelled, lifecycle.ResultTooLate,
	} {
		t.Run(string(result), func(t *testing.T) {
			t.Parallel()
			b := setup(t, &fake{start: func(context.Context, lifecycle.StartRequest) (lifecycle.StartAnswer, error) {
				return lifecycle.StartAnswer{Result: result, State: lifecycle.StepRunning}, nil
			}}, now(nil, nil))
			b.work(t)
			require.Zero(t, b.obs.of("started"))
			require.Empty(t, b.sent())
		})
	}
}

func TestStartIsTriedAgainForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		tries := 0
		f.start = func(_ context.Context, r lifecycle.StartRequest) (lifecycle.StartAnswer, error) {
			require.Equal(t, int64(7), r.Token)
			if tries++; tries < 4 {
				return lifecycle.StartAnswer{}, unavailable()
			}
			return f.started(r), nil
		}
		b := setup(t, f, now(nil, nil))
		require.NoError(t, b.sup.Work(t.Context(), uuid.New(), 0, 7))
		require.Equal(t, lifecycle.OutcomeSucceeded, b.only(t).Outcome)
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}

func TestRefusedStartIsNotRepeated(t *testing.T) {
	t.Parallel()
	tries := 0
	b := setup(t, &fake{start: func(context.Context, lifecycle.StartRequest) (lifecycle.StartAnswer, error) {
		tries++
		return lifecycle.StartAnswer{}, refused("internal")
	}}, now(nil, nil))
	require.Error(t, b.sup.Work(t.Context(), uuid.New(), 0, 1))
	require.Equal(t, 1, tries)
	require.NoError(t, b.sup.Drain(t.Context()))
}

// A Start that was committed although nobody heard the answer is handed back, not lost.
func TestUnansweredStartIsHandedBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		f := &fake{}
		f.start = func(ctx context.Context, r lifecycle.StartRequest) (lifecycle.StartAnswer, error) {
			if time.Since(began) < 8*time.Second {
				return lifecycle.StartAnswer{}, unavailable()
			}
			return f.started(r), nil
		}
		b := setup(t, f, now(nil, nil))
		require.Error(t, b.sup.Work(t.Context(), uuid.New(), 0, 1))
		require.LessOrEqual(t, time.Since(began), 6*time.Second, "the slot is not kept for it")
		time.Sleep(15 * time.Second)
		synctest.Wait()
		require.Equal(t, lifecycle.OutcomeHandedBack, b.only(t).Outcome)
		require.Zero(t, b.obs.of("started"))
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}

// What is fetched and not started here is given back, for others to start at once.
func TestStepThatIsNotStartedIsGivenBack(t *testing.T) {
	t.Parallel()
	run := uuid.New()
	f := &fake{start: func(context.Context, lifecycle.StartRequest) (lifecycle.StartAnswer, error) {
		return lifecycle.StartAnswer{}, refused("worker_gone")
	}}
	b := setup(t, f, now(nil, nil))
	require.Error(t, b.sup.Work(t.Context(), run, 1, 7))
	require.NoError(t, b.sup.Drain(t.Context()))
	require.NoError(t, b.sup.Work(t.Context(), run, 2, 8), "nothing starts any more")
	given := []int64{}
	for _, r := range f.released {
		require.Equal(t, run, r.Run)
		given = append(given, r.Token)
	}
	require.Equal(t, []int64{7, 8}, given)
}
