package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// TransitionView is one change of state as contract 6 shows it.
type TransitionView struct {
	ID      string // its cursor: what comes after it is the page with this Cursor
	At      time.Time
	Run     uuid.UUID
	Step    *string // key; nil: a transition of the run itself
	Attempt *int
	From    string
	To      string
	Actor   string
	Cause   Cause
	Detail  json.RawMessage // nil: nothing more to say
}

// TransitionList lists the history of a run in the order in which it became visible: who goes on from the last ID that
// it saw misses nothing. What a transaction wrote that is older than one still running comes when that one has ended.
func (r *Reader) TransitionList(ctx context.Context, run uuid.UUID, request PageRequest) (Page[TransitionView], error) {
	limit, err := request.limit()
	if err != nil {
		return Page[TransitionView]{}, err
	}
	epoch, err := r.queries().HistoryEpoch(ctx)
	if err != nil {
		return Page[TransitionView]{}, readError(err)
	}
	after, err := parseTransitionCursor(request.Cursor, epoch)
	if err != nil {
		return Page[TransitionView]{}, err
	}
	rows, err := r.queries().TransitionViews(ctx, queries.TransitionViewsParams{
		Run: run, AfterXid: strconv.FormatUint(after.XID, 10), AfterID: after.ID, Max: oneMore(limit),
	})
	if err != nil {
		return Page[TransitionView]{}, readError(err)
	}
	if len(rows) == 0 {
		if err := r.mustExist(ctx, run); err != nil {
			return Page[TransitionView]{}, err
		}
	}
	views := make([]TransitionView, len(rows))
	for i := range rows {
		if views[i], err = transitionView(&rows[i], epoch); err != nil {
			return Page[TransitionView]{}, err
		}
	}
	return page(views, limit, func(t TransitionView) string { return t.ID }), nil
}

func transitionView(row *queries.TransitionViewsRow, epoch uuid.UUID) (TransitionView, error) {
	xid, err := strconv.ParseUint(row.Xid, 10, 64)
	if err != nil {
		return TransitionView{}, fmt.Errorf("read a transition of run %s: %w", row.RunID, err)
	}
	var step *string
	if row.StepKey != "" {
		step = &row.StepKey
	}
	return TransitionView{
		ID:      transitionPlace{Epoch: epoch, XID: xid, ID: row.ID}.cursor(),
		At:      row.At,
		Run:     row.RunID,
		Step:    step,
		Attempt: number(row.Attempt),
		From:    row.FromState,
		To:      row.ToState,
		Actor:   row.Actor,
		Cause:   Cause(row.Cause),
		Detail:  row.Detail,
	}, nil
}
