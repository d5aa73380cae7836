package cmd

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// listSteps lists the steps of a run, or shows one of them whole.
type listSteps struct {
	clientFlags
	answerFlags
	runArg

	Step string `arg:"" optional:"" name:"STEP" help:"Show this step alone, with what it was given and what it left behind."`
}

// Run implements the command.
func (c *listSteps) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	if c.Step != "" {
		step, err := server.StepGet(inv.ctx, c.uuid(), c.Step)
		if err != nil {
			return server.explain(err, "steps", c.ID.String())
		}
		return c.resource(inv.stdout, step.JSON, step.Value.Key, func(t *tableWriter) { stepTable(t, step.Value, time.Now()) })
	}
	var l list[client.Step]
	err = l.read(nil, 0, func(limit *int64, cursor *string) (json.RawMessage, error) {
		page, err := server.StepPage(inv.ctx, c.uuid(), client.StepListParams{Limit: limit, Cursor: cursor})
		return page.JSON, err
	})
	if err != nil {
		return server.explain(err)
	}
	return printList(c.answerFlags, inv.stdout, l, func(s client.Step) string { return s.Key }, func(t *tableWriter) {
		stepsTable(t, l.values, time.Now())
	})
}

// stepsTable shows steps, one a line.
func stepsTable(t *tableWriter, steps []client.Step, now time.Time) {
	t.row("STEP", "KIND", "STATE", "CAUSE", "ATTEMPT", "STARTED", "TOOK", "SAYS")
	for i := range steps {
		s := &steps[i]
		started := ""
		if s.StartedAt != nil {
			started = moment(*s.StartedAt)
		}
		t.row(s.Key, s.Kind, string(s.State), string(s.Cause), attempts(s), started, between(s.StartedAt, s.FinishedAt, now), says(s))
	}
}

// attempts is how often a step was tried, of how often that may be.
func attempts(s *client.Step) string {
	if s.MaxAttempts > 1 {
		return fmt.Sprintf("%d/%d", s.Attempt, s.MaxAttempts)
	}
	return fmt.Sprint(s.Attempt)
}

// says is what a step says of itself: what went wrong, else how far it is.
func says(s *client.Step) string {
	if text := errorOf(s); text != "" {
		return fromStep(text)
	}
	return fromStep(progressOf(s))
}

// stepTable shows all of a step that there is.
func stepTable(t *tableWriter, s client.Step, now time.Time) {
	fact := func(name, text string) {
		if text != "" {
			t.row(name, text)
		}
	}
	at := func(name string, when *time.Time) {
		if when != nil {
			t.row(name, moment(*when))
		}
	}
	fact("step", s.Key)
	fact("run", s.Run.String())
	fact("kind", s.Kind)
	fact("state", string(s.State)+" ("+string(s.Cause)+")")
	fact("waits for", value(s.WaitingFor))
	if s.ChildRun != nil {
		fact("child run", s.ChildRun.String())
	}
	if s.ReusedFrom != nil {
		fact("carried over", "from run "+s.ReusedFrom.String())
	}
	fact("attempt", attempts(&s))
	fact("queue", fmt.Sprintf("%s, priority %d", s.Queue, s.Priority))
	fact("needs", strings.Join(s.Needs, ", "))
	if s.RunIf != "all_succeeded" {
		fact("runs if", string(s.RunIf))
	}
	fact("timeout", value(s.Timeout))
	fact("stalls after", value(s.StallAfter))
	at("created", &s.CreatedAt)
	at("started", s.StartedAt)
	at("again at", s.RunAfter)
	at("finished", s.FinishedAt)
	at("cancel asked", s.CancelRequestedAt)
	fact("took", between(s.StartedAt, s.FinishedAt, now))
	fact("progress", progressOf(&s))
	fact("with", jsonText(s.With))
	if e := s.Error; e != nil {
		fact("error", fromStep(e.Code+": "+strings.TrimSpace(e.Message)))
		fact("detail", jsonText(e.Detail))
	}
	if e := s.OutputError; e != nil {
		fact("output", fmt.Sprintf("could not be kept: %s, %d bytes", e.Code, e.Bytes))
	}
	fact("output", jsonText(s.Output))
}

// jsonText is a JSON value in one line; "" for null.
func jsonText(raw json.RawMessage) string {
	if text := string(raw); text != "null" {
		return text
	}
	return ""
}
