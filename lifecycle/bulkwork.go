package lifecycle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// How many runs are dealt with in one transaction.
const (
	bulkMost  = 100
	bulkAlone = 10 // of those that are dealt with one after the other: pauses hold the shard of each until the end
)

// bulkTries is how often a batch that meets what others hold is tried before others may try.
const bulkTries = 20

// bulkWork goes on with operations on many runs whenever there may be some, until ctx ends.
func (e *Engine) bulkWork(ctx context.Context) error {
	poll := e.newPoll()
	defer poll.stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.bulks:
		case <-poll.c:
			poll.next()
		}
		e.tick(ctx, "go on with operations on many runs", e.bulkAll)
	}
}

// nudgeBulks makes bulkWork look now.
func (e *Engine) nudgeBulks() {
	select {
	case e.bulks <- struct{}{}:
	default:
	}
}

// bulkAll goes on until nothing is left that nobody else has taken.
func (e *Engine) bulkAll(ctx context.Context) error {
	last, failures := uuid.Nil, 0
	for ctx.Err() == nil {
		id, err := e.bulkOnce(ctx, last)
		switch {
		case err != nil && IsRetryable(err) && failures < bulkTries:
			failures++
			pause(ctx, rand.N(actBackoff))
			continue
		case err != nil || id == uuid.Nil:
			return err
		}
		last, failures = id, 0
	}
	return nil
}

// bulkOnce deals with the next runs of one operation, in one transaction with its place: each run is dealt with once,
// whoever dies. It answers which one; uuid.Nil: there is none that nobody else has taken.
func (e *Engine) bulkOnce(ctx context.Context, last uuid.UUID) (uuid.UUID, error) {
	id := uuid.Nil
	err := e.inTx(ctx, func(tx pgx.Tx, q *queries.Queries) error {
		taken, err := q.BulkTake(ctx, last)
		if err != nil || len(taken) == 0 {
			return err
		}
		b := &bulkBatch{engine: e, tx: tx, row: &taken[0]}
		if err := b.do(ctx, q); err != nil {
			return fmt.Errorf("bulk %s: %w", b.row.ID, err)
		}
		id = b.row.ID
		return nil
	})
	if err != nil {
		return uuid.Nil, mapError(err)
	}
	if id != uuid.Nil {
		e.nudge()
	}
	return id, nil
}

// bulkBatch is some runs of an operation.
type bulkBatch struct {
	engine *Engine
	tx     pgx.Tx
	row    *queries.BulkTakeRow

	done, failed int
	lastError    *string
}

func (b *bulkBatch) do(ctx context.Context, q *queries.Queries) error {
	places, ended, err := b.next(ctx, q)
	if err != nil {
		return err
	}
	ids := make([]uuid.UUID, len(places))
	for i, place := range places {
		ids[i] = place.ID
	}
	dealt, err := b.act(ctx, q, ids)
	if err != nil {
		return err
	}
	p := queries.BulkAdvanceParams{
		ID: b.row.ID, Done: int32(b.done), Failed: int32(b.failed), Error: b.lastError, Ended: ended && dealt == len(places),
	}
	if dealt > 0 {
		p.CreatedAt, p.Run = &places[dealt-1].CreatedAt, &places[dealt-1].ID
	}
	if err := q.BulkAdvance(ctx, p); err != nil {
		return err
	}
	return q.DirtyTell(ctx)
}

// most is how many runs are dealt with in one transaction.
func (b *bulkBatch) most() int {
	if action := BulkAction(b.row.Action); action == BulkPause || action == BulkRerun {
		return bulkAlone
	}
	return bulkMost
}

