package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// Bounds of the sweep.
const (
	sweepEvery = time.Minute
	sweepRuns  = 500    // runs that are looked at in one go
	sweepSteps = 20_000 // steps of them, about: one run may have more
)

// sweepOnce sweeps if that was not done within the last minute by any replica, or if somebody has asked for it since.
func (e *Engine) sweepOnce(ctx context.Context) error {
	mine, err := e.q.PulseSweep(ctx, sweepEvery.Milliseconds())
	if err != nil || !mine {
		return mapError(err)
	}
	if err := e.sweep(ctx); err != nil {
		return mapError(err)
	}
	return mapError(e.q.PulseSwept(ctx))
}

// sweep goes through every open run, recounts from its settled steps, and repairs what a person, River's UI or a bug
// has left wrong, so that within a minute each step says what happened and moves on. What has a dirty row is left to
// reconcile. Each repair is logged and told to the observer.
func (e *Engine) sweep(ctx context.Context) error {
	err := errors.Join(e.q.HeardOver(ctx), e.q.QuarantineOver(ctx), e.q.QueuesKeep(ctx), e.expireFetched(ctx, fetchedEver), e.expireLeft(ctx), e.expireAhead(ctx), e.repairGate(ctx))
	for _, state := range []RunState{RunRunning, RunPaused} {
		err = errors.Join(err, e.sweepState(ctx, state))
	}
	return err
}

// sweepState goes through the runs of one state, the newest first.
func (e *Engine) sweepState(ctx context.Context, state RunState) error {
	p := queries.SweepRunsParams{
		State: queries.WeirRunState(state), CreatedBefore: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Before: uuid.Max, Most: sweepRuns,
	}
	var failed error // a batch that fails keeps no other from being swept
	for {
		rows, err := e.q.SweepRuns(ctx, p)
		if err != nil {
			return errors.Join(failed, fmt.Errorf("list the %s runs: %w", state, err))
		}
		var ids []uuid.UUID
		steps := int32(0)
		for i, r := range rows {
			ids = append(ids, r.ID)
			steps += r.StepsTotal
			if i < len(rows)-1 && steps+rows[i+1].StepsTotal <= sweepSteps {
				continue
			}
			if err := e.sweepBatch(ctx, ids); err != nil {
				failed = errors.Join(failed, fmt.Errorf("sweep %d %s runs: %w", len(ids), state, err))
			}
			ids, steps = nil, 0
		}
		if len(rows) < sweepRuns || ctx.Err() != nil {
			return failed
		}
		last := rows[len(rows)-1]
		p.CreatedBefore, p.Before = last.CreatedAt, last.ID
	}
}

// sweepBatch repairs some runs. A part that fails keeps no other from its work.
func (e *Engine) sweepBatch(ctx context.Context, ids []uuid.UUID) error {
	return errors.Join(e.repairRiver(ctx, ids), e.repairNeeds(ctx, ids), e.repairRuns(ctx, ids), e.repairFamilies(ctx, ids), e.repairHints(ctx, ids))
}

// repaired tells of repairs of one kind, and has reconcile look at what they touched.
func (e *Engine) repaired(repair string, n int) {
	if n == 0 {
		return
	}
	e.observe(func(o Observer) { o.Repaired(repair, n) })
	e.nudge()
}
