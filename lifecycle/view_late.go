package lifecycle

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// LateReportView is a report that changed nothing, as it was kept.
type LateReportView struct {
	ID       string // its cursor
	At       time.Time
	Run      uuid.UUID
	Step     string // key; "" once the run is gone
	Attempt  int
	Worker   *uuid.UUID
	Report   uuid.UUID
	Outcome  string          // what it claims
	Result   string          // what was answered
	StateWas *StepState      // what the step was when it came
	Payload  json.RawMessage // what came with it; nil: nothing
}

// latePlace is where a late report stands.
type latePlace struct{ ID int64 }

// LateReportList lists late reports, newest first. run narrows it to one run; nil: of all runs.
func (r *Reader) LateReportList(ctx context.Context, run *uuid.UUID, request PageRequest) (Page[LateReportView], error) {
	limit, err := request.limit()
	if err != nil {
		return Page[LateReportView]{}, err
	}
	before := latePlace{ID: math.MaxInt64}
	if request.Cursor != "" {
		if err := decodeCursor(request.Cursor, lateCursorLetter, &before); err != nil {
			return Page[LateReportView]{}, err
		}
	}
	var rows []queries.LateReportViewsRow
	if run == nil {
		rows, err = r.queries().LateReportViews(ctx, queries.LateReportViewsParams{Before: before.ID, Max: oneMore(limit)})
	} else {
		var ofRun []queries.LateReportViewsOfRunRow
		ofRun, err = r.queries().LateReportViewsOfRun(ctx, queries.LateReportViewsOfRunParams{Run: *run, Before: before.ID, Max: oneMore(limit)})
		for _, row := range ofRun {
			rows = append(rows, queries.LateReportViewsRow(row))
		}
	}
	if err != nil {
		return Page[LateReportView]{}, readError(err)
	}
	views := make([]LateReportView, len(rows))
	for i := range rows {
		views[i] = lateReportView(&rows[i])
	}
	return page(views, limit, func(l LateReportView) string { return l.ID }), nil
}

func lateReportView(row *queries.LateReportViewsRow) LateReportView {
	view := LateReportView{
		ID:      encodeCursor(lateCursorLetter, latePlace{ID: row.ID}),
		At:      row.At,
		Run:     row.RunID,
		Step:    row.StepKey,
		Attempt: int(row.Attempt),
		Worker:  row.WorkerID,
		Report:  row.Report,
		Outcome: row.Outcome,
		Result:  row.Result,
		Payload: row.Payload,
	}
	if row.StateWas != nil {
		was := StepState(*row.StateWas)
		view.StateWas = &was
	}
	return view
}
