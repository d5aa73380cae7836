package lifecycle

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// Bounds of one transaction.
const (
	passSteps    = 1000 // steps that it moves, about
	passRounds   = 100  // generations of skipped steps that it follows
	finishRounds = 8    // the same in a Finish, whose reports wait for it
)

// class is what the end of a step means to those who need it, and to its run.
type class int

const (
	success class = iota
	failure
	allowed // a failure that counts as a success
	neutral // skipped, and not because of a failure
)

// classOf is section 2.1 of the contract.
func classOf(state StepState, cause Cause, allowFailure bool) class {
	switch {
	case state == StepSucceeded:
		return success
	case state == StepSkipped && cause != CauseUpstreamFailed:
		return neutral
	case allowFailure:
		return allowed
	}
	return failure
}

// endedStep is a step that this transaction has settled.
type endedStep struct {
	node
	class      class
	dependants int32
	parent     *int32 // the fan-out that it is a child of
}

// tally is what settled steps add to the counters of a dependant or a run.
type tally struct{ ended, failed, allowed, neutral int32 }

func (t *tally) add(c class) {
	t.ended++
	switch c {
	case success:
	case failure:
		t.failed++
	case allowed:
		t.allowed++
	case neutral:
		t.neutral++
	}
}

// settler counts the ends of steps into their dependants and runs, moves the dependants that this decides, and goes on
// with those that are skipped. It works in one transaction whose owner holds the shards of all the runs concerned, or
// settles only steps without dependants.
type settler struct {
	q        *queries.Queries
	actor    string
	frontier []endedStep
	runs     map[uuid.UUID]*tally
	families map[node]*tally // fan-outs, and what their children add to them
	begins   []node          // steps whose needs are met and that wait for something from outside now
	moved    int
	rounds   int // that are left
	after    effects
}

// effects is what is to be done once a transaction is committed.
type effects struct {
	dirty    bool // there is more for reconcile
	stops    bool // workers were asked to stop attempts
	soon     bool // something may be due sooner than what is waited for
	finished []finishedRun
}

type finishedRun struct {
	state RunState
	took  time.Duration
}

func (e *Engine) newSettler(q *queries.Queries, rounds int) *settler {
	return &settler{q: q, actor: e.actor, rounds: rounds, runs: map[uuid.UUID]*tally{}, families: map[node]*tally{}}
}

// ended adds a step that was settled just now.
func (s *settler) ended(step endedStep) {
	s.count(step.run, step.class)
	if step.parent != nil {
		family := node{step.run, *step.parent}
		if s.families[family] == nil {
			s.families[family] = &tally{}
		}
		s.families[family].add(step.class)
	}
	if step.dependants > 0 {
		s.frontier = append(s.frontier, step)
	}
}

// count adds the end of a step to its run alone.
func (s *settler) count(run uuid.UUID, c class) {
	t := s.runs[run]
	if t == nil {
		t = &tally{}
		s.runs[run] = t
	}
	t.add(c)
}

// settle does all that follows from the steps that ended. Steps that begin to wait by it are left in begins.
func (s *settler) settle(ctx context.Context) error {
	if err := s.follow(ctx); err != nil {
		return err
	}
	if err := s.settleFamilies(ctx); err != nil {
		return err
	}
	return s.settleRuns(ctx)
}

// follow tells dependants, and theirs.
func (s *settler) follow(ctx context.Context) error {
	for len(s.frontier) > 0 {
		edges, err := s.edges(ctx)
		if err != nil {
			return err
		}
		if err := s.needs(ctx, edges); err != nil {
			return err
		}
	}
	return nil
}

// settleFamilies counts children into their fan-outs. A fan-out that is complete by it is left to the next pass.
func (s *settler) settleFamilies(ctx context.Context) error {
	if len(s.families) == 0 {
		return nil
	}
	var p queries.FamilyCountParams
	for family, t := range s.families {
		p.Runs, p.Steps = append(p.Runs, family.run), append(p.Steps, family.step)
		p.Ended, p.Failed = append(p.Ended, t.ended), append(p.Failed, t.failed)
	}
	over, err := s.q.FamilyCount(ctx, p)
	if err != nil {
		return err
	}
	var rest queries.DirtyAddParams
	for _, row := range over {
		rest.Runs, rest.Steps = append(rest.Runs, row.RunID), append(rest.Steps, row.Step)
	}
	return s.again(ctx, rest)
}

