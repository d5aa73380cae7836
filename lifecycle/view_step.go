package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// StepView is a step as contract 6 shows it. Pointers are nil where there is nothing, or nothing yet.
type StepView struct {
	Run          uuid.UUID
	Ordinal      int // 1 = the first step of the plan
	Key          string
	Kind         string
	State        StepState
	Cause        Cause
	Needs        []string // keys, in the order of the plan's steps; never nil
	RunIf        string
	AllowFailure bool
	Attempt      int
	Failures     int
	MaxAttempts  int
	Queue        string
	Priority     int
	RunsOn       string
	Timeout      time.Duration // 0 = none
	Grace        time.Duration
	StallAfter   time.Duration // 0 = never

	CreatedAt         time.Time
	RunAfter          *time.Time
	StartedAt         *time.Time
	DeadlineAt        *time.Time
	FinishedAt        *time.Time
	Worker            *uuid.UUID
	WaitingFor        *string
	ReusedFrom        *uuid.UUID
	Parent            string     // the key of the step that fanned out into it; "" = none
	Item              *int       // its place in that list, from 0
	ChildRun          *uuid.UUID // the run that it, of kind plan, waits for
	CancelRequestedAt *time.Time

	Progress    *ProgressView   // of the current attempt
	With        json.RawMessage // only from StepGet; nil in lists
	Output      json.RawMessage // only from StepGet; nil in lists, and where there is none
	OutputError *OutputError
	Error       *ReportError // what the current attempt reported

	retry json.RawMessage
}

// ProgressView is how far a step says it is.
type ProgressView struct {
	Percent *float64 // 0 to 100
	Message string
	At      time.Time
}

// StepGet reads a step with its `with` and its output.
func (r *Reader) StepGet(ctx context.Context, run uuid.UUID, key string) (*StepView, error) {
	ordinal, err := r.stepOrdinal(ctx, run, key)
	if err != nil {
		return nil, err
	}
	views, err := r.stepViews(ctx, queries.StepViewsParams{Run: run, After: ordinal - 1, Max: 1, Payloads: true})
	if err != nil {
		return nil, err
	}
	if len(views) == 0 || views[0].Key != key {
		return nil, stepNotFound()
	}
	return &views[0], nil
}

// StepList lists the steps of a run in the order of the plan.
func (r *Reader) StepList(ctx context.Context, run uuid.UUID, request PageRequest) (Page[StepView], error) {
	limit, err := request.limit()
	if err != nil {
		return Page[StepView]{}, err
	}
	after, err := parseStepCursor(request.Cursor)
	if err != nil {
		return Page[StepView]{}, err
	}
	views, err := r.stepViews(ctx, queries.StepViewsParams{Run: run, After: after, Max: oneMore(limit)})
	if err != nil {
		return Page[StepView]{}, err
	}
	if len(views) == 0 {
		if err := r.mustExist(ctx, run); err != nil {
			return Page[StepView]{}, err
		}
	}
	return page(views, limit, stepCursor), nil
}

// stepOrdinal is the number behind a key.
func (r *Reader) stepOrdinal(ctx context.Context, run uuid.UUID, key string) (int32, error) {
	ordinal, err := r.queries().StepOrdinal(ctx, queries.StepOrdinalParams{Run: run, Key: key})
	if err == nil {
		return ordinal, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return 0, readError(err)
	}
	if err := r.mustExist(ctx, run); err != nil {
		return 0, err
	}
	return 0, stepNotFound()
}

func (r *Reader) stepViews(ctx context.Context, arg queries.StepViewsParams) ([]StepView, error) {
	rows, err := r.queries().StepViews(ctx, arg)
	if err != nil {
		return nil, readError(err)
	}
	views := make([]StepView, len(rows))
	for i := range rows {
		if views[i], err = stepView(&rows[i]); err != nil {
			return nil, err
		}
	}
	return views, nil
}

func stepView(row *queries.StepViewsRow) (StepView, error) {
	view := StepView{
		Run:               row.RunID,
		Ordinal:           int(row.Step),
		Key:               row.Key,
		Kind:              row.Kind,
		State:             StepState(row.State),
		Cause:             Cause(row.Cause),
		Needs:             row.Needs,
		RunIf:             string(row.RunIf),
		AllowFailure:      row.AllowFailure,
		Attempt:           int(row.Attempt),
		Failures:          int(row.Failures),
		MaxAttempts:       int(row.MaxAttempts),
		Queue:             row.Queue,
		Priority:          int(row.Priority),
		RunsOn:            row.RunsOn,
		Timeout:           interval(row.Timeout),
		Grace:             interval(row.Grace),
		StallAfter:        interval(row.StallAfter),
		CreatedAt:         row.CreatedAt,
		RunAfter:          row.RunAfter,
		StartedAt:         row.StartedAt,
		DeadlineAt:        row.DeadlineAt,
		FinishedAt:        row.FinishedAt,
		Worker:            row.WorkerID,
		WaitingFor:        row.WaitingFor,
		ReusedFrom:        row.ReusedFrom,
		Parent:            row.Parent,
		Item:              number(row.Item),
		ChildRun:          row.ChildRun,
		CancelRequestedAt: row.CancelRequestedAt,
		With:              row.With,
		Output:            row.Output,
		retry:             row.Retry,
	}
	if view.Needs == nil {
		view.Needs = []string{}
	}
	if row.ProgressAt != nil {
		view.Progress = &ProgressView{At: *row.ProgressAt}
		if row.ProgressPercent != nil {
			percent := float64(*row.ProgressPercent)
			view.Progress.Percent = &percent
		}
		if row.ProgressMessage != nil {
			view.Progress.Message = *row.ProgressMessage
		}
	}
	if row.ErrorCode != nil {
		view.Error = &ReportError{Code: *row.ErrorCode, Detail: row.ErrorDetail}
		if row.ErrorMessage != nil {
			view.Error.Message = *row.ErrorMessage
		}
		view.Error.Retryable = row.ErrorRetryable != nil && *row.ErrorRetryable
	}
	if row.OutputError != nil {
		view.OutputError = &OutputError{}
		if err := json.Unmarshal(row.OutputError, view.OutputError); err != nil {
			return StepView{}, fmt.Errorf("read the output error of step %s of run %s: %w", row.Key, row.RunID, err)
		}
	}
	return view, nil
}
