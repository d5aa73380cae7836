package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// Bounds of what one second's expiry does: the rest is left to the next second, so that the pulse goes on.
const (
	expireBatch = 1000 // attempts in a transaction; the limit of the queries of expire.sql
	expireTurns = 4    // transactions of one reason

	fetchedLately = 2 * time.Minute // what was fetched before is looked at by the sweep: most of it runs, and for long
	fetchedEver   = 10 * 365 * 24 * time.Hour
)

// expireOnce ends, once a second, what nobody ends: attempts of workers that are gone, over their deadline, stalled, or
// asked to stop in vain; and it takes back dispatches that nobody takes up. The replica that has the second's beat does
// it, the others do nothing. Rows that somebody has locked are left to the next second.
func (e *Engine) expireOnce(ctx context.Context) error {
	beat, err := e.beat(ctx)
	if err != nil || !beat.mine {
		return err
	}
	return e.expire(ctx)
}

// expire does everything that expireOnce does, whoever has the beat. One part that fails keeps no other from its work.
func (e *Engine) expire(ctx context.Context) error {
	err := errors.Join(
		e.expireLeases(ctx),
		e.expireBatches(ctx, overdue(), true, func(q *queries.Queries) ([]Hold, error) {
			rows, err := q.StepOverdue(ctx)
			return holdsOf(rows, func(r queries.StepOverdueRow) (uuid.UUID, int32, int32) { return r.RunID, r.Step, r.Attempt }), err
		}),
		e.expireBatches(ctx, stalled(), true, func(q *queries.Queries) ([]Hold, error) {
			rows, err := q.StepStalled(ctx, e.cfg.Lease.Milliseconds())
			return holdsOf(rows, func(r queries.StepStalledRow) (uuid.UUID, int32, int32) { return r.RunID, r.Step, r.Attempt }), err
		}),
		e.expireBatches(ctx, unconfirmed(), false, func(q *queries.Queries) ([]Hold, error) {
			rows, err := q.StepUnconfirmed(ctx)
			return holdsOf(rows, func(r queries.StepUnconfirmedRow) (uuid.UUID, int32, int32) { return r.RunID, r.Step, r.Attempt }), err
		}),
		e.expireStops(ctx),
		e.expireFetched(ctx, fetchedLately),
	)
	if err != nil {
		return mapError(err)
	}
	return nil
}

// expireLeases notes which workers are gone, and loses what they held.
func (e *Engine) expireLeases(ctx context.Context) error {
	gone, err := e.q.WorkerExpire(ctx, e.cfg.Lease.Milliseconds())
	if err != nil {
		return fmt.Errorf("look for leases that ran out: %w", err)
	}
	for _, w := range gone {
		e.logger.Warn("the lease of a worker ran out", "worker", w.ID, "name", w.Name, "seen_at", w.SeenAt)
	}
	dead, err := e.q.WorkerDead(ctx, e.cfg.Lease.Milliseconds())
	if err != nil {
		return fmt.Errorf("look for what workers that are gone hold: %w", err)
	}
	for _, worker := range dead {
		err = errors.Join(err, e.expireWorker(ctx, worker))
	}
	return err
}

// expireWorker loses what a worker that is gone held, and ends its River jobs.
func (e *Engine) expireWorker(ctx context.Context, worker uuid.UUID) error {
	for range expireTurns {
		var found int
		var ended []decided
		err := e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
			dead, err := q.WorkerLockDead(ctx, worker)
			if err != nil || !dead { // it came back: it may go on
				return err
			}
			rows, err := q.StepOfWorker(ctx, worker)
			if err != nil {
				return err
			}
			found = len(rows)
			holds := holdsOf(rows, func(r queries.StepOfWorkerRow) (uuid.UUID, int32, int32) { return r.RunID, r.Step, r.Attempt })
			if ended, err = e.decide(ctx, q, leaseExpired(worker), holds); err != nil {
				return err
			}
			return riverDiscard(ctx, q, ended)
		})
		if err != nil {
			return fmt.Errorf("lose what worker %s held: %w", worker, err)
		}
		e.expired(CauseLeaseExpired, ended)
		if found < expireBatch {
			return nil
		}
	}
	return nil
}

