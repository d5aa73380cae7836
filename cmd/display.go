package cmd

import (
	"context"
	"fmt"
	"io"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// display is how waiting is shown: a live tree on a terminal, lines elsewhere, nothing where only the end is asked for.
func (c *connection) display(answer answerFlags) display {
	if answer.Quiet || answer.Output != "table" {
		return silent{say: c.note}
	}
	if screen := newScreen(c.inv); screen != nil {
		return &tree{screen: screen, say: c.note}
	}
	return plainLines{out: c.inv.stdout, silent: silent{say: c.note}}
}

// silent shows nothing.
type silent struct{ say func(string) }

func (silent) transition(client.Transition) error       { return nil }
func (silent) look(context.Context, *watch, bool) error { return nil }
func (s silent) note(text string)                       { s.say(text) }
func (silent) close(*watch) error                       { return nil }

// plainLines writes one line for every transition: TIME STEP FROM→TO CAUSE. The step of the run's own is a dash.
type plainLines struct {
	silent

	out io.Writer
}

func (p plainLines) transition(t client.Transition) error {
	step := "-"
	if t.Step != nil {
		step = *t.Step
	}
	_, err := fmt.Fprintln(p.out, printable(fmt.Sprintf("%s %s %s→%s %s", instant(t.At), step, t.From, t.To, t.Cause)))
	return err
}
