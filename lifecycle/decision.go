package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// Bounds of what comes with an operator's action or a signal.
const (
	payloadMost = 1 << 20 // bytes of JSON
	commentMost = 1024    // characters
)

// Decision is what becomes of a step that waits for an operator.
type Decision string

// The decisions. A step that waits for approval knows accept and fail alone.
const (
	DecisionRetry  Decision = "retry"  // try it again, now
	DecisionSkip   Decision = "skip"   // go on without it: what needs its success is skipped, too
	DecisionAccept Decision = "accept" // take it for a success, perhaps with an output
	DecisionFail   Decision = "fail"   // let it end as its last attempt did; an approval: failed, as rejected
)

// Decisions lists every decision.
func Decisions() []Decision {
	return []Decision{DecisionRetry, DecisionSkip, DecisionAccept, DecisionFail}
}

// DecisionRequest is what somebody decided.
type DecisionRequest struct {
	Actor    string // token:NAME or local
	Decision Decision
	Output   json.RawMessage // with accept: the output of the step, at most 1 MiB; nil: none
	Comment  string          // for people, at most 1,024 characters: a line of the log of the step
}

// StepDecision decides about a step that waits for a decision or an approval. It is a conditional write on the current row:
// of two decisions one wins, and the other is [CodeIllegalTransition], as with a step that waits for nothing of the kind, or
// that is being cancelled. On a paused run the decision counts at once, and what follows from it starts on resume. Further
// errors: [CodeInvalidRequest], [CodeTooLarge], [CodeNotFound].
func (e *Engine) StepDecision(ctx context.Context, run uuid.UUID, key string, r DecisionRequest) error {
	if err := r.check(); err != nil {
		return err
	}
	p := queries.StepDecisionParams{
		Actor: r.Actor, Decision: string(r.Decision), RunID: run, Key: key, HasOutput: r.Output != nil, Output: orNull(r.Output), Comment: r.Comment,
	}
	return e.actOnStep(ctx, run, key, r.Actor, func(q *queries.Queries) (bool, error) {
		_, err := q.StepDecision(ctx, p)
		if errors.Is(err, pgx.ErrNoRows) {
			return false, nil
		}
		return err == nil, err
	}, r.refuse)
}

func (r *DecisionRequest) check() error {
	switch r.Decision {
	case DecisionRetry, DecisionSkip, DecisionAccept, DecisionFail:
	default:
		return invalid("decision", "expected retry, skip, accept or fail")
	}
	switch {
	case r.Output != nil && r.Decision != DecisionAccept:
		return invalid("output", "only what is accepted has an output")
	case utf8.RuneCountInString(r.Comment) > commentMost || !storableText(r.Comment):
		return invalid("comment", "expected at most 1024 characters, none of them the null character")
	}
	return checkPayload("output", r.Output)
}

// refuse is the error of a decision that the step's state does not allow.
func (r *DecisionRequest) refuse(now *queries.StepNowRow) *Error {
	refusal := refuseStep(now)
	switch {
	case refusal != nil:
		return refusal
	case now.WaitingFor != nil && *now.WaitingFor == "approval":
		return illegalStep(now, "the step waits for approval: the decision is accept or fail", string(StepFailed), string(StepSucceeded))
	case now.WaitingFor != nil && *now.WaitingFor == "decision":
		return &Error{Code: CodeOverloaded, Message: "somebody else changes the step; try again", Retryable: true}
	case now.WaitingFor != nil:
		return illegalStep(now, "the step waits for something else than a decision", now.Allowed...)
	}
	return illegalStep(now, "the step does not wait for a decision", now.Allowed...)
}

// refuseStep is the error of whoever acts on a step that is final or being cancelled; nil: it is neither.
func refuseStep(now *queries.StepNowRow) *Error {
	switch {
	case StepState(now.State).Final():
		return illegalStep(now, "the step is final")
	case now.Cancelling:
		return illegalStep(now, "the step is being cancelled", string(StepCancelled))
	}
	return nil
}

func illegalStep(now *queries.StepNowRow, message string, allowed ...string) *Error {
	return &Error{
		Code: CodeIllegalTransition, Message: message, Allowed: append([]string{}, allowed...),
		Current: &CurrentState{State: string(now.State), Attempt: int(now.Attempt), Actor: now.Actor, At: now.At},
	}
}

// actOnStep does something to a step, has reconcile go on, and says why where nothing was done. When the answer to a commit
// was lost, and the step then is what the same actor made of it, it was done.
func (e *Engine) actOnStep(ctx context.Context, run uuid.UUID, key, actor string, do func(*queries.Queries) (bool, error), refuse func(*queries.StepNowRow) *Error) error {
	unknown := false
	err := e.act(ctx, func(q *queries.Queries) error {
		done, err := do(q)
		if err != nil {
			return err
		}
		if done {
			unknown = true // until the commit is answered
			return q.DirtyTell(ctx)
		}
		now, err := q.StepNow(ctx, queries.StepNowParams{RunID: run, Key: key})
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return e.noSuchStep(ctx, q, run)
		case err != nil:
			return err
		case unknown && (now.Actor == actor || now.SignalBy == actor):
			return nil
		}
		return refuse(&now)
	})
	if err != nil {
		return err
	}
	e.nudge()
	return nil
}

func (e *Engine) noSuchStep(ctx context.Context, q *queries.Queries, run uuid.UUID) error {
	exists, err := q.RunExists(ctx, run)
	switch {
	case err != nil:
		return err
	case !exists:
		return runNotFound()
	}
	return stepNotFound()
}

// checkPayload refuses JSON that could not be stored.
func checkPayload(field string, raw json.RawMessage) error {
	switch {
	case len(raw) > payloadMost:
		return &Error{Code: CodeTooLarge, Message: "the " + field + " is larger than 1 MiB"}
	case raw != nil && !storable(raw):
		return invalid(field, "is not JSON that PostgreSQL can store: UTF-8, without the null character, not too deep")
	}
	return nil
}
