package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
)

type runActInput struct {
	RunParam
}

// actProblems are those of what somebody does to a run or step.
func actProblems(more ...string) []string {
	return append([]string{
		lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin, lifecycle.CodeNotFound,
		lifecycle.CodeIllegalTransition, lifecycle.CodeTooLarge, codeUnsupportedMediaType,
	}, more...)
}

// pause are the calls that hold runs.
func (s *server) pause(routes huma.API) {
	register(s, routes, operation{
		id: "run-pause", method: http.MethodPost, path: "/v1/runs/{run}/pause", tag: "runs",
		summary: "Start nothing of a run any more",
		description: "From the moment of the answer nothing of the run starts. What runs ends as it does; signals, decisions, deadlines and cancellations go on, and so do child runs, which are runs of their own. " +
			"Asking again changes nothing and gets the same answer; a run that has ended, or is being cancelled, is an illegal_transition.",
		problems: actProblems(),
	}, s.runPause)
	register(s, routes, operation{
		id: "run-resume", method: http.MethodPost, path: "/v1/runs/{run}/resume", tag: "runs",
		summary:     "Go on with a run that was paused",
		description: "A run that is not paused stays as it is; one that has ended, or is being cancelled, is an illegal_transition.",
		problems:    actProblems(),
	}, s.runResume)
}

func (s *server) runPause(ctx context.Context, in *runActInput) (*runOutput, error) {
	return s.runAct(ctx, in, s.Lifecycle.RunPause)
}

func (s *server) runResume(ctx context.Context, in *runActInput) (*runOutput, error) {
	return s.runAct(ctx, in, s.Lifecycle.RunResume)
}

// runAct does to a run what needs no more to be said, and answers with the run.
func (s *server) runAct(ctx context.Context, in *runActInput, act func(context.Context, uuid.UUID, string) error) (*runOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	if err := act(ctx, id, actorOf(ctx)); err != nil {
		return nil, err
	}
	return s.runGet(ctx, &in.RunParam)
}
