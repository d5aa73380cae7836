package cmd

import (
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/weirqueue/weir/jobs"
	"github.com/weirqueue/weir/replica"
)

// serverFlags are what serve and dev have in common.
type serverFlags struct {
	PoolSize int32 `setting:"" default:"12" group:"Database" help:"Most connections of the pool. Heartbeats and listening have three of their own."`

	Listen string `setting:"" group:"API" placeholder:"HOST:PORT" help:"Where the API is served, port 0 for any free one (127.0.0.1:8080)."`
	Auth   string `setting:"" enum:"auto,token,none" default:"auto" group:"API" help:"Who may call the API. auto: on loopback everybody, beyond it refused as long as there are no tokens. none: everybody, everywhere."`

	Queue        map[string]int `setting:"" group:"Work" placeholder:"NAME=SLOTS" mapsep:"," help:"Slots of a queue; repeatable. Default: default=500 and, with exec, exec=2 x cores. 0: does not work that queue."`
	EnableExec   bool           `setting:"" group:"Work" help:"Let steps of kind exec run commands on this machine."`
	ExecDir      string         `setting:"" type:"path" group:"Work" placeholder:"DIR" help:"Where commands without a workspace run (the working directory)."`
	ExecPassEnv  []string       `setting:"" group:"Work" placeholder:"NAME" help:"Variables of this process that commands get, beside PATH, HOME, LANG and TMPDIR; '*': all but WEIR_* and PG*."`
	WorkspaceDir string         `setting:"" type:"path" group:"Work" placeholder:"DIR" help:"Where the workspaces of commands are made (in the user's cache directory)."`
	HTTPAllow    []netip.Prefix `setting:"" group:"Work" placeholder:"CIDR" help:"Private networks that steps of kind http may reach."`

	Lease         time.Duration `setting:"" default:"15s" group:"Timing" help:"How long a replica is believed alive without a heartbeat. The same for all replicas."`
	Heartbeat     time.Duration `setting:"" default:"5s" group:"Timing" help:"Time between heartbeats."`
	PollInterval  time.Duration `setting:"" default:"1s" group:"Timing" help:"Time between looks for work that no notification told of; 0: never, for tests."`
	ShutdownGrace time.Duration `setting:"" default:"30s" group:"Timing" help:"How long running steps may go on after SIGTERM."`

	ExpectBuild string `setting:"" group:"Build" placeholder:"REV" help:"The build that was deployed: another one does not start."`
}

// config turns the flags into a replica's configuration, with the built-in kinds in the registry.
func (f serverFlags) config(inv *invocation, database databaseFlags, logger *slog.Logger) (replica.Config, error) {
	c := replica.Config{
		Database: database.config(logger), Registry: inv.registry, WorkspaceDir: f.WorkspaceDir,
		Listen: f.Listen, Auth: replica.Auth(f.Auth), Queues: f.Queue,
		Lease: f.Lease, Heartbeat: f.Heartbeat, PollInterval: f.PollInterval, ShutdownGrace: f.ShutdownGrace,
		ExpectBuild: f.ExpectBuild, Logger: logger, Hurry: inv.hurry,
	}
	c.Database.MaxConns = f.PoolSize
	if f.PollInterval == 0 {
		c.PollInterval = -1
	}
	if err := f.check(); err != nil {
		return c, err
	}
	err := jobs.RegisterBuiltin(inv.registry, jobs.BuiltinConfig{
		EnableExec: f.EnableExec, ExecDir: f.ExecDir, PassEnv: f.ExecPassEnv, WorkspaceDir: f.WorkspaceDir,
		Environ: inv.environ, HTTPAllow: f.HTTPAllow,
	})
	if err != nil {
		return c, fmt.Errorf("register the built-in kinds: %w", err)
	}
	return c, c.Check()
}

// check refuses numbers that cannot be.
func (f serverFlags) check() error {
	if f.PoolSize < minPool {
		return &usageError{what: fmt.Sprintf("--pool-size is at least %d", minPool), try: "--pool-size 12"}
	}
	for name, d := range map[string]time.Duration{"lease": f.Lease, "heartbeat": f.Heartbeat} {
		if d < time.Millisecond {
			return &usageError{what: "--" + name + " is a time above zero", try: "--" + name + " 5s"}
		}
	}
	if f.PollInterval < 0 || f.ShutdownGrace < 0 {
		return &usageError{what: "--poll-interval and --shutdown-grace are not below zero", try: "--shutdown-grace 30s"}
	}
	return nil
}

// minPool is the least that a replica gets by with: fetching, starting, finishing and reconciling at the same time.
const minPool = 4
