package lifecycle

import (
	"context"

	"github.com/weirqueue/weir/db/queries"
)

// Bounds of what the gate does in one transaction; the rest is left to the next.
const (
	gateRounds = 20
	gateHeads  = 200 // of a line, in a round
)

// Lines that are no keys of weir.limits.
const (
	lineStart = "~start"
	lineRate  = "~rate/"
)

// How our own keys of weir.limits begin.
const (
	lineKey  = "~key/"  // the one live run of a key
	lineRun  = "~run/"  // max_parallel of a run
	lineEach = "~each/" // max_parallel of a fan-out
)

// gate decides who gets slots. One pass at a time is it, across all replicas: it counts what is held, so that no limit is
// exceeded at any instant, and gives slots in the order of priority and of asking, a line for each key. What needs slots of
// several keys gets all of them or none, and stands in the line of one that it lacks: nobody keeps a slot while it waits.
type gate struct {
	p      *pass
	limits map[string]*limit
	rates  map[string]*rate
	lines  map[string]bool // that may move: slots of them became free, or somebody has come

	timed bool // something waits for a time

	grants  []*applicant
	moves   []*applicant
	arrived []*applicant // that have just asked
	granted map[node]bool
}

type limit struct {
	used     int32
	declared int32 // by a plan, in this pass; 0: by none
	stored   int32 // what is in force as stored; 0: nothing
	fixed    bool  // administered
}

// in is the limit that is in force, given what the applicant's plan says.
func (l *limit) in(says int32) int32 {
	switch {
	case l.fixed:
		return l.stored
	case l.declared > 0:
		return l.declared
	case l.stored > 0:
		return l.stored
	}
	return says
}

type rate struct {
	tokens float64
	limit  int32
	perMS  int64
}

// passGate has the gate look at what the pass was told to show it.
func (p *pass) passGate(ctx context.Context) error {
	if len(p.gate) == 0 {
		return nil
	}
	g := &gate{p: p, limits: map[string]*limit{}, rates: map[string]*rate{}, lines: map[string]bool{}, granted: map[node]bool{}}
	return g.pass(ctx)
}

func (g *gate) pass(ctx context.Context) error {
	q := g.p.q
	if err := q.ActorSet(ctx, g.p.actor); err != nil {
		return err
	}
	var lock queries.SlotsLockParams
	for _, n := range g.p.gate {
		lock.Runs, lock.Steps = append(lock.Runs, n.run), append(lock.Steps, n.step)
	}
	if err := q.SlotsLock(ctx, lock); err != nil {
		return err
	}
	looked, err := g.look(ctx, g.p.gate)
	if err != nil {
		return err
	}
	if err := g.sort(ctx, looked); err != nil {
		return err
	}
	if err := g.write(ctx); err != nil {
		return err
	}
	for range gateRounds {
		if len(g.lines) == 0 {
			break
		}
		if err := g.round(ctx); err != nil {
			return err
		}
	}
	if err := g.strategies(ctx); err != nil {
		return err
	}
	return g.leave(ctx)
}

// askGate shows the gate steps that may start but for a slot, and runs that are held back.
func (p *pass) askGate(ctx context.Context) error {
	if !p.special.limited && len(p.whole) == 0 {
		return nil
	}
	n, err := p.q.GateAsk(ctx, queries.GateAskParams{Runs: p.runs, Steps: p.steps, Wholes: p.whole})
	p.after.dirty = p.after.dirty || n > 0
	return err
}
