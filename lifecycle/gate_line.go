package lifecycle

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// sort takes slots from those who are over, and puts those who want some into their lines.
func (g *gate) sort(ctx context.Context, looked []*applicant) error {
	var give []*applicant
	var started queries.SlotsGiveParams
	var ask queries.SlotsAskParams
	for _, a := range looked {
		switch a.standing() {
		case over:
			if a.HasSlot {
				give = append(give, a)
				g.release(a)
			}
		case keeps:
			if a.HasSlot && a.WaitingOn != nil && a.IsStep { // it was dispatched by other means: it has what it needs
				g.lines[a.line] = true
			}
			if a.HasSlot && a.WaitingOn == nil && a.IsStep && !a.Dispatched && a.State != string(StepWaiting) {
				g.grants = append(g.grants, a) // its dispatch may have been missed
			}
		case wants:
			for _, c := range a.claims() {
				if l := g.limits[c.key]; !l.fixed && c.says > 0 {
					l.declared = c.says
				}
			}
			if a.RateKey != nil {
				r := g.rates[*a.RateKey]
				r.limit, r.perMS, r.tokens = a.RateLimit, a.RatePerMs, min(r.tokens, float64(a.RateLimit))
			}
			switch {
			case a.HasSlot && a.WaitingOn == nil: // a run that was paused while it was let in
				g.grants = append(g.grants, a)
				continue
			case a.HasSlot && a.line == lineStart && a.StartsLater:
				g.moves = append(g.moves, a)
				continue
			case a.HasSlot && a.line == lineStart: // its time has come: it asks now
				started.Runs, started.Steps = append(started.Runs, a.RunID), append(started.Steps, a.Step)
			case a.HasSlot:
				g.lines[a.line] = true
				continue
			}
			a.line = a.home()
			g.arrived = append(g.arrived, a)
			ask.Runs, ask.Steps = append(ask.Runs, a.RunID), append(ask.Steps, a.Step)
			ask.Priorities, ask.WaitingOns = append(ask.Priorities, a.Priority), append(ask.WaitingOns, a.line)
			ask.ConcurrencyKeys, ask.DueAts = append(ask.ConcurrencyKeys, textOf(a.ConcurrencyKey)), append(ask.DueAts, g.due(a, a.line))
			if a.line == lineStart && !a.StartsLater {
				g.apply(a)
				continue
			}
			g.lines[a.line] = true
		}
	}
	delete(g.lines, lineStart) // time alone moves it
	if err := g.give(ctx, give); err != nil {
		return err
	}
	if len(started.Runs) > 0 {
		if err := g.p.q.SlotsGive(ctx, started); err != nil {
			return err
		}
	}
	if len(ask.Runs) == 0 {
		return nil
	}
	_, err := g.p.q.SlotsAsk(ctx, ask)
	return err
}

// due is when an applicant is looked at again, in the line for its start.
func (g *gate) due(a *applicant, line string) string {
	if line == lineStart && a.StartsLater {
		g.timed = true
		return startAt(a.StartAt)
	}
	return ""
}

// release gives what somebody held to those who wait for it.
func (g *gate) release(a *applicant) {
	for _, k := range a.Holds {
		if l := g.limits[k]; l.used > 0 {
			l.used--
		}
		g.lines[k] = true
	}
	if a.line != "" {
		g.lines[a.line] = true
	}
}

// apply gives an applicant all that it needs, or says in which line it stands from now on.
func (g *gate) apply(a *applicant) {
	if blocked := g.blocked(a); blocked != "" {
		if blocked != a.line {
			a.line = blocked
			g.moves = append(g.moves, a)
		}
		return
	}
	a.Holds = nil
	for _, c := range a.claims() {
		g.limits[c.key].used++
		a.Holds = append(a.Holds, c.key)
	}
	if a.RateKey != nil {
		g.rates[*a.RateKey].tokens--
	}
	a.line = ""
	g.granted[node{a.RunID, a.Step}] = true
	g.grants = append(g.grants, a)
}

// blocked is the line of what an applicant lacks; empty: it lacks nothing.
func (g *gate) blocked(a *applicant) string {
	if a.StartsLater {
		return lineStart
	}
	for _, c := range a.claims() {
		if l := g.limits[c.key]; l.used >= l.in(c.says) {
			return c.key
		}
	}
	if a.RateKey != nil && g.rates[*a.RateKey].tokens < 1 {
		return lineRate + *a.RateKey
	}
	return ""
}

// free is how many of a line may be tried.
func (g *gate) free(line string) int32 {
	if key, ok := strings.CutPrefix(line, lineRate); ok {
		if r := g.rates[key]; r != nil {
			return min(int32(r.tokens), gateHeads)
		}
		return 0
	}
	l := g.limits[line]
	if l == nil {
		return 0
	}
	room := l.in(0) - l.used
	if l.in(0) == 0 { // nothing says how many: whoever is next does
		room = 1
	}
	return min(room, gateHeads)
}

