package cmd

import (
	"fmt"
	"net"

	"github.com/weirqueue/weir/replica"
)

// serve runs one replica until it is asked to end.
type serve struct {
	databaseFlags
	serverFlags
	logFlags

	NoAPI  bool `setting:"" name:"no-api" group:"Roles" help:"Serve no API. Nothing listens then unless --listen is given, and only /healthz and /readyz are answered there."`
	NoWork bool `setting:"" group:"Roles" help:"Work on no steps."`
}

// Run implements the command.
func (c *serve) Run(inv *invocation) error {
	if c.NoAPI && c.NoWork {
		return &usageError{what: "--no-api and --no-work together leave nothing to serve", try: "weir serve --no-api"}
	}
	config, err := c.serverFlags.config(inv, c.databaseFlags, c.logger(inv.stderr))
	if err != nil {
		return err
	}
	config.NoAPI, config.NoWork = c.NoAPI, c.NoWork
	config.Ready = func(listening net.Addr) {
		if listening != nil {
			fmt.Fprintln(inv.stdout, c.scheme()+listening.String())
		}
	}
	return replica.Run(inv.ctx, config)
}

// Help is the long help.
func (c *serve) Help() string {
	return fmt.Sprintf(`A replica serves the API, works on steps, and moves plans along. Any number of them share one database.

When it takes on work it prints the URL of its API, alone on a line.

The first SIGTERM or SIGINT lets running steps end for --shutdown-grace, then stops them; the second one stops them at
once. Exit code %d: asked to end. %d: could not start, or the database left its range. %d: the flags make no sense.`,
		exitDone, exitError, exitUsage)
}
