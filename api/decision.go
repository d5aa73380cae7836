package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

// Decision is what becomes of a step that waits for an operator.
type Decision struct {
	Decision string          `json:"decision" enum:"retry,skip,accept,fail" doc:"retry: try it again. skip: go on without it. accept: take it for a success. fail: let it end as its last attempt did. A step that waits for approval knows accept and fail."`
	Output   json.RawMessage `json:"output,omitempty" doc:"With accept: the output of the step, any JSON."`
	Comment  string          `json:"comment,omitempty" maxLength:"1024" doc:"Why, for people: a line of the log of the step."`
}

// Signal is what a step that waits for a signal is told.
type Signal struct {
	Payload json.RawMessage `json:"payload,omitempty" doc:"Any JSON: it becomes the output of the step."`
}

type stepActInput struct {
	StepParam
	Said rawBody
}

// decision are the calls that steps wait for.
func (s *server) decision(routes huma.API) {
	decision := register(s, routes, operation{
		id: "step-decision", method: http.MethodPost, path: "/v1/runs/{run}/steps/{step}/decision", tag: "steps",
		summary: "Decide about a step that waits for it",
		description: "For steps whose waiting_for is decision (their attempts are used up, and the plan says on_failure: pause) or approval. " +
			"Of several decisions the first one counts; any other, and one about a step that does not wait for it, is an illegal_transition.",
		problems: actProblems(),
	}, s.stepDecision)
	decision.RequestBody = &huma.RequestBody{
		Required: true, Description: "The decision.",
		Content: map[string]*huma.MediaType{"application/json": {Schema: schemaOf[Decision](routes), Example: Decision{Decision: "retry", Comment: "the disk has room again"}}},
	}
	signal := register(s, routes, operation{
		id: "step-signal", method: http.MethodPost, path: "/v1/runs/{run}/steps/{step}/signal", tag: "steps",
		summary: "Send a signal to a step that waits for it",
		description: "It ends a step of kind wait. A signal that comes before its step waits is kept and counts then. " +
			"The first signal counts; any other, and one for a step that waits for none, is an illegal_transition.",
		problems: actProblems(),
	}, s.stepSignal)
	signal.RequestBody = &huma.RequestBody{
		Description: "May be left out.",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: schemaOf[Signal](routes), Example: map[string]any{"payload": map[string]any{"order": 17}}}},
	}
}

func (s *server) stepDecision(ctx context.Context, in *stepActInput) (*stepOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	var said Decision
	if err := decodeBody(in.Said, &said); err != nil {
		return nil, err
	}
	request := lifecycle.DecisionRequest{Actor: actorOf(ctx), Decision: lifecycle.Decision(said.Decision), Output: said.Output, Comment: said.Comment}
	if err := s.Lifecycle.StepDecision(ctx, id, in.Step, request); err != nil {
		return nil, err
	}
	return s.stepGet(ctx, &in.StepParam)
}

func (s *server) stepSignal(ctx context.Context, in *stepActInput) (*stepOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	var said Signal
	if err := decodeBody(in.Said, &said); err != nil {
		return nil, err
	}
	if err := s.Lifecycle.StepSignal(ctx, id, in.Step, lifecycle.SignalRequest{Actor: actorOf(ctx), Payload: said.Payload}); err != nil {
		return nil, err
	}
	return s.stepGet(ctx, &in.StepParam)
}
