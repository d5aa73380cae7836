package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// ended is a handler that returns what it is given when its context ends.
func ended(out any, err error) func(context.Context, anyInput) (any, error) {
	return func(ctx context.Context, _ anyInput) (any, error) {
		<-ctx.Done()
		return out, err
	}
}

func now(out any, err error) func(context.Context, anyInput) (any, error) {
	return func(context.Context, anyInput) (any, error) { return out, err }
}

func TestWorkOutcomes(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	cancel := lifecycle.Stop{Cause: lifecycle.CauseCancelRequested, Grace: 2 * time.Second}
	for name, c := range map[string]struct {
		handler func(context.Context, anyInput) (any, error)
		stop    *lifecycle.Stop
		gone    bool
		drain   bool
		claim   func(*lifecycle.Attempt)

		outcome   lifecycle.Outcome
		cause     lifecycle.Cause
		code      string
		retryable bool
		output    string
	}{
		"returned": {
			handler: now(map[string]int{"n": 1}, nil), outcome: lifecycle.OutcomeSucceeded, cause: lifecycle.CauseReported, output: `{"n":1}`,
		},
		"returned nothing": {handler: now(nil, nil), outcome: lifecycle.OutcomeSucceeded, cause: lifecycle.CauseReported},
		"error": {
			handler: now(nil, boom), outcome: lifecycle.OutcomeFailed, cause: lifecycle.CauseReported, code: "failed", retryable: true,
		},
		"permanent error": {
			handler: now(nil, Permanent(boom)), outcome: lifecycle.OutcomeFailed, cause: lifecycle.CauseReported, code: "failed",
		},
		"killed work": {
			handler: now(nil, &Failure{Code: "signal", crashed: true}), outcome: lifecycle.OutcomeCrashed, cause: lifecycle.CauseKilled,
			code: "signal", retryable: true,
		},
		"panic": {
			handler: func(context.Context, anyInput) (any, error) { panic("oh") },
			outcome: lifecycle.OutcomeCrashed, cause: lifecycle.CausePanic, code: "panic", retryable: true,
		},
		"ended goroutine": {
			handler: func(context.Context, anyInput) (any, error) { runtime.Goexit(); return nil, nil },
			outcome: lifecycle.OutcomeCrashed, cause: lifecycle.CausePanic, code: "panic", retryable: true,
		},
		"deadline, error": {
			handler: ended(nil, boom), outcome: lifecycle.OutcomeTimedOut, cause: lifecycle.CauseDeadline, code: "deadline", retryable: true,
		},
		"deadline, returned nil after it": {
			handler: ended("x", nil), outcome: lifecycle.OutcomeTimedOut, cause: lifecycle.CauseDeadline, code: "deadline", retryable: true,
		},
		"deadline, panic after it": {
			handler: func(ctx context.Context, _ anyInput) (any, error) { <-ctx.Done(); panic("oh") },
			outcome: lifecycle.OutcomeTimedOut, cause: lifecycle.CauseDeadline, code: "deadline", retryable: true,
		},
		"stalled": {
			handler: ended(nil, boom), claim: func(a *lifecycle.Attempt) { a.StallAfter = time.Second },
			outcome: lifecycle.OutcomeTimedOut, cause: lifecycle.CauseStalled, code: "stalled", retryable: true,
		},
		"cancelled": {
			handler: ended(nil, boom), stop: &cancel,
			outcome: lifecycle.OutcomeCancelled, cause: lifecycle.CauseCancelRequested, code: "stopped", retryable: true,
		},
		"cancelled, had finished": {
			handler: ended("x", nil), stop: &cancel, outcome: lifecycle.OutcomeSucceeded, cause: lifecycle.CauseReported, output: `"x"`,
		},
		"run timeout": {
			handler: ended(nil, boom), stop: &lifecycle.Stop{Cause: lifecycle.CauseRunTimeout},
			outcome: lifecycle.OutcomeTimedOut, cause: lifecycle.CauseRunTimeout, code: "stopped", retryable: true,
		},
		"shutdown": {
			handler: ended(nil, boom), drain: true, claim: func(a *lifecycle.Attempt) { a.Timeout = 0 },
			outcome: lifecycle.OutcomeHandedBack, cause: lifecycle.CauseHandedBack,
		},
		"shutdown, had finished": {
			handler: ended("x", nil), drain: true, claim: func(a *lifecycle.Attempt) { a.Timeout = 0 },
			outcome: lifecycle.OutcomeSucceeded, cause: lifecycle.CauseReported, output: `"x"`,
		},
		"shutdown, killed": {
			handler: ended(nil, &Failure{Code: "signal", crashed: true}), drain: true, claim: func(a *lifecycle.Attempt) { a.Timeout = 0 },
			outcome: lifecycle.OutcomeCrashed, cause: lifecycle.CauseKilled, code: "signal", retryable: true,
		},
		"gone": {
			handler: ended(nil, boom), gone: true,
			outcome: lifecycle.OutcomeFailed, cause: lifecycle.CauseReported, code: "failed", retryable: true,
		},
		"missing in an expression": {
			handler: now(nil, nil), claim: func(a *lifecycle.Attempt) { a.With = json.RawMessage(`{"output":"${{ input.missing }}"}`) },
			outcome: lifecycle.OutcomeFailed, cause: lifecycle.CauseReported, code: "expression_missing",
		},
		"unknown kind": {
			handler: now(nil, nil), claim: func(a *lifecycle.Attempt) { a.Kind = "other" },
			outcome: lifecycle.OutcomeFailed, cause: lifecycle.CauseReported, code: "unknown_kind",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fake{claim: aClaim("test", `{}`)}
				if c.claim != nil {
					c.claim(&f.claim)
				}
				b := setup(t, f, c.handler)
				run := uuid.New()
				hold := lifecycle.Hold{Run: run, Step: 3, Attempt: 1}
				over := make(chan error, 1)
				go func() { over <- b.sup.Work(t.Context(), run, 3, 1) }()
				synctest.Wait()
				switch {
				case c.stop != nil:
					stop := *c.stop
					stop.Hold = hold
					require.True(t, b.sup.Stop(stop))
				case c.gone:
					require.True(t, b.sup.Gone(hold))
				case c.drain:
					require.Equal(t, hold, b.sup.Running()[0].Hold)
				default:
					require.NoError(t, <-over)
					over <- nil
				}
				require.NoError(t, b.sup.Drain(t.Context()))
				require.NoError(t, <-over)

				rep := b.only(t)
				require.Equal(t, c.outcome, rep.Outcome)
				require.Equal(t, c.cause, rep.Cause)
				require.Equal(t, c.output, string(rep.Output))
				require.Equal(t, hold, holdOf(rep))
				if c.code == "" {
					require.Nil(t, rep.Error)
				} else {
					require.Equal(t, c.code, rep.Error.Code)
					require.Equal(t, c.retryable, rep.Error.Retryable)
				}
				require.Empty(t, b.sup.Running())
				require.Equal(t, 1, b.obs.of("started"))
				require.Equal(t, 1, b.obs.of("finished "+string(c.outcome)))
			})
		})
	}
}

