package lifecycle

import (
	"bytes"
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/queries"
)

// What a submission with a key does when a run of the key is live.
const (
	ConflictKeep    = "keep"    // answers the live run
	ConflictReplace = "replace" // has it cancelled, and starts when its work has stopped
	ConflictQueue   = "queue"   // starts when it has ended
)

// keyTries is how often a submission that waited in vain for another one of its key waits again.
const keyTries = 20

// submitKeyed submits a run that shares its key with others, one submission of a key at a time. At most one run of a key
// has been let in and has not ended; the gate lets the next one in.
func (e *Engine) submitKeyed(ctx context.Context, s Submission) (Submitted, error) {
	switch s.OnConflict {
	case ConflictKeep, ConflictReplace, ConflictQueue:
	default:
		return Submitted{}, &Error{Code: CodeInternal, Message: "a submission with a key says what a conflict does: keep, replace or queue"}
	}
	var out Submitted
	var err error
	for range keyTries {
		err = e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) (err error) {
			out, err = e.submitOfKey(ctx, q, s)
			return err
		})
		if !db.IsLockTimeout(err) {
			break
		}
	}
	if err != nil {
		return Submitted{}, mapError(err)
	}
	e.nudge()
	return out, nil
}

// submitOfKey decides what becomes of a submission, in a transaction that holds the key.
func (e *Engine) submitOfKey(ctx context.Context, q *queries.Queries, s Submission) (Submitted, error) {
	if err := q.RunKeyLock(ctx, s.Key); err != nil {
		return Submitted{}, err
	}
	if known, found, err := replayOf(ctx, q, s); found || err != nil {
		return known, err
	}
	rows, err := q.RunsOfKey(ctx, s.Key)
	if err != nil {
		return Submitted{}, err
	}
	switch s.OnConflict {
	case ConflictKeep:
		if id := keptOf(rows); id != uuid.Nil {
			return Submitted{ID: id, Kept: true}, nil
		}
	case ConflictReplace:
		if err := supersede(ctx, q, s, rows); err != nil {
			return Submitted{}, err
		}
	}
	answers, err := submit(ctx, q, []Submission{s})
	if err != nil {
		return Submitted{}, err
	}
	return answers[0].value, answers[0].err
}

// replayOf looks for the run of a submission that is repeated.
func replayOf(ctx context.Context, q *queries.Queries, s Submission) (Submitted, bool, error) {
	ids, err := q.RunsThatExist(ctx, []uuid.UUID{s.ID})
	if err != nil || len(ids) > 0 {
		return Submitted{ID: s.ID}, len(ids) > 0, err
	}
	if s.IdempotencyKey == "" {
		return Submitted{}, false, nil
	}
	rows, err := q.RunOfIdempotencyKey(ctx, queries.RunOfIdempotencyKeyParams{Scopes: []string{s.Scope}, Keys: []string{s.IdempotencyKey}})
	switch {
	case err != nil || len(rows) == 0:
		return Submitted{}, false, err
	case !bytes.Equal(rows[0].IdempotencyDigest, s.Digest):
		return Submitted{}, true, idempotencyConflict()
	}
	return Submitted{ID: rows[0].ID, Replayed: true}, true, nil
}

// keptOf is the live run of a key, or else the newest that waits to be; Nil: there is none that goes on.
func keptOf(rows []queries.RunsOfKeyRow) uuid.UUID {
	kept := uuid.Nil
	for _, row := range rows {
		switch {
		case row.Cancelling:
		case row.Admitted:
			return row.ID
		case kept == uuid.Nil:
			kept = row.ID
		}
	}
	return kept
}

// supersede asks for the cancellation of all runs of the key.
func supersede(ctx context.Context, q *queries.Queries, s Submission, rows []queries.RunsOfKeyRow) error {
	p := queries.RunsSupersedeParams{Actor: s.Actor, Reason: "run " + s.ID.String() + " of the same key takes its place"}
	for _, row := range rows {
		if !row.Cancelling {
			p.Ids = append(p.Ids, row.ID)
		}
	}
	if len(p.Ids) == 0 {
		return nil
	}
	_, err := q.RunsSupersede(ctx, p)
	return err
}
