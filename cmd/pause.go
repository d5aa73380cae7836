package cmd

import (
	"cmp"
	"context"

	"github.com/google/uuid"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// pause pauses a run, or many.
type pause struct {
	clientFlags
	answerFlags
	runOrMany
}

// Help is the long help.
func (c *pause) Help() string {
	return `From the moment of the answer nothing of the run starts. What runs ends as it does; signals, decisions, deadlines and
cancellations go on, and so do child runs, which are runs of their own. Asking again changes nothing.` + bulkHelp
}

// Run implements the command.
func (c *pause) Run(inv *invocation) error {
	return c.act(inv, c.clientFlags, c.answerFlags, client.BulkActionPause, func(server *connection) func(context.Context, uuid.UUID) (client.Answer[client.Run], error) {
		return server.RunPause
	})
}

// resume resumes a run, or many.
type resume struct {
	clientFlags
	answerFlags
	runOrMany
}

// Help is the long help.
func (c *resume) Help() string {
	return `What is due starts at once. A run that is not paused stays as it is.` + bulkHelp
}

// Run implements the command.
func (c *resume) Run(inv *invocation) error {
	return c.act(inv, c.clientFlags, c.answerFlags, client.BulkActionResume, func(server *connection) func(context.Context, uuid.UUID) (client.Answer[client.Run], error) {
		return server.RunResume
	})
}

// act does something to the run, or to many, and says what the run is then.
func (a runOrMany) act(
	inv *invocation, from clientFlags, f answerFlags, action client.BulkAction, do func(*connection) func(context.Context, uuid.UUID) (client.Answer[client.Run], error),
) error {
	if err := cmp.Or(f.check(), a.bulkFlags.check(string(action), a.ID != nil)); err != nil {
		return err
	}
	server, err := from.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	if a.many() {
		return a.run(server, f, action, "")
	}
	run, err := do(server)(inv.ctx, a.uuid())
	if err != nil {
		return server.explainRun(err, a.ID.String())
	}
	return f.resource(inv.stdout, run.JSON, a.ID.String(), func(t *tableWriter) {
		line := "run " + a.ID.String() + " is " + string(run.Value.State)
		if n := int(run.Value.Steps.Running); n > 0 && run.Value.State == client.RunStatePaused {
			line += ": " + counted(n, "step") + " still running"
		}
		t.line(printable(line))
	})
}

// explainRun is explain of what was asked of a run: its state is what there is to look at.
func (c *connection) explainRun(err error, run string) error {
	if isProblem(err, "illegal_transition") {
		return c.explain(err, "run", run)
	}
	return c.explain(err)
}
