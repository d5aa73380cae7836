package cmd

import (
	"encoding/json"
	"fmt"
	"time"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// scheduleCommands are the commands about schedules.
type scheduleCommands struct {
	Set     scheduleSet     `cmd:"" help:"Make or change a schedule of a named plan."`
	List    scheduleList    `cmd:"" help:"List the schedules."`
	Show    scheduleShow    `cmd:"" help:"Show a schedule."`
	Next    scheduleNext    `cmd:"" help:"Tell when a schedule is due next."`
	Pause   schedulePause   `cmd:"" help:"Have a schedule fire nothing."`
	Resume  scheduleResume  `cmd:"" help:"Go on with a paused schedule, from now."`
	Trigger scheduleTrigger `cmd:"" help:"Run a schedule now."`
	Delete  scheduleDelete  `cmd:"" help:"Take a schedule away; its runs stay."`
}

// scheduleArg names a schedule.
type scheduleArg struct {
	Name string `arg:"" name:"NAME" help:"The name of the schedule."`
}

// scheduleList lists schedules.
type scheduleList struct {
	clientFlags
	answerFlags
}

// Run implements the command.
func (c *scheduleList) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	var l list[client.Schedule]
	err = l.read(nil, 0, func(limit *int64, cursor *string) (json.RawMessage, error) {
		page, err := server.SchedulePage(inv.ctx, client.ScheduleListParams{Limit: limit, Cursor: cursor})
		return page.JSON, err
	})
	if err != nil {
		return server.explain(err)
	}
	return printList(c.answerFlags, inv.stdout, l, func(s client.Schedule) string { return s.Name }, func(t *tableWriter) {
		t.row("NAME", "PLAN", "CRON", "TIMEZONE", "NEXT", "LAST", "PROBLEM")
		for i := range l.values {
			s := &l.values[i]
			t.row(s.Name, s.Plan, s.Cron, s.Timezone, nextOf(s), momentOrNone(s.LastSlot), oneLine(value(s.LastError)))
		}
	})
}

// nextOf is when a schedule is due next, or why it is not.
func nextOf(s *client.Schedule) string {
	if s.Paused {
		return "paused"
	}
	return momentOrNone(s.NextSlot)
}

func momentOrNone(t *time.Time) string {
	if t == nil {
		return ""
	}
	return moment(*t)
}

// scheduleShow shows a schedule.
type scheduleShow struct {
	clientFlags
	answerFlags
	scheduleArg
}

// Run implements the command.
func (c *scheduleShow) Run(inv *invocation) error {
	return c.act(inv, c.clientFlags, c.answerFlags, func(server *connection) (client.Answer[client.Schedule], error) {
		return server.ScheduleGet(inv.ctx, c.Name)
	}, scheduleTable)
}

// act does something with a schedule, and shows what it is then.
func (a scheduleArg) act(inv *invocation, from clientFlags, f answerFlags, do func(*connection) (client.Answer[client.Schedule], error), show func(*tableWriter, *client.Schedule)) error {
	if err := f.check(); err != nil {
		return err
	}
	server, err := from.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	got, err := do(server)
	if err != nil {
		return server.explain(err, "schedule", "list")
	}
	return f.resource(inv.stdout, got.JSON, got.Value.Name, func(t *tableWriter) { show(t, &got.Value) })
}

