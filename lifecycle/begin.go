package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/expr"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// Bounds of what one step may become.
const (
	maxItems    = plan.MaxItems // of a fan-out
	maxRunDepth = plan.MaxDepth // of child runs
)

// endings are ends of steps that wait.
type endings struct{ p queries.StepEndParams }

// ending is how a step that waits ends.
type ending struct {
	node
	state       StepState
	cause       Cause
	output      json.RawMessage // nil: none
	outputError json.RawMessage // nil: none
	code        string          // of the error; "" = none
	message     string
}

func (e *endings) add(x ending) {
	e.p.Runs, e.p.Steps = append(e.p.Runs, x.run), append(e.p.Steps, x.step)
	e.p.ToStates, e.p.Causes = append(e.p.ToStates, string(x.state)), append(e.p.Causes, string(x.cause))
	e.p.HasOutputs, e.p.Outputs = append(e.p.HasOutputs, x.output != nil), append(e.p.Outputs, orNull(x.output))
	e.p.OutputErrors = append(e.p.OutputErrors, orNull(x.outputError))
	e.p.ErrorCodes, e.p.ErrorMessages = append(e.p.ErrorCodes, x.code), append(e.p.ErrorMessages, x.message)
}

// end ends steps that wait and settles them.
func (p *pass) end(ctx context.Context, e endings) error {
	if len(e.p.Runs) == 0 {
		return nil
	}
	e.p.Actor = p.actor
	rows, err := p.q.StepEnd(ctx, e.p)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if !row.Settled { // the trigger has written a hint
			p.after.dirty = true
			continue
		}
		p.ended(endedStep{node{row.RunID, row.Step}, classOf(StepState(row.State), Cause(row.Cause), row.AllowFailure), row.Dependants, row.Parent})
	}
	return nil
}

// begins are steps that begin to wait in this pass.
type begins struct {
	waits    queries.StepWaitParams
	signals  nodes
	families queries.FamilyPutParams
	children []Submission
	ends     endings
}

func (b *begins) wait(row *queries.StepsToBeginRow, duration time.Duration, until *time.Time, timeoutMS int64) {
	b.waits.Runs, b.waits.Steps = append(b.waits.Runs, row.RunID), append(b.waits.Steps, row.Step)
	b.waits.DurationsMs, b.waits.Untils = append(b.waits.DurationsMs, duration.Milliseconds()), append(b.waits.Untils, startAt(until))
	b.waits.TimeoutsMs = append(b.waits.TimeoutsMs, timeoutMS)
}

// beginLater leaves steps that begin to wait to reconcile.
func (s *settler) beginLater(ctx context.Context) error {
	var rest queries.DirtyAddParams
	for _, n := range s.begins {
		rest.Runs, rest.Steps = append(rest.Runs, n.run), append(rest.Steps, n.step)
	}
	return s.again(ctx, rest)
}

// begin has the steps wait whose needs are met and that wait for something from outside: for a signal, an approval or a
// time, for the children that a list is expanded into, or for a child run. What follows from those that end at once may
// have others begin.
func (p *pass) begin(ctx context.Context) error {
	for len(p.begins) > 0 {
		now := p.begins
		if len(now) > passSteps {
			now = now[:passSteps]
		}
		p.begins = p.begins[len(now):]
		if err := p.beginThese(ctx, now); err != nil {
			return err
		}
		if err := p.follow(ctx); err != nil {
			return err
		}
		if p.moved > passSteps {
			return p.beginLater(ctx)
		}
	}
	return nil
}

func (p *pass) beginThese(ctx context.Context, these []node) error {
	q := queries.StepsToBeginParams{Most: passSteps}
	for _, n := range these {
		q.Runs, q.Steps = append(q.Runs, n.run), append(q.Steps, n.step)
		p.runs, p.steps = append(p.runs, n.run), append(p.steps, n.step) // a limited one asks the gate
	}
	rows, err := p.q.StepsToBegin(ctx, q)
	if err != nil {
		return err
	}
	if rows, err = p.keepSlots(ctx, rows); err != nil {
		return err
	}
	if len(rows) < len(these) {
		p.special.limited = true
	}
	if len(rows) == 0 {
		return nil
	}
	p.moved += len(rows)
	scopes, err := p.scopes(ctx, rows)
	if err != nil {
		return err
	}
	var b begins
	for i := range rows {
		if err := p.beginOne(ctx, &b, &rows[i], scopes[i]); err != nil {
			return err
		}
	}
	return p.store(ctx, b)
}

