package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirqueue/weir/db/embedded"
	"github.com/weirqueue/weir/db/migrations"
	"github.com/weirqueue/weir/replica"
)

// dev runs everything on this machine.
type dev struct {
	databaseFlags
	serverFlags
	logFlags

	Replicas int    `default:"1" group:"Development" help:"How many replicas to run; the first one serves the API."`
	Data     string `setting:"" type:"path" group:"Development" placeholder:"DIR" help:"Where the database is kept across restarts (the user's data directory)."`
	NoExec   bool   `group:"Development" help:"Steps of kind exec run nothing. Otherwise they may, as long as the API is on loopback."`
}

// Help is the long help.
func (c *dev) Help() string {
	return `Brings up PostgreSQL with its data in --data (or uses --database-url), migrates it, and runs replicas on it with an API on
loopback. Commands of kind exec are enabled and get the environment of this process. Ctrl-C ends all of it; the next
start has the history.`
}

// The most replicas that share the development database, and how long that one may take to start and to stop.
const (
	maxDevReplicas   = 10
	databaseUpWithin = 2 * time.Minute // a first start may have to download binaries
	databaseEnd      = 15 * time.Second
)

// silentEnd is how long replicas may take to end before somebody says why they do.
const silentEnd = time.Second

// Run implements the command.
func (c *dev) Run(inv *invocation) error {
	if c.Replicas < 1 || c.Replicas > maxDevReplicas {
		return &usageError{what: fmt.Sprintf("--replicas is from 1 to %d", maxDevReplicas), try: "weir dev --replicas 3"}
	}
	logger := c.logger(inv.stderr)
	config, err := c.config(inv, logger)
	if err != nil {
		return err
	}
	if c.DatabaseURL != "" {
		return c.runOn(inv, config)
	}
	server, err := c.startDatabase(inv, logger)
	if err != nil {
		return interrupted(inv.ctx, err)
	}
	config.Database.URL = server.URL()
	ctx, cancel := context.WithCancelCause(inv.ctx)
	defer cancel(nil)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-server.Done():
			cancel(server.Err())
		case <-ctx.Done():
		}
	}()
	on := *inv
	on.ctx = ctx
	err = c.runOn(&on, config)
	if lost := server.Err(); lost != nil {
		err = lost
	}
	cancel(nil)
	<-watching
	last, stop := context.WithTimeout(context.WithoutCancel(inv.ctx), databaseEnd)
	defer stop()
	return errors.Join(err, server.Stop(last))
}

// config is the configuration of the first replica.
func (c *dev) config(inv *invocation, logger *slog.Logger) (replica.Config, error) {
	flags := c.serverFlags
	if !c.NoExec && replica.OnLoopback(flags.Listen) {
		flags.EnableExec = true
	}
	if len(flags.ExecPassEnv) == 0 {
		flags.ExecPassEnv = []string{"*"}
	}
	return flags.config(inv, c.databaseFlags, logger)
}

// startDatabase starts the development database.
func (c *dev) startDatabase(inv *invocation, logger *slog.Logger) (*embedded.Server, error) {
	dir := c.Data
	if dir == "" {
		var err error
		if dir, err = devDirectory(inv.getenv); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(inv.ctx, databaseUpWithin)
	defer cancel()
	server, err := embedded.Start(ctx, embedded.Config{DataDir: dir, Logger: logger})
	switch {
	case err != nil && inv.ctx.Err() != nil:
		return nil, inv.ctx.Err() // whatever could not be done, it is for that
	case err != nil:
		return nil, fmt.Errorf("start the development database: %w", err)
	}
	return server, nil
}

// devDirectory is where the development database is kept when nobody says.
func devDirectory(getenv func(string) string) (string, error) {
	if data := getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "weir", "dev"), nil
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "weir", "dev"), nil
	}
	return "", &usageError{what: "there is no home directory to keep the database in", try: "weir dev --data DIR"}
}

// runOn migrates the database and runs the replicas until they are asked to end, or one of them ends.
func (c *dev) runOn(inv *invocation, config replica.Config) error {
	migrated, err := migrations.Up(inv.ctx, config.Database.Direct(), nil)
	if err != nil {
		return interrupted(inv.ctx, err)
	}
	config.Logger.Info("the database is migrated", "schema", migrated.Version, "applied", len(migrated.Changed))
	config.Ready = func(listening net.Addr) { c.welcome(inv, config, listening) }
	g, ctx := errgroup.WithContext(inv.ctx)
	ended := make(chan struct{})
	var told sync.WaitGroup
	told.Go(func() { c.tellEnd(inv, ended) })
	defer told.Wait()
	defer close(ended)
	for i := range c.Replicas {
		one := config
		one.Name = fmt.Sprintf("dev-%d", i+1)
		if i > 0 {
			one.NoAPI, one.Listen, one.DebugListen, one.Ready = true, "", "", nil
		}
		if c.Replicas > 1 {
			one.Logger = config.Logger.With("name", one.Name)
		}
		g.Go(func() error { return replica.Run(ctx, one) })
	}
	return g.Wait()
}

// welcome says where everything is.
func (c *dev) welcome(inv *invocation, config replica.Config, listening net.Addr) {
	fmt.Fprintf(inv.stdout, "API    %s%s\n", c.scheme(), listening)
	fmt.Fprintf(inv.stdout, "psql   psql '%s'\n", config.Database.URL)
	server := ""
	if listening.String() != replica.DefaultListen {
		server = " --server " + c.scheme() + listening.String()
	}
	fmt.Fprintf(inv.stdout, "try    weir submit PLAN --wait%s\n", server)
	if c.DatabaseURL != "" {
		return
	}
	if u, err := url.Parse(config.Database.URL); err == nil {
		fmt.Fprintf(inv.stdout, "       Ctrl-C ends it; the database (port %s) is kept for the next time\n", u.Port())
	}
}

// tellEnd says why it does not end at once, unless it does.
func (c *dev) tellEnd(inv *invocation, ended <-chan struct{}) {
	select {
	case <-inv.ctx.Done():
	case <-ended:
		return
	}
	select {
	case <-time.After(silentEnd):
		fmt.Fprintf(inv.stdout, "steps are running, and have %s to end; Ctrl-C again stops them\n", c.ShutdownGrace)
	case <-ended:
	}
}

// interrupted is nil if it is ctx that has ended, else err.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
