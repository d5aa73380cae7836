package cmd

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirqueue/weir/lifecycle"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// picture is a tree at one moment. What it looks like follows from its fields alone.
type picture struct {
	run           client.Run
	steps         []node
	now           time.Time
	width, height int
	colour        bool
}

// maxIndent is how deep the tree is drawn; what is deeper stands below that.
const maxIndent = 8

// look is how a state is drawn.
type look struct {
	mark   string
	colour string // of a terminal; "": none
	weight int    // what weighs more is shown first where there is no room for all
}

// lookOf is how a step in that state is drawn.
func lookOf(state client.StepState) look {
	switch lifecycle.StepState(state) {
	case lifecycle.StepRunning:
		return look{"●", "36", 6}
	case lifecycle.StepFailed, lifecycle.StepCrashed, lifecycle.StepTimedOut, lifecycle.StepLost:
		return look{"✗", "31", 5}
	case lifecycle.StepRetrying, lifecycle.StepWaiting:
		return look{"◌", "33", 4}
	case lifecycle.StepAvailable:
		return look{"○", "", 3}
	case lifecycle.StepPending:
		return look{"○", "2", 2}
	case lifecycle.StepSucceeded:
		return look{"✓", "32", 1}
	case lifecycle.StepCancelled, lifecycle.StepSkipped:
		return look{"-", "2", 0}
	}
	return look{"?", "", 0}
}

// lines draws the picture: a line for the run, then one for each step, as many as there is room for.
func (p picture) lines() []string {
	rows := p.rows()
	room := p.height - 1
	hidden := len(rows) - room
	if hidden > 0 {
		hidden++ // the line that says so
		rows = p.weightiest(rows, room-1)
	}
	key, state := 0, 0
	for _, r := range rows {
		key = max(key, 2*r.depth+utf8.RuneCountInString(r.step.Key))
		state = max(state, len(r.step.State))
	}
	key = min(key, max(p.width/2, 8))
	lines := []string{p.headline()}
	for _, r := range rows {
		lines = append(lines, p.row(r, key, state))
	}
	if missing := int(p.run.Steps.Total) - len(rows); missing > 0 && (hidden > 0 || len(p.steps) > 0) {
		lines = append(lines, p.paint("2", cut(fmt.Sprintf("  … and %s", counted(missing, "more step")), p.width)))
	}
	return lines
}

// headline is about the run as a whole.
func (p picture) headline() string {
	s := p.run.Steps
	done := s.Succeeded + s.Failed + s.Crashed + s.TimedOut + s.Lost + s.Cancelled + s.Skipped
	colour := map[lifecycle.RunState]string{
		lifecycle.RunRunning: "36", lifecycle.RunPaused: "33", lifecycle.RunSucceeded: "32", lifecycle.RunFailed: "31",
		lifecycle.RunCancelled: "2",
	}[lifecycle.RunState(p.run.State)]
	rest := fmt.Sprintf("  %d of %d steps  %s", done, s.Total, between(&p.run.CreatedAt, p.run.FinishedAt, p.now))
	switch {
	case p.run.FinishedAt != nil:
	case p.run.CancelRequestedAt != nil:
		rest += "  cancelling"
	case p.run.StartAt != nil && p.run.StartAt.After(p.now):
		rest += "  starts in " + span(p.run.StartAt.Sub(p.now))
	}
	name, state := printable(p.run.Name), printable(string(p.run.State))
	if over := utf8.RuneCountInString(name+"  "+state+rest) - p.width; over > 0 {
		name = cut(name, max(utf8.RuneCountInString(name)-over, 8))
	}
	return p.paint("1", name) + "  " + p.paint(colour, state) + rest
}

// row is a step with its place in the tree.
type row struct {
	step  *node
	depth int
	place int // among all rows
}

// rows puts every step below one of those that it needs, the last one of the plan, and the children of a for_each below it.
func (p picture) rows() []row {
	at := make(map[string]int, len(p.steps))
	for i := range p.steps {
		at[p.steps[i].Key] = i
	}
	children, items := map[int][]int{}, map[int][]int{}
	for i := range p.steps {
		if parent, known := at[parentOf(p.steps[i].Key)]; known {
			items[parent] = append(items[parent], i)
			continue
		}
		parent := -1
		for _, need := range p.steps[i].Needs {
			if j, known := at[need]; known {
				parent = max(parent, j)
			}
		}
		children[parent] = append(children[parent], i)
	}
	rows := make([]row, 0, len(p.steps))
	type visit struct{ step, depth int }
	var stack []visit
	push := func(parent, depth int) {
		for _, below := range [][]int{children[parent], items[parent]} {
			for _, child := range slices.Backward(below) {
				stack = append(stack, visit{child, depth})
			}
		}
	}
	push(-1, 0)
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		rows = append(rows, row{step: &p.steps[v.step], depth: min(v.depth, maxIndent), place: len(rows)})
		push(v.step, v.depth+1)
	}
	return rows
}

