package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// Bounds of a batch.
const (
	batchMost   = 10_000 // runs
	batchFaults = 1000   // that are answered
)

// batchBody is the name of the schema of the body.
const batchBody = "BatchRequest"

type batchInput struct {
	Key  idempotencyKey
	Sent rawBody
}

// BatchRun is a run of a batch.
type BatchRun struct {
	ID string `json:"id" format:"uuid" doc:"The id of the run."`
}

// Batch is what a batch has made.
type Batch struct {
	Runs []BatchRun `json:"runs" nullable:"false" doc:"The runs, in the order of the request."`
}

type batchOutput struct {
	Status int
	Replay string `header:"Weir-Idempotent-Replay" doc:"true if the runs existed before this request."`
	Body   Batch
}

// batch is the call that makes many runs.
func (s *server) batch(routes huma.API) {
	call := register(s, routes, operation{
		id: "runs-batch", scope: ScopeSubmit, method: http.MethodPost, path: "/v1/runs:batch", tag: "runs", status: http.StatusCreated,
		summary: "Submit many runs",
		description: "All of them or none, 1 to 10,000. Each is what a single submit has as its body: a plan, or the name of one. With faults the answer has those of every run, the first 1,000. " +
			"With an Idempotency-Key the call may be repeated: the same body answers 200, `Weir-Idempotent-Replay: true` and the ids of the runs that the key made.",
		problems: []string{
			lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin, lifecycle.CodeNotFound, lifecycle.CodeIdempotencyConflict,
			lifecycle.CodeTooLarge, codeUnsupportedMediaType, lifecycle.CodePlanInvalid,
		},
	}, s.runsBatch)
	call.Parameters = append(call.Parameters, idempotencyParam())
	call.RequestBody = &huma.RequestBody{
		Description: "The runs.", Required: true,
		Content: map[string]*huma.MediaType{"application/json": {
			Schema: &huma.Schema{Ref: schemaPrefix + batchBody}, Example: map[string]any{"runs": []any{examplePlan()}},
		}},
	}
	replay := *call.Responses["201"]
	replay.Description = "The runs that the Idempotency-Key made before"
	call.Responses["200"] = &replay
	call.Responses["201"].Description = "The runs"
}

// batchSchema describes the body.
func batchSchema() map[string]any {
	return map[string]any{
		"type": "object", "description": "Runs that are submitted together.", "additionalProperties": false, "required": []any{"runs"},
		"properties": map[string]any{"runs": map[string]any{
			"type": "array", "description": "What to run: plans, or names of plans.", "minItems": 1, "maxItems": batchMost,
			"items": map[string]any{"oneOf": []any{map[string]any{"$ref": schemaPrefix + "Plan"}, map[string]any{"$ref": schemaPrefix + namedBody}}},
		}},
	}
}

func (s *server) runsBatch(ctx context.Context, in *batchInput) (*batchOutput, error) {
	if err := errors.Join(in.Key.err, in.Sent.err); err != nil {
		return nil, err
	}
	submissions, err := s.batched(ctx, in)
	if err != nil {
		return nil, err
	}
	submitted, err := s.Lifecycle.SubmitMany(ctx, submissions)
	if err != nil {
		return nil, err
	}
	out := &batchOutput{Status: http.StatusOK, Replay: "true", Body: Batch{Runs: make([]BatchRun, len(submitted))}}
	for i, run := range submitted {
		out.Body.Runs[i].ID = run.ID.String()
		if !run.Replayed {
			out.Status, out.Replay = http.StatusCreated, ""
		}
	}
	return out, nil
}

// batched reads the runs of a batch. Each has the key of the batch, in a scope of its own, and the digest of all of them.
func (s *server) batched(ctx context.Context, in *batchInput) ([]lifecycle.Submission, error) {
	var body struct {
		Runs json.RawMessage `json:"runs"`
	}
	if err := decodeBody(in.Sent, &body); err != nil {
		return nil, err
	}
	var runs []json.RawMessage
	if err := json.Unmarshal(body.Runs, &runs); err != nil || len(runs) == 0 || len(runs) > batchMost {
		return nil, invalidBody("runs", "out_of_range", "expected a list of 1 to 10,000 runs")
	}
	var digest []byte
	if in.Key.key != "" {
		var err error
		if digest, err = plan.Digest(in.Sent.json); err != nil {
			return nil, err
		}
	}
	submissions := make([]lifecycle.Submission, len(runs))
	var faults plan.Faults
	for i, run := range runs {
		parsed, version, err := s.submitted(ctx, rawBody{json: run})
		found, err := faultsOf(err)
		if err != nil {
			return nil, inRun(i, err)
		}
		faults = append(faults, lifecycle.FaultsOfRun(i, found)...)
		if len(faults) >= batchFaults {
			return nil, faults[:batchFaults]
		}
		submissions[i] = lifecycle.Submission{Plan: parsed, PlanVersion: version, Actor: actorOf(ctx)}
		if digest != nil {
			submissions[i].Scope, submissions[i].IdempotencyKey, submissions[i].Digest = actorOf(ctx)+" batch "+strconv.Itoa(i), in.Key.key, digest
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return submissions, nil
}

// faultsOf takes the faults of a plan out of an error.
func faultsOf(err error) (plan.Faults, error) {
	if faults, ok := errors.AsType[plan.Faults](err); ok {
		return faults, nil
	}
	return nil, err
}

// inRun says which run of a batch an error is about.
func inRun(i int, err error) error {
	known, ok := errors.AsType[*lifecycle.Error](err)
	if !ok || known.Code != lifecycle.CodeNotFound {
		return err
	}
	problem := newProblem(known.Code, known.Message)
	problem.Errors = append(problem.Errors, ProblemError{Location: fmt.Sprintf("body.runs[%d].plan", i), Code: known.Code, Message: known.Message})
	return problem
}
