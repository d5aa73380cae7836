package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// RunView is a run as contract 6 shows it. Pointers are nil where there is nothing, or nothing yet.
type RunView struct {
	ID             uuid.UUID
	Name           string
	Description    string
	State          RunState
	Cause          Cause
	Labels         map[string]string // never nil
	Input          json.RawMessage   // only from RunGet; nil in lists
	Output         json.RawMessage   // only from RunGet; nil in lists, and where there is none
	OutputError    *RunOutputError   // only from RunGet
	Key            *string
	OnFailure      string
	MaxParallel    *int
	Timeout        time.Duration // 0 = none
	RerunOf        *uuid.UUID
	Parent         *RunParent // nil: it was submitted, not started by a step
	PlanVersion    *int       // of the named plan; nil: the plan came with the submit
	IdempotencyKey *string

	CreatedAt         time.Time
	CreatedBy         string
	StartAt           *time.Time
	DeadlineAt        *time.Time
	FinishedAt        *time.Time
	CancelRequestedAt *time.Time

	Steps StepCounts
}

// RunParent is the step that waits for a child run.
type RunParent struct {
	Run  uuid.UUID
	Step string // "" once the parent is gone
}

// RunOutputError says why a run has no output although its plan has one.
type RunOutputError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// StepCounts is how many steps of a run are in each state.
type StepCounts struct {
	Total                                          int
	Pending, Available, Running, Retrying, Waiting int
	Succeeded, Failed, Crashed, TimedOut, Lost     int
	Cancelled, Skipped                             int
}

// RunFilter narrows a list of runs. The zero value of a field does not narrow.
type RunFilter struct {
	State         RunState
	Name          string
	Labels        map[string]string // runs that have all of them
	CreatedAfter  time.Time         // created at that time or later
	CreatedBefore time.Time         // created earlier
}

// RunGet reads a run with its input.
func (r *Reader) RunGet(ctx context.Context, run uuid.UUID) (*RunView, error) {
	views, err := r.runViews(ctx, queries.RunViewsParams{Ids: []uuid.UUID{run}, Payloads: true})
	if err != nil {
		return nil, err
	}
	if len(views) == 0 {
		return nil, runNotFound()
	}
	return &views[0], nil
}

// RunList lists runs, newest first. Runs that are submitted between two pages belong before the first, so pages neither
// overlap nor have gaps.
func (r *Reader) RunList(ctx context.Context, filter RunFilter, request PageRequest) (Page[RunView], error) {
	limit, err := request.limit()
	if err != nil {
		return Page[RunView]{}, err
	}
	after, err := parseRunCursor(request.Cursor)
	if err != nil {
		return Page[RunView]{}, err
	}
	arg := queries.RunListParams{Name: filter.Name, Labels: filter.Labels, After: after, Max: oneMore(limit)}
	if filter.State != "" {
		state := queries.WeirRunState(filter.State)
		arg.State = &state
	}
	if !filter.CreatedAfter.IsZero() {
		arg.CreatedAfter = &filter.CreatedAfter
	}
	if !filter.CreatedBefore.IsZero() {
		arg.CreatedBefore = &filter.CreatedBefore
	}
	ids, err := r.queries().RunList(ctx, arg)
	if err != nil {
		return Page[RunView]{}, readError(err)
	}
	more := len(ids) > limit
	views, err := r.runViews(ctx, queries.RunViewsParams{Ids: ids[:min(len(ids), limit)]})
	if err != nil {
		return Page[RunView]{}, err
	}
	found := Page[RunView]{Items: views}
	if more && len(views) > 0 {
		found.Next = runCursor(views[len(views)-1])
	}
	return found, nil
}

// runViews reads runs, newest first. What does not exist is left out.
func (r *Reader) runViews(ctx context.Context, arg queries.RunViewsParams) ([]RunView, error) {
	if len(arg.Ids) == 0 {
		return nil, nil
	}
	rows, err := r.queries().RunViews(ctx, arg)
	if err != nil {
		return nil, readError(err)
	}
	views := make([]RunView, len(rows))
	for i := range rows {
		if views[i], err = runView(&rows[i]); err != nil {
			return nil, err
		}
	}
	return views, nil
}

func runView(row *queries.RunViewsRow) (RunView, error) {
	view := RunView{
		ID:                row.ID,
		Name:              row.Name,
		Description:       row.Description,
		State:             RunState(row.State),
		Cause:             Cause(row.Cause),
		Labels:            map[string]string{},
		Input:             row.Input,
		Output:            row.Output,
		Key:               row.Key,
		OnFailure:         row.OnFailure,
		MaxParallel:       number(row.MaxParallel),
		Timeout:           interval(row.Timeout),
		RerunOf:           row.RerunOf,
		PlanVersion:       number(row.PlanVersion),
		IdempotencyKey:    row.IdempotencyKey,
		CreatedAt:         row.CreatedAt,
		CreatedBy:         row.CreatedBy,
		StartAt:           row.StartAt,
		DeadlineAt:        row.DeadlineAt,
		FinishedAt:        row.FinishedAt,
		CancelRequestedAt: row.CancelRequestedAt,
		Steps: StepCounts{
			Total:     int(row.Total),
			Pending:   int(row.Pending),
			Available: int(row.Available),
			Running:   int(row.Running),
			Retrying:  int(row.Retrying),
			Waiting:   int(row.Waiting),
			Succeeded: int(row.Succeeded),
			Failed:    int(row.Failed),
			Crashed:   int(row.Crashed),
			TimedOut:  int(row.TimedOut),
			Lost:      int(row.Lost),
			Cancelled: int(row.Cancelled),
			Skipped:   int(row.Skipped),
		},
	}
	if row.ParentRun != nil {
		view.Parent = &RunParent{Run: *row.ParentRun, Step: row.ParentStep}
	}
	if row.OutputError != nil {
		view.OutputError = &RunOutputError{}
		if err := json.Unmarshal(row.OutputError, view.OutputError); err != nil {
			return RunView{}, fmt.Errorf("read the output error of run %s: %w", row.ID, err)
		}
	}
	if err := json.Unmarshal(row.Labels, &view.Labels); err != nil {
		return RunView{}, fmt.Errorf("read the labels of run %s: %w", row.ID, err)
	}
	return view, nil
}
