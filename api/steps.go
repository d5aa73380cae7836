package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

type stepOutput struct {
	Body Step
}

type stepListInput struct {
	RunParam
	PageParams
}

type stepListOutput struct {
	Body StepPage
}

// steps are the calls that read steps.
func (s *server) steps(routes huma.API) {
	register(s, routes, operation{
		id: "step-list", method: http.MethodGet, path: "/v1/runs/{run}/steps", tag: "steps",
		summary:     "List the steps of a run",
		description: "In the order of the plan.",
		problems:    []string{codeInvalidParameter, lifecycle.CodeNotFound},
	}, s.stepList)
	register(s, routes, operation{
		id: "step-get", method: http.MethodGet, path: "/v1/runs/{run}/steps/{step}", tag: "steps",
		summary:  "Read a step",
		problems: []string{codeInvalidParameter, lifecycle.CodeNotFound},
	}, s.stepGet)
}

func (s *server) stepList(ctx context.Context, in *stepListInput) (*stepListOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	page, err := s.Lifecycle.StepList(ctx, id, in.request())
	if err != nil {
		return nil, err
	}
	out := &stepListOutput{}
	out.Body.Items, out.Body.Next = list(page, stepOf)
	return out, nil
}

func (s *server) stepGet(ctx context.Context, in *StepParam) (*stepOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	view, err := s.Lifecycle.StepGet(ctx, id, in.Step)
	if err != nil {
		return nil, err
	}
	return &stepOutput{Body: stepOf(view)}, nil
}
