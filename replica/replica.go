package replica

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/migrations"
	"github.com/weirqueue/weir/jobs"
	"github.com/weirqueue/weir/lifecycle"
)

// beatConns is how many connections heartbeats have for themselves: one for heartbeats, one for stops.
const beatConns = 2

// closeWithin is how long connections may take to come back to their pool in the end.
const closeWithin = 2 * time.Second

// replica is one that runs.
type replica struct {
	cfg      Config
	id       uuid.UUID
	ready    atomic.Bool // it takes on work
	draining atomic.Bool // it takes on no more
	hurry    context.Context
	debug    net.Listener // for profiles; nil = none
	noTokens bool         // there never was one when it started

	pool      *pgxpool.Pool // of everything but heartbeats
	beatPool  *pgxpool.Pool
	schema    *schemaWatch
	hub       riverHub
	telemetry telemetry
	listener  *db.Listener
	engine    *lifecycle.Engine
	beats     *lifecycle.Engine // on beatPool; its loops do not run
}

// Run runs a replica until ctx ends, and then lets it end well: nothing new is started, attempts have
// Config.ShutdownGrace to end by themselves before they are stopped, what became of them is reported, and the API answers
// to the last. nil: it ended because ctx did.
//
// Before anything is claimed, these end it: a [ConfigError], a [MismatchError], a db.ConnectError, a db.SchemaError, and
// an [Error] for an address that cannot be listened on. Later a db.SchemaError does, when somebody migrates the
// database out of the range of this binary; the replica ends well then, too.
func Run(ctx context.Context, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	encrypted, err := cfg.encrypted()
	if err != nil {
		return err
	}
	r := &replica{cfg: cfg, id: newID()}
	defer r.close()
	if err := r.open(ctx); err != nil {
		return ended(ctx, err)
	}
	if err := r.checkTokens(ctx); err != nil {
		return ended(ctx, err)
	}
	var listener net.Listener
	if cfg.Listen != "" {
		if listener, err = listen(ctx, cfg.Listen); err != nil {
			return ended(ctx, err)
		}
		listener = encrypted(listener)
	}
	if cfg.DebugListen != "" {
		if r.debug, err = listen(ctx, cfg.DebugListen); err != nil {
			if listener != nil {
				_ = listener.Close()
			}
			return ended(ctx, err)
		}
	}
	return r.run(ctx, listener)
}

// ended is nil if it is ctx that has ended, else err.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// newID makes the id of a worker.
func newID() uuid.UUID {
	return uuid.Must(uuid.NewV7()) // fails only without any source of randomness
}

// open connects to the database and checks that it is one for this binary.
func (r *replica) open(ctx context.Context) error {
	var err error
	if r.pool, err = db.Open(ctx, r.cfg.Database); err != nil {
		return err
	}
	r.schema = &schemaWatch{pool: r.pool, need: migrations.Need(), logger: r.cfg.Logger}
	if err := r.schema.runOnce(ctx); err != nil {
		return err
	}
	beats := r.cfg.Database
	beats.MaxConns, beats.AppName = beatConns, "weir heartbeat"
	if r.beatPool, err = db.Open(ctx, beats); err != nil {
		return err
	}
	r.listener = db.NewListener(db.ListenerConfig{
		URL: r.cfg.Database.Direct(), Pool: r.pool, Logger: r.cfg.Logger,
		Channels: append(riverChannels(), db.ChannelDirty, db.ChannelStop, db.ChannelRefresh), Hear: r.hub.Hear,
	})
	r.newEngines()
	return nil
}

// close gives the connections back, but does not wait for ever for those that are stuck.
func (r *replica) close() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, pool := range []*pgxpool.Pool{r.beatPool, r.pool} {
			if pool != nil {
				pool.Close()
			}
		}
	}()
	t := time.NewTimer(closeWithin)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		r.cfg.Logger.Warn("connections to the database are still in use and are left to the end of the process")
	}
}

// run runs all loops until ctx ends, or one of them has to give up.
func (r *replica) run(ctx context.Context, listener net.Listener) error {
	// Two steps down: draining ends first and with it what takes on work, running ends when that is over.
	draining, drain := context.WithCancelCause(ctx)
	defer drain(nil)
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	hurry, hurried := context.WithCancel(running)
	defer hurried()
	r.hurry = hurry

	var g errgroup.Group
	loop := func(name string, run func(context.Context) error) {
		g.Go(func() error {
			if err := run(running); err != nil {
				drain(fmt.Errorf("%s: %w", name, err))
			}
			return nil
		})
	}
	if listener != nil {
		loop("serve", func(ctx context.Context) error { return r.serve(ctx, listener) })
	}
	if r.debug != nil {
		loop("serve profiles", func(ctx context.Context) error { return r.serveDebug(ctx, r.debug) })
	}
	loop("watch the schema", r.schema.Run)
	loop("listen for notifications", r.listener.Run)
	loop("reconcile", r.engine.Run)
	if watch := r.newQueueWatch(); watch != nil {
		loop("watch paused queues", watch.Run)
	}
	if sweeper := r.newSweeper(); sweeper != nil {
		loop("sweep workspaces", sweeper.Run)
	}
	g.Go(func() error { return r.hurriedBy(draining, running, hurried) })
	g.Go(func() error {
		defer end()
		err := r.work(draining, func() { r.nowReady(listener) })
		drain(err)
		return nil
	})
	r.cfg.Logger.Info("replica started", "replica", r.id, "build", r.cfg.Build.String(), "listen", addressOf(listener))
	<-draining.Done()
	r.draining.Store(true)
	r.ready.Store(false)
	if reason := context.Cause(draining); ctx.Err() == nil && reason != nil {
		r.cfg.Logger.Error("the replica has to end", "error", reason)
	} else {
		r.cfg.Logger.Info("shutting down", "grace", r.cfg.ShutdownGrace)
	}
	_ = g.Wait() // every loop has told drain
	r.cfg.Logger.Info("replica ended")
	if err := context.Cause(draining); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// hurriedBy ends the waiting when somebody asks for that after draining has begun.
func (r *replica) hurriedBy(draining, running context.Context, hurried context.CancelFunc) error {
	select {
	case <-draining.Done():
	case <-running.Done():
		return nil
	}
	select {
	case <-r.cfg.Hurry:
		r.cfg.Logger.Warn("ending at once: what still runs is stopped and not waited for")
		hurried()
	case <-running.Done():
	}
	return nil
}

func (r *replica) nowReady(listener net.Listener) {
	r.ready.Store(true)
	if r.cfg.Ready == nil {
		return
	}
	if listener == nil {
		r.cfg.Ready(nil)
		return
	}
	r.cfg.Ready(listener.Addr())
}

func addressOf(listener net.Listener) string {
	if listener == nil {
		return ""
	}
	return listener.Addr().String()
}

// newSweeper returns what removes the workspaces of runs that are over, where this replica makes any.
func (r *replica) newSweeper() *jobs.WorkspaceSweeper {
	if r.cfg.NoWork || !r.cfg.hasKind("exec") {
		return nil
	}
	return jobs.NewWorkspaceSweeper(jobs.WorkspaceSweeperConfig{
		Dir: r.cfg.WorkspaceDir, States: r.engine.RunStates, Logger: r.cfg.Logger,
	})
}
