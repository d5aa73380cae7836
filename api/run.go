package api

import (
	"encoding/json"

	"github.com/weirqueue/weir/lifecycle"
)

// Run is one execution of a plan.
type Run struct {
	ID                string            `json:"id" format:"uuid" doc:"UUIDv7." example:"0198a8a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b"`
	Name              string            `json:"name" doc:"The plan's name." example:"nightly/etl"`
	Description       string            `json:"description" doc:"The plan's description."`
	State             string            `json:"state" enum:"running,paused,succeeded,failed,cancelled" doc:"Where it is in its life; the last three are final."`
	Cause             string            `json:"cause" doc:"Why it came into this state."`
	Labels            map[string]string `json:"labels" nullable:"false" doc:"The plan's labels."`
	Input             json.RawMessage   `json:"input" doc:"The plan's input, an object. Only of a single run; null in lists."`
	Output            json.RawMessage   `json:"output" doc:"The output that its plan defines, any JSON, once it has ended. Only of a single run; null in lists."`
	OutputError       *RunOutputError   `json:"output_error" doc:"Why there is no output although the plan defines one."`
	Priority          *int              `json:"priority" doc:"Reserved: null."`
	Key               *string           `json:"key" doc:"At most one live run has it; null: not keyed."`
	OnFailure         string            `json:"on_failure" enum:"continue,cancel,pause" doc:"What a failed step does to the rest of the run."`
	MaxParallel       *int              `json:"max_parallel" doc:"How many of its steps may run at once; null: no limit."`
	Timeout           *duration         `json:"timeout" doc:"How long it may take as a whole; null: no limit."`
	Parent            *RunParent        `json:"parent" doc:"The step that started it and waits for it; null: it was submitted."`
	PlanVersion       *int              `json:"plan_version" doc:"Which version of the named plan it runs; null: the plan came with the submit."`
	RerunOf           *string           `json:"rerun_of" format:"uuid" doc:"The run that this one does again."`
	IdempotencyKey    *string           `json:"idempotency_key" doc:"The Idempotency-Key that it was submitted with."`
	CreatedAt         timestamp         `json:"created_at" doc:"When it was submitted, by the clock of the database."`
	CreatedBy         string            `json:"created_by" doc:"Who submitted it." example:"local"`
	StartAt           *timestamp        `json:"start_at" doc:"When its first steps may start; null: at once."`
	DeadlineAt        *timestamp        `json:"deadline_at" doc:"When the run as a whole times out; null: never."`
	FinishedAt        *timestamp        `json:"finished_at" doc:"When it became final."`
	CancelRequestedAt *timestamp        `json:"cancel_requested_at" doc:"When its cancellation was asked for. It is cancelled when its last step is final."`
	Steps             RunSteps          `json:"steps" doc:"How many of its steps are in each state."`
}

// RunParent is the step, of kind plan, that started a run.
type RunParent struct {
	Run  string  `json:"run" format:"uuid" doc:"Its run."`
	Step *string `json:"step" doc:"Its key; null: that run has been deleted."`
}

// RunOutputError says why a run has no output.
type RunOutputError struct {
	Code    string `json:"code" doc:"What kind of error it is."`
	Message string `json:"message" doc:"For people."`
}

// RunSteps counts the steps of a run by their state.
type RunSteps struct {
	Total     int `json:"total" example:"3"`
	Pending   int `json:"pending"`
	Available int `json:"available"`
	Running   int `json:"running"`
	Retrying  int `json:"retrying"`
	Waiting   int `json:"waiting"`
	Succeeded int `json:"succeeded" example:"3"`
	Failed    int `json:"failed"`
	Crashed   int `json:"crashed"`
	TimedOut  int `json:"timed_out"`
	Lost      int `json:"lost"`
	Cancelled int `json:"cancelled"`
	Skipped   int `json:"skipped"`
}

// RunPage is a page of runs, newest first.
type RunPage struct {
	Items []Run   `json:"items" nullable:"false"`
	Next  *string `json:"next" doc:"The cursor of the next page; null: this was the last one."`
}

func runOf(view *lifecycle.RunView) Run {
	run := Run{
		ID:                view.ID.String(),
		Name:              view.Name,
		Description:       view.Description,
		State:             string(view.State),
		Cause:             string(view.Cause),
		Labels:            view.Labels,
		Input:             view.Input,
		Output:            view.Output,
		Key:               view.Key,
		OnFailure:         view.OnFailure,
		MaxParallel:       view.MaxParallel,
		Timeout:           durationOf(view.Timeout),
		PlanVersion:       view.PlanVersion,
		RerunOf:           idOrNull(view.RerunOf),
		IdempotencyKey:    view.IdempotencyKey,
		CreatedAt:         timestamp(view.CreatedAt),
		CreatedBy:         view.CreatedBy,
		StartAt:           timestampOf(view.StartAt),
		DeadlineAt:        timestampOf(view.DeadlineAt),
		FinishedAt:        timestampOf(view.FinishedAt),
		CancelRequestedAt: timestampOf(view.CancelRequestedAt),
		Steps: RunSteps{
			Total:     view.Steps.Total,
			Pending:   view.Steps.Pending,
			Available: view.Steps.Available,
			Running:   view.Steps.Running,
			Retrying:  view.Steps.Retrying,
			Waiting:   view.Steps.Waiting,
			Succeeded: view.Steps.Succeeded,
			Failed:    view.Steps.Failed,
			Crashed:   view.Steps.Crashed,
			TimedOut:  view.Steps.TimedOut,
			Lost:      view.Steps.Lost,
			Cancelled: view.Steps.Cancelled,
			Skipped:   view.Steps.Skipped,
		},
	}
	if p := view.Parent; p != nil {
		run.Parent = &RunParent{Run: p.Run.String(), Step: textOrNull(p.Step)}
	}
	if e := view.OutputError; e != nil {
		run.OutputError = &RunOutputError{Code: e.Code, Message: e.Message}
	}
	return run
}
