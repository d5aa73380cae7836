package cmd

import (
	"context"
	"io"

	"github.com/weirqueue/weir/jobs"
)

// environment is all that a command has of the world around it.
type environment struct {
	args     []string // without the program's name
	getenv   func(string) string
	environ  []string // KEY=value, for commands of kind exec
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer
	registry *jobs.Registry  // of the program; nil: none of its own
	hurry    <-chan struct{} // closed: shut down at once; nil: never
}

// invocation is one command that runs. Every command's Run gets it.
type invocation struct {
	environment

	ctx context.Context //nolint:containedctx // the context of this one invocation
}

// run is Main without the process around it. Any number of them may run at the same time.
func run(ctx context.Context, env environment) (code int) {
	if env.getenv == nil {
		env.getenv = func(string) string { return "" }
	}
	if env.registry == nil {
		env.registry = jobs.NewRegistry()
	}
	inv := &invocation{environment: env, ctx: ctx}
	command, done, err := parse(env)
	switch {
	case done:
		return exitDone
	case err == nil:
		err = command.Run(inv)
	}
	return report(env.stderr, err)
}
