package client

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"reflect"

	"github.com/google/uuid"
)

// StepGet reads a step of a run, by its key.
func (w *Weir) StepGet(ctx context.Context, run uuid.UUID, step string) (Answer[Step], error) {
	return call[Step](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.StepGet(ctx, run, step) })
}

// StepWhy says why a step is, or is not, running.
func (w *Weir) StepWhy(ctx context.Context, run uuid.UUID, step string) (Answer[Why], error) {
	return call[Why](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.StepWhy(ctx, run, step) })
}

// StepCancel asks for a step to be cancelled. Asking again changes nothing.
func (w *Weir) StepCancel(ctx context.Context, run uuid.UUID, step, reason string) (Answer[Step], error) {
	return call[Step](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.StepCancel(ctx, run, step, cancel(reason))
	})
}

// StepDecision decides about a step that waits for a decision or an approval. Of several decisions the first one counts. When
// the answer is lost and the step then is what this decision makes of it, it was made, by whomever.
func (w *Weir) StepDecision(ctx context.Context, run uuid.UUID, step string, decision Decision) (Answer[Step], error) {
	return w.onceOnStep(ctx, run, step, func(ctx context.Context) (*http.Response, error) {
		return w.client.StepDecision(ctx, run, step, decision)
	}, func(now Step) bool {
		return (now.Cause == CauseDecision || now.Cause == CauseApproval) && decides(decision.Decision, now.State)
	})
}

// decides reports whether a decision has that end.
func decides(decision DecisionDecision, state StepState) bool {
	switch decision {
	case DecisionDecisionAccept:
		return state == StepStateSucceeded
	case DecisionDecisionFail:
		return state == StepStateFailed || state == StepStateCrashed || state == StepStateTimedOut || state == StepStateLost
	case DecisionDecisionSkip:
		return state == StepStateSkipped
	case DecisionDecisionRetry:
		return state == StepStateRetrying
	}
	return false
}

// StepSignal sends a signal to a step that waits for it, or will. payload is JSON, and becomes the output of the step; nil: none.
// The first signal counts. When the answer is lost and the step has then ended with this payload, it was this one.
func (w *Weir) StepSignal(ctx context.Context, run uuid.UUID, step string, payload json.RawMessage) (Answer[Step], error) {
	var signal Signal
	if payload != nil {
		signal.Payload = &payload
	}
	return w.onceOnStep(ctx, run, step, func(ctx context.Context) (*http.Response, error) {
		return w.client.StepSignal(ctx, run, step, signal)
	}, func(now Step) bool { return now.Cause == CauseSignal && sameJSON(payload, now.Output) })
}

// sameJSON reports whether two texts are the same value; nothing is null.
func sameJSON(a, b json.RawMessage) bool {
	read := func(text json.RawMessage) (v any, err error) {
		if len(text) > 0 {
			err = json.Unmarshal(text, &v)
		}
		return v, err
	}
	one, err1 := read(a)
	other, err2 := read(b)
	return err1 == nil && err2 == nil && reflect.DeepEqual(one, other)
}

// onceOnStep makes a call that has an effect only once. A refusal after an answer that was lost may be about the call itself:
// then what the step is now says whether it had its effect.
func (w *Weir) onceOnStep(ctx context.Context, run uuid.UUID, step string, do func(context.Context) (*http.Response, error), had func(Step) bool) (Answer[Step], error) {
	lost := false
	answer, err := call[Step](ctx, w, func(ctx context.Context) (*http.Response, error) {
		response, err := do(ctx)
		lost = lost || err != nil || response.StatusCode >= http.StatusInternalServerError
		return response, err
	})
	var problem *Problem
	if !lost || !errors.As(err, &problem) || problem.Code != ProblemCodeIllegalTransition {
		return answer, err
	}
	if now, failed := w.StepGet(ctx, run, step); failed == nil && had(now.Value) {
		return now, nil
	}
	return answer, err
}

// StepPage reads one page of the steps of a run, in the order of the plan.
func (w *Weir) StepPage(ctx context.Context, run uuid.UUID, params StepListParams) (Answer[StepPage], error) {
	return call[StepPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.StepList(ctx, run, &params) })
}

// Steps goes through the steps of a run, in the order of the plan, page by page.
func (w *Weir) Steps(ctx context.Context, run uuid.UUID, params StepListParams) iter.Seq2[Answer[Step], error] {
	return pages[Step](ctx, params.Cursor, func(ctx context.Context, cursor *string) (Answer[rawPage], error) {
		params.Cursor = cursor
		return call[rawPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.StepList(ctx, run, &params) })
	})
}
