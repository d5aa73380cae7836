package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/queries"
)

// Bounds of an operator's action that has to wait for others.
const (
	actTries   = 20                    // each of which waits for a lock as long as txBegin lets it
	actBackoff = 20 * time.Millisecond // at the most, between two
)

// RunPause keeps everything of a run from starting, until [Engine.RunResume]. What runs ends as it does, and is settled;
// signals, decisions, deadlines and cancellations go on, and so do child runs, which are runs of their own. When it has returned nothing of the run starts, and no claim
// stands behind the pause in the history. A run that is paused stays so. A run that is final, or being cancelled, is
// [CodeIllegalTransition].
func (e *Engine) RunPause(ctx context.Context, run uuid.UUID, actor string) error {
	paused, took := false, false
	for !paused {
		taken := int64(0)
		err := e.act(ctx, func(q *queries.Queries) error {
			var err error
			taken, paused, err = runPause(ctx, q, run, actor)
			return err
		})
		if err != nil {
			if took {
				e.dispatchAgain(ctx, run)
			}
			return err
		}
		took = took || taken > 0
	}
	e.nudge()
	return nil
}

// runPause takes dispatches of the run back. When these were the last ones it sets the run to paused, in the same
// transaction: nobody starts what has no dispatch, and nobody else dispatches while this transaction has the shard. Else it
// is to be called again: without a hint nobody dispatches meanwhile what was taken back.
func runPause(ctx context.Context, q *queries.Queries, run uuid.UUID, actor string) (taken int64, paused bool, err error) {
	if err := q.ShardWait(ctx, run); err != nil {
		return 0, false, err
	}
	now, err := lookAtRun(ctx, q, run)
	if err != nil {
		return 0, false, err
	}
	if now.state == RunPaused {
		return 0, true, nil
	}
	if err := now.refuse(); err != nil {
		return 0, false, err
	}
	if taken, err = q.RunTakeBack(ctx, queries.RunTakeBackParams{RunID: run, Most: passSteps}); err != nil {
		return 0, false, err
	}
	if err := q.DirtyTell(ctx); err != nil {
		return 0, false, err
	}
	claimed, err := q.RunClaimedSince(ctx, run)
	if err != nil || claimed || taken == passSteps {
		return taken, false, err
	}
	rows, err := q.RunPause(ctx, queries.RunPauseParams{Actor: actor, RunID: run})
	if err != nil || rows == 0 { // its cancellation was asked for just now
		return taken, false, err
	}
	return taken, true, q.SlotsOfPaused(ctx, run)
}

// dispatchAgain has reconcile give back what a pause that failed took. If nobody can be told the sweep finds out.
func (e *Engine) dispatchAgain(ctx context.Context, run uuid.UUID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := e.q.DirtyAdd(ctx, queries.DirtyAddParams{Runs: []uuid.UUID{run}, Steps: []int32{0}}); err != nil {
		e.logger.Warn("a pause failed, and steps that it took back are dispatched again only by the next sweep", "run", run, "error", err)
	}
	e.nudge()
}

// RunResume ends a pause. A run that is not paused stays as it is; one that is final, or being cancelled, is
// [CodeIllegalTransition].
func (e *Engine) RunResume(ctx context.Context, run uuid.UUID, actor string) error {
	err := e.act(ctx, func(q *queries.Queries) error {
		rows, err := q.RunResume(ctx, queries.RunResumeParams{Actor: actor, RunID: run})
		if err != nil {
			return err
		}
		if rows == 1 {
			return q.DirtyTell(ctx)
		}
		now, err := lookAtRun(ctx, q, run)
		if err != nil {
			return err
		}
		return now.refuse()
	})
	if err != nil {
		return err
	}
	e.nudge()
	return nil
}

// runNow is what a run is, and who made it so.
type runNow struct {
	state      RunState
	cancelling bool
	actor      string
	at         time.Time
}

func lookAtRun(ctx context.Context, q *queries.Queries, run uuid.UUID) (runNow, error) {
	look, err := q.RunLook(ctx, run)
	if errors.Is(err, pgx.ErrNoRows) {
		return runNow{}, runNotFound()
	}
	if err != nil {
		return runNow{}, err
	}
	return runNow{state: RunState(look.State), cancelling: look.CancelRequestedAt != nil, actor: look.Actor, at: look.At}, nil
}

// refuse is the error of whoever wants to pause or resume a run that ends, or has ended; nil: it goes on.
func (r runNow) refuse() error {
	current := &CurrentState{State: string(r.state), Actor: r.actor, At: r.at}
	switch {
	case r.state.Final():
		return &Error{Code: CodeIllegalTransition, Message: "the run is final", Allowed: []string{}, Current: current}
	case r.cancelling:
		return &Error{Code: CodeIllegalTransition, Message: "the run is being cancelled", Allowed: []string{string(RunCancelled)}, Current: current}
	}
	return nil
}

// act does what an operator asks for in one transaction, again while others hold what it needs. The error is an [Error]:
// after the last try it is retryable.
func (e *Engine) act(ctx context.Context, do func(q *queries.Queries) error) error {
	var err error
	for range actTries {
		err = e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error { return do(q) })
		if !db.IsLockTimeout(err) && !db.IsTransient(err) || ctx.Err() != nil {
			return mapError(err)
		}
		pause(ctx, rand.N(actBackoff))
	}
	return mapError(fmt.Errorf("after %d tries: %w", actTries, err))
}