// keepSlots leaves out the limited steps whose slot is about to be given to somebody else.
func (p *pass) keepSlots(ctx context.Context, rows []queries.StepsToBeginRow) ([]queries.StepsToBeginRow, error) {
	var q queries.SlotsKeepParams
	for i := range rows {
		if rows[i].Limited {
			q.Runs, q.Steps = append(q.Runs, rows[i].RunID), append(q.Steps, rows[i].Step)
		}
	}
	if len(q.Runs) == 0 {
		return rows, nil
	}
	kept, err := p.q.SlotsKeep(ctx, q)
	if err != nil {
		return nil, err
	}
	holds := make(map[node]bool, len(kept))
	for _, k := range kept {
		holds[node{k.RunID, k.Step}] = true
	}
	return slices.DeleteFunc(rows, func(row queries.StepsToBeginRow) bool {
		return row.Limited && !holds[node{row.RunID, row.Step}]
	}), nil
}

// scopes is what the expressions of steps see.
func (p *pass) scopes(ctx context.Context, rows []queries.StepsToBeginRow) ([]expr.Scope, error) {
	var q queries.StepNeedsParams
	of := make(map[node]map[string]expr.Need, len(rows))
	for i := range rows {
		of[node{rows[i].RunID, rows[i].Step}] = map[string]expr.Need{}
		if rows[i].NeedsTotal > 0 || rows[i].Parent != nil {
			q.Runs, q.Steps = append(q.Runs, rows[i].RunID), append(q.Steps, rows[i].Step)
		}
	}
	if len(q.Runs) > 0 {
		needs, err := p.q.StepNeeds(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, n := range needs {
			of[node{n.RunID, n.Step}][n.Key] = expr.Need{State: string(n.State), Output: n.Output}
		}
	}
	scopes := make([]expr.Scope, len(rows))
	for i := range rows {
		r := &rows[i]
		scopes[i] = expr.Scope{
			Input: object(r.Input), Needs: of[node{r.RunID, r.Step}], RunID: r.RunID.String(), RunName: r.RunName, StepKey: r.Key,
		}
		if r.Item != nil {
			scopes[i].Item, scopes[i].Index = r.ItemValue, int(*r.Item)
		}
	}
	return scopes, nil
}

func (p *pass) beginOne(ctx context.Context, b *begins, row *queries.StepsToBeginRow, scope expr.Scope) error {
	switch row.Expects {
	case "children":
		p.beginFamily(b, row, scope)
		return nil
	case "run":
		return p.beginRun(ctx, b, row, scope)
	}
	with, err := plan.EvalWith(row.Kind, object(row.With), scope)
	if err != nil {
		b.refuse(row, evalCode(err), err.Error())
		return nil
	}
	w, err := plan.ParseWait(with)
	if err != nil {
		b.refuse(row, "wait_invalid", err.Error())
		return nil
	}
	b.wait(row, w.Duration, w.Until, row.TimeoutMs)
	if row.Expects == "signal" {
		b.signals.add(row.RunID, row.Step)
	}
	return nil
}

// refuse has a step wait and fail at once: what it waits for cannot come.
func (b *begins) refuse(row *queries.StepsToBeginRow, code, message string) {
	b.wait(row, 0, nil, 0)
	b.ends.add(ending{node: node{row.RunID, row.Step}, state: StepFailed, cause: CausePermanent, code: code, message: message})
}

func evalCode(err error) string {
	if _, missing := errors.AsType[*expr.MissingError](err); missing {
		return "expression_missing"
	}
	return "bad_expression"
}

// store writes what begins.
func (p *pass) store(ctx context.Context, b begins) error {
	b.waits.Actor, p.after.soon = p.actor, true
	if err := p.q.StepWait(ctx, b.waits); err != nil {
		return err
	}
	if len(b.families.Runs) > 0 {
		if err := p.q.FamilyPut(ctx, b.families); err != nil {
			return err
		}
		for i, run := range b.families.Runs {
			p.special.waiting.add(run, b.families.Steps[i])
		}
	}
	if err := p.keptSignals(ctx, &b); err != nil {
		return err
	}
	if len(b.children) > 0 {
		answers, err := submit(ctx, p.q, b.children)
		if err != nil {
			return err
		}
		for i, a := range answers {
			if a.err != nil {
				return fmt.Errorf("submit the child run of step %d of run %s: %w", b.children[i].parent.step, b.children[i].parent.run, a.err)
			}
		}
		p.after.dirty = true // some of them may be for reconcile
	}
	return p.end(ctx, b.ends)
}

// keptSignals ends steps whose signal came before they waited.
func (p *pass) keptSignals(ctx context.Context, b *begins) error {
	if len(b.signals.runs) == 0 {
		return nil
	}
	kept, err := p.q.SignalsKept(ctx, queries.SignalsKeptParams{Runs: b.signals.runs, Steps: b.signals.steps})
	if err != nil {
		return err
	}
	for _, k := range kept {
		b.ends.add(ending{node: node{k.RunID, k.Step}, state: StepSucceeded, cause: CauseSignal, output: k.Payload})
	}
	return nil
}

// beginRun has a step wait for a child run, which it submits.
func (p *pass) beginRun(ctx context.Context, b *begins, row *queries.StepsToBeginRow, scope expr.Scope) error {
	with, err := plan.EvalWith(row.Kind, object(row.With), scope)
	if err != nil {
		b.refuse(row, evalCode(err), err.Error())
		return nil
	}
	sub, err := plan.ParseSubPlan(with)
	if err != nil {
		b.refuse(row, "plan_invalid", err.Error())
		return nil
	}
	if row.Depth >= maxRunDepth {
		b.refuse(row, "too_deep", fmt.Sprintf("a run can have at most %d runs above it: does the plan run itself?", maxRunDepth))
		return nil
	}
	s, err := p.engine.childOf(ctx, p.q, sub)
	if err == nil {
		s.parent, s.depth, s.Actor = node{row.RunID, row.Step}, row.Depth+1, p.actor
		err = s.prepare()
	}
	var refusal *Error
	switch {
	case errors.As(err, &refusal) && !refusal.Retryable:
		b.refuse(row, refusal.Code, faultsOf(refusal))
		return nil
	case err != nil:
		return err
	}
	b.wait(row, 0, nil, row.TimeoutMs)
	b.children = append(b.children, s)
	return nil
}

// faultsOf is the message of an error with its faults.
func faultsOf(e *Error) string {
	if len(e.Faults) == 0 {
		return e.Message
	}
	return e.Message + ": " + plan.Faults(e.Faults).Error()
}

// childOf is the submission of a child run.
func (e *Engine) childOf(ctx context.Context, q *queries.Queries, sub plan.SubPlan) (Submission, error) {
	var s Submission
	if sub.Plan == nil {
		named, err := planGiven(ctx, q, plan.Named{Name: sub.Name, Version: sub.Version, Input: sub.Input}, plan.Limits{})
		if err != nil {
			return Submission{}, err
		}
		s.Plan, s.PlanVersion = named.Plan, named.Version
		return s, e.checkKinds(ctx, s.Plan)
	}
	own, faults := sub.Plan.WithInput(sub.Input)
	if err := planInvalid(faults); err != nil {
		return Submission{}, err
	}
	s.Plan = own
	return s, e.checkKinds(ctx, own)
}

// beginFamily has a step wait for its children, one for each item of a list.
func (p *pass) beginFamily(b *begins, row *queries.StepsToBeginRow, scope expr.Scope) {
	value, err := expr.EvalText(row.ForEach, scope)
	if err != nil {
		b.refuse(row, evalCode(err), err.Error())
		return
	}
	var items []json.RawMessage
	if err := json.Unmarshal(value, &items); err != nil || items == nil {
		b.refuse(row, "not_a_list", "for_each needs a list, and its expression gives something else")
		return
	}
	if len(items) > maxItems {
		b.refuse(row, "too_many_items", fmt.Sprintf("for_each takes at most %d items, and its expression gives %d", maxItems, len(items)))
		return
	}
	b.wait(row, 0, nil, 0)
	if len(items) == 0 {
		b.ends.add(ending{node: node{row.RunID, row.Step}, state: StepSucceeded, cause: CauseStepsFinal, output: json.RawMessage("[]")})
		return
	}
	b.families.Runs, b.families.Steps = append(b.families.Runs, row.RunID), append(b.families.Steps, row.Step)
	b.families.Totals, b.families.Items = append(b.families.Totals, int32(len(items))), append(b.families.Items, value)
}

// expand makes children for the items of fan-outs, a thousand in a pass.
func (p *pass) expand(ctx context.Context) error {
	w := p.special.waiting
	if len(w.runs) == 0 {
		return nil
	}
	rows, err := p.q.FamiliesToExpand(ctx, queries.FamiliesToExpandParams{Runs: w.runs, Steps: w.steps})
	if err != nil {
		return err
	}
	var rest queries.DirtyAddParams
	for _, row := range rows {
		missing := int32(1)
		if p.moved < passSteps {
			expects := (&plan.Step{Kind: row.Kind, With: object(row.With)}).Expects()
			missing, err = p.q.FamilyExpand(ctx, queries.FamilyExpandParams{Actor: p.actor, RunID: row.RunID, Step: row.Step, Most: passSteps, Expects: expects})
			if err != nil {
				return err
			}
			p.moved += passSteps
			p.after.dirty = true // children that are limited, or begin to wait, have hints
		}
		if missing > 0 {
			rest.Runs, rest.Steps = append(rest.Runs, row.RunID), append(rest.Steps, row.Step)
		}
	}
	return p.again(ctx, rest)
}
