package lifecycle

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/queries"
)

const (
	takeMost        = 300 // hints of a pass
	lockPatience    = 2 * time.Millisecond
	lockPatienceX   = 50 * time.Millisecond // at the most
	passBackoff     = 10 * time.Millisecond
	passBackoffX    = time.Second
	passBackoffLost = 100 * time.Millisecond // after a connection that was lost
)

// hint is a row of weir.dirty; step 0 is the run as a whole, id 0 a hint that is not stored.
type hint struct {
	id    int64
	shard int32
	run   uuid.UUID
	step  int32
}

// hintOf is a hint about a run or a step that is not stored.
func hintOf(run uuid.UUID, step int32) hint { return hint{shard: shardOf(run), run: run, step: step} }

// reconcile serves hints whenever there may be some, until ctx ends.
func (e *Engine) reconcile(ctx context.Context) error {
	poll := e.newPoll()
	defer poll.stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.dirty:
		case <-e.cfg.Nudge:
		case <-poll.c:
			poll.next()
		}
		e.serveAll(ctx)
	}
}

// serveAll makes passes until no hint is left that could be served, whoever served it. A trigger that arrives during a
// pass is seen by the next one; a pass that fails is made again.
func (e *Engine) serveAll(ctx context.Context) {
	waits, failures := 0, 0
	var held []int16 // shards whose hints are passed over once, lest they hide those of the others
	for ctx.Err() == nil {
		took, left, err := e.passBut(ctx, held)
		passedOver := held != nil
		held = nil
		switch {
		case err != nil && ctx.Err() == nil:
			failures++
			if failures&(failures-1) == 0 { // 1, 2, 4, 8, …: a database that is away is not news ten times a second
				e.logger.Warn("a pass of reconcile failed and is made again", "error", err, "failures", failures)
			}
			e.observe(func(o Observer) { o.PassFailed() })
			longest := passBackoffX
			if db.IsTransient(err) {
				longest = passBackoffLost // each connection of the pool may be broken, and it is found out one by one
			}
			pause(ctx, min(passBackoff<<min(failures, 10), longest))
		case err != nil:
		case took > 0:
			waits, failures = 0, 0
		case passedOver: // there is nothing of other shards either
			waits++
			pause(ctx, min(lockPatience*time.Duration(waits), lockPatienceX)/2+rand.N(lockPatience))
		case len(left) == 0:
			return
		default: // others hold the shards; what they leave behind is ours
			held = shardsHeld(left)
		}
	}
}

// passOnce serves the oldest hints of the shards that nobody else holds. It answers how many it served and how many it
// saw and had to leave.
func (e *Engine) passOnce(ctx context.Context) (served, left int, err error) {
	served, rest, err := e.passBut(ctx, nil)
	return served, len(rest), err
}

// passBut does the same without the hints of some shards. When it serves none, left is what it had to leave.
func (e *Engine) passBut(ctx context.Context, held []int16) (served int, left []hint, err error) {
	e.pauses.at(pauseBeforeTake)
	rows, err := e.q.DirtyTake(ctx, queries.DirtyTakeParams{Held: orNone(held), Most: takeMost})
	if err != nil || len(rows) == 0 {
		return 0, nil, err
	}
	hints := make([]hint, len(rows))
	for i, row := range rows {
		hints[i] = hint{id: row.ID, shard: int32(row.Shard), run: row.RunID}
		if row.Step != nil {
			hints[i].step = *row.Step
		}
	}
	e.pauses.at(pauseBeforeLock)
	served, err = e.serve(ctx, hints)
	return served, hints[:len(hints)-served], err
}

// shardsHeld lists the shards of hints that could not be served.
func shardsHeld(hints []hint) []int16 {
	var out []int16
	for _, shard := range shardsIn(hints) {
		out = append(out, int16(shard))
	}
	return out
}

// shardsIn lists the shards of hints, each once.
func shardsIn(hints []hint) []int32 {
	var seen [shards + 1]bool
	var out []int32
	for _, h := range hints {
		if !seen[h.shard] {
			seen[h.shard] = true
			out = append(out, h.shard)
		}
	}
	return out
}

// orNone is the list, as SQL takes it.
func orNone(list []int16) []int16 {
	if list == nil {
		return []int16{}
	}
	return list
}

