package cmd

import (
	"encoding/json"
	"fmt"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// limitCommands are the commands about concurrency limits.
type limitCommands struct {
	List  limitList  `cmd:"" help:"List the limits that are set, held or waited for."`
	Show  limitShow  `cmd:"" help:"Show a limit, and who holds its slots."`
	Set   limitSet   `cmd:"" help:"Set a limit, whatever plans say."`
	Unset limitUnset `cmd:"" help:"Go back to the limit that plans say."`
}

// limitList lists limits.
type limitList struct {
	clientFlags
	answerFlags

	Limit  int    `default:"50" placeholder:"N" help:"How many at most (50)."`
	Cursor string `placeholder:"CURSOR" help:"Go on where an earlier answer ended: its next."`
}

// Run implements the command.
func (c *limitList) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.Limit < 1 {
		return &usageError{what: "--limit is at least 1", try: "weir limit list"}
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	var cursor *string
	if c.Cursor != "" {
		cursor = &c.Cursor
	}
	var l list[client.Limit]
	err = l.read(cursor, c.Limit, func(limit *int64, cursor *string) (json.RawMessage, error) {
		page, err := server.LimitPage(inv.ctx, client.LimitListParams{Limit: limit, Cursor: cursor})
		return page.JSON, err
	})
	if err != nil {
		return server.explain(err)
	}
	return printList(c.answerFlags, inv.stdout, l, func(v client.Limit) string { return v.Key }, func(t *tableWriter) {
		t.row("KEY", "LIMIT", "SET", "USED", "WAITING")
		for _, v := range l.values {
			set := "no"
			if v.AdministeredBy != nil {
				set = "by " + *v.AdministeredBy
			}
			t.row(v.Key, limitText(v.Limit), set, fmt.Sprint(v.Used), waitingText(v.Waiting))
		}
	})
}

func limitText(limit *int64) string {
	if limit == nil {
		return ""
	}
	return fmt.Sprint(*limit)
}

// waitingText says that the server stops counting at some point.
func waitingText(waiting int64) string {
	if waiting == 1000 {
		return "1000 or more"
	}
	return fmt.Sprint(waiting)
}

// limitArg names a limit.
type limitArg struct {
	Key string `arg:"" name:"KEY" help:"The key of the limit, as plans have it under concurrency."`
}

// limitShow shows a limit.
type limitShow struct {
	clientFlags
	answerFlags
	limitArg
}

// Run implements the command.
func (c *limitShow) Run(inv *invocation) error {
	return c.act(inv, c.clientFlags, c.answerFlags, func(server *connection) (client.Answer[client.Limit], error) {
		return server.LimitGet(inv.ctx, c.Key)
	})
}

// limitSet sets a limit.
type limitSet struct {
	clientFlags
	answerFlags
	limitArg

	Limit int `arg:"" name:"N" help:"How many runs and steps may hold a slot of it at once."`
}

// Help is the long help.
func (c *limitSet) Help() string {
	return `It holds until 'weir limit unset'. Raised, it lets what waits go at once. Lowered, it takes nothing from those that hold a
slot: nobody else gets one until fewer do.`
}

// Run implements the command.
func (c *limitSet) Run(inv *invocation) error {
	return c.act(inv, c.clientFlags, c.answerFlags, func(server *connection) (client.Answer[client.Limit], error) {
		return server.LimitSet(inv.ctx, c.Key, c.Limit)
	})
}

// limitUnset unsets a limit.
type limitUnset struct {
	clientFlags
	answerFlags
	limitArg
}

// Run implements the command.
func (c *limitUnset) Run(inv *invocation) error {
	return c.act(inv, c.clientFlags, c.answerFlags, func(server *connection) (client.Answer[client.Limit], error) {
		return server.LimitUnset(inv.ctx, c.Key)
	})
}

// act does something to the limit, and shows it.
func (a limitArg) act(inv *invocation, from clientFlags, f answerFlags, do func(*connection) (client.Answer[client.Limit], error)) error {
	if err := f.check(); err != nil {
		return err
	}
	server, err := from.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	limit, err := do(server)
	if err != nil {
		return server.explain(err, "limit", "list")
	}
	return f.resource(inv.stdout, limit.JSON, limit.Value.Key, func(t *tableWriter) { limitTable(t, limit.Value) })
}

// limitTable shows all of a limit that there is.
func limitTable(t *tableWriter, v client.Limit) {
	t.row("key", v.Key)
	switch {
	case v.Administered != nil && v.AdministeredBy != nil && v.AdministeredAt != nil:
		t.row("limit", fmt.Sprintf("%d, set by %s at %s", *v.Administered, *v.AdministeredBy, moment(*v.AdministeredAt)))
	case v.Limit != nil:
		t.row("limit", fmt.Sprintf("%d, as the plan says that asked last", *v.Limit))
	default:
		t.row("limit", "as the next plan says that asks")
	}
	if v.Administered != nil && v.Declared != nil {
		t.row("plans say", fmt.Sprint(*v.Declared))
	}
	t.row("used", fmt.Sprint(v.Used))
	t.row("waiting", waitingText(v.Waiting))
	if v.Holders == nil {
		return
	}
	for i, holder := range *v.Holders {
		who := "run " + holder.Run.String()
		if holder.Step != nil {
			who += " step " + *holder.Step
		}
		t.row([]string{"held by", " "}[min(i, 1)], who+" since "+moment(holder.At))
	}
}
