package cmd

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirqueue/weir/lifecycle"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// listRuns lists runs.
type listRuns struct {
	clientFlags
	answerFlags

	State  string   `placeholder:"STATE" help:"Only runs in this state: running, paused, succeeded, failed or cancelled."`
	Name   string   `placeholder:"NAME" help:"Only runs of the plan with this name."`
	Label  []string `sep:"none" placeholder:"KEY=VALUE" help:"Only runs with this label. Repeatable: with all of them."`
	Limit  int      `default:"50" placeholder:"N" help:"How many at most (50)."`
	All    bool     `help:"All of them, however many they are."`
	Cursor string   `placeholder:"CURSOR" help:"Go on where an earlier answer ended: its next."`
}

// Run implements the command.
func (c *listRuns) Run(inv *invocation) error {
	params, err := c.params()
	if err != nil {
		return err
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	var l list[client.Run]
	most := c.Limit
	if c.All {
		most = 0
	}
	err = l.read(params.Cursor, most, func(limit *int64, cursor *string) (json.RawMessage, error) {
		params.Limit, params.Cursor = limit, cursor
		page, err := server.RunPage(inv.ctx, params)
		return page.JSON, err
	})
	if err != nil {
		return server.explain(err)
	}
	return printList(c.answerFlags, inv.stdout, l, func(r client.Run) string { return r.ID.String() }, func(t *tableWriter) {
		runsTable(t, l.values, time.Now())
	})
}

// params is what to ask for.
func (c *listRuns) params() (client.RunListParams, error) {
	var p client.RunListParams
	if err := c.check(); err != nil {
		return p, err
	}
	if c.Limit < 1 {
		return p, &usageError{what: "--limit is at least 1", try: "weir runs --all"}
	}
	if state := client.RunState(c.State); state != "" {
		if !slices.Contains(lifecycle.RunStates(), lifecycle.RunState(state)) {
			return p, &usageError{what: "--state is running, paused, succeeded, failed or cancelled", try: "weir runs --state running"}
		}
		p.State = &state
	}
	if c.Name != "" {
		p.Name = &c.Name
	}
	if c.Cursor != "" {
		p.Cursor = &c.Cursor
	}
	if len(c.Label) > 0 {
		asked := make([]string, len(c.Label))
		for i, label := range c.Label {
			at := strings.IndexAny(label, "=:")
			if at < 1 {
				return p, &usageError{what: "--label is KEY=VALUE", try: "weir runs --label team=data"}
			}
			asked[i] = label[:at] + ":" + label[at+1:]
		}
		p.Label = &asked
	}
	return p, nil
}

// runsTable shows runs, one a line.
func runsTable(t *tableWriter, runs []client.Run, now time.Time) {
	t.row("ID", "NAME", "STATE", "STEPS", "CREATED", "TOOK")
	for i := range runs {
		r := &runs[i]
		s := r.Steps
		open := s.Pending + s.Available + s.Running + s.Retrying + s.Waiting
		state := string(r.State)
		if r.CancelRequestedAt != nil && r.FinishedAt == nil {
			state += ", cancelling"
		}
		t.row(r.ID.String(), r.Name, state, fmt.Sprintf("%d/%d", s.Total-open, s.Total), moment(r.CreatedAt), between(&r.CreatedAt, r.FinishedAt, now))
	}
}
