package lifecycle

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// ReasonCode says in one word why a step is where it is: a closed list.
type ReasonCode string

// The codes of reasons.
const (
	ReasonNeedsUnfinished ReasonCode = "needs_unfinished"
	ReasonUpstreamFailed  ReasonCode = "upstream_failed"
	ReasonBackoff         ReasonCode = "backoff"
	ReasonStartAt         ReasonCode = "start_at"
	ReasonRunPaused       ReasonCode = "run_paused"
	ReasonQueuePaused     ReasonCode = "queue_paused"
	ReasonMaxParallel     ReasonCode = "max_parallel"
	ReasonConcurrency     ReasonCode = "concurrency"
	ReasonNoLiveWorker    ReasonCode = "no_live_worker"
	ReasonNoFreeSlot      ReasonCode = "no_free_slot"
	ReasonWaitingSignal   ReasonCode = "waiting_signal"
	ReasonWaitingApproval ReasonCode = "waiting_approval"
	ReasonWaitingDecision ReasonCode = "waiting_decision"
	ReasonCancelRequested ReasonCode = "cancel_requested"
	ReasonFinal           ReasonCode = "final"
	ReasonRunning         ReasonCode = "running"
)

// reasonNeedsListed is how many needs a reason names.
const reasonNeedsListed = 20

// ReasonCodes lists every code of a reason.
func ReasonCodes() []ReasonCode {
	return []ReasonCode{
		ReasonNeedsUnfinished, ReasonUpstreamFailed, ReasonBackoff, ReasonStartAt, ReasonRunPaused, ReasonQueuePaused,
		ReasonMaxParallel, ReasonConcurrency, ReasonNoLiveWorker, ReasonNoFreeSlot, ReasonWaitingSignal,
		ReasonWaitingApproval, ReasonWaitingDecision, ReasonCancelRequested, ReasonFinal, ReasonRunning,
	}
}

// Why is why a step is, or is not, running. No reason at all means that nothing holds it back: it moves on by itself,
// usually within milliseconds.
type Why struct {
	Run     uuid.UUID
	Step    string // key
	State   StepState
	Reasons []Reason // never nil; what weighs most comes first
}

// Reason is one of them.
type Reason struct {
	Code    ReasonCode
	Message string         // a sentence for people
	Detail  map[string]any // more of it for programs; JSON values
}

// StepWhy says why a step is, or is not, running.
func (r *Reader) StepWhy(ctx context.Context, run uuid.UUID, key string) (*Why, error) {
	row, err := r.queries().StepWhy(ctx, queries.StepWhyParams{Run: run, Key: key})
	if errors.Is(err, pgx.ErrNoRows) {
		if err := r.mustExist(ctx, run); err != nil {
			return nil, err
		}
		return nil, stepNotFound()
	}
	if err != nil {
		return nil, readError(err)
	}
	w := &why{reader: r, ctx: ctx, run: run, row: &row, reasons: []Reason{}}
	if err := w.ask(); err != nil {
		return nil, readError(err)
	}
	return &Why{Run: run, Step: key, State: StepState(row.State), Reasons: w.reasons}, nil
}

// why gathers the reasons of one step.
type why struct {
	reader  *Reader
	ctx     context.Context //nolint:containedctx // lives as long as one call of StepWhy
	run     uuid.UUID
	row     *queries.StepWhyRow
	reasons []Reason
}

func (w *why) add(code ReasonCode, message string, detail map[string]any) {
	w.reasons = append(w.reasons, Reason{Code: code, Message: message, Detail: detail})
}

