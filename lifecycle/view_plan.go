package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// planStepsAtOnce is how many steps RunPlan reads with one query.
const planStepsAtOnce = 5_000

// RunPlan gives back the plan of a run with every default filled in, as it was resolved when it was submitted.
func (r *Reader) RunPlan(ctx context.Context, run uuid.UUID) (*plan.Plan, error) {
	view, err := r.RunGet(ctx, run)
	if err != nil {
		return nil, err
	}
	p := &plan.Plan{
		Name:        view.Name,
		Description: view.Description,
		Input:       view.Input,
		Labels:      view.Labels,
		OnFailure:   view.OnFailure,
		Steps:       make([]plan.Step, 0, view.Steps.Total),
	}
	if view.MaxParallel != nil {
		p.MaxParallel = *view.MaxParallel
	}
	for after := int32(0); ; {
		steps, err := r.stepViews(ctx, queries.StepViewsParams{Run: run, After: after, Max: planStepsAtOnce, Payloads: true})
		if err != nil {
			return nil, err
		}
		for i := range steps {
			step, err := planStep(&steps[i])
			if err != nil {
				return nil, fmt.Errorf("read the retry policy of step %s of run %s: %w", steps[i].Key, run, err)
			}
			p.Steps = append(p.Steps, step)
		}
		if len(steps) < planStepsAtOnce {
			return p, nil
		}
		after = int32(steps[len(steps)-1].Ordinal)
	}
}

func planStep(view *StepView) (plan.Step, error) {
	retry, err := planRetry(view)
	return plan.Step{
		Key:          view.Key,
		Kind:         view.Kind,
		With:         view.With,
		Needs:        view.Needs,
		RunIf:        view.RunIf,
		AllowFailure: view.AllowFailure,
		Timeout:      view.Timeout,
		Grace:        view.Grace,
		StallAfter:   view.StallAfter,
		Retry:        retry,
		Queue:        view.Queue,
		Priority:     view.Priority,
		RunsOn:       view.RunsOn,
	}, err
}

// planRetry fills in the defaults of contract 2.2, which the column leaves out.
func planRetry(view *StepView) (plan.Retry, error) {
	stored := struct {
		On        []string `json:"on"`
		Backoff   string   `json:"backoff"`
		InitialMS float64  `json:"initial_ms"`
		MaxMS     float64  `json:"max_ms"`
		Jitter    float64  `json:"jitter"`
	}{Backoff: "exponential", InitialMS: 1_000, MaxMS: 300_000, Jitter: 0.1}
	if view.retry != nil {
		if err := json.Unmarshal(view.retry, &stored); err != nil {
			return plan.Retry{}, err
		}
	}
	return plan.Retry{
		MaxAttempts: view.MaxAttempts,
		On:          stored.On,
		Backoff:     stored.Backoff,
		Initial:     time.Duration(stored.InitialMS * float64(time.Millisecond)),
		Max:         time.Duration(stored.MaxMS * float64(time.Millisecond)),
		Jitter:      stored.Jitter,
	}, nil
}
