package api

import (
	"encoding/json"

	"github.com/weirqueue/weir/lifecycle"
)

// Step is one node of a run.
type Step struct {
	Run               string           `json:"run" format:"uuid" doc:"The run that it belongs to."`
	Key               string           `json:"key" doc:"Its name, unique in the run." example:"build"`
	Kind              string           `json:"kind" doc:"What kind of work it is." example:"exec"`
	State             string           `json:"state" enum:"pending,available,running,retrying,waiting,succeeded,failed,crashed,timed_out,lost,cancelled,skipped" doc:"Where it is in its life; the last seven are final."`
	Cause             string           `json:"cause" doc:"Why it came into this state."`
	Needs             []string         `json:"needs" nullable:"false" doc:"The keys of the steps that have to end first."`
	RunIf             string           `json:"run_if" enum:"all_succeeded,all_finished,any_failed" doc:"When it runs, given how its needs ended."`
	AllowFailure      bool             `json:"allow_failure" doc:"Whether its failure counts as a success for its dependants and its run."`
	Attempt           int              `json:"attempt" doc:"How often it was claimed."`
	Failures          int              `json:"failures" doc:"How many of its outcomes count for the retry policy."`
	MaxAttempts       int              `json:"max_attempts" doc:"How many counted failures end it."`
	Queue             string           `json:"queue" doc:"The queue that it is dispatched into." example:"default"`
	Priority          int              `json:"priority" doc:"1 is first, 4 is last." example:"2"`
	RunsOn            string           `json:"runs_on" enum:"replica,remote" doc:"Who executes it."`
	Timeout           *duration        `json:"timeout" doc:"How long one attempt may take; null: for ever."`
	StallAfter        *duration        `json:"stall_after" doc:"How long an attempt may be silent; null: for ever."`
	CreatedAt         timestamp        `json:"created_at" doc:"When it was submitted."`
	RunAfter          *timestamp       `json:"run_after" doc:"When it may be claimed again, while retrying."`
	StartedAt         *timestamp       `json:"started_at" doc:"When its last attempt started."`
	DeadlineAt        *timestamp       `json:"deadline_at" doc:"When its last attempt had to be over."`
	FinishedAt        *timestamp       `json:"finished_at" doc:"When it became final."`
	Worker            *string          `json:"worker" format:"uuid" doc:"Who claimed it last."`
	WaitingFor        *string          `json:"waiting_for" enum:"signal,approval,time,decision,children,run" doc:"What it waits for, exactly while waiting."`
	ReusedFrom        *string          `json:"reused_from" format:"uuid" doc:"The run from which it was carried over, already succeeded."`
	Parent            *string          `json:"parent" doc:"For a child of a fan-out: the key of the step with for_each." example:"load"`
	Item              *int             `json:"item" doc:"For a child of a fan-out: its place in the list, from 0."`
	ChildRun          *string          `json:"child_run" format:"uuid" doc:"For kind plan: the run that it has started."`
	CancelRequestedAt *timestamp       `json:"cancel_requested_at" doc:"When its cancellation was asked for (not that of the whole run)."`
	Progress          *StepProgress    `json:"progress" doc:"How far its current attempt says it is."`
	With              json.RawMessage  `json:"with" doc:"What it was given, an object, expressions not evaluated. Only of a single step; null in lists."`
	Output            json.RawMessage  `json:"output" doc:"What it left behind. Only of a single step; null in lists, and where there is none."`
	OutputError       *StepOutputError `json:"output_error" doc:"Why its output could not be kept."`
	Error             *StepError       `json:"error" doc:"What went wrong with its current attempt."`
}

// StepProgress is how far a step says it is.
type StepProgress struct {
	Percent *float64  `json:"percent" minimum:"0" maximum:"100" doc:"0 to 100; null: unknown."`
	Message string    `json:"message" doc:"What it is doing."`
	At      timestamp `json:"at" doc:"When it said so."`
}

// StepOutputError says that there was an output that could not be kept.
type StepOutputError struct {
	Code  string `json:"code" doc:"Why: too_large, invalid_json, invalid_utf8, null_character or too_deep." example:"too_large"`
	Bytes int64  `json:"bytes" doc:"How large it was." example:"20971520"`
}

// StepError is what went wrong with an attempt.
type StepError struct {
	Code      string          `json:"code" doc:"For programs; lower case and underscores." example:"exit_code"`
	Message   string          `json:"message" doc:"For people." example:"exited with code 1"`
	Retryable bool            `json:"retryable" doc:"False: trying again could not help."`
	Detail    json.RawMessage `json:"detail" doc:"More of it, by kind; null: nothing."`
}

// StepPage is a page of steps in the order of the plan.
type StepPage struct {
	Items []Step  `json:"items" nullable:"false"`
	Next  *string `json:"next" doc:"The cursor of the next page; null: this was the last one."`
}

func stepOf(view *lifecycle.StepView) Step {
	step := Step{
		Run:               view.Run.String(),
		Key:               view.Key,
		Kind:              view.Kind,
		State:             string(view.State),
		Cause:             string(view.Cause),
		Needs:             view.Needs,
		RunIf:             view.RunIf,
		AllowFailure:      view.AllowFailure,
		Attempt:           view.Attempt,
		Failures:          view.Failures,
		MaxAttempts:       view.MaxAttempts,
		Queue:             view.Queue,
		Priority:          view.Priority,
		RunsOn:            view.RunsOn,
		Timeout:           durationOf(view.Timeout),
		StallAfter:        durationOf(view.StallAfter),
		CreatedAt:         timestamp(view.CreatedAt),
		RunAfter:          timestampOf(view.RunAfter),
		StartedAt:         timestampOf(view.StartedAt),
		DeadlineAt:        timestampOf(view.DeadlineAt),
		FinishedAt:        timestampOf(view.FinishedAt),
		Worker:            idOrNull(view.Worker),
		WaitingFor:        view.WaitingFor,
		ReusedFrom:        idOrNull(view.ReusedFrom),
		Parent:            textOrNull(view.Parent),
		Item:              view.Item,
		ChildRun:          idOrNull(view.ChildRun),
		CancelRequestedAt: timestampOf(view.CancelRequestedAt),
		With:              view.With,
		Output:            view.Output,
	}
	if p := view.Progress; p != nil {
		step.Progress = &StepProgress{Percent: p.Percent, Message: p.Message, At: timestamp(p.At)}
	}
	if e := view.OutputError; e != nil {
		step.OutputError = &StepOutputError{Code: e.Code, Bytes: e.Bytes}
	}
	if e := view.Error; e != nil {
		step.Error = &StepError{Code: e.Code, Message: e.Message, Retryable: e.Retryable, Detail: e.Detail}
	}
	return step
}
