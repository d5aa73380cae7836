package cmd

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// submit makes a run of a plan.
type submit struct {
	clientFlags
	answerFlags
	waitFlags

	File           string   `arg:"" optional:"" name:"PLAN" help:"A file with a plan, in YAML or JSON; - is stdin."`
	Plan           *planRef `placeholder:"NAME[@VERSION]" help:"Run a named plan instead; without a version the latest."`
	Label          []string `sep:"none" placeholder:"KEY=VALUE" help:"With --plan: give the run a label. Repeatable."`
	Input          []string `sep:"none" placeholder:"KEY=VALUE" help:"Set a member of the plan's input; the value is JSON, else a string. Repeatable."`
	InputFile      string   `placeholder:"FILE" help:"Replace the plan's input by the object in this file, in YAML or JSON; - is stdin."`
	IdempotencyKey *string  `placeholder:"KEY" help:"The same key with the same plan makes no second run, but answers with the first one."`
	Key            string   `placeholder:"KEY" help:"At most one run of this key is live."`
	OnConflict     string   `enum:",keep,replace,queue" default:"" placeholder:"keep" help:"With --key: keep the run that is live (the default), replace it, or queue behind it."`
}

// Help is the long help.
func (c *submit) Help() string {
	return fmt.Sprintf(`Prints the id of the run, alone on the first line. With --wait the steps follow: as a tree that lives on a terminal, as
one line for every change of state elsewhere (TIME STEP FROM→TO CAUSE). With -o json or yaml the only answer is the run,
after --wait as it ended.

Exit code %d: done, with --wait: the run succeeded. %d: error. %d: the command line or the plan has a fault. %d: the run
failed. %d: it was cancelled. %d: --timeout passed, the run goes on. %d: interrupted, the run goes on.`,
		exitDone, exitError, exitUsage, exitRunFailed, exitRunCanceled, exitTimeout, exitInterrupted)
}

// Run implements the command.
func (c *submit) Run(inv *invocation) error {
	if err := cmp.Or(c.answerFlags.check(), c.waitFlags.check()); err != nil {
		return err
	}
	if c.OnConflict != "" && c.Key == "" {
		return &usageError{what: "--on-conflict is what happens when a run of --key is live: give both", try: "--key tracker-17 --on-conflict " + c.OnConflict}
	}
	text, err := c.text(inv)
	if err != nil {
		return err
	}
	key := uuid.Must(uuid.NewV7()).String() // fails only without any source of randomness
	if c.IdempotencyKey != nil {
		if key = *c.IdempotencyKey; key == "" {
			return &usageError{what: "--idempotency-key is 1 to 255 visible ASCII characters", try: "--idempotency-key nightly-2026-05-04"}
		}
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	run, err := c.send(server, text, key)
	if err != nil {
		return c.unanswered(server, err, key)
	}
	if run.Replayed && c.IdempotencyKey != nil && !c.Quiet {
		server.note("this Idempotency-Key was used before: the run is the one that it made then")
	}
	return c.made(server, c.answerFlags, run)
}

// send submits the plan.
func (c *submit) send(server *connection, text []byte, key string) (client.Answer[client.Run], error) {
	if c.Key == "" {
		return server.RunSubmit(server.inv.ctx, text, key)
	}
	conflict := client.RunBykeyParamsOnConflict(cmp.Or(c.OnConflict, "keep"))
	return server.RunByKey(server.inv.ctx, c.Key, conflict, text, key)
}

// text is the plan as it is sent, or its name with what is special about this run.
func (c *submit) text(inv *invocation) ([]byte, error) {
	switch {
	case (c.File == "") == (c.Plan == nil):
		return nil, &usageError{what: "give a file with a plan, or --plan with the name of one: one of them", try: "weir submit plan.yaml"}
	case c.Plan != nil:
		return c.named(inv)
	case len(c.Label) > 0:
		return nil, &usageError{what: "--label goes with --plan: a plan in a file has its own labels", try: "labels in the plan"}
	}
	if c.File == "-" && c.InputFile == "-" {
		return nil, &usageError{what: "the plan and its input cannot both come from stdin", try: "weir submit PLAN --input-file -"}
	}
	file, err := readPlanFile(c.File, inv.stdin)
	if err != nil {
		return nil, err
	}
	var input *planFile
	if c.InputFile != "" {
		read, err := readPlanFile(c.InputFile, inv.stdin)
		if err != nil {
			return nil, err
		}
		input = &read
	}
	return file.withInput(input, c.Input)
}

// named is the request to run a named plan.
func (c *submit) named(inv *invocation) ([]byte, error) {
	labels := make(map[string]string, len(c.Label))
	for _, label := range c.Label {
		key, text, ok := strings.Cut(label, "=")
		if !ok || key == "" {
			return nil, &usageError{what: "--label is KEY=VALUE", try: "--label team=data"}
		}
		labels[key] = text
	}
	text, err := namedRun(*c.Plan, labels)
	if err != nil {
		return nil, err
	}
	return withInput(inv, text, c.InputFile, c.Input)
}

// unanswered is the error of a submit that got no answer.
func (c *submit) unanswered(server *connection, err error, key string) error {
	again := server.command(c.words(key)...)
	unknown := "; whether there is a run is not known"
	var transport *client.TransportError
	switch {
	case server.inv.ctx.Err() != nil:
		return &outcome{failure: failure{what: "interrupted before the server answered" + unknown, try: again, err: err}, code: exitInterrupted}
	case errors.As(err, &transport) && !neverSent(err):
		return &failure{what: server.explain(err).Error() + unknown, try: again, err: err}
	}
	return server.explain(err, "plan", "list")
}

// words is the command line that submits the same again, without making a second run.
func (c *submit) words(key string) []string {
	words := []string{"submit"}
	if c.Plan != nil {
		words = append(words, "--plan", c.Plan.String())
	} else {
		words = append(words, c.File)
	}
	for _, label := range c.Label {
		words = append(words, "--label", label)
	}
	for _, set := range c.Input {
		words = append(words, "--input", set)
	}
	if c.InputFile != "" {
		words = append(words, "--input-file", c.InputFile)
	}
	if c.Key != "" {
		words = append(words, "--key", c.Key, "--on-conflict", cmp.Or(c.OnConflict, "keep"))
	}
	if c.Wait {
		words = append(words, "--wait")
	}
	return append(words, "--idempotency-key", key)
}
