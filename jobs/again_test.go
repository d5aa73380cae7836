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

// W1: the River job of a step that runs is tried again by hand, and this worker fetches it a second time. Start answers
// the attempt that it already has; it runs once all the same, until the database has heard how it ended.
func TestWorkOfATokenThatIsFetchedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var answers atomic.Bool
		f := &fake{}
		f.finish = func(context.Context, lifecycle.Report) (lifecycle.FinishAnswer, error) {
			if !answers.Load() {
				return lifecycle.FinishAnswer{}, unavailable()
			}
			return lifecycle.FinishAnswer{Result: lifecycle.ResultRecorded}, nil
		}
		b := setup(t, f, func(context.Context, anyInput) (any, error) { <-release; return nil, nil })
		run := uuid.New()
		again := func(token int64) {
			t.Helper()
			require.NoError(t, b.sup.Work(t.Context(), run, 1, token))
		}
		go func() { _ = b.sup.Work(t.Context(), run, 1, 7) }()
		synctest.Wait()
		again(7)
		require.Equal(t, 1, b.obs.of("started"), "while it runs")
		close(release)
		synctest.Wait()
		again(7)
		require.Equal(t, 1, b.obs.of("started"), "while its report is offered")
		require.Zero(t, b.sup.reporter.wait(t.Context()))
		require.Len(t, b.sup.reporter.given(), 1)
		again(7)
		require.Equal(t, 1, b.obs.of("started"), "while nobody knows that the report was given up")
		b.sup.reporter.forget(b.sup.reporter.given())
		answers.Store(true)
		again(7)
		require.Equal(t, 2, b.obs.of("started"), "nothing of it is left here: Start says what may be started")
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}

// A Start that nobody answers is undone, and nobody starts by its token meanwhile.
func TestWorkOfATokenWhoseStartIsUndone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		var asked atomic.Int32
		answers := make(chan struct{})
		f.start = func(ctx context.Context, r lifecycle.StartRequest) (lifecycle.StartAnswer, error) {
			if asked.Add(1) == 1 {
				return lifecycle.StartAnswer{}, hang(ctx)
			}
			<-answers // it is being undone
			return f.started(r), nil
		}
		b := setup(t, f, now(nil, nil))
		run := uuid.New()
		require.Error(t, b.sup.Work(t.Context(), run, 1, 7))
		require.NoError(t, b.sup.Work(t.Context(), run, 1, 7))
		require.Zero(t, b.obs.of("started"))
		close(answers)
		time.Sleep(time.Minute)
		require.Equal(t, lifecycle.OutcomeHandedBack, b.only(t).Outcome)
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}

// W3: an outage that outlasts Start, its undoing and the giving back leaves the step to nobody's sweep.
func TestWorkGivesBackAfterAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		up := time.Now().Add(2 * time.Minute)
		f := &fake{release: func() error {
			if time.Now().Before(up) {
				return unavailable()
			}
			return nil
		}}
		f.start = func(context.Context, lifecycle.StartRequest) (lifecycle.StartAnswer, error) {
			return lifecycle.StartAnswer{}, unavailable()
		}
		b := setup(t, f, now(nil, nil))
		require.Error(t, b.sup.Work(t.Context(), uuid.New(), 1, 7))
		time.Sleep(time.Until(up) + 3*time.Second)
		synctest.Wait()
		f.mu.Lock()
		require.Len(t, f.released, 1)
		f.mu.Unlock()
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}
