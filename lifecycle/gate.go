package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

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
	known  bool // there is a row
}

// applicant is a run or step that needs slots, holds them, or did.
type applicant struct {
	queries.GateLookRow
	line string // that it stands in
}

// claim is one limit that an applicant needs a slot of.
type claim struct {
	key  string
	says int32 // what its plan, or run, says the limit is
}

// claims are the slots that it needs.
func (a *applicant) claims() []claim {
	var out []claim
	if a.ConcurrencyKey != nil {
		out = append(out, claim{*a.ConcurrencyKey, a.ConcurrencyLimit})
	}
	if !a.IsStep {
		if a.RunKey != nil {
			out = append(out, claim{lineKey + *a.RunKey, 1})
		}
		return out
	}
	if a.EachParallel > 0 {
		out = append(out, claim{fmt.Sprintf(lineEach+"%s/%d", a.RunID, a.Parent), a.EachParallel})
	}
	if a.RunParallel > 0 && a.Expects == nil {
		out = append(out, claim{lineRun + a.RunID.String(), a.RunParallel})
	}
	return out
}

// home is the line that it stands in first.
func (a *applicant) home() string {
	switch c := a.claims(); {
	case a.StartsLater:
		return lineStart
	case len(c) > 0:
		return c[0].key
	case a.RateKey != nil:
		return lineRate + *a.RateKey
	}
	return lineStart // whose time has come: nothing holds it back
}

// standing is what an applicant is to the gate.
type standing int

const (
	over  standing = iota // it needs no slot now
	wants                 // it may start but for slots
	keeps                 // it runs, or may start any moment
)

