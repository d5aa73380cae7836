package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

func unavailable() error {
	return &lifecycle.Error{Code: "database_unavailable", Message: "the database is away", Retryable: true}
}

func refused(code string) error {
	return &lifecycle.Error{Code: code, Message: "no, because of " + code}
}

// O4: an error that may pass is followed by the same report, until it is taken; the slot does not wait for that.
func TestReportIsRetriedWithoutItsSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		tries := 0
		f.finish = func(context.Context, lifecycle.Report) (lifecycle.FinishAnswer, error) {
			if tries++; tries <= 4 {
				return lifecycle.FinishAnswer{}, unavailable()
			}
			return lifecycle.FinishAnswer{Result: lifecycle.ResultDuplicate}, nil
		}
		b := setup(t, f, now("out", nil))
		began := time.Now()
		require.NoError(t, b.sup.Work(t.Context(), uuid.New(), 0, 1))
		require.Zero(t, time.Since(began), "the slot is free after the first try")
		require.Len(t, b.sup.Running(), 1, "it is still held")
		require.NoError(t, b.sup.Drain(t.Context()))
		require.Empty(t, b.sup.Running())
		require.Len(t, b.sent(), 5)
		for _, rep := range b.sent() {
			require.Equal(t, b.sent()[0], rep)
		}
		require.Equal(t, 4, b.obs.of("retried"))
	})
}

// O3, O11: a refused report is sent once; less of it follows, and in the end the refusal itself.
func TestRefusedReportIsReduced(t *testing.T) {
	t.Parallel()
	f := &fake{}
	f.finish = func(_ context.Context, r lifecycle.Report) (lifecycle.FinishAnswer, error) {
		if r.Cause != lifecycle.CauseReportRefused {
			return lifecycle.FinishAnswer{}, refused("too_large")
		}
		return lifecycle.FinishAnswer{Result: lifecycle.ResultRecorded}, nil
	}
	b := setup(t, f, now("out", nil))
	b.work(t)
	sent := b.sent()
	require.Len(t, sent, 3)
	require.JSONEq(t, `"out"`, string(sent[0].Output))

	require.Equal(t, lifecycle.OutcomeSucceeded, sent[1].Outcome)
	require.Nil(t, sent[1].Output)
	require.Equal(t, &lifecycle.OutputError{Code: "too_large", Bytes: 5}, sent[1].OutputError)

	require.Equal(t, lifecycle.OutcomeCrashed, sent[2].Outcome)
	require.Equal(t, "report_refused", sent[2].Error.Code)
	require.Contains(t, sent[2].Error.Message, "because of too_large")
	require.False(t, sent[2].Error.Retryable, "what had succeeded is not done again")
	require.Empty(t, b.sup.reporter.given())
	require.Equal(t, 2, b.obs.of("reduced"))
	require.Zero(t, b.obs.of("retried"))
}

func TestRefusedDetailIsLeftOut(t *testing.T) {
	t.Parallel()
	f := &fake{}
	f.finish = func(_ context.Context, r lifecycle.Report) (lifecycle.FinishAnswer, error) {
		if r.Error.Detail != nil {
			return lifecycle.FinishAnswer{}, refused("invalid_request")
		}
		return lifecycle.FinishAnswer{Result: lifecycle.ResultRecorded}, nil
	}
	b := setup(t, f, now(nil, &Failure{Code: "odd", Message: "m", Detail: map[string]int{"n": 1}}))
	b.work(t)
	require.Len(t, b.sent(), 2)
	require.JSONEq(t, `{"n":1}`, string(b.sent()[0].Error.Detail))
	require.Equal(t, "odd", b.sent()[1].Error.Code)
	require.Equal(t, lifecycle.OutcomeFailed, b.sent()[1].Outcome)
}

func TestReportThatNobodyTakesIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"unavailable": unavailable(), "refused": refused("internal"), "unknown": errors.New("odd")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var beats []lifecycle.Heartbeat
				f := &fake{
					finish: func(context.Context, lifecycle.Report) (lifecycle.FinishAnswer, error) {
						return lifecycle.FinishAnswer{}, err
					},
				}
				f.heartbeat = func(_ context.Context, h lifecycle.Heartbeat) (lifecycle.HeartbeatAnswer, error) {
					beats = append(beats, h)
					if len(beats) == 1 {
						return lifecycle.HeartbeatAnswer{}, unavailable()
					}
					return lifecycle.HeartbeatAnswer{Known: true}, nil
				}
				b := setup(t, f, now("out", nil))
				run := uuid.New()
				began := time.Now()
				require.NoError(t, b.sup.Work(t.Context(), run, 0, 1))
				require.Zero(t, b.sup.reporter.wait(t.Context()))
				require.LessOrEqual(t, time.Since(began), 15*time.Second)
				require.Equal(t, 1, b.obs.of("given up"))

				heart := NewHeart(HeartConfig{Lifecycle: f, Supervisor: b.sup, Worker: uuid.New()})
				require.Error(t, heart.runOnce(t.Context()))
				require.NoError(t, heart.runOnce(t.Context()))
				require.NoError(t, heart.runOnce(t.Context()))
				hold := []lifecycle.Hold{{Run: run, Attempt: 1}}
				require.Equal(t, hold, beats[0].Ended)
				require.Equal(t, hold, beats[1].Ended, "said again until it was heard")
				require.Empty(t, beats[2].Ended)
				require.Empty(t, beats[1].Holds)
				require.NoError(t, b.sup.Drain(t.Context()))
			})
		})
	}
}

func TestReportIsOfferedUntilTheDeadlinesGraceIfThatIsLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{finish: func(context.Context, lifecycle.Report) (lifecycle.FinishAnswer, error) {
			return lifecycle.FinishAnswer{}, unavailable()
		}}
		f.claim = aClaim("test", `{}`)
		f.claim.Timeout, f.claim.Remaining = time.Minute, time.Minute
		b := setup(t, f, now("out", nil))
		began := time.Now()
		require.NoError(t, b.sup.Work(t.Context(), uuid.New(), 0, 1))
		require.Zero(t, b.sup.reporter.wait(t.Context()))
		require.Greater(t, time.Since(began), 50*time.Second)
		require.LessOrEqual(t, time.Since(began), 62*time.Second)
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}

func TestLateAnswerIsCounted(t *testing.T) {
	t.Parallel()
	b := setup(t, &fake{finish: func(context.Context, lifecycle.Report) (lifecycle.FinishAnswer, error) {
		return lifecycle.FinishAnswer{Result: lifecycle.ResultTooLate, State: lifecycle.StepLost}, nil
	}}, now("out", nil))
	b.work(t)
	require.Len(t, b.sent(), 1)
	require.Equal(t, 1, b.obs.of("late"))
	require.Empty(t, b.sup.reporter.given())
}

func TestNothingStartsWhileTooMuchIsUnreported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{finish: func(context.Context, lifecycle.Report) (lifecycle.FinishAnswer, error) {
			return lifecycle.FinishAnswer{}, unavailable()
		}}
		b := setup(t, f, now(json.RawMessage(`1`), nil))
		for token := range int64(maxUnreported) {
			require.NoError(t, b.sup.Work(t.Context(), uuid.New(), 0, token+1))
		}
		require.Error(t, b.sup.Work(t.Context(), uuid.New(), 0, maxUnreported+1))
		require.Equal(t, maxUnreported, b.obs.of("started"))
		require.NoError(t, b.sup.Drain(t.Context()))
	})
}
