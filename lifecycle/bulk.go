package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// BulkAction is what is done to many runs.
type BulkAction string

// The actions.
const (
	BulkCancel BulkAction = "cancel" // of runs that have not ended, and whose cancellation was not asked for
	BulkPause  BulkAction = "pause"  // of running ones
	BulkResume BulkAction = "resume" // of paused ones
	BulkRerun  BulkAction = "rerun"  // of final ones, except child runs: they are done again with their parents
)

// BulkActions lists every action.
func BulkActions() []BulkAction { return []BulkAction{BulkCancel, BulkPause, BulkResume, BulkRerun} }

// States lists the states of runs that the action is for; others it passes over.
func (a BulkAction) States() []RunState {
	switch a {
	case BulkCancel:
		return []RunState{RunRunning, RunPaused}
	case BulkPause:
		return []RunState{RunRunning}
	case BulkResume:
		return []RunState{RunPaused}
	case BulkRerun:
		return []RunState{RunSucceeded, RunFailed, RunCancelled}
	}
	return nil
}

// BulkState is where an operation on many runs is.
type BulkState string

// The states. All but the first are final.
const (
	BulkRunning   BulkState = "running"
	BulkDone      BulkState = "done"
	BulkCancelled BulkState = "cancelled" // somebody asked; what had been done stays done
	BulkFailed    BulkState = "failed"    // every run refused
)

// BulkStates lists every state.
func BulkStates() []BulkState {
	return []BulkState{BulkRunning, BulkDone, BulkCancelled, BulkFailed}
}

// BulkRequest asks for something to be done to every run that there is now and that matches.
type BulkRequest struct {
	Action         BulkAction
	Filter         RunFilter
	Actor          string // token:NAME or local
	Reason         string // for people, may be empty
	IdempotencyKey string // may be empty; of this actor
}

// BulkView is such an operation. Pointers are nil where there is nothing, or nothing yet.
type BulkView struct {
	ID         uuid.UUID
	Action     BulkAction
	Filter     RunFilter
	State      BulkState
	Total      int // runs that matched when it was asked for
	Done       int // of them, those that it was done to; those that needed it no more when their turn came are not counted
	Failed     int // those that refused
	CreatedAt  time.Time
	CreatedBy  string
	FinishedAt *time.Time
	Reason     *string
	Error      *string // why the last one that refused did
}

