package lifecycle

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

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
		r.tokens, r.limit, r.perMS = row.Tokens, row.RateLimit, row.PerMs // until somebody asks
	}
	return nil
}

func compact(keys []string) []string {
	slices.Sort(keys)
	return slices.Compact(keys)
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
	grants := g.grants
	for _, a := range grants {
		p.Runs, p.Steps = append(p.Runs, a.RunID), append(p.Steps, a.Step)
		p.Holds = append(p.Holds, strings.Join(a.Holds, " "))
		if !a.IsStep && !g.p.apart(a.RunID) {
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
	for _, a := range grants {
		switch {
		case g.p.apart(a.RunID) || !slices.Contains(mine, shardOf(a.RunID)):
			rest.Runs, rest.Steps = append(rest.Runs, a.RunID), append(rest.Steps, a.Step)
		case !a.IsStep:
			g.p.whole = append(g.p.whole, a.RunID)
		case a.Expects != nil:
			g.p.begins = append(g.p.begins, node{a.RunID, a.Step})
		default:
			g.p.ready.add(a.RunID, a.Step)
		}
	}
	return g.p.again(ctx, rest)
}

// apart reports whether what the gate lets through of a run is left to a pass of its own: there it has its slots, and asks the
// gate to let it in.
func (p *pass) apart(run uuid.UUID) bool { return p.only != uuid.Nil && p.only != run }

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
