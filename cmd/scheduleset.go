package cmd

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle/plan"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// scheduleSet makes or changes a schedule.
type scheduleSet struct {
	clientFlags
	answerFlags
	scheduleArg

	Plan      planRef  `required:"" placeholder:"NAME[@VERSION]" help:"The named plan to run; without a version the latest at each slot."`
	Cron      string   `required:"" placeholder:"'M H D M W'" help:"When: minute, hour, day of month, month, day of week, with seconds first where there are six; or @hourly, @daily, @weekly, @monthly, @yearly, '@every 90s'."`
	Timezone  string   `default:"UTC" placeholder:"ZONE" help:"The time zone of --cron, like Europe/Berlin (UTC)."`
	Jitter    string   `default:"0s" placeholder:"DURATION" help:"Submit up to that much later than the slot, always the same for one slot (0s)."`
	Overlap   string   `enum:"skip,queue,allow,replace" default:"skip" help:"While an earlier run is open: skip, queue, allow or replace (skip)."`
	Missed    string   `enum:"skip,once,all" default:"once" help:"For slots at which nothing could fire: skip, once or all (once)."`
	Window    string   `default:"1d" placeholder:"DURATION" help:"Make up for missed slots up to that long ago (1d)."`
	Paused    *bool    `negatable:"" help:"Fire nothing, or (--no-paused) go on; without it a schedule stays as it is."`
	Input     []string `sep:"none" placeholder:"KEY=VALUE" help:"Replace a member of the plan's input; the value is JSON, else a string. Repeatable."`
	InputFile string   `placeholder:"FILE" help:"Replace the members of the plan's input that the object in this file has, in YAML or JSON; - is stdin."`
}

// Help is the long help.
func (c *scheduleSet) Help() string {
	return `What is left out has its default, whatever the schedule had before. A schedule whose times stay the same goes on where
it is, so the same command may be repeated; other times begin with the first one after now.`
}

// Run implements the command.
func (c *scheduleSet) Run(inv *invocation) error {
	body, err := c.body(inv)
	if err != nil {
		return err
	}
	return c.act(inv, c.clientFlags, c.answerFlags, func(server *connection) (client.Answer[client.Schedule], error) {
		return server.SchedulePut(inv.ctx, c.Name, body)
	}, scheduleLine)
}

// body is the schedule as it is sent.
func (c *scheduleSet) body(inv *invocation) (json.RawMessage, error) {
	members := map[string]any{
		"plan": c.Plan.String(), "cron": c.Cron, "timezone": c.Timezone, "jitter": c.Jitter, "overlap": c.Overlap, "missed": c.Missed, "window": c.Window,
	}
	if c.Paused != nil {
		members["paused"] = *c.Paused
	}
	text, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("write the schedule: %w", err)
	}
	return withInput(inv, text, c.InputFile, c.Input)
}

// withInput gives a body the input that the command line has for it.
func withInput(inv *invocation, body []byte, inputFile string, sets []string) (json.RawMessage, error) {
	file := planFile{name: "the command line", text: body}
	if inputFile == "" {
		return file.override(nil, sets)
	}
	input, err := readPlanFile(inputFile, inv.stdin)
	if err != nil {
		return nil, err
	}
	return file.override(&input, sets)
}

// scheduleTrigger runs a schedule now.
type scheduleTrigger struct {
	clientFlags
	answerFlags
	waitFlags
	scheduleArg

	IdempotencyKey *string `placeholder:"KEY" help:"The same key makes no second run, but answers with the first one."`
}

// Help is the long help.
func (c *scheduleTrigger) Help() string {
	return `Besides its slots, and also while it is paused. Prints the id of the run, alone on the first line; with --wait the steps
follow, as in 'weir submit', and so do the exit codes.`
}

// Run implements the command.
func (c *scheduleTrigger) Run(inv *invocation) error {
	if err := cmp.Or(c.answerFlags.check(), c.waitFlags.check()); err != nil {
		return err
	}
	key := uuid.Must(uuid.NewV7()).String() // fails only without any source of randomness
	if c.IdempotencyKey != nil {
		key = *c.IdempotencyKey
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	run, err := server.ScheduleTrigger(inv.ctx, c.Name, key)
	if err != nil {
		return server.explain(err, "schedule", "list")
	}
	if c.Output == "table" {
		if err := printIDs(inv.stdout, run.Value.ID.String()); err != nil {
			return err
		}
	}
	switch {
	case c.Wait:
		return c.await(server, c.answerFlags, run)
	case c.Output == "table":
		return nil
	}
	return c.raw(inv.stdout, run.JSON)
}

// namedRun is the body of a submit of a named plan.
func namedRun(ref planRef, labels map[string]string) ([]byte, error) {
	members := map[string]any{"plan": ref.String()}
	if len(labels) > 0 {
		members["labels"] = labels
	}
	text, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	if _, _, err := (plan.Limits{}).ParseSubmit(text); err != nil {
		return nil, planFile{name: "the command line"}.refuse(err)
	}
	return text, nil
}