// serve applies the rules to hints in one transaction, as far as their shards can be locked. If that fails because of
// what it finds, the hints are bisected by run, and a run that fails alone is set aside: unless it fails for a run that the
// gate lets through by it, which then fails for itself.
func (e *Engine) serve(ctx context.Context, hints []hint) (int, error) {
	served, err := e.serveIn(ctx, hints, uuid.Nil)
	if !isPoison(err) || ctx.Err() != nil {
		return served, err
	}
	runs := runsOf(hints)
	if len(runs) == 1 {
		if slices.ContainsFunc(hints, func(h hint) bool { return h.shard == gateShard }) {
			if served, again := e.serveIn(ctx, hints, runs[0]); !isPoison(again) {
				return served, again
			}
		}
		return len(hints), e.quarantine(ctx, runs[0], err)
	}
	half := runs[:len(runs)/2]
	total := 0
	for _, part := range [][]hint{ofRuns(hints, half, true), ofRuns(hints, half, false)} {
		n, err := e.serve(ctx, part)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// serveIn is one transaction of serve. only: what the gate lets through of other runs is left to another one; Nil: nothing is.
func (e *Engine) serveIn(ctx context.Context, hints []hint, only uuid.UUID) (int, error) {
	served := 0
	var after effects
	err := e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
		mine, err := e.lock(ctx, q, hints)
		if err != nil || len(mine) == 0 {
			return err
		}
		e.pauses.at(pauseTaken)
		p := e.newPass(q, mine)
		p.only = only
		if err := p.do(ctx); err != nil {
			return err
		}
		if _, err := q.QuarantineEnd(ctx, runsOf(mine)); err != nil {
			return err
		}
		e.pauses.at(pauseBeforeUnlock)
		served, after = len(mine), p.after
		return nil
	})
	if err != nil {
		return 0, err
	}
	e.apply(after)
	return served, nil
}

// lock takes the shards of the hints that are free and deletes those hints: what is left of them is this transaction's.
func (e *Engine) lock(ctx context.Context, q *queries.Queries, hints []hint) ([]hint, error) {
	got, err := q.ShardsLock(ctx, shardsIn(hints))
	if err != nil || len(got) == 0 {
		return nil, err
	}
	var ids []int64
	var mine []hint
	for _, h := range hints {
		if !slices.Contains(got, h.shard) {
			continue
		}
		mine = append(mine, h)
		if h.id != 0 {
			ids = append(ids, h.id)
		}
	}
	if len(ids) > 0 {
		if err := q.DirtyDelete(ctx, ids); err != nil {
			return nil, err
		}
	}
	return mine, nil
}

// isPoison reports whether an error is about what was found rather than about the way to it.
func isPoison(err error) bool {
	_, refused := db.AsError(err)
	return refused && !db.IsTransient(err) && !db.IsLockTimeout(err)
}

// quarantine sets a run aside, so that it stops nobody else. Its hints stay and are looked at again later.
func (e *Engine) quarantine(ctx context.Context, run uuid.UUID, why error) error {
	e.logger.Error("reconcile fails on a run and sets it aside", "run", run, "error", why)
	e.observe(func(o Observer) { o.Quarantined() })
	state := ""
	if refusal, ok := db.AsError(why); ok {
		state = refusal.SQLState
	}
	if err := e.q.QuarantineAdd(ctx, queries.QuarantineAddParams{RunID: run, Error: why.Error(), Sqlstate: state}); err != nil {
		return errors.Join(why, err)
	}
	return nil
}

// runsOf lists the runs of hints, each once.
func runsOf(hints []hint) []uuid.UUID {
	seen := make(map[uuid.UUID]bool, len(hints))
	var out []uuid.UUID
	for _, h := range hints {
		if !seen[h.run] {
			seen[h.run] = true
			out = append(out, h.run)
		}
	}
	return out
}

// ofRuns gives the hints of these runs, or all others.
func ofRuns(hints []hint, runs []uuid.UUID, in bool) []hint {
	var out []hint
	for _, h := range hints {
		if slices.Contains(runs, h.run) == in {
			out = append(out, h)
		}
	}
	return out
}
