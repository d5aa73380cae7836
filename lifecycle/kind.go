package lifecycle

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/weirqueue/weir/db/queries"
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
	kinds := make([]Kind, len(rows))
	for i, r := range rows {
		kinds[i] = Kind{Name: r.Kind, Input: r.InputSchema, Output: r.OutputSchema}
	}
	return kinds, nil
}

// kinds answers what is known of the kinds, by name; the map is shared and not to be changed. It is at most two seconds
// old, and read anew when one of the wanted ones is not in it.
func (e *Engine) kinds(ctx context.Context, wanted ...string) (map[string]Kind, error) {
	known, fresh := e.known.get()
	if fresh && hasAll(known, wanted) {
		return known, nil
	}
	list, err := e.KindList(ctx)
	if err != nil {
		return nil, err
	}
	known = make(map[string]Kind, len(list))
	for _, k := range list {
		known[k.Name] = k
	}
	e.known.put(known)
	return known, nil
}

func hasAll(known map[string]Kind, wanted []string) bool {
	for _, name := range wanted {
		if _, ok := known[name]; !ok {
			return false
		}
	}
	return true
}

// kindCache is what an Engine knows of the kinds.
type kindCache struct {
	mu    sync.Mutex
	kinds map[string]Kind
	read  time.Time // of this machine: it measures an age and decides nothing
}

func (c *kindCache) get() (map[string]Kind, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kinds, c.kinds != nil && time.Since(c.read) < kindsFresh
}

func (c *kindCache) put(kinds map[string]Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kinds, c.read = kinds, time.Now()
}

func (c *kindCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kinds = nil
}
