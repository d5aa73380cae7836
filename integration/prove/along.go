//go:build linux

package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/weirqueue/weir/integration/prove/check"
	"github.com/weirqueue/weir/integration/prove/ledger"
)

const (
	alongEvery = 10 * time.Second
	alongShare = 10 // a look may take this part of the time between looks
)

// lookAlong looks every 10 s, less often when that takes long, whether a promise is broken already, until ctx ends. Then
// there is no need to go on: it calls stop. began is when the load did.
func (p *proof) lookAlong(ctx context.Context, began time.Duration, stop func()) {
	for wait := alongEvery; ; {
		pass(ctx, wait)
		if ctx.Err() != nil {
			return
		}
		from := ledger.Now()
		found, err := p.broken(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil { // the server is down, or has no space left
			continue
		}
		if len(found) > 0 {
			p.named = ledger.Now() - began
			p.Logf("after %s something is wrong: %s", p.named.Round(time.Second), found[0])
			stop()
			return
		}
		wait = max(alongEvery, alongShare*(ledger.Now()-from))
	}
}

// broken lists what is wrong so far. All evidence is read before the tables: what it says, they have to say too.
func (p *proof) broken(ctx context.Context) ([]check.Violation, error) {
	evidence := check.Evidence{
		Acks: p.workload.Acks(), Snapshots: p.watcher.Snapshots(), Samples: p.watcher.Samples(), Moves: p.watcher.Moves(), Forgotten: p.watcher.Forgotten(),
	}
	if err := p.noteLate(); err != nil {
		return nil, err
	}
	var err error
	if evidence.Ledger, err = ledger.Read(p.cluster.Dir); err != nil {
		return nil, err
	}
	p.mu.Lock()
	violations, all := slices.Clone(p.violations), slices.Clone(p.played)
	var until time.Duration = 1<<63 - 1 // what comes later may have a reason that is not known yet
	for _, began := range p.underway {
		until = min(until, began)
	}
	seatOf := maps.Clone(p.seatOf)
	p.mu.Unlock()
	judged := slices.DeleteFunc(slices.Clone(evidence.Moves), func(m check.Move) bool { return m.Seen >= until })
	violations = append(violations, lostThoughAlive(all, seatOf, evidence.Ledger, judged)...)
	if len(violations) > 0 {
		return violations, nil
	}
	ctx, cancel := context.WithTimeout(ctx, checks)
	defer cancel()
	report, err := check.SoFar(ctx, p.cluster.Pool, evidence)
	return report.Violations, err
}
