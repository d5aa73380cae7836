package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// The ways in which a worker learns that there is something to do, as weir.workers shows them.
const (
	NotifyListen = "listen" // NOTIFY reaches it
	NotifyPoll   = "poll"   // it looks every second
)

// WorkerRegister makes a worker known, with a lease that begins now. Registering again describes it anew and renews its
// lease.
func (e *Engine) WorkerRegister(ctx context.Context, w Worker) error {
	if w.ID == uuid.Nil {
		return &Error{Code: CodeInvalidRequest, Message: "a worker needs an id"}
	}
	slots, err := json.Marshal(w.Queues)
	if err != nil || w.Queues == nil {
		slots = []byte("{}")
	}
	kinds := w.Kinds
	if kinds == nil {
		kinds = []string{}
	}
	pid, schema := int32(w.PID), int32(w.Schema)
	err = e.q.WorkerRegister(ctx, queries.WorkerRegisterParams{
		ID: w.ID, Name: w.Name, Host: w.Host, Pid: &pid, Build: w.Build, SchemaVersion: &schema,
		Kinds: kinds, Queues: slots, LeaseMs: e.cfg.Lease.Milliseconds(),
	})
	if err != nil {
		return fmt.Errorf("register worker %s: %w", w.ID, mapError(err))
	}
	return nil
}

// WorkerLeave says that a worker is about to end: it starts nothing any more. It hands nothing back by itself; what the
// worker still holds a moment later is lost, without waiting for its lease.
func (e *Engine) WorkerLeave(ctx context.Context, worker uuid.UUID) error {
	if err := e.q.WorkerLeave(ctx, worker); err != nil {
		return fmt.Errorf("let worker %s leave: %w", worker, mapError(err))
	}
	return nil
}

// WorkerNotify says how a worker learns that there is something to do: NotifyListen or NotifyPoll.
func (e *Engine) WorkerNotify(ctx context.Context, worker uuid.UUID, mode string) error {
	if err := e.q.WorkerNotify(ctx, queries.WorkerNotifyParams{ID: worker, Notify: mode}); err != nil {
		return fmt.Errorf("note how worker %s is notified: %w", worker, mapError(err))
	}
	return nil
}

// WorkerStops answers what a worker has to stop, without renewing anything.
func (e *Engine) WorkerStops(ctx context.Context, worker uuid.UUID) ([]Stop, error) {
	stops, err := workerStops(ctx, e.q, worker)
	if err != nil {
		return nil, mapError(err)
	}
	return stops, nil
}
