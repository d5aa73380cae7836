package cmd

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// why says why a step is, or is not, running.
type why struct {
	clientFlags
	answerFlags
	runArg

	Step string `arg:"" name:"STEP" help:"The key of the step."`
}

// Run implements the command.
func (c *why) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	answer, err := server.StepWhy(inv.ctx, c.uuid(), c.Step)
	if err != nil {
		return server.explain(err, "steps", c.ID.String())
	}
	if c.Quiet {
		codes := make([]string, len(answer.Value.Reasons))
		for i, reason := range answer.Value.Reasons {
			codes[i] = string(reason.Code)
		}
		return printIDs(inv.stdout, codes...)
	}
	return c.resource(inv.stdout, answer.JSON, "", func(t *tableWriter) { whyTable(t, answer.Value) })
}

// whyTable shows the reasons, each with what there is to say about it.
func whyTable(t *tableWriter, why client.Why) {
	t.line(printable(fmt.Sprintf("%s is %s", why.Step, why.State)))
	if len(why.Reasons) == 0 {
		t.line("  nothing holds it back: it moves on by itself in a moment")
	}
	for _, reason := range why.Reasons {
		t.line(printable(fmt.Sprintf("  %s: %s", reason.Code, reason.Message)))
		if reason.Detail == nil {
			continue
		}
		var detail map[string]json.RawMessage
		if json.Unmarshal(*reason.Detail, &detail) != nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(detail)) {
			for _, text := range detailLines(name, detail[name]) {
				t.line(printable("    " + strings.ReplaceAll(name, "_", " ") + ": " + text))
			}
		}
	}
}

// detailLines is a member of a reason's detail for people: none for what says nothing, one for each need.
func detailLines(name string, raw json.RawMessage) []string {
	var needs []struct{ Step, State, Cause string }
	if name == "needs" && json.Unmarshal(raw, &needs) == nil {
		lines := make([]string, len(needs))
		for i, need := range needs {
			lines[i] = fmt.Sprintf("%s is %s (%s)", need.Step, need.State, need.Cause)
		}
		return lines
	}
	switch text := string(raw); text {
	case "null", "false", `""`:
		return nil
	default:
		var word string
		if json.Unmarshal(raw, &word) == nil {
			text = word
		}
		return []string{text}
	}
}
