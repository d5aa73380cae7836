package replica

import (
	"context"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/jobs"
	"github.com/weirqueue/weir/lifecycle"
)

// engine is what a worker asks of lifecycle.
type engine interface {
	jobs.Lifecycle

	WorkerRegister(ctx context.Context, w lifecycle.Worker) error
	WorkerLeave(ctx context.Context, worker uuid.UUID) error
	WorkerNotify(ctx context.Context, worker uuid.UUID, mode string) error
	KindsRegister(ctx context.Context, kinds []lifecycle.Kind) error
}

// newEngines makes the engine of the replica and one that has connections of its own, for heartbeats.
func (r *replica) newEngines() {
	dirty, _ := r.listener.Subscribe(db.ChannelDirty)
	follow, _ := r.listener.Subscribe(db.ChannelDirty)
	refresh, _ := r.listener.Subscribe(db.ChannelRefresh)
	config := lifecycle.Config{
		Pool: r.pool, Replica: r.id, Logger: r.cfg.Logger, Lease: r.cfg.Lease, PollInterval: r.cfg.PollInterval, Nudge: dirty, Refresh: refresh,
		FollowNudge:    follow,
		ObserverFailed: r.telemetry.failed,
	}
	r.engine = lifecycle.New(config)
	config.Pool, config.Nudge, config.Refresh, config.FollowNudge = r.beatPool, nil, nil, nil
	r.beats = lifecycle.New(config)
}
