package api

import (
	"context"
	"sync"
	"time"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// kindsFresh is how long the kinds that were read last are good for. A plan that does not fit them is compared with
// those of now in any case, so that a new kind counts at once.
const kindsFresh = 5 * time.Second

// kinds keeps the kinds of steps that replicas can run, with their schemas compiled.
type kinds struct {
	read func(context.Context) (map[string]plan.Kind, error)

	mu    sync.Mutex
	known map[string]plan.Kind
	at    time.Time
}

// check compares the plan with the kinds that there are. The error is plan.Faults, or that of the database.
func (k *kinds) check(ctx context.Context, p *plan.Plan) error {
	known, fresh := k.last()
	if fresh && len(p.CheckKinds(known)) == 0 {
		return nil
	}
	known, err := k.read(ctx)
	if err != nil {
		return err
	}
	k.keep(known)
	if faults := p.CheckKinds(known); len(faults) > 0 {
		return faults
	}
	return nil
}

func (k *kinds) last() (known map[string]plan.Kind, fresh bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known, k.known != nil && time.Since(k.at) < kindsFresh
}

func (k *kinds) keep(known map[string]plan.Kind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known, k.at = known, time.Now()
}

// readKinds reads and compiles. A kind whose schema does not compile is known and not compared with: its handler does that.
func (s *server) readKinds(ctx context.Context) (map[string]plan.Kind, error) {
	list, err := s.Lifecycle.KindList(ctx)
	if err != nil {
		return nil, err
	}
	known := make(map[string]plan.Kind, len(list))
	for _, kind := range list {
		compiled, err := plan.NewKind(kind.Input)
		if err != nil {
			compiled, _ = plan.NewKind(nil)
		}
		known[kind.Name] = compiled
	}
	return known, nil
}