// parentOf is the key of the step with the for_each of which a step is a child: key of key[0]. It is "" for others, whose
// keys have no brackets.
func parentOf(key string) string {
	parent, _, isItem := strings.Cut(key, "[")
	if !isItem {
		return ""
	}
	return parent
}

// weightiest keeps as many rows as there is room for, in their order.
func (p picture) weightiest(rows []row, room int) []row {
	kept := slices.Clone(rows)
	slices.SortStableFunc(kept, func(a, b row) int { return lookOf(b.step.State).weight - lookOf(a.step.State).weight })
	kept = kept[:max(room, 0)]
	slices.SortFunc(kept, func(a, b row) int { return a.place - b.place })
	return kept
}

// row draws a step.
func (p picture) row(r row, key, state int) string {
	l := lookOf(r.step.State)
	indent := strings.Repeat("  ", r.depth)
	name := pad(cut(printable(r.step.Key), max(key-2*r.depth, 4)), key-2*r.depth)
	head := fmt.Sprintf("  %s%s %s  ", indent, p.paint(l.colour, l.mark), name)
	used := 2 + 2*r.depth + 2 + utf8.RuneCountInString(name) + 2
	word, rest := printable(string(r.step.State)), p.rest(r.step)
	line := head + p.paint(l.colour, word)
	if rest == "" {
		return line
	}
	return line + cut(pad("", state-utf8.RuneCountInString(word))+"  "+rest, max(p.width-used-utf8.RuneCountInString(word), 0))
}

// rest is what else there is to say about a step.
func (p picture) rest(n *node) string {
	var parts []string
	add := func(text string) {
		if text = strings.TrimSpace(strings.ReplaceAll(fromStep(text), "\t", " ")); text != "" {
			parts = append(parts, text)
		}
	}
	if n.Attempt > 1 || n.MaxAttempts > 1 && n.Attempt > 0 && n.Failures > 0 {
		add(fmt.Sprintf("try %d", n.Attempt))
	}
	switch lifecycle.StepState(n.State) {
	case lifecycle.StepRunning:
		add(between(n.StartedAt, nil, p.now))
		if n.CancelRequestedAt != nil {
			add("cancelling")
		}
		add(progressOf(&n.Step))
		if n.Progress == nil || n.Progress.Message == "" {
			add(n.line)
		}
	case lifecycle.StepRetrying:
		if n.RunAfter != nil && n.RunAfter.After(p.now) {
			add("again in " + span(n.RunAfter.Sub(p.now)))
		}
		add(errorOf(&n.Step))
	case lifecycle.StepWaiting:
		add("for " + strings.ReplaceAll(value(n.WaitingFor), "_", " "))
		if n.RunAfter != nil && n.RunAfter.After(p.now) {
			add("until " + moment(*n.RunAfter) + ", in " + span(n.RunAfter.Sub(p.now)))
		}
		if n.DeadlineAt != nil && n.DeadlineAt.After(p.now) {
			add("at most " + span(n.DeadlineAt.Sub(p.now)) + " more")
		}
	case lifecycle.StepSucceeded, lifecycle.StepFailed, lifecycle.StepCrashed, lifecycle.StepTimedOut, lifecycle.StepLost:
		add(between(n.StartedAt, n.FinishedAt, p.now))
		add(errorOf(&n.Step))
		if broken(n.State) && n.AllowFailure {
			add("(allowed)")
		}
	case lifecycle.StepCancelled, lifecycle.StepSkipped:
		add(strings.ReplaceAll(string(n.Cause), "_", " "))
	case lifecycle.StepPending, lifecycle.StepAvailable:
	}
	return strings.Join(parts, "  ")
}

// progressOf is how far a step says it is.
func progressOf(step *client.Step) string {
	if step.Progress == nil {
		return ""
	}
	text := step.Progress.Message
	if step.Progress.Percent != nil {
		text = fmt.Sprintf("%.0f%% %s", *step.Progress.Percent, text)
	}
	return text
}

// errorOf is what went wrong with a step.
func errorOf(step *client.Step) string {
	if step.Error == nil {
		return ""
	}
	return oneLine(step.Error.Message)
}

func (p picture) paint(colour, text string) string {
	if !p.colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// cut shortens a text to so many characters.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	if width <= 0 {
		return ""
	}
	return string([]rune(text)[:width-1]) + "…"
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0))
}
