package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// WorkerHeartbeat renews the lease of a worker by the clock of the database, also of one that was thought gone, and
// answers what it has to stop. What the database counts as its own and it did not name twice in a row is lost
// (worker_forgot); attempts whose report it gave up on are crashed (report_undeliverable).
//
// The lease is renewed on its own, before anything else: a step that somebody else has locked costs nobody their lease.
func (e *Engine) WorkerHeartbeat(ctx context.Context, h Heartbeat) (HeartbeatAnswer, error) {
	renewed, err := e.q.WorkerRenew(ctx, queries.WorkerRenewParams{ID: h.Worker, LeaseMs: e.cfg.Lease.Milliseconds()})
	if errors.Is(err, pgx.ErrNoRows) {
		return HeartbeatAnswer{}, nil
	}
	if err != nil {
		return HeartbeatAnswer{}, fmt.Errorf("renew the lease of worker %s: %w", h.Worker, mapError(err))
	}
	if renewed.WasGone {
		e.logger.Warn("a worker that was thought gone is back", "worker", h.Worker, "seen_at", renewed.Previous)
	}
	var answer HeartbeatAnswer
	err = e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
		answer, err = e.heartbeatSteps(ctx, q, h, renewed.Previous)
		return err
	})
	if err != nil {
		return HeartbeatAnswer{}, fmt.Errorf("hear what worker %s holds: %w", h.Worker, mapError(err))
	}
	return answer, nil
}

// heartbeatSteps compares what the worker says that it holds with what the database says. previous is when it was
// heard of the last time: what it has claimed since may have crossed this heartbeat.
func (e *Engine) heartbeatSteps(ctx context.Context, q *queries.Queries, h Heartbeat, previous time.Time) (HeartbeatAnswer, error) {
	answer := HeartbeatAnswer{Known: true}
	if _, err := e.decide(ctx, q, undeliverable(h.Worker), h.Ended); err != nil {
		return answer, err
	}
	named := columnsOf(slices.Concat(h.Holds, h.Ended))
	rows, err := q.StepNamed(ctx, queries.StepNamedParams{
		Worker: h.Worker, Previous: previous, Runs: named.runs, Steps: named.steps, Attempts: named.attempts,
	})
	if err != nil {
		return answer, fmt.Errorf("count what it did not name: %w", err)
	}
	forgotten := make([]Hold, len(rows))
	for i, r := range rows {
		forgotten[i] = Hold{Run: r.RunID, Step: int(r.Step), Attempt: int(r.Attempt)}
	}
	if _, err := e.decide(ctx, q, forgot(h.Worker), forgotten); err != nil {
		return answer, err
	}
	if answer.Stops, err = workerStops(ctx, q, h.Worker); err != nil {
		return answer, err
	}
	if len(h.Holds) == 0 {
		return answer, nil
	}
	held := columnsOf(h.Holds)
	gone, err := q.StepGone(ctx, queries.StepGoneParams{
		Worker: h.Worker, Runs: held.runs, Steps: held.steps, Attempts: held.attempts,
	})
	if err != nil {
		return answer, fmt.Errorf("look for what is not its own any more: %w", err)
	}
	for _, r := range gone {
		answer.Gone = append(answer.Gone, Hold{Run: r.RunID, Step: int(r.Step), Attempt: int(r.Attempt)})
	}
	return answer, nil
}

// workerStops reads what a worker has to stop.
func workerStops(ctx context.Context, q *queries.Queries, worker uuid.UUID) ([]Stop, error) {
	rows, err := q.WorkerStops(ctx, worker)
	if err != nil {
		return nil, fmt.Errorf("read what worker %s has to stop: %w", worker, err)
	}
	stops := make([]Stop, len(rows))
	for i, r := range rows {
		stops[i] = Stop{
			Hold:  Hold{Run: r.RunID, Step: int(r.Step), Attempt: int(r.Attempt)},
			Cause: Cause(r.Cause), Grace: time.Duration(r.GraceMs) * time.Millisecond,
		}
	}
	return stops, nil
}