// again leaves something to the next transaction.
func (s *settler) again(ctx context.Context, rest queries.DirtyAddParams) error {
	if len(rest.Runs) == 0 {
		return nil
	}
	s.after.dirty = true
	return s.q.DirtyAdd(ctx, rest)
}

// edges reads the dependants of the frontier and adds up what each of them is told.
func (s *settler) edges(ctx context.Context) (map[node]*tally, error) {
	var p queries.NeedsOfParams
	classes := make(map[node]class, len(s.frontier))
	for _, f := range s.frontier {
		p.Runs, p.Steps = append(p.Runs, f.run), append(p.Steps, f.step)
		classes[f.node] = f.class
	}
	s.frontier = nil
	rows, err := s.q.NeedsOf(ctx, p)
	if err != nil {
		return nil, err
	}
	edges := make(map[node]*tally, len(rows))
	for _, row := range rows {
		n := node{row.RunID, row.Step}
		if edges[n] == nil {
			edges[n] = &tally{}
		}
		edges[n].add(classes[node{row.RunID, row.Need}])
	}
	return edges, nil
}

// needs tells dependants, and adds those that are skipped to the frontier. Beyond passSteps and the last round it leaves
// them to the next transaction: the trigger has written a hint for each.
func (s *settler) needs(ctx context.Context, edges map[node]*tally) error {
	if len(edges) == 0 {
		return nil
	}
	s.moved += len(edges)
	s.rounds--
	p := queries.NeedsSettleParams{Actor: s.actor, Settle: s.moved < passSteps && s.rounds > 0}
	for n, t := range edges {
		p.Runs, p.Steps = append(p.Runs, n.run), append(p.Steps, n.step)
		p.Ended, p.Failed = append(p.Ended, t.ended), append(p.Failed, t.failed)
		p.Allowed, p.Neutral = append(p.Allowed, t.allowed), append(p.Neutral, t.neutral)
	}
	rows, err := s.q.NeedsSettle(ctx, p)
	if err != nil {
		return err
	}
	for _, row := range rows {
		state := StepState(row.State)
		switch {
		case row.Begins:
			s.begins = append(s.begins, node{row.RunID, row.Step})
		case row.Settled:
			s.ended(endedStep{node: node{row.RunID, row.Step}, class: classOf(state, Cause(row.Cause), row.AllowFailure), dependants: row.Dependants})
		case state.Final():
			s.after.dirty = true
		}
	}
	return nil
}

// settleRuns counts into the runs, and ends those that are over.
func (s *settler) settleRuns(ctx context.Context) error {
	if len(s.runs) == 0 {
		return nil
	}
	p := queries.RunSettleParams{Actor: s.actor}
	for id, t := range s.runs {
		p.Runs, p.Ended, p.Failed = append(p.Runs, id), append(p.Ended, t.ended), append(p.Failed, t.failed)
	}
	rows, err := s.q.RunSettle(ctx, p)
	if err != nil {
		return err
	}
	var wanting []uuid.UUID
	for _, row := range rows {
		state := RunState(row.State)
		if state.Final() {
			s.after.finished = append(s.after.finished, finishedRun{state, milliseconds(row.TookMs)})
		}
		if state == RunSucceeded && row.WantsOutput {
			wanting = append(wanting, row.ID)
		}
		if row.Failing || state.Final() && row.Watched { // the trigger has written a hint
			s.after.dirty = true
		}
	}
	return s.outputs(ctx, wanting)
}

// apply does what was to be done after a commit.
func (e *Engine) apply(a effects) {
	for _, run := range a.finished {
		e.observe(func(o Observer) { o.RunFinished(run.state, run.took) })
	}
	if a.dirty {
		e.nudge()
	}
	if a.soon {
		e.lookAgainIn(0)
	}
}
