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
	Auth   string `setting:"" enum:"auto,token,none" default:"auto" group:"API" help:"Who may call the API. auto: who has a token; on loopback everybody as long as there never was one. token: who has a token. none: everybody, everywhere. Beyond loopback nothing starts without a token, but with none."`

	RateLimit   int    `setting:"" default:"1000" group:"API" placeholder:"N" help:"How many requests a token may make in a second (1000), and twice as many at once; 0: any number."`
	MaxRequests int    `setting:"" default:"1000" group:"API" placeholder:"N" help:"How many requests are answered at once (1000), streams aside; 0: any number."`
	TLSCert     string `setting:"" name:"tls-cert" type:"path" group:"API" placeholder:"FILE" help:"Certificate in PEM, with those between it and the root: the API is served over TLS, 1.2 and newer."`
	TLSKey      string `setting:"" name:"tls-key" type:"path" group:"API" placeholder:"FILE" help:"The key of --tls-cert, in PEM."`
	DebugListen string `setting:"" group:"API" placeholder:"HOST:PORT" help:"Where Go's profiles are served (/debug/pprof/), on loopback only; nowhere unless given."`

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
		RateLimit: anyNumber(f.RateLimit), MaxRequests: anyNumber(f.MaxRequests), TLSCert: f.TLSCert, TLSKey: f.TLSKey, DebugListen: f.DebugListen,
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

// anyNumber is a bound of a configuration, where 0 is its default: 0 on the command line is none.
func anyNumber(bound int) int {
	if bound == 0 {
		return -1
	}
	return bound
}

// scheme is how URLs of the API start.
func (f serverFlags) scheme() string {
	if f.TLSCert != "" {
		return "https://"
	}
	return "http://"
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
	if f.RateLimit < 0 || f.MaxRequests < 0 {
		return &usageError{what: "--rate-limit and --max-requests are not below zero", try: "--rate-limit 1000"}
	}
	if f.PollInterval < 0 || f.ShutdownGrace < 0 {
		return &usageError{what: "--poll-interval and --shutdown-grace are not below zero", try: "--shutdown-grace 30s"}
	}
	return nil
}

// minPool is the least that a replica gets by with: fetching, starting, finishing and reconciling at the same time.
const minPool = 4
