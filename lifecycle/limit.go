package lifecycle

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// Bounds of limits.
const (
	LimitMost    = 100_000 // of a limit
	limitHolders = 20      // listed
)

// LimitView is how many runs and steps may hold a slot of a key at once, and how many do. Pointers are nil where there is
// nothing.
type LimitView struct {
	Key            string
	Limit          *int // in force: what somebody set, else what the plan said that asked last
	Declared       *int // by that plan
	Administered   *int // set by somebody
	AdministeredAt *time.Time
	AdministeredBy *string
	Used           int           // slots that are held; more than Limit after it was lowered
	Waiting        int           // who waits for one, counted up to 1,000
	Holders        []LimitHolder // the first 20 that hold one; nil in lists
}

// LimitHolder holds a slot.
type LimitHolder struct {
	Run  uuid.UUID
	Step string // key; "": the run as a whole
	At   time.Time
}

// LimitSet sets the limit of a key, whatever plans say, until [Engine.LimitUnset]. Raised, it lets what waits go at once;
// lowered, it takes nothing from those that hold a slot: nobody else gets one until fewer do.
func (e *Engine) LimitSet(ctx context.Context, key string, limit int, actor string) (*LimitView, error) {
	if err := checkLimitKey(key); err != nil {
		return nil, err
	}
	if limit < 1 || limit > LimitMost {
		return nil, &Error{Code: CodeInvalidRequest, Message: "a limit is 1 to 100,000: to let nothing run at all, pause the runs or their queue"}
	}
	err := e.act(ctx, func(q *queries.Queries) error {
		if err := q.LimitSet(ctx, queries.LimitSetParams{Key: key, Limit: int32(limit), Actor: actor}); err != nil {
			return err
		}
		return limitChanged(ctx, q, key)
	})
	if err != nil {
		return nil, err
	}
	e.nudge()
	return e.LimitGet(ctx, key)
}

// LimitUnset gives a key back the limit that plans say. The view has no Limit if none does now: the next one will. A key
// whose limit nobody set stays as it is.
func (e *Engine) LimitUnset(ctx context.Context, key string) (*LimitView, error) {
	before, err := e.LimitGet(ctx, key)
	if err != nil {
		return nil, err
	}
	err = e.act(ctx, func(q *queries.Queries) error {
		if _, err := q.LimitUnset(ctx, key); err != nil {
			return err
		}
		if err := q.LimitForget(ctx, key); err != nil {
			return err
		}
		return limitChanged(ctx, q, key)
	})
	if err != nil {
		return nil, err
	}
	e.nudge()
	after, err := e.LimitGet(ctx, key)
	if known, ok := errors.AsType[*Error](err); ok && known.Code == CodeNotFound {
		return &LimitView{Key: before.Key, Holders: []LimitHolder{}}, nil
	}
	return after, err
}

// limitChanged has the gate look at the line of a key.
func limitChanged(ctx context.Context, q *queries.Queries, key string) error {
	if err := q.LimitHint(ctx, key); err != nil {
		return err
	}
	return q.DirtyTell(ctx)
}

// LimitGet reads the limit of a key, and who holds its slots. What nobody set, holds or waits for is [CodeNotFound].
func (r *Reader) LimitGet(ctx context.Context, key string) (*LimitView, error) {
	if err := checkLimitKey(key); err != nil {
		return nil, err
	}
	row, err := r.queries().LimitView(ctx, key)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, &Error{Code: CodeNotFound, Message: "there is no such limit now: nobody has set it, and nothing holds a slot of it or waits for one"}
	}
	if err != nil {
		return nil, readError(err)
	}
	view := limitView(queries.LimitViewsRow(row))
	view.Holders, err = r.limitHolders(ctx, key, limitHolders)
	return &view, err
}

// limitRow reads a limit, also one of ours, without its holders; one that there is not has no Limit.
func (r *Reader) limitRow(ctx context.Context, key string) (LimitView, error) {
	row, err := r.queries().LimitView(ctx, key)
	if errors.Is(err, pgx.ErrNoRows) {
		return LimitView{Key: key}, nil
	}
	if err != nil {
		return LimitView{}, readError(err)
	}
	return limitView(queries.LimitViewsRow(row)), nil
}

func (r *Reader) limitHolders(ctx context.Context, key string, most int32) ([]LimitHolder, error) {
	rows, err := r.queries().LimitHolders(ctx, queries.LimitHoldersParams{Key: key, Most: most})
	if err != nil {
		return nil, readError(err)
	}
	holders := make([]LimitHolder, len(rows))
	for i, row := range rows {
		holders[i] = LimitHolder{Run: row.RunID, Step: row.Key, At: row.HeldAt}
	}
	return holders, nil
}

// LimitList lists the limits that are set, held or waited for, by key. Their cursors are keys.
func (r *Reader) LimitList(ctx context.Context, request PageRequest) (Page[LimitView], error) {
	limit, err := request.limit()
	if err != nil {
		return Page[LimitView]{}, err
	}
	if request.Cursor != "" && !plan.IsLimitKey(request.Cursor) {
		return Page[LimitView]{}, badCursor()
	}
	rows, err := r.queries().LimitViews(ctx, queries.LimitViewsParams{After: request.Cursor, Most: oneMore(limit)})
	if err != nil {
		return Page[LimitView]{}, readError(err)
	}
	views := make([]LimitView, len(rows))
	for i, row := range rows {
		views[i] = limitView(row)
	}
	return page(views, limit, func(v LimitView) string { return v.Key }), nil
}

func limitView(row queries.LimitViewsRow) LimitView {
	view := LimitView{
		Key: row.Key, Declared: number(row.Declared), Administered: number(row.Administered), AdministeredAt: row.AdministeredAt,
		AdministeredBy: row.AdministeredBy, Used: int(row.Used), Waiting: int(row.Waiting),
	}
	view.Limit = view.Administered
	if view.Limit == nil {
		view.Limit = view.Declared
	}
	return view
}

func checkLimitKey(key string) error {
	if !plan.IsLimitKey(key) {
		return &Error{Code: CodeInvalidRequest, Message: "the key of a limit is 1 to 128 letters, digits and . _ - / :, the first one a letter or digit"}
	}
	return nil
}
