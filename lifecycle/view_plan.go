package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// planStepsAtOnce is how many steps RunPlan reads with one query.
const planStepsAtOnce = 5_000

// RunPlan gives back the plan of a run with every default filled in, as it was resolved when it was submitted: keys of limits
// are the texts that they were for this run, and a delay is the time that it led to. The children of a for_each are no part
// of it.
func (r *Reader) RunPlan(ctx context.Context, run uuid.UUID) (*plan.Plan, error) {
	view, err := r.RunGet(ctx, run)
	if err != nil {
		return nil, err
	}
	p := &plan.Plan{
		Name:        view.Name,
		Description: view.Description,
		Input:       view.Input,
		Labels:      ownLabels(view.Labels),
		OnFailure:   view.OnFailure,
		Steps:       make([]plan.Step, 0, view.Steps.Total),
	}
	p.StartAt, p.Timeout = view.StartAt, view.Timeout
	if view.MaxParallel != nil {
		p.MaxParallel = *view.MaxParallel
	}
	policies, err := r.planPolicies(ctx, run)
	if err != nil {
		return nil, err
	}
	if own := policies[0]; own != nil {
		p.Concurrency, p.Rate, p.Output = own.concurrency(), own.rate(), own.Output
	}
	for after := int32(0); ; {
		steps, err := r.stepViews(ctx, queries.StepViewsParams{Run: run, After: after, Max: planStepsAtOnce, Payloads: true, OfPlan: true})
		if err != nil {
			return nil, err
		}
		for i := range steps {
			step, err := planStep(&steps[i])
			if err != nil {
				return nil, fmt.Errorf("read the retry policy of step %s of run %s: %w", steps[i].Key, run, err)
			}
			if own := policies[steps[i].Ordinal]; own != nil {
				own.fill(&step)
			}
			p.Steps = append(p.Steps, step)
		}
		if len(steps) < planStepsAtOnce {
			return p, nil
		}
		after = int32(steps[len(steps)-1].Ordinal)
	}
}

// planPolicies are the limits, fan-outs and outputs of a run, by ordinal; 0 is the run itself.
func (r *Reader) planPolicies(ctx context.Context, run uuid.UUID) (map[int]*planPolicy, error) {
	rows, err := r.queries().PlanPolicies(ctx, run)
	if err != nil {
		return nil, readError(err)
	}
	policies := make(map[int]*planPolicy, len(rows))
	for i := range rows {
		policies[int(rows[i].Step)] = &planPolicy{&rows[i]}
	}
	return policies, nil
}

// planPolicy is what the plan says of a run or a step beyond what every run or step has.
type planPolicy struct{ *queries.PlanPoliciesRow }

func (p planPolicy) concurrency() *plan.Concurrency {
	if p.ConcurrencyKey == nil || p.ConcurrencyLimit == nil || p.ConcurrencyStrategy == nil {
		return nil
	}
	return &plan.Concurrency{Key: *p.ConcurrencyKey, Limit: int(*p.ConcurrencyLimit), Strategy: *p.ConcurrencyStrategy}
}

func (p planPolicy) rate() *plan.Rate {
	if p.RateKey == nil || p.RateLimit == nil {
		return nil
	}
	return &plan.Rate{Key: *p.RateKey, Limit: int(*p.RateLimit), Per: interval(p.RatePer)}
}

func (p planPolicy) fill(step *plan.Step) {
	step.Concurrency, step.Rate = p.concurrency(), p.rate()
	if p.ForEach != nil {
		step.ForEach = *p.ForEach
	}
	if p.MaxParallel != nil {
		step.MaxParallel = int(*p.MaxParallel)
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

// ownLabels are the labels that a plan can have: ours begin with weir/.
func ownLabels(all map[string]string) map[string]string {
	own := maps.Clone(all)
	maps.DeleteFunc(own, func(key, _ string) bool { return strings.HasPrefix(key, "weir/") })
	return own
}
