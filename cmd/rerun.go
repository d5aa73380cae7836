package cmd

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// rerun does a run again, or many.
type rerun struct {
	clientFlags
	answerFlags
	runOrMany

	Timeout   lifetime `placeholder:"DURATION" help:"With --wait: give up waiting for one run after that long, 90s or 1h30m for example. The run goes on."`
	From      []string `sep:"none" placeholder:"STEP" help:"Run this step again though it had succeeded, and everything downstream of it. Repeatable."`
	Input     []string `sep:"none" placeholder:"KEY=VALUE" help:"Set a member of the input; the value is JSON, else a string. Repeatable."`
	InputFile string   `placeholder:"FILE" help:"Replace the input by the object in this file, in YAML or JSON; - is stdin."`
}

// Help is the long help.
func (c *rerun) Help() string {
	return `Makes a new run of one that has ended. What had succeeded is carried over with its output; the rest runs again, and so does
everything downstream of what runs again. A run that had succeeded is done again as a whole, and so is any run with another
input. Prints the id of the new run, alone on the first line; --wait, output and exit codes are those of 'weir submit'.` + bulkHelp
}

// Run implements the command.
func (c *rerun) Run(inv *invocation) error {
	wait := waitFlags{Wait: c.WaitAll, Timeout: c.Timeout}
	many := c.bulkFlags
	many.WaitAll = many.WaitAll && c.ID == nil // one run is waited for as by submit
	if err := cmp.Or(c.answerFlags.check(), many.check("rerun", c.ID != nil), c.checkOne(), wait.check()); err != nil {
		return err
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	if many.many() {
		return many.run(server, c.answerFlags, client.BulkActionRerun, "")
	}
	how, err := c.how(server)
	if err != nil {
		return err
	}
	run, err := server.RunRerun(inv.ctx, c.uuid(), how, uuid.Must(uuid.NewV7()).String()) // fails only without any source of randomness
	if err != nil {
		return server.explainRun(err, c.ID.String())
	}
	return wait.made(server, c.answerFlags, run)
}

// checkOne refuses flags for one run where many are meant.
func (c *rerun) checkOne() error {
	if c.ID == nil && (len(c.From) > 0 || len(c.Input) > 0 || c.InputFile != "" || c.Timeout != 0) {
		return &usageError{what: "--from, --input, --input-file and --timeout are for one run: give its ID", try: "weir rerun --help"}
	}
	return nil
}

// how is what is asked for. The input is that of the run with what the command line says.
func (c *rerun) how(server *connection) (client.Rerun, error) {
	how := client.Rerun{}
	if len(c.From) > 0 {
		how.From = &c.From
	}
	if c.InputFile == "" && len(c.Input) == 0 {
		return how, nil
	}
	old, err := server.RunGet(server.inv.ctx, c.uuid())
	if err != nil {
		return how, server.explain(err)
	}
	body, err := json.Marshal(map[string]json.RawMessage{"input": old.Value.Input})
	if err != nil {
		return how, fmt.Errorf("read the input of the run: %w", err)
	}
	text, err := withInput(server.inv, body, c.InputFile, c.Input)
	if err != nil {
		return how, err
	}
	return how, json.Unmarshal(text, &how)
}

// made says which run was made, and waits for its end if that was asked for.
func (f waitFlags) made(server *connection, answer answerFlags, run client.Answer[client.Run]) error {
	if answer.Output == "table" {
		if err := printIDs(server.inv.stdout, run.Value.ID.String()); err != nil {
			return err
		}
	}
	switch {
	case f.Wait:
		return f.await(server, answer, run)
	case answer.Output == "table":
		return nil
	}
	return answer.raw(server.inv.stdout, run.JSON)
}
