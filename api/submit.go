package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

type submitInput struct {
	Key  idempotencyKey
	Plan rawBody
}

type submitOutput struct {
	Status   int
	Location string `header:"Location" doc:"The path of the run."`
	Replay   string `header:"Weir-Idempotent-Replay" doc:"true if the run existed before this request."`
	Body     Run
}

// submit is the call that makes runs.
func (s *server) submit(routes huma.API) {
	call := register(s, routes, operation{
		id: "run-submit", scope: ScopeSubmit, method: http.MethodPost, path: "/v1/runs", tag: "runs", status: http.StatusCreated,
		summary: "Submit a run",
		description: "The body is the plan itself, or names one that was put: `{\"plan\": \"name\", \"input\": {}, \"labels\": {}}`, with name@version for a version. The run exists when the answer says so, and starts at once. " +
			"With an Idempotency-Key the call may be repeated: it answers 200, `Weir-Idempotent-Replay: true` and the run that the key made.",
		problems: []string{
			lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin, lifecycle.CodeNotFound, lifecycle.CodeIdempotencyConflict,
			lifecycle.CodeTooLarge, codeUnsupportedMediaType, lifecycle.CodePlanInvalid,
		},
	}, s.runSubmit)
	call.Parameters = append(call.Parameters, idempotencyParam())
	call.RequestBody = submitBody()
	replay := *call.Responses["201"]
	replay.Description = "The run that the Idempotency-Key made before"
	call.Responses["200"] = &replay
	call.Responses["201"].Description = "The run"
}

// submitBody describes what is submitted.
func submitBody() *huma.RequestBody {
	return &huma.RequestBody{
		Description: "The plan, or the name of one with what is special about this run.", Required: true,
		Content: map[string]*huma.MediaType{"application/json": {
			Schema: &huma.Schema{OneOf: []*huma.Schema{{Ref: schemaPrefix + "Plan"}, {Ref: schemaPrefix + namedBody}}}, Example: examplePlan(),
		}},
	}
}

func (s *server) runSubmit(ctx context.Context, in *submitInput) (*submitOutput, error) {
	if err := errors.Join(in.Key.err, in.Plan.err); err != nil {
		return nil, err
	}
	parsed, version, err := s.submitted(ctx, in.Plan)
	if err != nil {
		return nil, err
	}
	submission := lifecycle.Submission{Plan: parsed, PlanVersion: version, Actor: actorOf(ctx)}
	if in.Key.key != "" {
		if err := keyed(ctx, &submission, in.Key.key, in.Plan.json); err != nil {
			return nil, err
		}
	}
	submitted, err := s.Lifecycle.Submit(ctx, submission)
	if err != nil {
		return nil, err
	}
	return s.submitAnswer(ctx, submitted)
}

// keyed gives a submission an Idempotency-Key, and what was asked for under it.
func keyed(ctx context.Context, submission *lifecycle.Submission, key string, asked []byte) error {
	digest, err := plan.Digest(asked)
	if err != nil {
		return err
	}
	submission.Scope, submission.IdempotencyKey, submission.Digest = actorOf(ctx), key, digest
	return nil
}

// submitAnswer is the run of a submission.
func (s *server) submitAnswer(ctx context.Context, submitted lifecycle.Submitted) (*submitOutput, error) {
	view, err := s.Lifecycle.RunGet(ctx, submitted.ID)
	if err != nil {
		return nil, err
	}
	out := &submitOutput{Status: http.StatusCreated, Location: "/v1/runs/" + submitted.ID.String(), Body: runOf(view)}
	if submitted.Replayed {
		out.Status, out.Replay = http.StatusOK, "true"
	}
	return out, nil
}

// idempotencyParam describes the header of calls that make runs.
func idempotencyParam() *huma.Param {
	return &huma.Param{
		Name: idempotencyKeyHeader, In: "header", Example: "nightly-2026-05-04",
		Description: "Makes the call repeatable: the same key with the same body answers with the run that it made before, for as long as that run is kept.",
		Schema:      &huma.Schema{Type: huma.TypeString, Pattern: `^[\x21-\x7e]{1,255}$`},
	}
}
