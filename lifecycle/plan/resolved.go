package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/weirqueue/weir/lifecycle/expr"
)

// Resolved gives a plan in which every key of a limit is the text that it is for one run: its expressions are evaluated with
// the run's id, and the plan's name and input. Without expressions in keys that is the plan itself, else a copy which shares
// everything but what changes. Plans inside the plan are left alone: they are resolved for their own run. Faults say which key leads nowhere, or gives what no key can be.
func (p *Plan) Resolved(runID string) (*Plan, Faults) {
	r := keyResolver{scope: expr.Scope{Input: p.Input, RunID: runID, RunName: p.Name}}
	concurrency, rate := r.limits(p.Concurrency, p.Rate, "")
	held := ""
	if concurrency != nil {
		held = concurrency.Key
	}
	var steps []Step
	for i := range p.Steps {
		s := &p.Steps[i]
		if !hasExpression(s.Concurrency, s.Rate) {
			continue
		}
		if steps == nil {
			steps = slices.Clone(p.Steps)
		}
		at := fmt.Sprintf("steps[%d].", i)
		steps[i].Concurrency, steps[i].Rate = r.limits(s.Concurrency, s.Rate, at)
		if c := steps[i].Concurrency; c != nil && c.Key == held {
			r.fault(at+"concurrency.key", CodeOutOfRange, "is, with the input of this run, "+heldAbove)
		}
	}
	switch {
	case len(r.faults) > 0:
		return nil, r.faults
	case steps == nil && !hasExpression(p.Concurrency, p.Rate):
		return p, nil
	}
	resolved := *p
	resolved.Concurrency, resolved.Rate = concurrency, rate
	if steps != nil {
		resolved.Steps = steps
	}
	return &resolved, nil
}

func hasExpression(c *Concurrency, r *Rate) bool {
	return c != nil && expr.Has(c.Key) || r != nil && expr.Has(r.Key)
}

type keyResolver struct {
	scope  expr.Scope
	faults Faults
}

// limits gives copies of limits with their keys evaluated.
func (r *keyResolver) limits(c *Concurrency, rate *Rate, at string) (*Concurrency, *Rate) {
	if c != nil && expr.Has(c.Key) {
		c = &Concurrency{Key: r.key(c.Key, at+"concurrency.key"), Limit: c.Limit, Strategy: c.Strategy}
	}
	if rate != nil && expr.Has(rate.Key) {
		rate = &Rate{Key: r.key(rate.Key, at+"rate.key"), Limit: rate.Limit, Per: rate.Per}
	}
	return c, rate
}

// key evaluates the key of a limit. Numbers and booleans become text.
func (r *keyResolver) key(text, at string) string {
	if len(r.faults) >= (Limits{}).withDefaults().Faults {
		return ""
	}
	value, err := expr.EvalText(text, r.scope)
	key := string(value)
	if err == nil && len(value) > 0 && value[0] == '"' {
		err = json.Unmarshal(value, &key)
	}
	var missing *expr.MissingError
	switch {
	case errors.As(err, &missing):
		r.fault(at, CodeBadExpression, "has an expression that leads nowhere in the input of this run")
	case err != nil:
		r.fault(at, CodeBadExpression, "has an expression that cannot be evaluated")
	case !IsLimitKey(key):
		r.fault(at, CodeOutOfRange, "is, with the input of this run, no key: it must be "+limitKeyForm)
	}
	return key
}

func (r *keyResolver) fault(at, code, message string) {
	r.faults = append(r.faults, Fault{Path: at, Code: code, Message: message})
}
