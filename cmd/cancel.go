package cmd

import (
	"cmp"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// cancel asks for the end of a run, a step, or many runs.
type cancel struct {
	clientFlags
	answerFlags
	runOrMany

	Step   string `arg:"" optional:"" name:"STEP" help:"Cancel this step alone."`
	Reason string `placeholder:"TEXT" help:"Why; kept with the run or step."`
}

// Help is the long help.
func (c *cancel) Help() string {
	return `A request first: nothing starts any more, and what runs is stopped. The run is cancelled when its last step has ended;
what a step reports until then is true and wins. Asking again changes nothing.` + bulkHelp
}

// Run implements the command.
func (c *cancel) Run(inv *invocation) error {
	if err := cmp.Or(c.answerFlags.check(), c.bulkFlags.check("cancel", c.ID != nil)); err != nil {
		return err
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	if c.many() {
		return c.run(server, c.answerFlags, client.BulkActionCancel, c.Reason)
	}
	if c.Step != "" {
		step, err := server.StepCancel(inv.ctx, c.uuid(), c.Step, c.Reason)
		if err != nil {
			return server.explain(err, "steps", c.ID.String())
		}
		return c.resource(inv.stdout, step.JSON, step.Value.Key, func(t *tableWriter) {
			if state := string(step.Value.State); state == "cancelled" {
				t.line(printable("step " + step.Value.Key + " is cancelled"))
			} else {
				t.line(printable("step " + step.Value.Key + " is " + state + ", and its cancellation is asked for"))
			}
		})
	}
	run, err := server.RunCancel(inv.ctx, c.uuid(), c.Reason)
	if err != nil {
		if isProblem(err, "illegal_transition") {
			return server.explain(err, "run", c.ID.String())
		}
		return server.explain(err)
	}
	return c.resource(inv.stdout, run.JSON, c.ID.String(), func(t *tableWriter) {
		if state := string(run.Value.State); state == "cancelled" {
			t.line("run " + c.ID.String() + " is cancelled")
		} else {
			t.line(printable("run " + c.ID.String() + " is " + state + ", and its cancellation is asked for"))
		}
	})
}
