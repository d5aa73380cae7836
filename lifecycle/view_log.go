package lifecycle

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// LogView is one line of a log as contract 6 shows it.
type LogView struct {
	ID        string // its cursor: what comes after it is the page with this Cursor
	At        time.Time
	Run       uuid.UUID
	Step      string // key
	Attempt   int
	Seq       int64
	Stream    string
	Level     string // "" for stdout and stderr
	Text      string
	Truncated bool
}

// LogFilter narrows a log. The zero value of a field does not narrow.
type LogFilter struct {
	Step    string // key
	Attempt int
}

// LogList lists the lines of a run: steps in the order of the plan, and the attempts of each one after another. Within
// one step new lines only come at the end, so who follows it goes on from the last ID that it saw.
func (r *Reader) LogList(ctx context.Context, run uuid.UUID, filter LogFilter, request PageRequest) (Page[LogView], error) {
	limit, err := request.limit()
	if err != nil {
		return Page[LogView]{}, err
	}
	after, err := parseLogCursor(request.Cursor)
	if err != nil {
		return Page[LogView]{}, err
	}
	arg := queries.LogViewsParams{
		Run: run, FirstStep: 1, LastStep: math.MaxInt32,
		AfterStep: after.Step, AfterAttempt: after.Attempt, AfterSeq: after.Seq,
		Max: oneMore(limit),
	}
	if filter.Step != "" {
		ordinal, err := r.stepOrdinal(ctx, run, filter.Step)
		if err != nil {
			return Page[LogView]{}, err
		}
		arg.FirstStep, arg.LastStep = ordinal, ordinal
	}
	if filter.Attempt > 0 {
		attempt := int32(min(filter.Attempt, math.MaxInt32))
		arg.Attempt = &attempt
	}
	rows, err := r.queries().LogViews(ctx, arg)
	if err != nil {
		return Page[LogView]{}, readError(err)
	}
	if len(rows) == 0 {
		if err := r.mustExist(ctx, run); err != nil {
			return Page[LogView]{}, err
		}
	}
	views := make([]LogView, len(rows))
	for i := range rows {
		views[i] = logView(&rows[i])
	}
	return page(views, limit, func(l LogView) string { return l.ID }), nil
}

func logView(row *queries.LogViewsRow) LogView {
	return LogView{
		ID:        logPlace{Step: row.Step, Attempt: row.Attempt, Seq: row.Seq}.cursor(),
		At:        row.At,
		Run:       row.RunID,
		Step:      row.StepKey,
		Attempt:   int(row.Attempt),
		Seq:       row.Seq,
		Stream:    row.Stream,
		Level:     row.Level,
		Text:      row.Text,
		Truncated: row.Truncated,
	}
}