// round lets the heads of the lines that may move apply.
func (g *gate) round(ctx context.Context) error {
	var p queries.SlotsHeadsParams
	for _, line := range sortedKeys(g.lines) {
		if n := g.free(line); n > 0 {
			p.Keys, p.Most = append(p.Keys, line), append(p.Most, n)
		}
	}
	clear(g.lines)
	if len(p.Keys) > 0 {
		heads, err := g.p.q.SlotsHeads(ctx, p)
		if err != nil {
			return err
		}
		if err := g.heads(ctx, heads); err != nil {
			return err
		}
	}
	return g.write(ctx)
}

func (g *gate) heads(ctx context.Context, heads []queries.SlotsHeadsRow) error {
	if len(heads) == 0 {
		return nil
	}
	of := make([]node, len(heads))
	for i, h := range heads {
		of[i] = node{h.RunID, h.Step}
	}
	looked, err := g.look(ctx, of)
	if err != nil {
		return err
	}
	byPlace := make(map[node]*applicant, len(looked))
	for _, a := range looked {
		byPlace[node{a.RunID, a.Step}] = a
	}
	var give []*applicant
	for _, n := range of {
		a := byPlace[n]
		if a == nil { // the run was deleted
			a = &applicant{GateLookRow: queries.GateLookRow{RunID: n.run, Step: n.step, RunState: queries.WeirRunState(RunCancelled)}}
		}
		if a.standing() == over {
			give = append(give, a)
			continue
		}
		g.lines[a.line] = true // there may be more behind it
		if a.Priority == 0 {
			a.Priority = 2
		}
		g.apply(a)
	}
	if len(give) == 0 {
		return nil
	}
	for _, h := range heads {
		g.lines[h.WaitingOn] = true
	}
	return g.give(ctx, give)
}

// give takes applicants out of their lines, and their slots from them. Reconcile looks again at those that have not ended:
// a run that was paused when the gate looked may have been resumed since, and what stood in a line was passed over then.
func (g *gate) give(ctx context.Context, from []*applicant) error {
	if len(from) == 0 {
		return nil
	}
	var p queries.SlotsGiveParams
	var open queries.DirtyAddParams
	for _, a := range from {
		p.Runs, p.Steps = append(p.Runs, a.RunID), append(p.Steps, a.Step)
		if !RunState(a.RunState).Final() && !StepState(a.State).Final() {
			open.Runs, open.Steps = append(open.Runs, a.RunID), append(open.Steps, a.Step)
		}
	}
	if err := g.p.q.SlotsGive(ctx, p); err != nil {
		return err
	}
	return g.p.again(ctx, open)
}

// strategies does what plans say about those that have just come and found no slot.
func (g *gate) strategies(ctx context.Context) error {
	newest := map[string]bool{}
	for _, a := range g.arrived {
		if g.granted[node{a.RunID, a.Step}] || a.ConcurrencyKey == nil || a.line != *a.ConcurrencyKey {
			continue
		}
		key := *a.ConcurrencyKey
		switch textOf(a.ConcurrencyStrategy) {
		case "cancel_newest":
			if a.State == string(StepRetrying) { // it is not new
				continue
			}
			reason := fmt.Sprintf("all %d slots of %s were taken (cancel_newest)", g.limits[key].in(a.ConcurrencyLimit), key)
			if err := g.supersede(ctx, []node{{a.RunID, a.Step}}, reason); err != nil {
				return err
			}
		case "cancel_oldest":
			newest[key] = true
		}
	}
	for _, key := range sortedKeys(newest) {
		rows, err := g.p.q.SlotsOldest(ctx, queries.SlotsOldestParams{Key: key, Keep: g.limits[key].in(0)})
		if err != nil {
			return err
		}
		oldest := make([]node, len(rows))
		for i, row := range rows {
			oldest[i] = node{row.RunID, row.Step}
		}
		if err := g.supersede(ctx, oldest, fmt.Sprintf("newer ones take its slot of %s (cancel_oldest)", key)); err != nil {
			return err
		}
	}
	return nil
}

// supersede asks for the cancellation of runs and steps that others take the place of.
func (g *gate) supersede(ctx context.Context, of []node, reason string) error {
	var runs []uuid.UUID
	var steps nodes
	for _, n := range of {
		if n.step == 0 {
			runs = append(runs, n.run)
		} else {
			steps.add(n.run, n.step)
		}
	}
	g.p.after.dirty = g.p.after.dirty || len(of) > 0
	if len(runs) > 0 {
		if _, err := g.p.q.RunsSupersede(ctx, queries.RunsSupersedeParams{Actor: g.p.actor, Reason: reason, Ids: runs}); err != nil {
			return err
		}
	}
	if len(steps.runs) == 0 {
		return nil
	}
	_, err := g.p.q.StepsSupersede(ctx, queries.StepsSupersedeParams{Actor: g.p.actor, Reason: reason, Runs: steps.runs, Steps: steps.steps})
	return err
}
