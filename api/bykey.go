package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

type runByKeyInput struct {
	RunKey     string `path:"key" maxLength:"128" pattern:"^[A-Za-z0-9][A-Za-z0-9._/:-]*$" patternDescription:"a key" doc:"The key, its slashes as %2F." example:"tracker-17"`
	OnConflict string `query:"on_conflict" enum:"keep,replace,queue" default:"keep" doc:"What happens when a run of the key is live. keep: it is the answer. replace: it is cancelled, and the new one starts when its work has really stopped. queue: the new one starts when it has ended."`
	Key        idempotencyKey
	Plan       rawBody
}

// byKey is the call that makes the one live run of a key.
func (s *server) byKey(routes huma.API) {
	call := register(s, routes, operation{
		id: "run-bykey", scope: ScopeSubmit, method: http.MethodPut, path: "/v1/runs/by-key/{key}", tag: "runs", status: http.StatusCreated,
		summary: "Have a run under a key",
		description: "At most one run of a key is live, whoever asks at the same time: declare what should run, again and again. The body is that of a submit. " +
			"The answer is the new run, which may have to wait for the live one to end, or with keep the live one, with status 200.",
		problems: []string{
			lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin, lifecycle.CodeNotFound, lifecycle.CodeIdempotencyConflict,
			lifecycle.CodeTooLarge, codeUnsupportedMediaType, lifecycle.CodePlanInvalid,
		},
	}, s.runByKey)
	call.Parameters = append(call.Parameters, idempotencyParam())
	call.RequestBody = submitBody()
	live := *call.Responses["201"]
	live.Description = "The live run, or the one that the Idempotency-Key made before"
	call.Responses["200"] = &live
	call.Responses["201"].Description = "The new run"
}

func (s *server) runByKey(ctx context.Context, in *runByKeyInput) (*submitOutput, error) {
	if err := errors.Join(in.Key.err, in.Plan.err); err != nil {
		return nil, err
	}
	parsed, version, err := s.submitted(ctx, in.Plan)
	if err != nil {
		return nil, err
	}
	submission := lifecycle.Submission{Plan: parsed, PlanVersion: version, Actor: actorOf(ctx), Key: in.RunKey, OnConflict: in.OnConflict}
	if in.Key.key != "" {
		asked, err := json.Marshal(map[string]any{"key": in.RunKey, "on_conflict": in.OnConflict, "plan": json.RawMessage(in.Plan.json)})
		if err != nil {
			return nil, err
		}
		if err := keyed(ctx, &submission, in.Key.key, asked); err != nil {
			return nil, err
		}
	}
	made, err := s.Lifecycle.Submit(ctx, submission)
	if err != nil {
		return nil, err
	}
	out, err := s.submitAnswer(ctx, made)
	if err == nil && made.Kept {
		out.Status = http.StatusOK
	}
	return out, err
}
