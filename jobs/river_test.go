package jobs

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

func TestRiverWorkerStartsWithTheJobsID(t *testing.T) {
	t.Parallel()
	run := uuid.New()
	var got lifecycle.StartRequest
	f := &fake{}
	f.start = func(_ context.Context, r lifecycle.StartRequest) (lifecycle.StartAnswer, error) {
		got = r
		return f.started(r), nil
	}
	b := setup(t, f, now(nil, nil))
	require.NotNil(t, RiverWorkers(b.sup.cfg.Registry, b.sup))

	var args riverArgs
	require.NoError(t, json.Unmarshal([]byte(`{"run":"`+run.String()+`","step":4}`), &args))
	w := &riverWorker{sup: b.sup, logger: b.sup.cfg.Logger}
	job := &river.Job[riverArgs]{JobRow: &rivertype.JobRow{ID: 99}, Args: args}
	require.NoError(t, w.Work(t.Context(), job))
	require.Negative(t, w.Timeout(job))
	require.Equal(t, lifecycle.StartRequest{Run: run, Step: 4, Token: 99, Worker: b.sup.cfg.Worker}, got)

	f.start = func(context.Context, lifecycle.StartRequest) (lifecycle.StartAnswer, error) {
		return lifecycle.StartAnswer{}, refused("internal")
	}
	require.NoError(t, w.Work(t.Context(), job), "River has nothing to retry")
	require.NoError(t, b.sup.Drain(t.Context()))
}

func TestRiverContextEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cause   error
		outcome lifecycle.Outcome
	}{
		"cancelled in River": {rivertype.ErrJobCancelledRemotely, lifecycle.OutcomeCancelled},
		"client stops":       {context.Canceled, lifecycle.OutcomeHandedBack},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := setup(t, &fake{}, ended(nil, context.Canceled))
				w := &riverWorker{sup: b.sup, logger: b.sup.cfg.Logger}
				ctx, cancel := context.WithCancelCause(t.Context())
				over := make(chan error)
				go func() { over <- w.Work(ctx, &river.Job[riverArgs]{JobRow: &rivertype.JobRow{ID: 1}}) }()
				synctest.Wait()
				cancel(c.cause)
				require.NoError(t, <-over)
				require.Equal(t, c.outcome, b.only(t).Outcome)
				require.NoError(t, b.sup.Drain(t.Context()))
			})
		})
	}
}
