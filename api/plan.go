package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// runPlanBody is a plan in JSON with every default filled in. What has no default, or would be refused where it means
// nothing, is left out.
type runPlanBody struct {
	Version     int                 `json:"version"`
	Name        string              `json:"name"`
	Description string              `json:"description"`
	Input       json.RawMessage     `json:"input"`
	Labels      map[string]string   `json:"labels"`
	StartAt     *timestamp          `json:"start_at,omitempty"`
	Delay       *duration           `json:"delay,omitempty"`
	Timeout     *duration           `json:"timeout,omitempty"`
	OnFailure   string              `json:"on_failure"`
	MaxParallel int                 `json:"max_parallel,omitempty"`
	Concurrency *runPlanConcurrency `json:"concurrency,omitempty"`
	Rate        *runPlanRate        `json:"rate,omitempty"`
	Output      json.RawMessage     `json:"output,omitempty"`
	Steps       []runPlanStep       `json:"steps"`
}

type runPlanStep struct {
	Key          string              `json:"key"`
	Kind         string              `json:"kind"`
	With         json.RawMessage     `json:"with"`
	Needs        []string            `json:"needs"`
	RunIf        string              `json:"run_if"`
	AllowFailure bool                `json:"allow_failure"`
	ForEach      string              `json:"for_each,omitempty"`
	MaxParallel  int                 `json:"max_parallel,omitempty"`
	Concurrency  *runPlanConcurrency `json:"concurrency,omitempty"`
	Rate         *runPlanRate        `json:"rate,omitempty"`
	Timeout      *duration           `json:"timeout,omitempty"`

	*runPlanWork // nil: no worker runs it
}

// runPlanWork is what a step says to those who work on it.
type runPlanWork struct {
	Grace      duration     `json:"grace"`
	StallAfter *duration    `json:"stall_after,omitempty"`
	Retry      runPlanRetry `json:"retry"`
	Queue      string       `json:"queue"`
	Priority   int          `json:"priority"`
	RunsOn     string       `json:"runs_on"`
}

type runPlanConcurrency struct {
	Key      string `json:"key"`
	Limit    int    `json:"limit"`
	Strategy string `json:"strategy"`
}

type runPlanRate struct {
	Key   string   `json:"key"`
	Limit int      `json:"limit"`
	Per   duration `json:"per"`
}

type runPlanRetry struct {
	MaxAttempts int      `json:"max_attempts"`
	On          []string `json:"on"`
	Backoff     string   `json:"backoff"`
	Initial     duration `json:"initial"`
	Max         duration `json:"max"`
	Jitter      float64  `json:"jitter"`
}

type runPlanOutput struct {
	Body json.RawMessage
}

// runPlan is the call that reads the plan of a run.
func (s *server) runPlan(routes huma.API) {
	call := register(s, routes, operation{
		id: "run-plan", method: http.MethodGet, path: "/v1/runs/{run}/plan", tag: "runs",
		summary:     "Read the plan of a run",
		description: "The plan as it was resolved when it was submitted: with every default filled in. Submitting it again makes a run that does the same.",
		problems:    []string{codeInvalidParameter, lifecycle.CodeNotFound},
	}, s.runPlanGet)
	call.Responses["200"].Content["application/json"].Schema = &huma.Schema{Ref: schemaPrefix + "Plan"}
	call.Responses["200"].Description = "The plan"
}

func (s *server) runPlanGet(ctx context.Context, in *RunParam) (*runPlanOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	resolved, err := s.Lifecycle.RunPlan(ctx, id)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(runPlanOf(resolved))
	if err != nil {
		return nil, err
	}
	return &runPlanOutput{Body: body}, nil
}

func runPlanOf(p *plan.Plan) runPlanBody {
	body := runPlanBody{
		Version: 1, Name: p.Name, Description: p.Description, Input: p.Input, Labels: p.Labels,
		StartAt: timestampOf(p.StartAt), Delay: durationOf(p.Delay), Timeout: durationOf(p.Timeout),
		OnFailure: p.OnFailure, MaxParallel: p.MaxParallel,
		Concurrency: runPlanConcurrencyOf(p.Concurrency), Rate: runPlanRateOf(p.Rate), Output: p.Output,
		Steps: make([]runPlanStep, len(p.Steps)),
	}
	for i := range p.Steps {
		body.Steps[i] = runPlanStepOf(&p.Steps[i])
	}
	return body
}

func runPlanConcurrencyOf(c *plan.Concurrency) *runPlanConcurrency {
	if c == nil {
		return nil
	}
	return &runPlanConcurrency{Key: c.Key, Limit: c.Limit, Strategy: c.Strategy}
}

func runPlanRateOf(r *plan.Rate) *runPlanRate {
	if r == nil {
		return nil
	}
	return &runPlanRate{Key: r.Key, Limit: r.Limit, Per: duration(r.Per)}
}

func runPlanStepOf(step *plan.Step) runPlanStep {
	body := runPlanStep{
		Key:          step.Key,
		Kind:         step.Kind,
		With:         step.With,
		Needs:        step.Needs,
		RunIf:        step.RunIf,
		AllowFailure: step.AllowFailure,
		ForEach:      step.ForEach,
		MaxParallel:  step.MaxParallel,
		Concurrency:  runPlanConcurrencyOf(step.Concurrency),
		Rate:         runPlanRateOf(step.Rate),
		Timeout:      durationOf(step.Timeout),
	}
	if body.Needs == nil {
		body.Needs = []string{}
	}
	if plan.BuiltIn(step.Kind) {
		return body
	}
	on := step.Retry.On
	if on == nil {
		on = []string{"failed", "crashed", "timed_out"}
	}
	body.runPlanWork = &runPlanWork{
		Grace:      duration(step.Grace),
		StallAfter: durationOf(step.StallAfter),
		Retry: runPlanRetry{
			MaxAttempts: step.Retry.MaxAttempts,
			On:          on,
			Backoff:     step.Retry.Backoff,
			Initial:     duration(step.Retry.Initial),
			Max:         duration(step.Retry.Max),
			Jitter:      step.Retry.Jitter,
		},
		Queue:    step.Queue,
		Priority: step.Priority,
		RunsOn:   step.RunsOn,
	}
	return body
}
