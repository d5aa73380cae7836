package lifecycle

import (
	"context"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// special says which of the steps of a pass are not just claimed by a worker: most passes have none of them, and ask no more.
type special struct {
	limited  bool  // there is one that needs slots
	waiting  nodes // steps that wait for something from outside
	families nodes // fan-outs that have ended, whose children may go on
}

// nodes are steps as the queries take them.
type nodes struct {
	runs  []uuid.UUID
	steps []int32
}

func (n *nodes) add(run uuid.UUID, step int32) {
	n.runs, n.steps = append(n.runs, run), append(n.steps, step)
}

// sort finds the special steps.
func (p *pass) sort(ctx context.Context) error {
	if len(p.runs) == 0 {
		return nil
	}
	rows, err := p.q.StepsSpecial(ctx, queries.StepsSpecialParams{Runs: p.runs, Steps: p.steps})
	if err != nil {
		return err
	}
	for _, row := range rows {
		p.special.limited = p.special.limited || row.Limited
		state := StepState(row.State)
		switch {
		case row.Expects == "":
		case state == StepWaiting:
			p.special.waiting.add(row.RunID, row.Step)
		case state.Final() && state != StepSucceeded && row.Expects == "children":
			p.special.families.add(row.RunID, row.Step)
		}
	}
	return nil
}

// cancelChildren hands the cancellation of steps down: to child runs that they wait for, and to the children of fan-outs that
// have ended without them.
func (p *pass) cancelChildren(ctx context.Context) error {
	if w := p.special.waiting; len(w.runs) > 0 {
		runs, err := p.q.RunCancelChildren(ctx, queries.RunCancelChildrenParams{Actor: p.actor, Runs: w.runs, Steps: w.steps, Most: passSteps})
		if err != nil {
			return err
		}
		p.after.dirty = p.after.dirty || len(runs) > 0
	}
	f := p.special.families
	if len(f.runs) == 0 {
		return nil
	}
	steps, err := p.q.FamilyCancel(ctx, queries.FamilyCancelParams{Actor: p.actor, Runs: f.runs, Steps: f.steps, Most: passSteps})
	if err != nil || len(steps) == 0 {
		return err
	}
	return p.again(ctx, queries.DirtyAddParams{Runs: f.runs, Steps: f.steps})
}
