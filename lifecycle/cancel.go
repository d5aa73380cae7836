package lifecycle

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// CancelRequest says who asks for a cancellation, and why.
type CancelRequest struct {
	Actor  string // token:NAME or local
	Reason string // for people, may be empty
}

// RunCancel asks for the cancellation of a run. It returns once the request is recorded; the run is cancelled when its
// last step is final. Asked again, it changes nothing. A run that is final already is [CodeIllegalTransition].
func (e *Engine) RunCancel(ctx context.Context, run uuid.UUID, r CancelRequest) error {
	err := e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
		if _, err := q.RunCancelRequest(ctx, queries.RunCancelRequestParams{Actor: r.Actor, Reason: r.Reason, RunID: run}); err != nil {
			return err
		}
		return q.DirtyTell(ctx)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return e.runNotCancelled(ctx, run)
	}
	if err != nil {
		return mapError(err)
	}
	e.nudge()
	return nil
}

// runNotCancelled says why a request changed nothing; nil: it was made before.
func (e *Engine) runNotCancelled(ctx context.Context, run uuid.UUID) error {
	look, err := e.q.RunLook(ctx, run)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return &Error{Code: CodeNotFound, Message: "there is no such run"}
	case err != nil:
		return mapError(err)
	case RunState(look.State).Final():
		return &Error{
			Code: CodeIllegalTransition, Message: "the run is final", Allowed: []string{},
			Current: &CurrentState{State: string(look.State), Actor: look.Actor, At: look.At},
		}
	}
	return nil
}

// StepCancel asks for the cancellation of one step, as RunCancel does for a run.
func (e *Engine) StepCancel(ctx context.Context, run uuid.UUID, key string, r CancelRequest) error {
	err := e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
		if _, err := q.StepCancelRequest(ctx, queries.StepCancelRequestParams{Actor: r.Actor, Reason: r.Reason, RunID: run, Key: key}); err != nil {
			return err
		}
		return q.DirtyTell(ctx)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return e.stepNotCancelled(ctx, run, key)
	}
	if err != nil {
		return mapError(err)
	}
	e.nudge()
	return nil
}

func (e *Engine) stepNotCancelled(ctx context.Context, run uuid.UUID, key string) error {
	missing := &Error{Code: CodeNotFound, Message: "there is no such step"}
	step, err := e.q.StepOrdinal(ctx, queries.StepOrdinalParams{Run: run, Key: key})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return missing
	case err != nil:
		return mapError(err)
	}
	looks, err := e.look(ctx, []uuid.UUID{run}, []int32{step}, true)
	if err != nil {
		return mapError(err)
	}
	look := looks[node{run, step}]
	switch {
	case look == nil:
		return missing
	case StepState(look.State).Final():
		return &Error{
			Code: CodeIllegalTransition, Message: "the step is final", Allowed: []string{},
			Current: &CurrentState{State: string(look.State), Attempt: int(look.Attempt), Actor: look.Actor, At: look.At},
		}
	}
	return nil
}
