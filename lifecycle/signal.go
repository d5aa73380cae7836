package lifecycle

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// SignalRequest is what somebody tells a step that waits for it.
type SignalRequest struct {
	Actor   string          // token:NAME or local
	Payload json.RawMessage // becomes the output of the step, at most 1 MiB; nil: none
}

// StepSignal ends a step of kind wait that waits for a signal. A signal that comes before its step waits is kept, and ends
// it then. At most one signal does: any other is [CodeIllegalTransition], as is one for a step that waits for no signal, or
// that is being cancelled. On a paused run the step ends at once, and what follows from it starts on resume. Further errors:
// [CodeInvalidRequest], [CodeTooLarge], [CodeNotFound].
func (e *Engine) StepSignal(ctx context.Context, run uuid.UUID, key string, r SignalRequest) error {
	if err := checkPayload("payload", r.Payload); err != nil {
		return err
	}
	p := queries.StepSignalParams{Actor: r.Actor, RunID: run, Key: key, HasPayload: r.Payload != nil, Payload: orNull(r.Payload)}
	return e.actOnStep(ctx, run, key, r.Actor, func(q *queries.Queries) (bool, error) {
		result, err := q.StepSignal(ctx, p)
		if errors.Is(err, pgx.ErrNoRows) {
			return false, nil
		}
		return err == nil && result != "refused", err
	}, refuseSignal)
}

// refuseSignal is the error of a signal that the step's state does not allow.
func refuseSignal(now *queries.StepNowRow) *Error {
	refusal := refuseStep(now)
	expected := now.Expects != nil && *now.Expects == "signal"
	switch {
	case !expected:
		return illegalStep(now, "the step does not wait for a signal: it is not of kind wait, or it waits for something else", now.Allowed...)
	case refusal != nil:
		return refusal
	case now.SignalBy != "":
		return illegalStep(now, "a signal is kept for the step already: the first one wins", now.Allowed...)
	}
	return &Error{Code: CodeOverloaded, Message: "somebody else changes the step; try again", Retryable: true}
}