// scheduleTable shows all of a schedule that there is.
func scheduleTable(t *tableWriter, s *client.Schedule) {
	fact := func(name, text string) {
		if text != "" {
			t.row(name, text)
		}
	}
	fact("name", s.Name)
	fact("plan", s.Plan)
	if input := string(s.Input); input != "{}" && input != "null" {
		fact("input", input)
	}
	fact("cron", s.Cron+" ("+s.Timezone+")")
	if s.Jitter != "0s" {
		fact("jitter", s.Jitter)
	}
	fact("overlap", string(s.Overlap))
	fact("missed", string(s.Missed)+", within "+s.Window)
	if s.Paused {
		fact("next", "paused since "+momentOrNone(s.PausedAt))
	} else {
		fact("next", momentOrNone(s.NextSlot))
	}
	if s.LastSlot != nil && s.LastRun != nil {
		fact("last", moment(*s.LastSlot)+" made run "+s.LastRun.String())
	}
	if s.LastSkippedSlot != nil {
		why := "nothing could fire it in time"
		if s.LastSkipRun != nil {
			why = "run " + s.LastSkipRun.String() + " was open"
		}
		fact("skipped", moment(*s.LastSkippedSlot)+": "+why)
	}
	if s.LastErrorSlot != nil {
		fact("failed", moment(*s.LastErrorSlot)+": "+value(s.LastError))
	}
	fact("created", moment(s.CreatedAt)+" by "+s.CreatedBy)
	fact("updated", moment(s.UpdatedAt)+" by "+s.UpdatedBy)
}

// schedulePause pauses a schedule.
type schedulePause struct {
	clientFlags
	answerFlags
	scheduleArg
}

// Help is the long help.
func (c *schedulePause) Help() string {
	return `The slots that pass are not missed: 'weir schedule resume' goes on from then. 'weir schedule trigger' still works.`
}

// Run implements the command.
func (c *schedulePause) Run(inv *invocation) error {
	return c.act(inv, c.clientFlags, c.answerFlags, func(server *connection) (client.Answer[client.Schedule], error) {
		return server.SchedulePause(inv.ctx, c.Name)
	}, scheduleLine)
}

// scheduleResume resumes a schedule.
type scheduleResume struct {
	clientFlags
	answerFlags
	scheduleArg
}

// Run implements the command.
func (c *scheduleResume) Run(inv *invocation) error {
	return c.act(inv, c.clientFlags, c.answerFlags, func(server *connection) (client.Answer[client.Schedule], error) {
		return server.ScheduleResume(inv.ctx, c.Name)
	}, scheduleLine)
}

// scheduleLine says in one line what a schedule does next.
func scheduleLine(t *tableWriter, s *client.Schedule) {
	if s.Paused {
		t.line(printable("schedule " + s.Name + " is paused"))
		return
	}
	t.line(printable(fmt.Sprintf("schedule %s runs %s next at %s", s.Name, s.Plan, momentOrNone(s.NextSlot))))
}

// scheduleDelete deletes a schedule.
type scheduleDelete struct {
	clientFlags
	answerFlags
	scheduleArg
}

// Run implements the command.
func (c *scheduleDelete) Run(inv *invocation) error {
	return c.act(inv, c.clientFlags, c.answerFlags, func(server *connection) (client.Answer[client.Schedule], error) {
		return server.ScheduleDelete(inv.ctx, c.Name)
	}, func(t *tableWriter, s *client.Schedule) { t.line(printable("schedule " + s.Name + " is gone")) })
}

// scheduleNext tells the next slots.
type scheduleNext struct {
	clientFlags
	answerFlags
	scheduleArg

	N int `short:"n" default:"5" placeholder:"N" help:"How many (5)."`
}

// Run implements the command.
func (c *scheduleNext) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.N < 1 || c.N > 100 {
		return &usageError{what: "-n is 1 to 100", try: "weir schedule next NAME -n 10"}
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	got, err := server.ScheduleNext(inv.ctx, c.Name, c.N)
	if err != nil {
		return server.explain(err, "schedule", "list")
	}
	var l list[client.Slot]
	if err := l.add(got.JSON); err != nil {
		return fmt.Errorf("understand the answer of the server: %w", err)
	}
	return printList(c.answerFlags, inv.stdout, l, func(s client.Slot) string { return moment(s.Slot) }, func(t *tableWriter) {
		t.row("SLOT", "DUE")
		for _, s := range l.values {
			t.row(moment(s.Slot), moment(s.DueAt))
		}
	})
}
