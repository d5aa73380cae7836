package api

import (
	"context"
	"net/http"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// Cancel is what may be said with a request to cancel.
type Cancel struct {
	Reason string `json:"reason,omitempty" maxLength:"1024" doc:"Why, for people. Kept with the run or step."`
}

type runCancelInput struct {
	RunParam
	Said rawBody
}

type stepCancelInput struct {
	StepParam
	Said rawBody
}

// cancel are the calls that ask for an end.
func (s *server) cancel(routes huma.API) {
	problems := []string{
		lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin, lifecycle.CodeNotFound,
		lifecycle.CodeIllegalTransition, lifecycle.CodeTooLarge, codeUnsupportedMediaType,
	}
	runCall := register(s, routes, operation{
		id: "run-cancel", method: http.MethodPost, path: "/v1/runs/{run}/cancel", tag: "runs", status: http.StatusAccepted,
		summary: "Ask for a run to be cancelled",
		description: "A request first: nothing of the run starts any more, and what runs is stopped. The run is cancelled when its last step is final. " +
			"Asking again changes nothing and gets the same answer; a run that has ended is an illegal_transition.",
		problems: problems,
	}, s.runCancel)
	stepCall := register(s, routes, operation{
		id: "step-cancel", method: http.MethodPost, path: "/v1/runs/{run}/steps/{step}/cancel", tag: "steps", status: http.StatusAccepted,
		summary: "Ask for a step to be cancelled",
		description: "A request first: what a worker then reports is true and wins, succeeded included. " +
			"Asking again changes nothing and gets the same answer; a step that has ended is an illegal_transition.",
		problems: problems,
	}, s.stepCancel)
	body := &huma.RequestBody{
		Description: "May be left out.",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: schemaOf[Cancel](routes), Example: Cancel{Reason: "superseded"}}},
	}
	runCall.RequestBody, stepCall.RequestBody = body, body
	runCall.Responses["202"].Description = "The run, with cancel_requested_at"
	stepCall.Responses["202"].Description = "The step, with cancel_requested_at"
}

func (s *server) runCancel(ctx context.Context, in *runCancelInput) (*runOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	request, err := cancelRequest(ctx, in.Said)
	if err != nil {
		return nil, err
	}
	if err := s.Lifecycle.RunCancel(ctx, id, request); err != nil {
		return nil, err
	}
	return s.runGet(ctx, &in.RunParam)
}

func (s *server) stepCancel(ctx context.Context, in *stepCancelInput) (*stepOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	request, err := cancelRequest(ctx, in.Said)
	if err != nil {
		return nil, err
	}
	if err := s.Lifecycle.StepCancel(ctx, id, in.Step, request); err != nil {
		return nil, err
	}
	return s.stepGet(ctx, &in.StepParam)
}

// cancelRequest is what is asked for, and by whom.
func cancelRequest(ctx context.Context, said rawBody) (lifecycle.CancelRequest, error) {
	var cancel Cancel
	if err := decodeBody(said, &cancel); err != nil {
		return lifecycle.CancelRequest{}, err
	}
	if utf8.RuneCountInString(cancel.Reason) > 1024 || !cleanText(cancel.Reason) {
		return lifecycle.CancelRequest{}, invalidBody("reason", plan.CodeOutOfRange, "expected at most 1024 characters, none of them the null character")
	}
	return lifecycle.CancelRequest{Actor: actorOf(ctx), Reason: cancel.Reason}, nil
}
