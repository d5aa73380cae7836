package cmd

import (
	"encoding/json"
	"strconv"
	"time"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// queueCommands are the commands about queues.
type queueCommands struct {
	List   queueList   `cmd:"" help:"List the queues."`
	Pause  queuePause  `cmd:"" help:"Start nothing of a queue any more; what runs goes on."`
	Resume queueResume `cmd:"" help:"Go on with a queue that was paused."`
}

// queueList lists queues.
type queueList struct {
	clientFlags
	answerFlags
}

// Run implements the command.
func (c *queueList) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	var l list[client.Queue]
	err = l.read(nil, 0, func(*int64, *string) (json.RawMessage, error) {
		page, err := server.Queues(inv.ctx)
		return page.JSON, err
	})
	if err != nil {
		return server.explain(err)
	}
	return printList(c.answerFlags, inv.stdout, l, func(q client.Queue) string { return q.Name }, func(t *tableWriter) {
		queuesTable(t, l.values, time.Now())
	})
}

// queuesTable shows queues, one a line.
func queuesTable(t *tableWriter, queues []client.Queue, now time.Time) {
	t.row("QUEUE", "PAUSED", "AVAILABLE", "RUNNING", "OLDEST")
	for _, q := range queues {
		paused := "no"
		if q.PausedAt != nil {
			paused = "since " + moment(*q.PausedAt)
		}
		t.row(q.Name, paused, strconv.FormatInt(q.Available, 10), strconv.FormatInt(q.Running, 10), between(q.OldestAt, nil, now))
	}
}

// queueArg names a queue.
type queueArg struct {
	Queue string `arg:"" name:"QUEUE" help:"The name of the queue."`
}

// queuePause pauses a queue.
type queuePause struct {
	clientFlags
	answerFlags
	queueArg
}

// Help is the long help.
func (c *queuePause) Help() string {
	return `No replica starts a step of the queue from then on, also none that starts later, until 'weir queue resume'. It is River's
own pause: River UI shows it, and can end it.`
}

// Run implements the command.
func (c *queuePause) Run(inv *invocation) error {
	return c.act(inv, c.clientFlags, c.answerFlags, func(server *connection) (client.Answer[client.Queue], error) {
		return server.QueuePause(inv.ctx, c.Queue)
	})
}

// queueResume resumes a queue.
type queueResume struct {
	clientFlags
	answerFlags
	queueArg
}

// Run implements the command.
func (c *queueResume) Run(inv *invocation) error {
	return c.act(inv, c.clientFlags, c.answerFlags, func(server *connection) (client.Answer[client.Queue], error) {
		return server.QueueResume(inv.ctx, c.Queue)
	})
}

// act does something to the queue, and says what it is then.
func (a queueArg) act(inv *invocation, from clientFlags, f answerFlags, do func(*connection) (client.Answer[client.Queue], error)) error {
	if err := f.check(); err != nil {
		return err
	}
	server, err := from.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	queue, err := do(server)
	if err != nil {
		return server.explain(err, "queue", "list")
	}
	return f.resource(inv.stdout, queue.JSON, queue.Value.Name, func(t *tableWriter) {
		q := queue.Value
		switch {
		case q.Paused:
			t.line(printable("queue " + q.Name + " is paused: " + counted(int(q.Running), "step") + " of it still running, " + counted(int(q.Available), "step") + " waiting"))
		default:
			t.line(printable("queue " + q.Name + " is not paused: " + counted(int(q.Available), "step") + " of it waiting"))
		}
	})
}
