package lifecycle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// bulkMost is how many runs are dealt with in one transaction.
const bulkMost = 100

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
	last := uuid.Nil
	for ctx.Err() == nil {
		id, err := e.bulkOnce(ctx, last)
		if err != nil || id == uuid.Nil {
			return err
		}
		last = id
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
	e.nudge()
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
	if err := b.act(ctx, q, ids); err != nil {
		return err
	}
	p := queries.BulkAdvanceParams{ID: b.row.ID, Done: int32(b.done), Failed: int32(b.failed), Error: b.lastError, Ended: ended}
	if len(places) > 0 {
		p.CreatedAt, p.Run = &places[len(places)-1].CreatedAt, &places[len(places)-1].ID
	}
	if err := q.BulkAdvance(ctx, p); err != nil {
		return err
	}
	if b.done == 0 {
		return nil
	}
	return q.DirtyTell(ctx)
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
	var places []queries.RunListCursor
	for _, list := range BulkAction(b.row.Action).lists(filter) {
		list.Max = bulkMost
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
	return places[:min(len(places), bulkMost)], len(places) < bulkMost, nil
}

// act does it to the runs: to all in one statement, and if one of them makes that fail, to each by itself.
func (b *bulkBatch) act(ctx context.Context, q *queries.Queries, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	n, err := b.try(ctx, q, ids)
	switch {
	case err == nil:
		b.done += n
		return nil
	case !isPoison(err) || ctx.Err() != nil:
		return err
	case len(ids) == 1:
		b.refused(ctx, ids[0], err)
		return nil
	}
	for _, id := range ids {
		if err := b.act(ctx, q, []uuid.UUID{id}); err != nil {
			return err
		}
	}
	return nil
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

// try does it within a savepoint, and answers to how many runs.
func (b *bulkBatch) try(ctx context.Context, q *queries.Queries, ids []uuid.UUID) (n int, err error) {
	reason := ""
	if b.row.Reason != nil {
		reason = *b.row.Reason
	}
	err = pgx.BeginFunc(ctx, b.tx, func(savepoint pgx.Tx) error {
		q := q.WithTx(savepoint)
		var done []uuid.UUID
		var err error
		switch BulkAction(b.row.Action) {
		case BulkCancel:
			done, err = q.RunsCancelRequest(ctx, queries.RunsCancelRequestParams{Actor: b.row.CreatedBy, Ids: ids, Reason: reason})
		case BulkPause:
			done, err = q.RunsPause(ctx, queries.RunsPauseParams{Actor: b.row.CreatedBy, Ids: ids})
		case BulkResume:
			done, err = q.RunsResume(ctx, queries.RunsResumeParams{Actor: b.row.CreatedBy, Ids: ids})
		case BulkRerun:
			err = errors.New("not yet")
		}
		n = len(done)
		return err
	})
	return n, err
}
