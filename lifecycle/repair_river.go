package lifecycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// riverActor is who cancels a step by way of its River job, in River's UI or by hand: nobody says more.
const riverActor = "river"

// riverRepair is what is to be done because of what became of River jobs.
type riverRepair struct {
	cancel queries.RiverCancelParams   // had not started: cancelled
	stop   queries.RiverStopParams     // runs: its worker is asked to stop it
	again  queries.RiverTakeBackParams // the job ended without a start: dispatched again
	counts map[string]int
}

// repairRiver makes steps say what somebody did to their River jobs: cancelled or deleted, the step is cancelled; ended
// without a start, it is dispatched again.
func (e *Engine) repairRiver(ctx context.Context, ids []uuid.UUID) error {
	rows, err := e.q.RiverInterfered(ctx, ids)
	if err != nil {
		return fmt.Errorf("look for River jobs that somebody changed: %w", err)
	}
	for batch := range slices.Chunk(rows, repairBatch) {
		r := riverRepair{counts: map[string]int{}}
		for _, row := range batch {
			e.logger.Warn("the River job of a step is not what it should be", "run", row.RunID, "step_ordinal", row.Step, "state", row.State, "token", row.Token, "river_state", row.RiverState)
			r.add(row)
		}
		if err := e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error { return r.do(ctx, q) }); err != nil {
			return fmt.Errorf("repair the dispatch of %d steps: %w", len(batch), err)
		}
		for repair, n := range r.counts {
			e.repaired(repair, n)
		}
	}
	return nil
}

func (r *riverRepair) add(row queries.RiverInterferedRow) {
	repair, code, message := RepairRiverCancelled, "river_job_cancelled", "its River job was cancelled, in River's UI or by hand"
	switch row.RiverState {
	case "cancelled":
	case "deleted":
		repair, code, message = RepairRiverDeleted, "river_job_deleted", "its River job was deleted, in River's UI or by hand"
	default:
		r.counts[RepairEndedNotStarted]++
		r.again.Runs, r.again.Steps, r.again.Tokens = append(r.again.Runs, row.RunID), append(r.again.Steps, row.Step), append(r.again.Tokens, row.Token)
		return
	}
	r.counts[repair]++
	if StepState(row.State) == StepRunning {
		r.stop.Runs, r.stop.Steps, r.stop.Tokens = append(r.stop.Runs, row.RunID), append(r.stop.Steps, row.Step), append(r.stop.Tokens, row.Token)
		r.stop.Messages = append(r.stop.Messages, message)
		return
	}
	r.cancel.Runs, r.cancel.Steps, r.cancel.Tokens = append(r.cancel.Runs, row.RunID), append(r.cancel.Steps, row.Step), append(r.cancel.Tokens, row.Token)
	r.cancel.Codes, r.cancel.Messages = append(r.cancel.Codes, code), append(r.cancel.Messages, message)
}

// do does it, in the transaction of q; steps that have moved on since are left alone.
func (r *riverRepair) do(ctx context.Context, q *queries.Queries) error {
	if err := q.ActorSet(ctx, riverActor); err != nil {
		return err
	}
	if _, err := q.RiverCancel(ctx, r.cancel); err != nil {
		return err
	}
	if _, err := q.RiverStop(ctx, r.stop); err != nil {
		return err
	}
	_, err := q.RiverTakeBack(ctx, r.again)
	return err
}