// ask goes by the state of the step.
func (w *why) ask() error {
	state := StepState(w.row.State)
	if state.Final() {
		return w.final()
	}
	if w.row.CancelRequestedAt != nil {
		w.add(ReasonCancelRequested, "its cancellation was asked for: nothing starts any more", map[string]any{
			"at": timeOf(w.row.CancelRequestedAt), "by": w.row.CancelRequestedBy,
		})
	}
	if state == StepRunning {
		w.add(ReasonRunning, "a worker holds it", map[string]any{
			"worker": w.row.WorkerID, "attempt": w.row.Attempt,
			"started_at": timeOf(w.row.StartedAt), "deadline_at": timeOf(w.row.DeadlineAt),
		})
		return nil
	}
	if RunState(w.row.RunState) == RunPaused {
		w.add(ReasonRunPaused, "its run is paused: nothing of it starts", nil)
	}
	switch state {
	case StepPending:
		return w.pending()
	case StepRetrying:
		if w.row.BacksOff {
			w.add(ReasonBackoff, "it is tried again when its wait is over", map[string]any{
				"run_after": timeOf(w.row.RunAfter), "failures": w.row.Failures,
				"max_attempts": w.row.MaxAttempts, "last_outcome": w.row.LastOutcome,
			})
			return nil
		}
		return w.claimable()
	case StepAvailable:
		return w.claimable()
	case StepWaiting:
		return w.waiting()
	case StepRunning, StepSucceeded, StepFailed, StepCrashed, StepTimedOut, StepLost, StepCancelled, StepSkipped:
	}
	return nil
}

// final is why it ended.
func (w *why) final() error {
	w.add(ReasonFinal, "it has ended", map[string]any{"cause": w.row.Cause, "finished_at": timeOf(w.row.FinishedAt)})
	if Cause(w.row.Cause) != CauseUpstreamFailed {
		return nil
	}
	return w.needs(ReasonUpstreamFailed, "something that it needs did not succeed", true)
}

// pending is what it waits for within its run.
func (w *why) pending() error {
	if err := w.heldBack(); err != nil {
		return err
	}
	if w.row.NeedsOpen == 0 {
		return nil
	}
	return w.needs(ReasonNeedsUnfinished, "something that it needs has not ended yet", false)
}

// needs adds a reason that names the needs behind it, the first ones if they are many.
func (w *why) needs(code ReasonCode, message string, failed bool) error {
	rows, err := w.reader.queries().StepWhyNeeds(w.ctx, queries.StepWhyNeedsParams{
		Run: w.run, Step: w.row.Step, Failed: failed, Max: oneMore(reasonNeedsListed),
	})
	if err != nil {
		return err
	}
	more := len(rows) > reasonNeedsListed
	named := make([]map[string]any, 0, reasonNeedsListed)
	for _, row := range rows[:min(len(rows), reasonNeedsListed)] {
		named = append(named, map[string]any{"step": row.Key, "state": row.State, "cause": row.Cause})
	}
	w.add(code, message, map[string]any{"needs": named, "more": more})
	return nil
}

// claimable is why nobody has claimed it yet.
func (w *why) claimable() error {
	if err := w.heldBack(); err != nil {
		return err
	}
	if w.row.QueuePausedAt != nil {
		w.add(ReasonQueuePaused, "its queue is paused", map[string]any{"queue": w.row.Queue, "since": timeOf(w.row.QueuePausedAt)})
	}
	if w.row.Line != "" {
		return nil // no worker is asked yet
	}
	workers, err := w.reader.queries().StepWhyWorkers(w.ctx, queries.StepWhyWorkersParams{Queue: w.row.Queue, Kind: w.row.Kind})
	if err != nil {
		return err
	}
	var slots, busy int64
	for _, worker := range workers {
		if worker.KnowsKind {
			slots += int64(worker.Slots)
			busy += worker.Busy
		}
	}
	detail := map[string]any{"queue": w.row.Queue, "kind": w.row.Kind}
	switch {
	case slots == 0 && len(workers) > 0:
		w.add(ReasonNoLiveWorker, "no live worker of its queue knows its kind", detail)
	case slots == 0:
		w.add(ReasonNoLiveWorker, "no live worker works its queue", detail)
	case busy >= slots:
		detail["slots"] = slots
		w.add(ReasonNoFreeSlot, "every worker that could take it is busy", detail)
	}
	return nil
}

// timeOf writes a time as the API does: RFC 3339, UTC, microseconds.
func timeOf(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}
