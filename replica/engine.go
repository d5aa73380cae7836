package replica

import (
	"context"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/jobs"
	"github.com/weirqueue/weir/lifecycle"
)

// engine is what the replica asks of lifecycle.
type engine interface {
	jobs.Lifecycle

	Run(ctx context.Context) error
	WorkerRegister(ctx context.Context, w lifecycle.Worker) error
	WorkerLeave(ctx context.Context, worker uuid.UUID) error
	KindsRegister(ctx context.Context, kinds []lifecycle.Kind) error
}

// newEngines returns the engine of the replica and one that has connections of its own, for heartbeats.
func (r *replica) newEngines() (all, beats engine) { return pending{}, pending{} }

// pending stands in until the engine is here.
type pending struct{ jobs.Lifecycle }

func (pending) Run(ctx context.Context) error                          { <-ctx.Done(); return nil }
func (pending) WorkerRegister(context.Context, lifecycle.Worker) error { return nil }
func (pending) WorkerLeave(context.Context, uuid.UUID) error           { return nil }
func (pending) KindsRegister(context.Context, []lifecycle.Kind) error  { return nil }
func (pending) WorkerHeartbeat(context.Context, lifecycle.Heartbeat) (lifecycle.HeartbeatAnswer, error) {
	return lifecycle.HeartbeatAnswer{Known: true}, nil
}
func (pending) WorkerStops(context.Context, uuid.UUID) ([]lifecycle.Stop, error) { return nil, nil }
