package cmd

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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
			for _, text := range detailLines(detail[name]) {
				t.line(printable("    " + strings.ReplaceAll(name, "_", " ") + ": " + text))
			}
		}
	}
}

// detailLines is a member of a reason's detail for people: none for what says nothing, one for each step or run of a list.
func detailLines(raw json.RawMessage) []string {
	var listed []struct {
		Run, Step, State, Cause string
		At                      *time.Time
	}
	if json.Unmarshal(raw, &listed) == nil && listed != nil {
		lines := make([]string, len(listed))
		for i, one := range listed {
			var words []string
			if one.Run != "" {
				words = append(words, "run "+one.Run)
			}
			if one.Step != "" && one.Run != "" {
				words = append(words, "step "+one.Step)
			} else if one.Step != "" {
				words = append(words, one.Step)
			}
			if one.State != "" {
				words = append(words, "is "+one.State)
			}
			if one.Cause != "" {
				words = append(words, "("+one.Cause+")")
			}
			if one.At != nil {
				words = append(words, "since "+moment(*one.At))
			}
			lines[i] = strings.Join(words, " ")
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
