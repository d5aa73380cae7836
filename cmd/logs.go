package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// logs shows what steps wrote.
type logs struct {
	clientFlags
	answerFlags
	runArg

	Step    string `arg:"" optional:"" name:"STEP" help:"Only this step."`
	Attempt *int   `placeholder:"N" help:"Only this attempt."`
	Follow  bool   `short:"f" help:"Go on with what is written from now on, until the run, or the step, has ended."`
}

// Help is the long help.
func (c *logs) Help() string {
	return `Every line has the key of its step in front, unless only one step is asked for. With -o json the answer is one page with
everything; with --follow it is one line of JSON for every line of a log.`
}

// Run implements the command.
func (c *logs) Run(inv *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.Attempt != nil && *c.Attempt < 1 {
		return &usageError{what: "--attempt is at least 1", try: "--attempt 1"}
	}
	server, err := c.connect(inv)
	if err != nil {
		return err
	}
	defer server.close()
	p := &logPrinter{out: inv.stdout, format: c.answerFlags, keys: c.Step == ""}
	if c.Follow {
		f := &logFollower{server: server, run: c.uuid(), step: c.Step, attempt: c.Attempt, show: p.stream}
		if err := f.toTheEnd(inv.ctx); err != nil {
			return c.gaveUp(server, err)
		}
		return nil
	}
	if c.Quiet || c.Output != "table" {
		return c.page(inv.ctx, server, inv.stdout)
	}
	for line, err := range server.Logs(inv.ctx, c.uuid(), logParams(c.Step, c.Attempt, nil)) {
		if err != nil {
			return server.explain(err, "steps", c.ID.String())
		}
		if err := p.stream(line); err != nil {
			return err
		}
	}
	return nil
}

// page prints everything as one page.
func (c *logs) page(ctx context.Context, server *connection, out io.Writer) error {
	var l list[client.Log]
	err := l.read(nil, 0, func(limit *int64, cursor *string) (json.RawMessage, error) {
		params := logParams(c.Step, c.Attempt, cursor)
		params.Limit = limit
		page, err := server.LogPage(ctx, c.uuid(), params)
		return page.JSON, err
	})
	if err != nil {
		return server.explain(err, "steps", c.ID.String())
	}
	return printList(c.answerFlags, out, l, func(line client.Log) string { return line.ID }, nil)
}

// gaveUp is the error of following that ended before what it followed.
func (c *logs) gaveUp(server *connection, err error) error {
	if server.inv.ctx.Err() != nil {
		words := []string{"logs", c.ID.String()}
		if c.Step != "" {
			words = append(words, c.Step)
		}
		f := failure{what: "interrupted: run " + c.ID.String() + " goes on", try: server.command(append(words, "--follow")...), err: err}
		return &outcome{failure: f, code: exitInterrupted}
	}
	return server.explain(err, "steps", c.ID.String())
}

// logParams is what to ask for.
func logParams(step string, attempt *int, cursor *string) client.LogListParams {
	limit := int64(maxPage)
	p := client.LogListParams{Limit: &limit, Cursor: cursor}
	if step != "" {
		p.Step = &step
	}
	if attempt != nil {
		n := int64(*attempt)
		p.Attempt = &n
	}
	return p
}

// logPrinter prints lines of a log as they come.
type logPrinter struct {
	out    io.Writer
	format answerFlags
	keys   bool // the key of the step stands before each line

	attempts map[string]int64 // of the last line of each step
}

// stream prints one line.
func (p *logPrinter) stream(line client.Answer[client.Log]) error {
	switch {
	case p.format.Quiet:
		return printIDs(p.out, line.Value.ID)
	case p.format.Output == "json":
		var text bytes.Buffer
		if err := json.Compact(&text, line.JSON); err != nil {
			return fmt.Errorf("print the answer: %w", err)
		}
		return printText(p.out, append(escapeControls(text.Bytes()), '\n'))
	case p.format.Output == "yaml":
		if err := printText(p.out, []byte("---\n")); err != nil {
			return err
		}
		return printYAML(p.out, line.JSON)
	}
	return printText(p.out, []byte(p.text(&line.Value)))
}

// text is a line for people. Where another attempt of the same step begins, a line before it says so.
func (p *logPrinter) text(line *client.Log) string {
	prefix, mark, level, end := "", "", "", ""
	if p.keys {
		prefix = line.Step + " | "
	}
	if before, known := p.attempts[line.Step]; known && before != line.Attempt {
		mark = printable(fmt.Sprintf("%s--- attempt %d ---", prefix, line.Attempt)) + "\n"
	}
	if p.attempts == nil {
		p.attempts = map[string]int64{}
	}
	p.attempts[line.Step] = line.Attempt
	if line.Level != nil {
		level = strings.ToUpper(*line.Level) + " "
	}
	if line.Truncated {
		end = " … (cut here)"
	}
	return mark + fromStep(prefix+level+line.Text+end) + "\n"
}
