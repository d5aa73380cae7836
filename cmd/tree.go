package cmd

import (
	"context"
	"time"

	"github.com/weirqueue/weir/lifecycle"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// Bounds of what is read for the tree. Larger runs are shown by their transitions alone.
const (
	treeSteps = maxPage // steps whose details are read: one page
	treeLogs  = 8       // running steps whose last line is read at a time
	lastSteps = 100     // steps that the last picture has, if the terminal has to scroll for it
)

// tree shows a run as a tree of its steps that lives on a terminal.
type tree struct {
	screen *screen
	say    func(string)

	steps  []node         // in the order of the plan; of a large run those that have moved, in the order in which they did
	byKey  map[string]int // in steps
	looked time.Time      // when details were read
}

// node is a step in the tree.
type node struct {
	client.Step

	line   string  // the last one that it wrote
	cursor *string // of that line
}

// transition keeps up with large runs; those of small ones are read as a whole.
func (t *tree) transition(tr client.Transition) error {
	if tr.Step == nil {
		return nil
	}
	n := t.node(*tr.Step)
	if lifecycle.StepState(n.State).Final() {
		return nil
	}
	n.State, n.Cause = client.StepState(tr.To), tr.Cause
	if tr.Attempt != nil {
		n.Attempt = *tr.Attempt
	}
	switch at := tr.At; {
	case lifecycle.StepState(tr.To) == lifecycle.StepRunning:
		n.StartedAt, n.Error, n.line = &at, nil, ""
	case lifecycle.StepState(tr.To).Final():
		n.FinishedAt = &at
	}
	return nil
}

// node is the step of that key, a new one if there is none yet.
func (t *tree) node(key string) *node {
	at, known := t.byKey[key]
	if !known {
		if t.byKey == nil {
			t.byKey = map[string]int{}
		}
		at = len(t.steps)
		t.byKey[key] = at
		t.steps = append(t.steps, node{Step: client.Step{Key: key}})
	}
	return &t.steps[at]
}

func (t *tree) look(ctx context.Context, w *watch, changed bool) error {
	second := time.Since(t.looked) >= pollLate
	if w.run.Value.Steps.Total <= treeSteps && (changed || second) {
		if err := t.details(ctx, w); err != nil {
			return err
		}
	}
	if second {
		t.looked = time.Now()
		if err := t.lastLines(ctx, w); err != nil {
			return err
		}
	}
	return t.draw(w, 0)
}

// details reads all steps of a small run.
func (t *tree) details(ctx context.Context, w *watch) error {
	limit := int64(treeSteps)
	page, err := w.server.patient.StepPage(ctx, w.run.Value.ID, client.StepListParams{Limit: &limit})
	if err != nil {
		return err
	}
	before := t.steps
	t.steps = make([]node, len(page.Value.Items))
	for i, step := range page.Value.Items {
		t.steps[i] = node{Step: step}
		if at, known := t.byKey[step.Key]; known && at < len(before) && before[at].Attempt == step.Attempt {
			t.steps[i].line, t.steps[i].cursor = before[at].line, before[at].cursor
		} else if known && at < len(before) {
			t.steps[i].cursor = before[at].cursor
		}
	}
	t.byKey = make(map[string]int, len(t.steps))
	for i := range t.steps {
		t.byKey[t.steps[i].Key] = i
	}
	return nil
}

// lastLines reads what the running steps wrote last.
func (t *tree) lastLines(ctx context.Context, w *watch) error {
	limit, left := int64(maxPage), treeLogs
	for i := range t.steps {
		n := &t.steps[i]
		if lifecycle.StepState(n.State) != lifecycle.StepRunning {
			continue
		}
		if left--; left < 0 {
			return nil
		}
		page, err := w.server.patient.LogPage(ctx, w.run.Value.ID, client.LogListParams{Step: &n.Key, Cursor: n.cursor, Limit: &limit})
		if err != nil {
			return err
		}
		for _, line := range page.Value.Items {
			n.cursor = &line.ID
			if line.Attempt == n.Attempt && line.Text != "" {
				n.line = line.Text
			}
		}
	}
	return nil
}

// draw shows the tree as it is now. least is how many steps are shown even if there is no room for them.
func (t *tree) draw(w *watch, least int) error {
	p := picture{run: w.run.Value, steps: t.steps, now: time.Now(), colour: t.screen.colour}
	p.width, p.height = t.screen.room()
	p.height = max(p.height, 1+min(least, len(t.steps)))
	return t.screen.draw(p.lines())
}

func (t *tree) note(text string) {
	_ = t.screen.clear() // the next look draws again, and sees what is wrong
	t.say(text)
}

// close leaves the last picture where it is.
func (t *tree) close(w *watch) error {
	err := t.draw(w, lastSteps)
	t.screen.drawn = 0
	return err
}