// next lists the runs whose turn it is, and says whether there are no more.
func (b *bulkBatch) next(ctx context.Context, q *queries.Queries) ([]queries.RunListCursor, bool, error) {
	var kept bulkFilter
	if err := json.Unmarshal(b.row.Filter, &kept); err != nil {
		return nil, false, fmt.Errorf("read the filter: %w", err)
	}
	filter := kept.filter()
	if filter.CreatedBefore.IsZero() || filter.CreatedBefore.After(b.row.CreatedAt) {
		filter.CreatedBefore = b.row.CreatedAt
	}
	most := b.most()
	var places []queries.RunListCursor
	for _, list := range BulkAction(b.row.Action).lists(filter) {
		list.Max = int32(most)
		if b.row.AfterCreatedAt != nil && b.row.AfterID != nil {
			list.After = &queries.RunListCursor{CreatedAt: *b.row.AfterCreatedAt, ID: *b.row.AfterID}
		}
		found, err := q.RunPlaces(ctx, list)
		if err != nil {
			return nil, false, err
		}
		places = append(places, found...)
	}
	slices.SortFunc(places, func(x, y queries.RunListCursor) int { // as the list is: the newest first
		if c := y.CreatedAt.Compare(x.CreatedAt); c != 0 {
			return c
		}
		return bytes.Compare(y.ID[:], x.ID[:])
	})
	return places[:min(len(places), most)], len(places) < most, nil
}

// act does it to the runs, and answers how many of them, from the first on, have been dealt with.
func (b *bulkBatch) act(ctx context.Context, q *queries.Queries, ids []uuid.UUID) (dealt int, err error) {
	switch BulkAction(b.row.Action) {
	case BulkCancel, BulkResume:
		return len(ids), b.together(ctx, q, ids)
	case BulkPause, BulkRerun:
	}
	for i, id := range ids {
		again, err := b.alone(ctx, q, id)
		if err != nil || again {
			return i, err
		}
	}
	return len(ids), nil
}

// together does it to all in one statement, and if one of them makes that fail, to each by itself.
func (b *bulkBatch) together(ctx context.Context, q *queries.Queries, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	var done []uuid.UUID
	err := b.within(ctx, q, func(q *queries.Queries) (err error) {
		if BulkAction(b.row.Action) == BulkResume {
			done, err = q.RunsResume(ctx, queries.RunsResumeParams{Actor: b.row.CreatedBy, Ids: ids})
			return err
		}
		reason := ""
		if b.row.Reason != nil {
			reason = *b.row.Reason
		}
		done, err = q.RunsCancelRequest(ctx, queries.RunsCancelRequestParams{Actor: b.row.CreatedBy, Ids: ids, Reason: reason})
		return err
	})
	switch {
	case err == nil:
		b.done += len(done)
		return nil
	case !isPoison(err) || ctx.Err() != nil:
		return err
	case len(ids) == 1:
		b.refused(ctx, ids[0], err)
		return nil
	}
	for _, id := range ids {
		if err := b.together(ctx, q, []uuid.UUID{id}); err != nil {
			return err
		}
	}
	return nil
}

// alone does it to one run. again: it has only begun with it, and goes on in another transaction.
func (b *bulkBatch) alone(ctx context.Context, q *queries.Queries, id uuid.UUID) (again bool, err error) {
	err = b.within(ctx, q, func(q *queries.Queries) error {
		again = false
		if BulkAction(b.row.Action) == BulkRerun {
			made, err := uuid.NewV7()
			if err != nil {
				return err
			}
			_, err = rerun(ctx, q, id, RerunRequest{Actor: b.row.CreatedBy, ID: made})
			return err
		}
		_, paused, err := runPause(ctx, q, id, b.row.CreatedBy)
		again = !paused
		return err
	})
	known, refused := errors.AsType[*Error](err)
	switch {
	case err == nil && !again:
		b.done++
	case err == nil:
	case refused && (known.Code == CodeIllegalTransition || known.Code == CodeNotFound): // it needs it no more
		return false, nil
	case (refused && !known.Retryable || isPoison(err)) && ctx.Err() == nil:
		b.refused(ctx, id, err)
		return false, nil
	}
	return again, err
}

// refused notes that a run would not have it.
func (b *bulkBatch) refused(ctx context.Context, run uuid.UUID, err error) {
	b.engine.logger.WarnContext(ctx, "a run refuses what is done to many", "bulk", b.row.ID, "action", b.row.Action, "run", run, "error", err)
	b.failed++
	text := err.Error()
	if known, ok := errors.AsType[*Error](mapError(err)); ok {
		text = known.Message
	}
	b.lastError = &text
}

// within does something in a savepoint.
func (b *bulkBatch) within(ctx context.Context, q *queries.Queries, do func(*queries.Queries) error) error {
	return pgx.BeginFunc(ctx, b.tx, func(savepoint pgx.Tx) error { return do(q.WithTx(savepoint)) })
}
