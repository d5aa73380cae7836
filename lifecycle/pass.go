package lifecycle

import (
	"bytes"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// pass applies the rules of reconcile to steps and runs that something happened to, in one transaction that holds
// their shards. Every rule asks the current rows, so a pass over something that needs nothing does nothing.
type pass struct {
	*settler

	runs  []uuid.UUID // of keys, and of the steps
	steps []int32
	whole []uuid.UUID // runs as a whole

	engine  *Engine
	gate    []node    // what the gate is to look at
	ready   nodes     // what it has let through: to be dispatched
	only    uuid.UUID // what it lets through of other runs is for another pass; Nil: of none
	special special
}

func (e *Engine) newPass(q *queries.Queries, hints []hint) *pass {
	p := &pass{settler: e.newSettler(q, passRounds), engine: e}
	for _, h := range hints {
		if h.shard == gateShard {
			p.gate = append(p.gate, node{h.run, h.step})
			continue
		}
		if h.step == 0 {
			p.whole = append(p.whole, h.run)
			continue
		}
		p.runs, p.steps = append(p.runs, h.run), append(p.steps, h.step)
	}
	return p
}

func (p *pass) do(ctx context.Context) error {
	rules := []func(context.Context) error{
		p.passGate, p.resume, p.sort, p.cancelSteps, p.endSteps, p.endWide, p.cancelRuns, p.endWaits, p.promote, p.follow, p.begin, p.expand,
		p.settle, p.dispatch, p.askGate,
	}
	for _, rule := range rules {
		if err := rule(ctx); err != nil {
			return err
		}
	}
	if p.after.dirty {
		if err := p.q.DirtyTell(ctx); err != nil {
			return err
		}
	}
	if p.after.stops {
		return p.q.StopsTell(ctx)
	}
	return nil
}

// cancelSteps cancels steps whose own cancellation was asked for, or asks their workers.
func (p *pass) cancelSteps(ctx context.Context) error {
	if len(p.steps) == 0 {
		return nil
	}
	if _, err := p.q.StepCancelOpen(ctx, queries.StepCancelOpenParams{Actor: p.actor, Runs: p.runs, Steps: p.steps}); err != nil {
		return err
	}
	if err := p.cancelChildren(ctx); err != nil {
		return err
	}
	stops, err := p.q.StopsOfSteps(ctx, queries.StopsOfStepsParams{Runs: p.runs, Steps: p.steps})
	p.after.stops = p.after.stops || len(stops) > 0
	return err
}

// endSteps settles steps that ended.
func (p *pass) endSteps(ctx context.Context) error {
	if len(p.steps) == 0 {
		return nil
	}
	rows, err := p.q.StepSettle(ctx, queries.StepSettleParams{Runs: p.runs, Steps: p.steps})
	if err != nil {
		return err
	}
	var rest queries.DirtyAddParams
	for _, row := range rows {
		if !row.Settled {
			rest.Runs, rest.Steps = append(rest.Runs, row.RunID), append(rest.Steps, row.Step)
			continue
		}
		c := classOf(StepState(row.State), Cause(row.Cause), row.AllowFailure)
		p.ended(endedStep{node{row.RunID, row.Step}, c, row.Dependants, row.Parent})
	}
	return p.again(ctx, rest)
}

// endWide tells some of the dependants of a step that has too many for one transaction, and settles it after the last.
func (p *pass) endWide(ctx context.Context) error {
	if len(p.steps) == 0 {
		return nil
	}
	wide, err := p.q.StepWide(ctx, queries.StepWideParams{Runs: p.runs, Steps: p.steps})
	if err != nil {
		return err
	}
	var rest queries.DirtyAddParams
	for _, w := range wide {
		c := classOf(StepState(w.State), Cause(w.Cause), w.AllowFailure)
		if p.moved < passSteps {
			if err := p.countAhead(ctx, node{w.RunID, w.Step}, c); err != nil {
				return err
			}
			settled, err := p.q.StepSettleWide(ctx, queries.StepSettleWideParams{RunID: w.RunID, Step: w.Step})
			if err != nil {
				return err
			}
			if len(settled) > 0 {
				p.count(w.RunID, c)
				continue
			}
		}
		rest.Runs, rest.Steps = append(rest.Runs, w.RunID), append(rest.Steps, w.Step)
	}
	return p.again(ctx, rest)
}

func (p *pass) countAhead(ctx context.Context, need node, c class) error {
	steps, err := p.q.NeedsCountAhead(ctx, queries.NeedsCountAheadParams{RunID: need.run, Need: need.step, Most: passSteps})
	if err != nil {
		return err
	}
	edges := make(map[node]*tally, len(steps))
	for _, step := range steps {
		t := &tally{}
		t.add(c)
		edges[node{need.run, step}] = t
	}
	return p.needs(ctx, edges)
}

// cancelRuns cancels what no worker holds of runs whose cancellation was asked for, and asks the workers for the rest. It
// looks at the runs of steps, too: what was decided while the request was made did not know of it.
func (p *pass) cancelRuns(ctx context.Context) error {
	ids := slices.Concat(p.whole, p.runs)
	if len(ids) == 0 {
		return nil
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	if len(p.whole) > 0 {
		if _, err := p.q.RunsTimeOut(ctx, queries.RunsTimeOutParams{Actor: p.actor, Ids: p.whole}); err != nil {
			return err
		}
	}
	more := false
	rows, err := p.q.RunCancelOpen(ctx, queries.RunCancelOpenParams{Actor: p.actor, Ids: ids, Most: passSteps})
	if err != nil {
		return err
	}
	for _, row := range rows {
		c := classOf(StepState(row.State), Cause(row.Cause), row.AllowFailure)
		switch {
		case !row.Settled: // the trigger has written a hint
			p.after.dirty = true
		case row.Spares: // those that run after a failure are told of it
			p.ended(endedStep{node: node{row.RunID, row.Step}, class: c, dependants: row.Dependants})
		default:
			p.count(row.RunID, c)
		}
	}
	if above := slices.Concat(p.whole, p.special.waiting.runs); len(above) > 0 {
		q := queries.RunCancelChildrenParams{Actor: p.actor, Runs: above, Steps: make([]int32, len(above)), Most: passSteps}
		children, err := p.q.RunCancelChildren(ctx, q)
		if err != nil {
			return err
		}
		p.after.dirty, more = p.after.dirty || len(children) > 0, len(children) == passSteps
	}
	stops, err := p.q.StopsOfRuns(ctx, ids)
	if err != nil {
		return err
	}
	p.after.stops = p.after.stops || len(stops) > 0
	for _, id := range p.whole {
		if p.settler.runs[id] == nil {
			p.settler.runs[id] = &tally{} // it may be over all the same: it was paused when its last step ended
		}
	}
	if len(rows) < passSteps && !more {
		return nil
	}
	return p.again(ctx, queries.DirtyAddParams{Runs: ids, Steps: make([]int32, len(ids))})
}

// promote moves steps that wait for nothing and were not moved by the end of a need: those that are decided at birth.
func (p *pass) promote(ctx context.Context) error {
	edges := make(map[node]*tally, len(p.steps))
	for i, step := range p.steps {
		edges[node{p.runs[i], step}] = &tally{}
	}
	return p.needs(ctx, edges)
}

// resume adds the steps of runs as a whole that may start now: runs that were admitted or resumed.
func (p *pass) resume(ctx context.Context) error {
	if len(p.whole) == 0 {
		return nil
	}
	rows, err := p.q.RunsResumed(ctx, queries.RunsResumedParams{Ids: p.whole, Most: passSteps})
	if err != nil {
		return err
	}
	for _, row := range rows {
		p.runs, p.steps = append(p.runs, row.RunID), append(p.steps, row.Step)
	}
	if len(rows) < passSteps {
		return nil
	}
	return p.again(ctx, queries.DirtyAddParams{Runs: p.whole, Steps: make([]int32, len(p.whole))})
}

// dispatch gives River jobs to steps that may start and have none: available ones, those whose time to be tried again
// has come, and those of runs that were resumed.
func (p *pass) dispatch(ctx context.Context) error {
	d := queries.StepDispatchParams{Runs: slices.Concat(p.runs, p.ready.runs), Steps: slices.Concat(p.steps, p.ready.steps)}
	if len(d.Runs) == 0 {
		return nil
	}
	rows, err := p.q.StepDispatch(ctx, d)
	if err != nil || len(p.ready.runs) == 0 {
		return err
	}
	dispatched := make(map[node]bool, len(rows))
	for _, row := range rows {
		dispatched[node{row.RunID, row.Step}] = true
	}
	var rest queries.DirtyAddParams // what was paused while the gate let it through, say: it gives its slots back
	for i, run := range p.ready.runs {
		if step := p.ready.steps[i]; !dispatched[node{run, step}] {
			rest.Runs, rest.Steps = append(rest.Runs, run), append(rest.Steps, step)
		}
	}
	return p.again(ctx, rest)
}
