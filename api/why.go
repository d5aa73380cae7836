package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

// Why is why a step is, or is not, running.
type Why struct {
	Run     string   `json:"run" format:"uuid" doc:"The run."`
	Step    string   `json:"step" doc:"The key of the step." example:"build"`
	State   string   `json:"state" enum:"pending,available,running,retrying,waiting,succeeded,failed,crashed,timed_out,lost,cancelled,skipped" doc:"Where it is in its life."`
	Reasons []Reason `json:"reasons" nullable:"false" doc:"What weighs most comes first. None at all: nothing holds it back, it moves on by itself in a moment."`
}

// Reason is one of the reasons.
type Reason struct {
	Code    string         `json:"code" enum:"needs_unfinished,upstream_failed,backoff,start_at,run_paused,queue_paused,max_parallel,concurrency,no_live_worker,no_free_slot,waiting_signal,waiting_approval,waiting_decision,cancel_requested,final,running" doc:"For programs: a closed list."`
	Message string         `json:"message" doc:"For people." example:"something that it needs has not ended yet"`
	Detail  map[string]any `json:"detail" nullable:"true" doc:"More of it, by code; null: nothing."`
}

type whyOutput struct {
	Body Why
}

// why is the call that explains a step.
func (s *server) why(routes huma.API) {
	register(s, routes, operation{
		id: "step-why", method: http.MethodGet, path: "/v1/runs/{run}/steps/{step}/why", tag: "steps",
		summary:  "Say why a step is, or is not, running",
		problems: []string{codeInvalidParameter, lifecycle.CodeNotFound},
	}, s.stepWhy)
}

func (s *server) stepWhy(ctx context.Context, in *StepParam) (*whyOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	why, err := s.Lifecycle.StepWhy(ctx, id, in.Step)
	if err != nil {
		return nil, err
	}
	out := &whyOutput{Body: Why{Run: why.Run.String(), Step: why.Step, State: string(why.State), Reasons: make([]Reason, len(why.Reasons))}}
	for i, reason := range why.Reasons {
		out.Body.Reasons[i] = Reason{Code: string(reason.Code), Message: reason.Message, Detail: reason.Detail}
	}
	return out, nil
}
