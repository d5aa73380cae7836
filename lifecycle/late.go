package lifecycle

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

const maxEvidence = 48 << 10 // bytes of a late report's payload that are kept

// late answers reports that were not recorded: duplicates, and those for attempts that had ended otherwise, which are
// kept as evidence.
func (e *Engine) late(ctx context.Context, items []Report, rest []int, answers []answer[FinishAnswer]) error {
	var runs []uuid.UUID
	var steps []int32
	for _, i := range rest {
		runs, steps = append(runs, items[i].Run), append(steps, int32(items[i].Step))
	}
	looks, err := e.look(ctx, runs, steps, true)
	if err != nil {
		return err
	}
	for _, i := range rest {
		r := &items[i]
		look := looks[node{r.Run, int32(r.Step)}]
		answers[i] = notRecorded(r, look)
		if a := answers[i]; a.err == nil && a.value.Result != ResultDuplicate {
			if err := e.q.LateReportAdd(ctx, evidence(r, a.value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// notRecorded says what a report met instead of its attempt.
func notRecorded(r *Report, look *queries.StepLookRow) answer[FinishAnswer] {
	if look == nil {
		return answer[FinishAnswer]{err: &Error{Code: CodeNotFound, Message: "there is no such step"}}
	}
	state := StepState(look.State)
	a := FinishAnswer{State: state, Attempt: int(look.Attempt), Actor: look.Actor, At: look.At}
	current := int(look.Attempt) == r.Attempt && state == StepRunning
	switch {
	case look.Report != nil && *look.Report == r.ID:
		a.Result = ResultDuplicate
	case current && look.WorkerID != nil && *look.WorkerID == r.Worker:
		return answer[FinishAnswer]{err: &Error{Code: CodeOverloaded, Message: "somebody else holds the step's row; try again", Retryable: true}}
	case state == StepCancelled:
		a.Result = ResultCancelled
	case !state.Final() && (int(look.Attempt) > r.Attempt || current):
		a.Result = ResultSuperseded
	default:
		a.Result = ResultTooLate
	}
	return answer[FinishAnswer]{value: a}
}

// evidence is what is kept of a report that changed nothing.
func evidence(r *Report, a FinishAnswer) queries.LateReportAddParams {
	payload := map[string]any{"cause": r.Cause}
	if r.Output != nil {
		payload["output"] = r.Output
		if len(r.Output) > maxEvidence/2 {
			payload["output"], payload["output_bytes"] = "(cut)", len(r.Output)
		}
	}
	if r.Error != nil {
		e := map[string]any{"code": r.Error.Code, "message": r.Error.Message, "retryable": r.Error.Retryable}
		if len(r.Error.Detail) > 0 && len(r.Error.Detail) <= maxEvidence/4 {
			e["detail"] = r.Error.Detail
		}
		payload["error"] = e
	}
	raw, err := json.Marshal(payload)
	if err != nil || len(raw) > maxEvidence {
		raw = json.RawMessage(`{"note": "the report was too large to keep"}`)
	}
	was := queries.WeirStepState(a.State)
	return queries.LateReportAddParams{
		RunID: r.Run, Step: int32(r.Step), Attempt: int32(r.Attempt), WorkerID: &r.Worker, Report: r.ID,
		Outcome: string(r.Outcome), Result: string(a.Result), StateWas: &was, Payload: raw,
	}
}