func TestPanicKeepsItsStack(t *testing.T) {
	t.Parallel()
	b := setup(t, &fake{}, func(context.Context, anyInput) (any, error) { return panicsHere() })
	b.work(t)
	require.Contains(t, string(b.only(t).Error.Detail), "panicsHere")
	require.Contains(t, b.logged()[0].Text, "panicsHere")
	require.Equal(t, "error", b.logged()[0].Level)
}

func panicsHere() (any, error) {
	var m map[string]int
	m["x"] = 1 //nolint:staticcheck // it is meant to panic
	return m, nil
}

// O6: a handler that ignores its context, and a Lifecycle that never answers: at timeout + grace the slot is back and
// nothing of the attempt is left but its outcome, which is offered until end + lease.
func TestDeadlineCoversEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b *bench
		release := make(chan struct{})
		f := &fake{
			finish: func(ctx context.Context, _ lifecycle.Report) (lifecycle.FinishAnswer, error) {
				return lifecycle.FinishAnswer{}, hang(ctx)
			},
			logs: func(ctx context.Context, _ []lifecycle.LogLine) error { return hang(ctx) },
		}
		b = setup(t, f, func(ctx context.Context, _ anyInput) (any, error) {
			FromContext(ctx).Logger().Info("a line that nobody takes")
			<-release
			return "late", nil
		})
		began := time.Now()
		require.NoError(t, b.sup.Work(t.Context(), uuid.New(), 0, 1))
		require.LessOrEqual(t, time.Since(began), 12*time.Second, "the slot is back at timeout + grace")
		require.Len(t, b.sup.Running(), 1)
		require.True(t, b.sup.Running()[0].Reported)
		require.Equal(t, 1, b.obs.of("abandoned"))
		require.Equal(t, 1, b.obs.of("lines dropped"))

		require.Zero(t, b.sup.reporter.wait(t.Context()))
		require.LessOrEqual(t, time.Since(began), 12*time.Second+b.sup.cfg.Lease)
		require.Len(t, b.sup.reporter.given(), 1)
		for _, rep := range b.sent() {
			require.Equal(t, lifecycle.OutcomeTimedOut, rep.Outcome)
			require.Equal(t, lifecycle.CauseAbandoned, rep.Cause)
			require.Contains(t, string(rep.Error.Detail), "TestDeadlineCoversEverything", "the handler's own stack")
			require.Equal(t, b.sent()[0].ID, rep.ID, "one report, however often it is sent")
		}
		before := len(b.sent())
		close(release)
		synctest.Wait()
		time.Sleep(time.Minute)
		require.Len(t, b.sent(), before+1, "what it returned in the end is sent once")
		require.Equal(t, lifecycle.OutcomeSucceeded, b.sent()[before].Outcome)
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}

