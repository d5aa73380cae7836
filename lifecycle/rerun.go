package lifecycle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// RerunRequest says how a run is done again.
type RerunRequest struct {
	Actor string          // token:NAME or local
	From  []string        // keys of steps that run again though they had succeeded, with everything downstream of them
	Input json.RawMessage // an object, at most 1 MiB; nil: the same
	ID    uuid.UUID       // of the new run, a UUIDv7; zero: made here

	Scope          string // whose idempotency keys, as of a [Submission]
	IdempotencyKey string // "" = none
	Digest         []byte // SHA-256 of the request in a canonical form; required with a key
}

// RunRerun makes a new run that does a final one again. Steps that had succeeded are carried over with their outputs, except
// those in From; what had not succeeded runs again, and so does everything downstream of what runs again. Where that would be
// nothing, because From is empty and the run succeeded, and where the input is another one, all of it runs again. The
// new run has the name, labels, limits, timeout and policies of the old one as they were stored: keys of limits that were
// expressions are not evaluated again. It has no key, and starts at once.
//
// The same request with the same ID or IdempotencyKey makes one run. Errors: [CodeIllegalTransition] when the run is not
// final, [CodeInvalidRequest] with a fault for each key that is no step of the plan (children of a fan-out are none: name the
// step that fanned out), [CodeTooLarge], [CodeNotFound], [CodeIdempotencyConflict].
func (e *Engine) RunRerun(ctx context.Context, run uuid.UUID, r RerunRequest) (Submitted, error) {
	if err := r.check(); err != nil {
		return Submitted{}, err
	}
	if r.ID == uuid.Nil {
		id, err := uuid.NewV7()
		if err != nil {
			return Submitted{}, mapError(err)
		}
		r.ID = id
	}
	var made Submitted
	err := e.act(ctx, func(q *queries.Queries) error {
		var err error
		made, err = rerun(ctx, q, run, r)
		return err
	})
	if err != nil {
		return Submitted{}, err
	}
	e.nudge()
	return made, nil
}

func (r *RerunRequest) check() error {
	if r.Input == nil {
		return nil
	}
	if err := checkPayload("input", r.Input); err != nil {
		return err
	}
	if !bytes.HasPrefix(bytes.TrimLeft(r.Input, " \t\r\n"), []byte("{")) {
		return invalid("input", "expected a JSON object")
	}
	return nil
}

// rerun is RunRerun of a request that was checked and has an ID, in the transaction of q.
func rerun(ctx context.Context, q *queries.Queries, run uuid.UUID, r RerunRequest) (Submitted, error) {
	if r.From == nil {
		r.From = []string{}
	}
	with := r.Input != nil
	look, err := q.RerunLook(ctx, queries.RerunLookParams{RunID: run, Keys: r.From, WithInput: with, Input: object(r.Input)})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Submitted{}, runNotFound()
	case err != nil:
		return Submitted{}, err
	case !RunState(look.State).Final():
		return Submitted{}, &Error{
			Code: CodeIllegalTransition, Message: "the run is not final: it goes on", Allowed: look.Allowed,
			Current: &CurrentState{State: string(look.State), Actor: look.Actor, At: look.At},
		}
	case len(look.Unknown) > 0:
		return Submitted{}, unknownSteps(look.Unknown)
	}
	nothing := len(r.From) == 0 && (look.AllSucceeded || RunState(look.State) == RunSucceeded)
	p := queries.RunRerunParams{
		RunID: run, ID: r.ID, Actor: r.Actor, Keys: r.From, Everything: nothing || look.OtherInput, WithInput: with, Input: object(r.Input),
		IdempotencyScope: r.Scope, IdempotencyKey: r.IdempotencyKey, IdempotencyDigest: r.Digest,
	}
	if r.IdempotencyKey == "" {
		p.IdempotencyScope, p.IdempotencyDigest = "", []byte{}
	}
	if err := q.PlanLarge(ctx, true); err != nil {
		return Submitted{}, err
	}
	ids, err := q.RunRerun(ctx, p)
	if err != nil {
		return Submitted{}, err
	}
	if err := q.PlanLarge(ctx, false); err != nil || len(ids) > 0 {
		return Submitted{ID: r.ID}, err
	}
	answers := make([]answer[Submitted], 1)
	item := Submission{ID: r.ID, Scope: r.Scope, IdempotencyKey: r.IdempotencyKey, Digest: r.Digest}
	if err := replays(ctx, q, []Submission{item}, nil, answers); err != nil {
		return Submitted{}, err
	}
	return answers[0].value, answers[0].err
}

// unknownSteps is the error of keys, by their places from 1, that are no steps of the plan.
func unknownSteps(places []int32) *Error {
	e := &Error{Code: CodeInvalidRequest, Message: "the run has no such step"}
	for _, place := range places {
		e.Faults = append(e.Faults, plan.Fault{
			Path: "from[" + strconv.Itoa(int(place)-1) + "]", Code: CodeNotFound, Message: "the plan of the run has no step with this key",
		})
	}
	return e
}
