package lifecycle

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirqueue/weir/db/queries"
)

// Reader is the reading side: runs, steps, history and logs as people and programs see them. It needs nothing but a
// pool, changes nothing, and may be used concurrently. What it does not find is an [Error] with [CodeNotFound].
type Reader struct {
	pool *pgxpool.Pool
}

// NewReader reads through the pool.
func NewReader(pool *pgxpool.Pool) *Reader { return &Reader{pool: pool} }

// The size of pages.
const (
	DefaultPage = 50
	MaxPage     = 500
)

// PageRequest asks for a page of a list.
type PageRequest struct {
	Limit  int    // 1 to MaxPage; 0 = DefaultPage
	Cursor string // where the page starts: after the item that gave this cursor; "" = at the beginning
}

// Page is a page of a list.
type Page[T any] struct {
	Items []T
	Next  string // the cursor of the next page; "" = there is nothing more now
}

// limit is how many items the page has at most.
func (p PageRequest) limit() (int, error) {
	switch {
	case p.Limit == 0:
		return DefaultPage, nil
	case p.Limit < 0 || p.Limit > MaxPage:
		return 0, &Error{Code: CodeInvalidRequest, Message: "a page has 1 to 500 items"}
	}
	return p.Limit, nil
}

// queries is the way to the database outside of transactions.
func (r *Reader) queries() *queries.Queries { return queries.New(r.pool) }

// mustExist is an error unless the run exists. An empty list asks for it.
func (r *Reader) mustExist(ctx context.Context, run uuid.UUID) error {
	exists, err := r.queries().RunExists(ctx, run)
	if err != nil {
		return readError(err)
	}
	if !exists {
		return runNotFound()
	}
	return nil
}

func runNotFound() error { return &Error{Code: CodeNotFound, Message: "there is no such run"} }

func stepNotFound() error { return &Error{Code: CodeNotFound, Message: "the run has no such step"} }

// readError gives an error of a query its meaning. A cancelled call stays one.
func readError(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeTimedOut, Message: "the database did not answer in time", Err: err, Retryable: true}
	}
	return mapError(err)
}

// page cuts what was read, one more than asked for, and names the cursor of what is left.
func page[T any](items []T, limit int, cursor func(T) string) Page[T] {
	if len(items) <= limit {
		return Page[T]{Items: items}
	}
	items = items[:limit]
	return Page[T]{Items: items, Next: cursor(items[limit-1])}
}

// oneMore is how many rows are read to know whether there is another page.
func oneMore(limit int) int32 { return int32(min(limit, math.MaxInt32-1)) + 1 }

// interval is the length of an interval that Weir wrote: it has neither months nor years. NULL is 0.
func interval(i pgtype.Interval) time.Duration {
	return time.Duration(i.Microseconds)*time.Microsecond + time.Duration(i.Days)*24*time.Hour
}

// number is an optional number of a row.
func number(n *int32) *int {
	if n == nil {
		return nil
	}
	value := int(*n)
	return &value
}
