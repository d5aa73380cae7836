package cmd

import (
	"strconv"
	"time"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// state shows everything that is going on.
type state struct {
	clientFlags
	outputFlags
}

// Help is the long help.
func (c *state) Help() string {
	return `Shows replicas, queues, and what runs, is to be tried again or waits. What could not be looked at now is listed, with the
time of what is shown instead.`
}

// Run implements the command.
func (c *state) Run(inv *invocation) error {
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	answer, err := server.State(inv.ctx)
	if err != nil {
		return server.explain(err)
	}
	f := answerFlags{outputFlags: c.outputFlags}
	return f.resource(inv.stdout, answer.JSON, "", func(t *tableWriter) { stateTable(t, answer.Value, time.Now()) })
}

// stateTable shows the state, one section after the other.
func stateTable(t *tableWriter, s client.State, now time.Time) {
	if s.Skew != nil && *s.Skew {
		t.line("replicas are of different builds, or not of the schema of their database")
	}
	for _, d := range s.Degraded {
		since := "nothing is known of it"
		if d.AsOf != nil {
			since = "what is shown is of " + moment(*d.AsOf)
		}
		t.line(printable(d.Section + ": " + string(d.Reason) + "; " + since))
	}
	if s.Replicas != nil {
		t.row("REPLICA", "HOST", "BUILD", "RUNNING", "SLOTS", "NOTIFY", "SEEN")
		for _, r := range *s.Replicas {
			t.row(r.ID.String(), r.Host, r.Build, strconv.FormatInt(r.Running, 10), strconv.FormatInt(r.Slots, 10), string(r.Notify), between(&r.SeenAt, nil, now))
		}
	}
	if s.Queues != nil {
		t.row("QUEUE", "PAUSED", "AVAILABLE", "RUNNING", "OLDEST")
		for _, q := range *s.Queues {
			paused := "no"
			if q.Paused {
				paused = "yes"
			}
			t.row(q.Name, paused, strconv.FormatInt(q.Available, 10), strconv.FormatInt(q.Running, 10), between(q.OldestAt, nil, now))
		}
	}
	for _, section := range []struct {
		name  string
		items *client.StateItems
	}{{"RUNNING", s.Running}, {"RETRYING", s.Retrying}, {"WAITING", s.Waiting}} {
		if section.items == nil || section.items.Total == 0 {
			continue
		}
		t.row(section.name, "RUN", "STEP", "ATTEMPT", "SINCE")
		for _, item := range section.items.Items {
			step, attempt := "", ""
			if item.Step != nil {
				step = *item.Step
			}
			if item.Attempt != nil {
				attempt = strconv.FormatInt(*item.Attempt, 10)
			}
			t.row(item.Name, item.Run.String(), step, attempt, between(item.Since, nil, now))
		}
	}
}