// expireBatches ends the attempts that find answers, which locks them, batch by batch. stop also has their workers told.
func (e *Engine) expireBatches(ctx context.Context, d decision, stop bool, find func(*queries.Queries) ([]Hold, error)) error {
	for range expireTurns {
		var found []Hold
		var ended []decided
		err := e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) (err error) {
			if found, err = find(q); err != nil {
				return err
			}
			if ended, err = e.decide(ctx, q, d, found); err != nil || !stop || len(ended) == 0 {
				return err
			}
			keys := columnsOf(found)
			return q.StopPut(ctx, queries.StopPutParams{
				Cause: queries.WeirCause(d.cause), KeepMs: e.cfg.Lease.Milliseconds(),
				Runs: keys.runs, Steps: keys.steps, Attempts: keys.attempts,
			})
		})
		if err != nil {
			return fmt.Errorf("expire, %s: %w", d.cause, err)
		}
		e.expired(d.cause, ended)
		if len(found) < expireBatch {
			return nil
		}
	}
	return nil
}

// expireStops forgets what was asked of attempts that are over.
func (e *Engine) expireStops(ctx context.Context) error {
	if _, err := e.q.StopOver(ctx); err != nil {
		return fmt.Errorf("forget stops of attempts that are over: %w", err)
	}
	return nil
}

// expireFetched takes back the dispatch of steps whose River job somebody fetched, not longer ago than since, and nobody
// started.
func (e *Engine) expireFetched(ctx context.Context, since time.Duration) error {
	rows, err := e.q.RiverStuck(ctx, since.Milliseconds())
	if err != nil {
		return fmt.Errorf("look for dispatched steps that nobody started: %w", err)
	}
	n := map[string]int{}
	for _, r := range rows {
		repair := RepairFetchedByDead
		if r.Alive {
			repair = RepairFetchedNotStarted
		}
		n[repair]++
		e.logger.Warn("a step was fetched and not started, and is dispatched again", "run", r.RunID, "step_ordinal", r.Step, "token", r.ID, "worker_lives", r.Alive)
	}
	for repair, n := range n {
		e.observe(func(o Observer) { o.Repaired(repair, n) })
	}
	if len(rows) > 0 {
		e.nudge()
	}
	return nil
}

// expireLeft ends the River jobs that workers which are gone have left behind after the attempt had ended.
func (e *Engine) expireLeft(ctx context.Context) error {
	n, err := e.q.RiverLeft(ctx)
	if err != nil {
		return fmt.Errorf("look for River jobs that nobody ends: %w", err)
	}
	if n > 0 {
		e.logger.Info("River jobs of workers that are gone are ended", "jobs", n)
	}
	return nil
}

// expireAhead lets River fetch what was dispatched before the clock went back.
func (e *Engine) expireAhead(ctx context.Context) error {
	n, err := e.q.RiverAhead(ctx)
	if err != nil {
		return fmt.Errorf("look for River jobs of the future: %w", err)
	}
	if n > 0 {
		e.logger.Info("the clock went back, and what was dispatched before is fetched now", "jobs", n)
	}
	return nil
}

// expired tells of attempts that were ended, and has reconcile look at their steps.
func (e *Engine) expired(cause Cause, ended []decided) {
	if len(ended) == 0 {
		return
	}
	for _, d := range ended {
		e.logger.Warn("an attempt was ended by the database", "run", d.Run, "step_ordinal", d.Step, "attempt", d.Attempt, "cause", cause, "tried_again", d.again)
	}
	e.observe(func(o Observer) { o.Expired(cause, len(ended)) })
	e.nudge()
}

// riverDiscard ends the River jobs of attempts that were lost.
func riverDiscard(ctx context.Context, q *queries.Queries, ended []decided) error {
	var jobs []int64
	for _, d := range ended {
		if d.riverJob != 0 {
			jobs = append(jobs, d.riverJob)
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	if err := q.RiverDiscard(ctx, jobs); err != nil {
		return fmt.Errorf("discard the River jobs of what was lost: %w", err)
	}
	return nil
}

// holdsOf makes holds of rows.
func holdsOf[R any](rows []R, key func(R) (run uuid.UUID, step, attempt int32)) []Hold {
	holds := make([]Hold, len(rows))
	for i, r := range rows {
		run, step, attempt := key(r)
		holds[i] = Hold{Run: run, Step: int(step), Attempt: int(attempt)}
	}
	return holds
}
