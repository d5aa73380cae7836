package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// Rerun is how a run is done again.
type Rerun struct {
	From  []string        `json:"from,omitempty" doc:"Keys of steps that run again though they had succeeded, with everything downstream of them." example:"[\"build\"]"`
	Input json.RawMessage `json:"input,omitempty" doc:"Another input, an object: then everything runs again."`
}

type runRerunInput struct {
	RunParam
	Key  idempotencyKey
	Said rawBody
}

// rerun is the call that does a run again.
func (s *server) rerun(routes huma.API) {
	call := register(s, routes, operation{
		id: "run-rerun", scope: ScopeSubmit, method: http.MethodPost, path: "/v1/runs/{run}/rerun", tag: "runs", status: http.StatusCreated,
		summary: "Do a run again",
		description: "Makes a new run of one that has ended. What had succeeded is carried over with its output, except what is named in from; the rest, and everything downstream " +
			"of what runs again, runs again. A run that had succeeded is done again as a whole, and so is any run with another input. " +
			"With an Idempotency-Key the call may be repeated: it answers 200, `Weir-Idempotent-Replay: true` and the run that the key made.",
		problems: actProblems(lifecycle.CodeIdempotencyConflict),
	}, s.runRerun)
	call.Parameters = append(call.Parameters, idempotencyKeyParam("Makes the call repeatable: the same key with the same request answers with the run that it made before."))
	call.RequestBody = &huma.RequestBody{
		Description: "May be left out.",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: schemaOf[Rerun](routes), Example: map[string]any{"from": []any{"build"}}}},
	}
	replay := *call.Responses["201"]
	replay.Description = "The run that the Idempotency-Key made before"
	call.Responses["200"] = &replay
	call.Responses["201"].Description = "The new run, with rerun_of"
}

func (s *server) runRerun(ctx context.Context, in *runRerunInput) (*submitOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	var said Rerun
	if err := errors.Join(in.Key.err, decodeBody(in.Said, &said)); err != nil {
		return nil, err
	}
	request := lifecycle.RerunRequest{Actor: actorOf(ctx), From: said.From}
	if string(said.Input) != "null" {
		request.Input = said.Input
	}
	if in.Key.key != "" {
		request.Scope, request.IdempotencyKey = actorOf(ctx), in.Key.key
		if request.Digest, err = said.digest(id); err != nil {
			return nil, err
		}
	}
	made, err := s.Lifecycle.RunRerun(ctx, id, request)
	if err != nil {
		return nil, err
	}
	return s.submitAnswer(ctx, made)
}

// digest tells the same request from another one under the same key.
func (r Rerun) digest(run uuid.UUID) ([]byte, error) {
	text, err := json.Marshal(map[string]any{"rerun_of": run.String(), "from": r.From, "input": r.Input})
	if err != nil {
		return nil, err
	}
	digest, err := plan.Digest(text)
	if err != nil {
		return nil, invalidBody("input", lifecycle.CodeInvalidRequest, "expected an object in which no member is there twice")
	}
	return digest, nil
}
