package lifecycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// repairBatch is how many steps one transaction repairs.
const repairBatch = 1000

// repairRuns recounts the runs whose counts are not what their settled steps say.
func (e *Engine) repairRuns(ctx context.Context, ids []uuid.UUID) error {
	wrong, err := e.q.RunMiscounted(ctx, ids)
	if err != nil {
		return fmt.Errorf("look for runs that are miscounted: %w", err)
	}
	if len(wrong) == 0 {
		return nil
	}
	var n int64
	err = e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
		if err := q.ActorSet(ctx, e.actor); err != nil {
			return err
		}
		if _, err := q.RunLock(ctx, wrong); err != nil {
			return err
		}
		n, err = q.RunRecount(ctx, wrong)
		return err
	})
	if err != nil {
		return fmt.Errorf("recount %d runs: %w", len(wrong), err)
	}
	for _, id := range wrong {
		e.logger.Warn("the counts of a run were wrong and are repaired", "run", id)
	}
	e.repaired(RepairRunCounted, int(n))
	return nil
}

// repairNeeds recounts the needs of pending steps, and decides about those that reconcile should have decided about.
func (e *Engine) repairNeeds(ctx context.Context, ids []uuid.UUID) error {
	rows, err := e.q.NeedsMiscounted(ctx, ids)
	if err != nil {
		return fmt.Errorf("look for steps whose needs are miscounted: %w", err)
	}
	wrong := make([]node, len(rows))
	for i, r := range rows {
		wrong[i] = node{r.RunID, r.Step}
		e.logger.Warn("the counts of a step's needs were wrong and are repaired", "run", r.RunID, "step_ordinal", r.Step)
	}
	if err := e.decideNeeds(ctx, wrong, true); err != nil {
		return err
	}
	e.repaired(RepairNeedsCounted, len(wrong))

	left, err := e.q.PendingDecided(ctx, ids)
	if err != nil {
		return fmt.Errorf("look for steps that are not decided about: %w", err)
	}
	forgotten := make([]node, len(left))
	for i, r := range left {
		forgotten[i] = node{r.RunID, r.Step}
		e.logger.Warn("the needs of a step say what becomes of it, and nobody had done it", "run", r.RunID, "step_ordinal", r.Step)
	}
	if err := e.decideNeeds(ctx, forgotten, false); err != nil {
		return err
	}
	e.repaired(RepairForgotten, len(forgotten))
	return nil
}

// decideNeeds does with pending steps what their needs say, recounted before if they are wrong.
func (e *Engine) decideNeeds(ctx context.Context, steps []node, recount bool) error {
	for batch := range slices.Chunk(steps, repairBatch) {
		var after effects
		err := e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
			mine, err := e.lockNodes(ctx, q, batch)
			if err != nil || len(mine) == 0 {
				return err
			}
			keys := columnsOf(mine)
			if _, err := q.PendingLock(ctx, queries.PendingLockParams{Runs: keys.runs, Steps: keys.steps}); err != nil {
				return err
			}
			if recount {
				if err := q.ActorSet(ctx, e.actor); err != nil {
					return err
				}
				if _, err := q.NeedsRecount(ctx, queries.NeedsRecountParams{Runs: keys.runs, Steps: keys.steps}); err != nil {
					return err
				}
			}
			s := e.newSettler(q, passRounds)
			nothing := make(map[node]*tally, len(mine)) // more to count: only the decision is wanted
			for _, h := range mine {
				nothing[node{h.Run, int32(h.Step)}] = &tally{}
			}
			if err := s.needs(ctx, nothing); err != nil {
				return err
			}
			if err := s.settle(ctx); err != nil {
				return err
			}
			if err := s.beginLater(ctx); err != nil {
				return err
			}
			after = s.after
			return nil
		})
		if err != nil {
			return fmt.Errorf("decide about %d steps: %w", len(batch), err)
		}
		e.apply(after)
	}
	return nil
}

// lockNodes locks the shards of steps. Those whose shard somebody else has are left to the next sweep.
func (e *Engine) lockNodes(ctx context.Context, q *queries.Queries, steps []node) ([]Hold, error) {
	runs := make([]uuid.UUID, len(steps))
	for i, n := range steps {
		runs[i] = n.run
	}
	got, err := q.ShardsLock(ctx, shardsOf(runs))
	if err != nil {
		return nil, err
	}
	var mine []Hold
	for _, n := range steps {
		if slices.Contains(got, shardOf(n.run)) {
			mine = append(mine, Hold{Run: n.run, Step: int(n.step)})
		}
	}
	return mine, nil
}

// repairHints writes the hints that should be there and are not.
func (e *Engine) repairHints(ctx context.Context, ids []uuid.UUID) error {
	rows, err := e.q.DirtyForgotten(ctx, ids)
	if err != nil {
		return fmt.Errorf("look for what reconcile was not told of: %w", err)
	}
	for _, r := range rows {
		e.logger.Warn("reconcile was not told of something, and is now", "run", r.RunID, "step_ordinal", r.Step, "what", r.Why)
	}
	e.repaired(RepairForgotten, len(rows))
	return nil
}
