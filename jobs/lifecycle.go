package jobs

import (
	"context"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
)

// Lifecycle is what the execution of attempts asks of the database. lifecycle's engine implements it. All methods
// are called concurrently and return when their context ends. lifecycle.IsRetryable says of an error whether the
// call may be repeated; every call may be repeated without harm.
type Lifecycle interface {
	// StepStart asks for the right to run a step. Repeated by the same worker with the same token, it answers the
	// attempt that the worker already got.
	StepStart(ctx context.Context, r lifecycle.StartRequest) (lifecycle.StartAnswer, error)
	// StepRelease gives a step back that was fetched and will not be started here: it is dispatched again at once.
	StepRelease(ctx context.Context, r lifecycle.StartRequest) error
	// StepFinish records how an attempt ended. The same report again is answered as a duplicate.
	StepFinish(ctx context.Context, r lifecycle.Report) (lifecycle.FinishAnswer, error)
	// WorkerHeartbeat renews the worker's lease and answers what it has to stop.
	WorkerHeartbeat(ctx context.Context, h lifecycle.Heartbeat) (lifecycle.HeartbeatAnswer, error)
	// WorkerStops answers what the worker has to stop, without renewing anything.
	WorkerStops(ctx context.Context, worker uuid.UUID) ([]lifecycle.Stop, error)
	// LogAppend stores log lines; a line that is stored already is left out.
	LogAppend(ctx context.Context, lines []lifecycle.LogLine) error
	// ProgressSet stores how far attempts are.
	ProgressSet(ctx context.Context, p []lifecycle.Progress) error
}
