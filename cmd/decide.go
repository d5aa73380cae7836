package cmd

import (
	"encoding/json"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// stepArg names a step of a run.
type stepArg struct {
	runArg

	Step string `arg:"" name:"STEP" help:"The key of the step."`
}

// decideFlags are those of the commands that decide about a step.
type decideFlags struct {
	clientFlags
	answerFlags
	stepArg

	Comment string `placeholder:"TEXT" help:"Why; kept in the log of the step."`
}

// valueFlag is an output that is given by hand.
type valueFlag struct {
	Value *string `placeholder:"JSON" help:"The output of the step: JSON, else a string."`
}

// decide decides about a step that waits for it.
type decide struct {
	decideFlags

	Decision string `arg:"" name:"DECISION" enum:"retry,skip,accept,fail" help:"retry, skip, accept or fail."`
	valueFlag
}

// Help is the long help.
func (c *decide) Help() string {
	return `For steps that wait for a decision, because their attempts are used up and the plan says on_failure: pause, or for approval.
retry tries the step again, skip goes on without it, accept takes it for a success, fail lets it end as its last attempt did.
Of several decisions the first one counts.`
}

// Run implements the command.
func (c *decide) Run(inv *invocation) error { return c.decide(inv, c.Decision, c.Value) }

// approve accepts a step that waits for approval.
type approve struct {
	decideFlags
	valueFlag
}

// Run implements the command.
func (c *approve) Run(inv *invocation) error { return c.decide(inv, "accept", c.Value) }

// reject fails a step that waits for approval.
type reject struct{ decideFlags }

// Run implements the command.
func (c *reject) Run(inv *invocation) error { return c.decide(inv, "fail", nil) }

func (c *decideFlags) decide(inv *invocation, decision string, value *string) error {
	if value != nil && decision != "accept" {
		return &usageError{what: "--value is the output of what is accepted: it goes with accept alone", try: "weir decide ID STEP accept --value JSON"}
	}
	said := client.Decision{Decision: client.DecisionDecision(decision)}
	if c.Comment != "" {
		said.Comment = &c.Comment
	}
	if value != nil {
		said.Output = new(jsonOrText(*value))
	}
	return c.act(inv, c.clientFlags, c.answerFlags, func(server *connection) (client.Answer[client.Step], error) {
		return server.StepDecision(inv.ctx, c.uuid(), c.Step, said)
	})
}

// sendSignal tells a step something that it waits for.
type sendSignal struct {
	clientFlags
	answerFlags
	stepArg

	Payload *string `placeholder:"JSON" help:"What comes with it: JSON, else a string. It becomes the output of the step."`
}

// Help is the long help.
func (c *sendSignal) Help() string {
	return `Ends a step of kind wait. A signal that comes before its step waits is kept, and counts then. The first one counts.`
}

// Run implements the command.
func (c *sendSignal) Run(inv *invocation) error {
	var payload json.RawMessage
	if c.Payload != nil {
		payload = jsonOrText(*c.Payload)
	}
	return c.act(inv, c.clientFlags, c.answerFlags, func(server *connection) (client.Answer[client.Step], error) {
		return server.StepSignal(inv.ctx, c.uuid(), c.Step, payload)
	})
}

// act does something to the step, and says what it is then.
func (a stepArg) act(inv *invocation, from clientFlags, f answerFlags, do func(*connection) (client.Answer[client.Step], error)) error {
	if err := f.check(); err != nil {
		return err
	}
	server, err := from.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	step, err := do(server)
	if err != nil {
		return server.explain(err, "steps", a.ID.String())
	}
	return f.resource(inv.stdout, step.JSON, step.Value.Key, func(t *tableWriter) {
		line := "step " + step.Value.Key + " is " + string(step.Value.State)
		if step.Value.State == client.StepStatePending {
			line += ": the signal is kept until it waits"
		}
		t.line(printable(line))
	})
}

// jsonOrText is a value of the command line: JSON, else a string.
func jsonOrText(text string) json.RawMessage {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return json.RawMessage("null") // a string always marshals
	}
	return quoted
}
