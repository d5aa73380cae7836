package lifecycle

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// kindsFresh is how long what is known of the kinds is believed. A kind that is not among them is looked for again at once.
const kindsFresh = 2 * time.Second

// KindsRegister publishes the kinds of this replica: plans may name them from now on, also when no replica with them
// runs. The last one that registers a kind defines its schemas.
func (e *Engine) KindsRegister(ctx context.Context, kinds []Kind) error {
	if len(kinds) == 0 {
		return nil
	}
	p := queries.KindsRegisterParams{Worker: e.cfg.Replica}
	for _, k := range kinds {
		p.Kinds = append(p.Kinds, k.Name)
		p.InputSchemas = append(p.InputSchemas, string(k.Input))
		p.OutputSchemas = append(p.OutputSchemas, string(k.Output))
	}
	if err := e.q.KindsRegister(ctx, p); err != nil {
		return fmt.Errorf("register %d kinds: %w", len(kinds), mapError(err))
	}
	e.known.forget()
	return nil
}

// KindList lists every kind that a replica ever registered, by name.
func (e *Engine) KindList(ctx context.Context) ([]Kind, error) {
	rows, err := e.q.KindList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the kinds: %w", mapError(err))
	}
	return kindsOf(rows), nil
}

func kindsOf(rows []queries.KindListRow) []Kind {
	kinds := make([]Kind, len(rows))
	for i, r := range rows {
		kinds[i] = Kind{Name: r.Kind, Input: r.InputSchema, Output: r.OutputSchema}
	}
	return kinds
}

// checkKinds compares a plan with the kinds that there are. What it knows of them is at most two seconds old; a plan that
// does not fit is compared with those of now in any case, so that a new kind counts at once.
func (e *Engine) checkKinds(ctx context.Context, p *plan.Plan) error {
	known, fresh := e.known.get()
	if fresh && len(p.CheckKinds(known)) == 0 {
		return nil
	}
	list, err := e.KindList(ctx)
	if err != nil {
		return err
	}
	known = compileKinds(list)
	e.known.put(known)
	return planInvalid(p.CheckKinds(known))
}

// checkKindsOf is checkKinds of many plans: the first thousand faults, or a few more.
func (e *Engine) checkKindsOf(ctx context.Context, all []Submission) error {
	check := func(known map[string]plan.Kind) plan.Faults {
		var faults plan.Faults
		for i := range all {
			if faults = append(faults, FaultsOfRun(i, all[i].Plan.CheckKinds(known))...); len(faults) >= 1000 {
				break
			}
		}
		return faults
	}
	if known, fresh := e.known.get(); fresh && len(check(known)) == 0 {
		return nil
	}
	list, err := e.KindList(ctx)
	if err != nil {
		return err
	}
	known := compileKinds(list)
	e.known.put(known)
	return planInvalid(check(known))
}

// planInvalid is the error of a plan with faults; nil without.
func planInvalid(faults plan.Faults) error {
	if len(faults) == 0 {
		return nil
	}
	return &Error{Code: CodePlanInvalid, Message: "the plan has faults", Faults: faults, Err: faults}
}

// compileKinds makes kinds ready to compare plans with. One whose schema cannot be read is known and not compared with:
// its handler does that.
func compileKinds(list []Kind) map[string]plan.Kind {
	known := make(map[string]plan.Kind, len(list))
	for _, k := range list {
		compiled, err := plan.NewKind(k.Input)
		if err != nil {
			compiled = plan.Kind{}
		}
		known[k.Name] = compiled
	}
	return known
}

// kindCache is what an Engine knows of the kinds.
type kindCache struct {
	mu    sync.Mutex
	kinds map[string]plan.Kind
	read  time.Time // of this machine: it measures an age and decides nothing
}

func (c *kindCache) get() (map[string]plan.Kind, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kinds, c.kinds != nil && time.Since(c.read) < kindsFresh //nolint:forbidigo // the age of a cache decides about no step
}

func (c *kindCache) put(kinds map[string]plan.Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kinds, c.read = kinds, time.Now() //nolint:forbidigo // the age of a cache decides about no step
}

func (c *kindCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kinds = nil
}