// What an abandoned handler returns must not come before the report that counts.
func TestLateReportWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := &fake{}
		tries := 0
		f.finish = func(context.Context, lifecycle.Report) (lifecycle.FinishAnswer, error) {
			if tries++; tries <= 5 {
				return lifecycle.FinishAnswer{}, unavailable()
			}
			return lifecycle.FinishAnswer{Result: lifecycle.ResultRecorded}, nil
		}
		b := setup(t, f, func(context.Context, anyInput) (any, error) { <-release; return nil, nil })
		require.NoError(t, b.sup.Work(t.Context(), uuid.New(), 0, 1))
		close(release)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, b.sent(), 7)
		for i, rep := range b.sent() {
			require.Equal(t, i == 6, rep.Outcome == lifecycle.OutcomeSucceeded)
		}
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}

func TestAbandonedInShutdownIsKilled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := setup(t, &fake{}, func(context.Context, anyInput) (any, error) { <-release; return nil, nil })
		b.claim.Timeout = 0
		go func() { _ = b.sup.Work(t.Context(), uuid.New(), 0, 1) }()
		synctest.Wait()
		began := time.Now()
		require.NoError(t, b.sup.Drain(t.Context()))
		require.LessOrEqual(t, time.Since(began), 32*time.Second)
		require.Equal(t, lifecycle.OutcomeCrashed, b.only(t).Outcome)
		require.Equal(t, lifecycle.CauseKilled, b.only(t).Cause)
		close(release)
	})
}

func TestAbandonedInCancelIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := setup(t, &fake{}, func(context.Context, anyInput) (any, error) { <-release; return nil, nil })
		b.claim.Timeout = 0
		run := uuid.New()
		over := make(chan error)
		go func() { over <- b.sup.Work(t.Context(), run, 0, 1) }()
		synctest.Wait()
		began := time.Now()
		require.True(t, b.sup.Stop(lifecycle.Stop{
			Hold: lifecycle.Hold{Run: run, Attempt: 1}, Cause: lifecycle.CauseCancelRequested, Grace: time.Second,
		}))
		require.NoError(t, <-over)
		require.LessOrEqual(t, time.Since(began), time.Second, "the grace is the stop's")
		require.Equal(t, lifecycle.OutcomeCancelled, b.only(t).Outcome)
		require.Equal(t, lifecycle.CauseAbandoned, b.only(t).Cause)
		close(release)
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}

