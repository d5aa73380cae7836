package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/weirqueue/weir/lifecycle"
)

// riverArgs is what a River row says: which step. The row's kind is the step's kind and its id is the dispatch token.
type riverArgs struct {
	Run  uuid.UUID `json:"run"`
	Step int       `json:"step"` // ordinal

	kind string // only of the value that a worker is registered with
}

// Kind implements river.JobArgs.
func (a riverArgs) Kind() string { return a.kind }

// riverWorker works the River rows of one kind.
type riverWorker struct {
	river.WorkerDefaults[riverArgs]

	sup    *Supervisor
	logger *slog.Logger
}

// RiverWorkers returns River workers for every kind of the registry, so that a River client with them fetches the rows
// of these kinds and no others. A row ends when its attempt does, or when there was nothing to start; it is never
// worked twice, whatever its max_attempts say: a row that started nothing is replaced by reconcile.
func RiverWorkers(reg *Registry, sup *Supervisor) *river.Workers {
	workers := river.NewWorkers()
	for _, k := range reg.Kinds() {
		river.AddWorkerArgs(workers, riverArgs{kind: k.Name}, &riverWorker{sup: sup, logger: sup.cfg.Logger})
	}
	return workers
}

// Timeout implements river.Worker: timeouts are Weir's.
func (w *riverWorker) Timeout(*river.Job[riverArgs]) time.Duration { return -1 }

// Work implements river.Worker.
func (w *riverWorker) Work(ctx context.Context, job *river.Job[riverArgs]) error {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(riverCause(ctx)) })()
	if err := w.sup.Work(work, job.Args.Run, job.Args.Step, job.ID); err != nil {
		w.logger.Warn("a dispatched step was not started", "run", job.Args.Run, "step_ordinal", job.Args.Step, "token", job.ID, "error", err)
	}
	return nil
}

// riverCause translates the end of a River job's context: somebody cancelled the job in River, or River's client stops.
func riverCause(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), rivertype.ErrJobCancelledRemotely) {
		return &StopError{Cause: lifecycle.CauseCancelRequested}
	}
	return ErrShutdown
}
