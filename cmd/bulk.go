package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// bulkCommands are the commands about what is done to many runs.
type bulkCommands struct {
	List   bulkList   `cmd:"" help:"List what is and was done to many runs, newest first."`
	Show   bulkShow   `cmd:"" help:"Show how far it is; with --wait, wait for its end."`
	Cancel bulkCancel `cmd:"" help:"Do it to no more runs; those that it has been done to stay as they are."`
}

// bulkList lists operations on many runs.
type bulkList struct {
	clientFlags
	answerFlags

	Limit  int    `default:"50" placeholder:"N" help:"How many at most (50)."`
	Cursor string `placeholder:"CURSOR" help:"Go on where an earlier answer ended: its next."`
}

// Run implements the command.
func (c *bulkList) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.Limit < 1 {
		return &usageError{what: "--limit is at least 1", try: "weir bulk list"}
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
	var l list[client.Bulk]
	err = l.read(cursor, c.Limit, func(limit *int64, cursor *string) (json.RawMessage, error) {
		page, err := server.BulkPage(inv.ctx, client.BulkListParams{Limit: limit, Cursor: cursor})
		return page.JSON, err
	})
	if err != nil {
		return server.explain(err)
	}
	return printList(c.answerFlags, inv.stdout, l, func(b client.Bulk) string { return b.ID.String() }, func(t *tableWriter) {
		t.row("BULK", "ACTION", "STATE", "DONE", "FAILED", "TOTAL", "CREATED", "TOOK", "RUNS")
		for _, b := range l.values {
			t.row(b.ID.String(), string(b.Action), string(b.State), fmt.Sprint(b.Done), fmt.Sprint(b.Failed), fmt.Sprint(b.Total),
				moment(b.CreatedAt), between(&b.CreatedAt, b.FinishedAt, time.Now()), filterLine(b.Filter))
		}
	})
}

// filterLine says which runs are meant, as flags do.
func filterLine(f client.BulkFilter) string {
	var parts []string
	if f.State != nil {
		parts = append(parts, "state="+string(*f.State))
	}
	if f.Name != nil {
		parts = append(parts, "name="+*f.Name)
	}
	if text := labels(f.Labels); text != "" {
		parts = append(parts, text)
	}
	if f.CreatedAfter != nil {
		parts = append(parts, "created_after="+moment(*f.CreatedAfter))
	}
	if f.CreatedBefore != nil {
		parts = append(parts, "created_before="+moment(*f.CreatedBefore))
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ", ")
}

// bulkID is the id of an operation on the command line.
type bulkID uuid.UUID

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *bulkID) UnmarshalText(text []byte) error {
	parsed, err := uuid.ParseBytes(text)
	if err != nil || len(text) != len(uuid.UUID{}.String()) {
		return errors.New("the id of a bulk is 32 hexadecimal digits in groups of 8-4-4-4-12; 'weir bulk list' lists them")
	}
	*id = bulkID(parsed)
	return nil
}

// bulkArg names an operation.
type bulkArg struct {
	ID bulkID `arg:"" name:"ID" help:"The id of the operation."`
}

// bulkShow shows an operation.
type bulkShow struct {
	clientFlags
	answerFlags
	bulkArg

	Wait bool `help:"Wait until it has been done to all runs."`
}

// Run implements the command.
func (c *bulkShow) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	bulk, err := server.BulkGet(inv.ctx, uuid.UUID(c.ID))
	if err != nil {
		return server.explain(err, "bulk", "list")
	}
	if c.Wait {
		return server.awaitBulk(c.answerFlags, bulk)
	}
	b := bulk.Value
	return c.resource(inv.stdout, bulk.JSON, b.ID.String(), func(t *tableWriter) {
		t.row("id", b.ID.String())
		t.row("action", string(b.Action))
		t.row("runs", filterLine(b.Filter))
		t.row("state", string(b.State))
		t.row("done", fmt.Sprintf("%d of %d", b.Done, b.Total))
		if b.Failed > 0 {
			t.row("refused", fmt.Sprint(b.Failed))
		}
		if b.Error != nil {
			t.row("error", *b.Error)
		}
		if b.Reason != nil {
			t.row("reason", *b.Reason)
		}
		t.row("created", moment(b.CreatedAt)+" by "+b.CreatedBy)
		t.row("took", between(&b.CreatedAt, b.FinishedAt, time.Now()))
	})
}

// bulkCancel ends an operation.
type bulkCancel struct {
	clientFlags
	answerFlags
	bulkArg
}

// Run implements the command.
func (c *bulkCancel) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	bulk, err := server.BulkCancel(inv.ctx, uuid.UUID(c.ID))
	if err != nil {
		return server.explain(err, "bulk", "show", uuid.UUID(c.ID).String())
	}
	return c.resource(inv.stdout, bulk.JSON, bulk.Value.ID.String(), func(t *tableWriter) { t.line(printable(bulkLine(bulk.Value))) })
}
