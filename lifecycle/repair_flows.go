package lifecycle

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// repairFamilies recounts fan-outs whose counts are not what their settled children say.
func (e *Engine) repairFamilies(ctx context.Context, ids []uuid.UUID) error {
	rows, err := e.q.FamiliesMiscounted(ctx, ids)
	if err != nil {
		return fmt.Errorf("look for fan-outs that are miscounted: %w", err)
	}
	if len(rows) == 0 {
		return nil
	}
	var wrong nodes
	for _, r := range rows {
		wrong.add(r.RunID, r.Step)
	}
	var n int64
	err = e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
		if _, err := q.FamilyLock(ctx, queries.FamilyLockParams{Runs: wrong.runs, Steps: wrong.steps}); err != nil {
			return err
		}
		if n, err = q.FamilyRecount(ctx, queries.FamilyRecountParams{Runs: wrong.runs, Steps: wrong.steps}); err != nil {
			return err
		}
		return q.DirtyAdd(ctx, queries.DirtyAddParams{Runs: wrong.runs, Steps: wrong.steps})
	})
	if err != nil {
		return fmt.Errorf("recount %d fan-outs: %w", len(rows), err)
	}
	for i, run := range wrong.runs {
		e.logger.Warn("the counts of a fan-out were wrong and are repaired", "run", run, "step_ordinal", wrong.steps[i])
	}
	e.repaired(RepairNeedsCounted, int(n))
	return nil
}

// repairGate recounts what is held of limits, and shows the gate what it should have been shown.
func (e *Engine) repairGate(ctx context.Context) error {
	var wrong []queries.LimitsRecountRow
	err := e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) (err error) {
		if err := q.GateLock(ctx); err != nil {
			return err
		}
		wrong, err = q.LimitsRecount(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("recount limits: %w", err)
	}
	for _, l := range wrong {
		e.logger.Warn("the count of a limit was wrong and is repaired", "limit", l.Key, "used", l.Used)
	}
	e.repaired(RepairLimitCounted, len(wrong))
	n, err := e.q.GateForgotten(ctx)
	if err != nil {
		return fmt.Errorf("look for what the gate should have seen: %w", err)
	}
	e.repaired(RepairForgotten, int(n))
	return nil
}