// bulkFilter is a RunFilter as weir.bulks keeps it.
type bulkFilter struct {
	State         RunState          `json:"state,omitempty"`
	Name          string            `json:"name,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	CreatedAfter  *time.Time        `json:"created_after,omitempty"`
	CreatedBefore *time.Time        `json:"created_before,omitempty"`
}

// BulkCount counts the runs that the request is about now, and does nothing to them.
func (r *Reader) BulkCount(ctx context.Context, b BulkRequest) (int, error) {
	if err := b.check(); err != nil {
		return 0, err
	}
	total := 0
	for _, p := range b.Action.lists(b.Filter) {
		n, err := r.queries().RunCount(ctx, p)
		if err != nil {
			return 0, readError(err)
		}
		total += int(n)
	}
	return total, nil
}

// BulkStart has the runs dealt with in the background, by any replica, some at a time, the newest first: those that are there
// now and still match when their turn comes, each once. replayed: the Idempotency-Key was used before, for the same.
func (e *Engine) BulkStart(ctx context.Context, b BulkRequest) (view *BulkView, replayed bool, err error) {
	if b.Filter.Labels == nil {
		b.Filter.Labels = map[string]string{}
	}
	total, err := e.BulkCount(ctx, b)
	if err != nil {
		return nil, false, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, false, err
	}
	filter, err := json.Marshal(filterKept(b.Filter))
	if err != nil {
		return nil, false, err
	}
	made, err := e.q.BulkInsert(ctx, queries.BulkInsertParams{
		ID: id, Action: string(b.Action), Total: int32(total), Actor: b.Actor, Filter: filter, Reason: b.Reason, IdempotencyKey: b.IdempotencyKey,
	})
	if err != nil {
		return nil, false, mapError(err)
	}
	if len(made) == 0 {
		id, err = e.bulkOfKey(ctx, b)
		if err != nil {
			return nil, false, err
		}
	} else {
		e.nudgeBulks()
	}
	view, err = e.BulkGet(ctx, id)
	return view, len(made) == 0, err
}

// bulkOfKey is the operation that the Idempotency-Key made before.
func (e *Engine) bulkOfKey(ctx context.Context, b BulkRequest) (uuid.UUID, error) {
	row, err := e.q.BulkOfIdempotencyKey(ctx, queries.BulkOfIdempotencyKeyParams{Actor: b.Actor, IdempotencyKey: b.IdempotencyKey})
	if err != nil {
		return uuid.Nil, mapError(err)
	}
	var before bulkFilter
	if err := json.Unmarshal(row.Filter, &before); err != nil {
		return uuid.Nil, fmt.Errorf("read the filter of bulk %s: %w", row.ID, err)
	}
	if row.Action != string(b.Action) || !reflect.DeepEqual(before.filter(), filterKept(b.Filter).filter()) {
		return uuid.Nil, &Error{Code: CodeIdempotencyConflict, Message: "the Idempotency-Key was used for another operation"}
	}
	return row.ID, nil
}

// BulkCancel ends an operation; the runs that it has dealt with stay as they are now. Asked again, it changes nothing. One
// that ended otherwise is [CodeIllegalTransition].
func (e *Engine) BulkCancel(ctx context.Context, id uuid.UUID) (*BulkView, error) {
	ended, err := e.q.BulkCancel(ctx, id)
	if err != nil {
		return nil, mapError(err)
	}
	view, err := e.BulkGet(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(ended) == 0 && view.State != BulkCancelled {
		return nil, &Error{
			Code: CodeIllegalTransition, Message: "the operation has ended", Allowed: []string{},
			Current: &CurrentState{State: string(view.State), Actor: view.CreatedBy, At: *view.FinishedAt},
		}
	}
	return view, nil
}

// BulkGet reads an operation.
func (r *Reader) BulkGet(ctx context.Context, id uuid.UUID) (*BulkView, error) {
	row, err := r.queries().BulkView(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, &Error{Code: CodeNotFound, Message: "there is no such operation"}
	}
	if err != nil {
		return nil, readError(err)
	}
	view, err := bulkView(queries.BulkViewsRow(row))
	return &view, err
}

// BulkList lists operations, newest first.
func (r *Reader) BulkList(ctx context.Context, request PageRequest) (Page[BulkView], error) {
	limit, err := request.limit()
	if err != nil {
		return Page[BulkView]{}, err
	}
	place := runPlace{Micros: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), ID: uuid.Max}
	if request.Cursor != "" {
		if err := decodeCursor(request.Cursor, bulkCursorLetter, &place); err != nil {
			return Page[BulkView]{}, err
		}
	}
	rows, err := r.queries().BulkViews(ctx, queries.BulkViewsParams{CreatedBefore: time.UnixMicro(place.Micros).UTC(), Before: place.ID, Most: oneMore(limit)})
	if err != nil {
		return Page[BulkView]{}, readError(err)
	}
	views := make([]BulkView, len(rows))
	for i, row := range rows {
		if views[i], err = bulkView(row); err != nil {
			return Page[BulkView]{}, err
		}
	}
	return page(views, limit, func(v BulkView) string {
		return encodeCursor(bulkCursorLetter, runPlace{Micros: v.CreatedAt.UnixMicro(), ID: v.ID})
	}), nil
}

func bulkView(row queries.BulkViewsRow) (BulkView, error) {
	var filter bulkFilter
	if err := json.Unmarshal(row.Filter, &filter); err != nil {
		return BulkView{}, fmt.Errorf("read the filter of bulk %s: %w", row.ID, err)
	}
	return BulkView{
		ID: row.ID, Action: BulkAction(row.Action), Filter: filter.filter(), State: BulkState(row.State), Total: int(row.Total),
		Done: int(row.Done), Failed: int(row.Failed), CreatedAt: row.CreatedAt, CreatedBy: row.CreatedBy, FinishedAt: row.FinishedAt,
		Reason: row.Reason, Error: row.Error,
	}, nil
}

// check refuses what could match no run.
func (b BulkRequest) check() error {
	if states := b.Action.States(); b.Filter.State != "" && !slices.Contains(states, b.Filter.State) {
		return &Error{Code: CodeInvalidRequest, Message: fmt.Sprintf("no run in that state can be dealt with so: %s is for runs that are %s", b.Action, inWords(states))}
	}
	return nil
}

// inWords lists states as a sentence does: a, b or c.
func inWords(states []RunState) string {
	var text strings.Builder
	for i, state := range states {
		switch {
		case i > 0 && i == len(states)-1:
			text.WriteString(" or ")
		case i > 0:
			text.WriteString(", ")
		}
		text.WriteString(string(state))
	}
	return text.String()
}

// lists are the lists of runs that a filter gives for an action, one for each state.
func (a BulkAction) lists(filter RunFilter) []queries.RunListParams {
	var lists []queries.RunListParams
	for _, state := range a.States() {
		if filter.State != "" && filter.State != state {
			continue
		}
		rowState := queries.WeirRunState(state)
		p := queries.RunListParams{
			State: &rowState, Name: filter.Name, Labels: filter.Labels, NotCancelling: a != BulkRerun, NotChildren: a == BulkRerun,
		}
		if !filter.CreatedAfter.IsZero() {
			p.CreatedAfter = &filter.CreatedAfter
		}
		if !filter.CreatedBefore.IsZero() {
			p.CreatedBefore = &filter.CreatedBefore
		}
		lists = append(lists, p)
	}
	return lists
}

func filterKept(f RunFilter) bulkFilter {
	kept := bulkFilter{State: f.State, Name: f.Name, Labels: f.Labels}
	if !f.CreatedAfter.IsZero() {
		kept.CreatedAfter = new(f.CreatedAfter.UTC())
	}
	if !f.CreatedBefore.IsZero() {
		kept.CreatedBefore = new(f.CreatedBefore.UTC())
	}
	return kept
}

func (f bulkFilter) filter() RunFilter {
	filter := RunFilter{State: f.State, Name: f.Name, Labels: f.Labels}
	if filter.Labels == nil {
		filter.Labels = map[string]string{}
	}
	if f.CreatedAfter != nil {
		filter.CreatedAfter = *f.CreatedAfter
	}
	if f.CreatedBefore != nil {
		filter.CreatedBefore = *f.CreatedBefore
	}
	return filter
}
