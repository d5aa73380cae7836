package lifecycle

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// decision is how the database ends attempts that nobody ends.
type decision struct {
	actor     string    // "" = this replica's reconcile
	worker    uuid.UUID // only what this worker holds; Nil = whoever holds it
	outcome   StepState
	cause     Cause
	counts    bool // as a failure
	onRequest bool // tried again only by a policy that names the outcome
	message   string
}

// undeliverable is about attempts whose worker lives to say that nobody took its report.
func undeliverable(worker uuid.UUID) decision {
	return decision{
		actor: "@worker", worker: worker, outcome: StepCrashed, cause: CauseReportUndeliverable, counts: true,
		message: "the attempt ended, and its worker could not report how",
	}
}

// forgot is about attempts that their worker does not know of.
func forgot(worker uuid.UUID) decision {
	return decision{
		worker: worker, outcome: StepLost, cause: CauseWorkerForgot, counts: true, onRequest: true,
		message: "its worker lives and does not hold the attempt any more",
	}
}

// leaseExpired is about attempts of a worker that is gone.
func leaseExpired(worker uuid.UUID) decision {
	return decision{
		worker: worker, outcome: StepLost, cause: CauseLeaseExpired, counts: true, onRequest: true,
		message: "the lease of its worker ran out: the worker died, froze, or lost its way to the database",
	}
}

// overdue is about attempts that are over their deadline without a word.
func overdue() decision {
	return decision{
		outcome: StepTimedOut, cause: CauseDeadline, counts: true, onRequest: true,
		message: "the attempt took longer than its timeout and its grace, and its worker did not report",
	}
}

// stalled is about attempts that gave no sign of life, and that their worker did not stop.
func stalled() decision {
	return decision{
		outcome: StepTimedOut, cause: CauseStalled, counts: true, onRequest: true,
		message: "no log line, progress or output for longer than stall_after, and its worker did not stop the attempt",
	}
}

// unconfirmed is about attempts that their worker was asked to stop.
func unconfirmed() decision {
	return decision{
		outcome: StepCancelled, cause: CauseUnconfirmed,
		message: "the attempt was asked to stop, and its worker did not say in time that it had",
	}
}

// decided is an attempt that was ended, and the River job that it had.
type decided struct {
	Hold

	again    bool
	riverJob int64 // 0 = none
}

// decide ends those of the attempts that are running, in the transaction of q, as the retry policy of each step says.
// It answers which.
func (e *Engine) decide(ctx context.Context, q *queries.Queries, d decision, holds []Hold) ([]decided, error) {
	if len(holds) == 0 {
		return nil, nil
	}
	if d.actor == "" {
		d.actor = e.actor
	}
	if err := q.ActorSet(ctx, d.actor); err != nil {
		return nil, fmt.Errorf("say who decides: %w", err)
	}
	keys := columnsOf(holds)
	p := queries.StepDecideParams{
		Runs: keys.runs, Steps: keys.steps, Attempts: keys.attempts, Outcome: queries.WeirStepState(d.outcome),
		Cause: queries.WeirCause(d.cause), Counts: d.counts, OnRequest: d.onRequest, ErrorCode: string(d.cause), ErrorMessage: d.message,
	}
	if d.worker != uuid.Nil {
		p.Worker = &d.worker
	}
	rows, err := q.StepDecide(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("end %d attempts, %s: %w", len(holds), d.cause, err)
	}
	ended := make([]decided, len(rows))
	for i, r := range rows {
		ended[i] = decided{
			Hold:  Hold{Run: r.RunID, Step: int(r.Step), Attempt: int(r.Attempt)},
			again: StepState(r.State) == StepRetrying, riverJob: r.RiverJobID,
		}
	}
	return ended, nil
}

// holdColumns are holds as SQL takes them.
type holdColumns struct {
	runs            []uuid.UUID
	steps, attempts []int32
}

func columnsOf(holds []Hold) holdColumns {
	c := holdColumns{runs: make([]uuid.UUID, len(holds)), steps: make([]int32, len(holds)), attempts: make([]int32, len(holds))}
	for i, h := range holds {
		c.runs[i], c.steps[i], c.attempts[i] = h.Run, int32(h.Step), int32(h.Attempt)
	}
	return c
}