func (a *applicant) standing() standing {
	runs := RunState(a.RunState) == RunRunning && !a.Cancelling
	if !a.IsStep {
		switch {
		case RunState(a.RunState).Final():
			return over
		case a.Admitted:
			return keeps
		case runs:
			return wants
		}
		return over
	}
	switch StepState(a.State) {
	case StepRunning:
		return keeps
	case StepWaiting:
		if a.Expects != nil {
			return keeps
		}
		return over
	case StepAvailable, StepRetrying, StepPending:
		switch {
		case a.Dispatched:
			return keeps
		case !runs || !a.Admitted || !a.Due:
			return over
		case StepState(a.State) == StepPending && (a.Expects == nil || a.NeedsOpen > 0):
			return over
		case a.HasSlot && a.WaitingOn == nil:
			return keeps
		}
		return wants
	case StepSucceeded, StepFailed, StepCrashed, StepTimedOut, StepLost, StepCancelled, StepSkipped:
	}
	return over
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

// look reads applicants, and the limits and rates that they need.
func (g *gate) look(ctx context.Context, of []node) ([]*applicant, error) {
	var p queries.GateLookParams
	for _, n := range of {
		p.Runs, p.Steps = append(p.Runs, n.run), append(p.Steps, n.step)
	}
	rows, err := g.p.q.GateLook(ctx, p)
	if err != nil {
		return nil, err
	}
	out := make([]*applicant, len(rows))
	var limits, rates []string
	for i := range rows {
		a := &applicant{GateLookRow: rows[i]}
		if a.WaitingOn != nil {
			a.line = *a.WaitingOn
		}
		out[i] = a
		for _, c := range a.claims() {
			limits = append(limits, c.key)
		}
		limits = append(limits, a.Holds...)
		if a.RateKey != nil {
			rates = append(rates, *a.RateKey)
		}
	}
	if err := g.readLimits(ctx, limits); err != nil {
		return nil, err
	}
	return out, g.readRates(ctx, rates, out)
}

func (g *gate) readLimits(ctx context.Context, keys []string) error {
	keys = slices.DeleteFunc(compact(keys), func(k string) bool { return g.limits[k] != nil })
	if len(keys) == 0 {
		return nil
	}
	rows, err := g.p.q.LimitsOf(ctx, keys)
	if err != nil {
		return err
	}
	for _, k := range keys {
		g.limits[k] = &limit{}
	}
	for _, row := range rows {
		l := g.limits[row.Key]
		l.used = row.Used
		switch {
		case row.Administered != nil:
			l.stored, l.fixed = *row.Administered, true
		case row.Declared != nil:
			l.stored = *row.Declared
		}
	}
	return nil
}

func (g *gate) readRates(ctx context.Context, keys []string, of []*applicant) error {
	keys = slices.DeleteFunc(compact(keys), func(k string) bool { return g.rates[k] != nil })
	if len(keys) == 0 {
		return nil
	}
	for _, a := range of {
		if a.RateKey != nil && g.rates[*a.RateKey] == nil {
			g.rates[*a.RateKey] = &rate{tokens: float64(a.RateLimit), limit: a.RateLimit, perMS: a.RatePerMs}
		}
	}
	rows, err := g.p.q.RatesOf(ctx, keys)
	if err != nil {
		return err
	}
	for _, row := range rows {
		r := g.rates[row.Key]
		r.tokens, r.known = min(row.Tokens, float64(r.limit)), true
	}
	return nil
}

func compact(keys []string) []string {
	slices.Sort(keys)
	return slices.Compact(keys)
}

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
				r.limit, r.perMS = a.RateLimit, a.RatePerMs
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

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
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

// write stores who got slots, who moved, and the counts.
func (g *gate) write(ctx context.Context) error {
	q := g.p.q
	if len(g.moves) > 0 {
		var p queries.SlotsMoveParams
		for _, a := range g.moves {
			p.Runs, p.Steps = append(p.Runs, a.RunID), append(p.Steps, a.Step)
			p.WaitingOns, p.DueAts = append(p.WaitingOns, a.line), append(p.DueAts, g.due(a, a.line))
		}
		g.moves = nil
		if err := q.SlotsMove(ctx, p); err != nil {
			return err
		}
	}
	return g.grant(ctx)
}

// grant stores who got slots, lets runs in, and has what follows done: in this pass where their shards are free, else by
// another one.
func (g *gate) grant(ctx context.Context) error {
	if len(g.grants) == 0 {
		return nil
	}
	var p queries.SlotsGrantParams
	var admits []uuid.UUID
	for _, a := range g.grants {
		p.Runs, p.Steps = append(p.Runs, a.RunID), append(p.Steps, a.Step)
		p.Holds = append(p.Holds, strings.Join(a.Holds, " "))
		if !a.IsStep {
			admits = append(admits, a.RunID)
		}
	}
	g.grants = nil
	if err := g.p.q.SlotsGrant(ctx, p); err != nil {
		return err
	}
	if len(admits) > 0 {
		if _, err := g.p.q.RunsAdmit(ctx, queries.RunsAdmitParams{Actor: g.p.actor, Ids: admits}); err != nil {
			return err
		}
	}
	mine, err := g.p.q.ShardsLock(ctx, shardsOf(p.Runs))
	if err != nil {
		return err
	}
	var rest queries.DirtyAddParams
	for i, run := range p.Runs {
		switch {
		case !slices.Contains(mine, shardOf(run)):
			rest.Runs, rest.Steps = append(rest.Runs, run), append(rest.Steps, p.Steps[i])
		case p.Steps[i] == 0:
			g.p.whole = append(g.p.whole, run)
		default:
			g.p.runs, g.p.steps = append(g.p.runs, run), append(g.p.steps, p.Steps[i])
		}
	}
	return g.p.again(ctx, rest)
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

// leave writes the counts, and leaves lines that may still move to the next pass.
func (g *gate) leave(ctx context.Context) error {
	q := g.p.q
	if keys := sortedKeys(g.limits); len(keys) > 0 {
		p := queries.LimitsPutParams{Keys: keys}
		for _, k := range keys {
			p.Used, p.Declared = append(p.Used, g.limits[k].used), append(p.Declared, g.limits[k].declared)
		}
		if err := q.LimitsPut(ctx, p); err != nil {
			return err
		}
		if err := q.LimitsOver(ctx, keys); err != nil {
			return err
		}
	}
	if keys := sortedKeys(g.rates); len(keys) > 0 {
		p := queries.RatesPutParams{Keys: keys}
		for _, k := range keys {
			r := g.rates[k]
			p.Tokens, p.Limits, p.PersMs = append(p.Tokens, max(r.tokens, 0)), append(p.Limits, r.limit), append(p.PersMs, r.perMS)
		}
		if err := q.RatesPut(ctx, p); err != nil {
			return err
		}
	}
	g.p.after.soon = g.p.after.soon || g.timed || len(g.rates) > 0
	return g.later(ctx)
}

// later shows the next pass the heads of the lines that may still move.
func (g *gate) later(ctx context.Context) error {
	if len(g.lines) == 0 {
		return nil
	}
	p := queries.SlotsHeadsParams{}
	for _, line := range sortedKeys(g.lines) {
		if g.free(line) > 0 {
			p.Keys, p.Most = append(p.Keys, line), append(p.Most, 1)
		}
	}
	if len(p.Keys) == 0 {
		return nil
	}
	heads, err := g.p.q.SlotsHeads(ctx, p)
	if err != nil || len(heads) == 0 {
		return err
	}
	var add queries.GateAddParams
	for _, h := range heads {
		add.Runs, add.Steps = append(add.Runs, h.RunID), append(add.Steps, h.Step)
	}
	g.p.after.dirty = true
	return g.p.q.GateAdd(ctx, add)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
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