// A second signal: nobody is waited for, and Drain comes back.
func TestDrainInAHurry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := &fake{finish: func(ctx context.Context, _ lifecycle.Report) (lifecycle.FinishAnswer, error) {
			return lifecycle.FinishAnswer{}, hang(ctx)
		}}
		b := setup(t, f, func(context.Context, anyInput) (any, error) { <-release; return nil, nil })
		go func() { _ = b.sup.Work(t.Context(), uuid.New(), 0, 1) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		_ = b.sup.Drain(ctx)
		require.LessOrEqual(t, time.Since(began), time.Second)
		close(release)
		require.NoError(t, b.sup.Work(t.Context(), uuid.New(), 0, 2), "nothing starts any more")
		require.Equal(t, 1, b.obs.of("started"))
	})
}

func TestSignsOfLifeKeepAnAttemptFromStalling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, &fake{}, func(ctx context.Context, _ anyInput) (any, error) {
			a := FromContext(ctx)
			for range 3 {
				time.Sleep(900 * time.Millisecond)
				a.Logger().Info("still here")
				time.Sleep(900 * time.Millisecond)
				a.Progress(50, "half")
			}
			return nil, ctx.Err()
		})
		b.claim.StallAfter = time.Second
		b.work(t)
		require.Equal(t, lifecycle.OutcomeSucceeded, b.only(t).Outcome)
		require.Len(t, b.logged(), 3)
		require.Equal(t, "half", b.progress[0].Message)
	})
}

// O10: whatever a handler returns, the step reaches its true outcome.
func TestOddOutputs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		out  any
		code string
	}{
		"too large":      {strings.Repeat("x", 1<<20), outputTooLarge},
		"20 MB":          {strings.Repeat("x", 20<<20), outputTooLarge},
		"not a number":   {math.NaN(), outputInvalidJSON},
		"a function":     {func() {}, outputInvalidJSON},
		"NUL":            {"a\x00b", outputNullCharacter},
		"half surrogate": {json.RawMessage(`"\ud800"`), outputInvalidUTF8},
		"not UTF-8":      {json.RawMessage("\"\xff\""), outputInvalidUTF8},
		"not JSON":       {json.RawMessage(`{"a":`), outputInvalidJSON},
		"too deep":       {json.RawMessage(strings.Repeat("[", 101) + strings.Repeat("]", 101)), outputTooDeep},
		"huge number":    {json.RawMessage(`1e100000`), outputInvalidJSON},
		"a string":       {"text", ""},
		"deep enough":    {json.RawMessage(strings.Repeat("[", 100) + strings.Repeat("]", 100)), ""},
		"a pair":         {json.RawMessage(`"\ud83d\ude00 \\u0000"`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, &fake{}, now(c.out, nil))
			b.work(t)
			rep := b.only(t)
			require.Equal(t, lifecycle.OutcomeSucceeded, rep.Outcome)
			if c.code == "" {
				require.Nil(t, rep.OutputError)
				require.NotEmpty(t, rep.Output)
				return
			}
			require.Nil(t, rep.Output)
			require.Equal(t, c.code, rep.OutputError.Code)
		})
	}
}

func TestErrorMessagesFit(t *testing.T) {
	t.Parallel()
	b := setup(t, &fake{}, now(nil, errors.New("\xff\x00"+strings.Repeat("é", 8<<10))))
	b.work(t)
	msg := b.only(t).Error.Message
	require.LessOrEqual(t, len(msg), 8<<10)
	require.NotContains(t, msg, "\x00")
	require.True(t, strings.HasSuffix(msg, "… (cut)"))
	require.True(t, strings.HasPrefix(msg, "\uFFFDé"))
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	b := setup(t, &fake{}, now(nil, RetryAfter(errors.New("busy"), 2*time.Hour)))
	b.work(t)
	require.Equal(t, time.Hour, b.only(t).RetryAfter)
	require.True(t, b.only(t).Error.Retryable)
}
