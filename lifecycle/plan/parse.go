package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirqueue/weir/lifecycle/expr"
)

// The defaults of a step.
const (
	defaultTimeout  = 10 * time.Minute
	defaultGrace    = 10 * time.Second
	defaultPriority = 2
	maxSleep        = time.Hour
	sleepMargin     = time.Minute
)

// theFormat is made once: it never changes.
var theFormat = sync.OnceValue(newFormat)

// Parse reads a plan in YAML or JSON within the default limits. See [Limits.Parse].
func Parse(src []byte) (*Plan, error) { return Limits{}.Parse(src) }

// ParseJSON reads a plan in JSON within the default limits. See [Limits.ParseJSON].
func ParseJSON(src []byte) (*Plan, error) { return Limits{}.ParseJSON(src) }

// Parse reads a plan in YAML 1.2 or JSON. The error is [Faults], everything that is wrong with the plan, or a
// *[SyntaxError] for a text that is no YAML.
func (l Limits) Parse(src []byte) (*Plan, error) { return l.parse(src, (*reader).any) }

// ParseJSON reads a plan in JSON, strictly. The error is [Faults], everything that is wrong with the plan, or a
// *[SyntaxError] for a text that is no JSON.
func (l Limits) ParseJSON(src []byte) (*Plan, error) { return l.parse(src, readJSON) }

func (l Limits) parse(src []byte, read func(*reader, []byte) (node, error)) (*Plan, error) {
	r := newReader(l)
	if err := r.size(src); err != nil {
		return nil, err
	}
	n, err := read(r, src)
	if err != nil {
		return nil, err
	}
	return r.plan(&n)
}

// any reads YAML or JSON. What is JSON is read as that: it is quicker.
func (r *reader) any(src []byte) (node, error) {
	if bytes.HasPrefix(bytes.TrimLeft(src, " \t\r\n"), []byte("{")) {
		asJSON := newReader(r.limits)
		if n, err := readJSON(asJSON, src); err == nil {
			r.count, r.faults, r.more = asJSON.count, asJSON.faults, asJSON.more
			return n, nil
		}
	}
	return readYAML(r, src)
}

func (r *reader) size(src []byte) error {
	if len(src) > r.limits.Body {
		return Faults{{Code: CodeOutOfRange, Message: fmt.Sprintf("is larger than %d bytes", r.limits.Body)}}
	}
	return nil
}

// plan makes a plan out of the value of a text.
func (r *reader) plan(n *node) (*Plan, error) {
	r.at = r.at[:0]
	p := r.planAt(n, 0)
	if err := r.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// planAt reads the plan at which the reader is. depth counts the plans that it stands in.
func (r *reader) planAt(n *node, depth int) *Plan {
	if n.kind == null {
		r.fault(n, CodeEmptyPlan, "there is no plan in it")
		return nil
	}
	d := planDraft{Plan: Plan{Input: json.RawMessage("{}"), Labels: map[string]string{}, OnFailure: "continue"}, at: n}
	readFields(r, n, theFormat().plan, &d)
	r.checkPlan(&d)
	key := "" // that the run holds
	if d.Concurrency != nil {
		key = d.Concurrency.Key
		if !expr.Has(key) { // else it is over the input of this run, and those above have others
			r.checkHeld(n, d.Concurrency, r.held)
		}
	}
	r.held = append(r.held, key)
	defer func() { r.held = r.held[:depth] }()
	if d.steps != nil {
		steps := r.steps(d.steps, depth)
		ordinals := r.graph(steps)
		r.checkOutput(&d, ordinals)
		d.Steps = make([]Step, len(steps))
		for i := range steps {
			d.Steps[i] = steps[i].resolve(&d.defaults)
		}
	}
	return &d.Plan
}

// checkPlan looks at what the fields of a plan do not say each for itself.
func (r *reader) checkPlan(d *planDraft) {
	if d.input != nil {
		if d.Input = d.input.json(); len(d.Input) > r.limits.Input {
			r.faultIn(d.input, "input", CodeOutOfRange, "is larger than %d bytes", r.limits.Input)
		}
	}
	if d.StartAt != nil && d.Delay > 0 {
		r.faultIn(d.at.find("delay"), "delay", CodeOutOfRange, "stands beside start_at: give one of them")
	}
}

// checkOutput looks at the output of a plan, whose steps are known.
func (r *reader) checkOutput(d *planDraft, ordinals map[string]int) {
	if d.output == nil || d.output.kind == null {
		return
	}
	if d.Output = d.output.json(); len(d.Output) > r.limits.With {
		r.faultIn(d.output, "output", CodeOutOfRange, "is larger than %d bytes", r.limits.With)
	}
	r.enter("output")
	r.expressions(d.output, expr.Visible{
		Input: true, Run: true, Steps: func(key string) bool { _, known := ordinals[key]; return known },
	})
	r.leave()
}

func (r *reader) steps(n *node, depth int) []stepDraft {
	r.enter("steps")
	defer r.leave()
	r.stepCount += len(n.items)
	switch {
	case len(n.items) == 0:
		r.fault(n, CodeEmptyPlan, "has no steps: a plan needs at least one")
	case len(n.items) > r.limits.Steps:
		r.fault(n, CodeTooManySteps, "has %d steps, at most %d are allowed", len(n.items), r.limits.Steps)
		return nil
	case r.stepCount > r.limits.Steps:
		r.fault(n, CodeTooManySteps, "brings the plan, with those inside it, to %d steps, at most %d are allowed", r.stepCount, r.limits.Steps)
		return nil
	}
	steps := make([]stepDraft, len(n.items))
	fields := theFormat().step
	for i := range n.items {
		s := &steps[i]
		s.at = &n.items[i]
		r.enterItem(i)
		if readFields(r, s.at, fields, s) {
			s.key, s.kind = s.at.find("key"), s.at.find("kind")
			r.checkStep(s, depth)
		}
		r.leave()
	}
	return steps
}

// checkStep looks at what the fields of a step do not say each for itself.
func (r *reader) checkStep(s *stepDraft, depth int) {
	in := s.visible()
	if s.forEach != nil {
		for _, p := range expr.CheckList(s.ForEach, expr.Visible{Input: true, Needs: in.Needs}) {
			r.faultIn(s.forEach, "for_each", p.Code, "%s", p.Message)
		}
	}
	if n := s.at.find("max_parallel"); n != nil && s.at.find("for_each") == nil {
		r.faultIn(n, "max_parallel", CodeUnknownField, "bounds the children of a step that has for_each, and this one has none")
	}
	above := r.held
	if s.Concurrency != nil && expr.Has(s.Concurrency.Key) {
		above = r.held[depth:]
	}
	r.checkHeld(s.at, s.Concurrency, above)
	r.checkBuiltIn(s)
	r.checkWith(s, in, depth)
}

const heldAbove = "the concurrency key of the run that it is part of, which would hold the slot for which it waits: choose another key"

// checkHeld refuses a concurrency key that one of the runs above holds while it waits for who has this limit.
func (r *reader) checkHeld(at *node, c *Concurrency, above []string) {
	if c != nil && c.Key != "" && slices.Contains(above, c.Key) {
		r.enter("concurrency")
		r.faultIn(at.find("concurrency").find("key"), "key", CodeOutOfRange, "is "+heldAbove)
		r.leave()
	}
}

// visible is what expressions in the `with` of a step see. What is no list of keys has been refused.
func (s *stepDraft) visible() expr.Visible {
	var known map[string]bool
	in := expr.InStep(s.at.find("for_each") != nil)
	in.Attempt = !BuiltIn(s.Kind)
	in.Needs = func(key string) bool {
		if known == nil {
			known = map[string]bool{}
			if s.needs != nil {
				for i := range s.needs.items {
					known[s.needs.items[i].text] = true
				}
			}
		}
		return known[key]
	}
	return in
}

// checkWith looks at the size of `with`, at its expressions, and at the input that the format itself depends on.
func (r *reader) checkWith(s *stepDraft, in expr.Visible, depth int) {
	s.With = json.RawMessage("{}")
	with := s.with
	if with == nil {
		if s.Kind != KindPlan {
			return
		}
		with = &node{kind: object, line: s.at.line, pos: s.at.pos}
	}
	r.enter("with")
	defer r.leave()
	if s.with != nil {
		if s.With = s.with.json(); len(s.With) > r.limits.With {
			r.fault(s.with, CodeOutOfRange, "is larger than %d bytes", r.limits.With)
		}
	}
	literal := s.literal()
	if bytes.Contains(s.With, []byte("${{")) {
		for i := range with.members {
			m := &with.members[i]
			if !slices.Contains(literal, m.name) {
				r.enter(m.name)
				r.expressions(&m.value, in)
				r.leave()
			}
		}
	}
	switch s.Kind {
	case KindWait:
		r.wait(with)
	case KindPlan:
		sub, _ := r.subPlan(with, depth)
		if sub.Plan != nil && s.Concurrency != nil {
			r.enter("plan")
			r.checkHeld(with.find("plan"), sub.Plan.Concurrency, []string{s.Concurrency.Key})
			r.leave()
		}
	case "sleep":
		if d := with.find("duration"); d != nil && d.kind == text && !expr.Has(d.text) {
			r.enter("duration")
			readDuration(r, d, maxSleep)
			r.leave()
		}
	}
}

// Literal lists the members of a kind's input in which no expression is evaluated, for kinds that a worker runs. See [EvalWith].
func Literal(kind string) []string {
	if kind == "exec" {
		return []string{"command"}
	}
	return nil
}

func (r *reader) expressions(n *node, in expr.Visible) {
	switch n.kind {
	case text:
		for _, p := range expr.CheckText(n.text, in) {
			r.fault(n, p.Code, "%s", p.Message)
		}
	case list:
		for i := range n.items {
			r.enterItem(i)
			r.expressions(&n.items[i], in)
			r.leave()
		}
	case object:
		for i := range n.members {
			r.enter(n.members[i].name)
			r.expressions(&n.members[i].value, in)
			r.leave()
		}
	case invalid, null, boolean, number:
	}
}

// find gives a member of an object, nil if it has none of that name.
func (n *node) find(name string) *node {
	for i := range n.members {
		if n.members[i].name == name {
			return &n.members[i].value
		}
	}
	return nil
}

// resolve fills in what a step does not say: from the plan's defaults, then from its kind, then from the format.
func (s *stepDraft) resolve(d *policy) Step {
	queue, timeout := "default", defaultTimeout
	switch s.Kind {
	case "exec":
		queue = "exec"
	case "sleep":
		timeout = s.sleep() + sleepMargin
	case KindWait, KindPlan:
		timeout = 0
	}
	s.RunIf = orElse(s.RunIf, "all_succeeded")
	s.Queue = first(queue, s.queue, d.queue)
	s.Priority = first(defaultPriority, s.priority, d.priority)
	s.Timeout = first(timeout, s.timeout, d.timeout)
	s.Grace, s.Retry, s.RunsOn = defaultGrace, defaultRetry(), "replica"
	if BuiltIn(s.Kind) {
		s.Queue, s.Priority = queue, defaultPriority // no worker: the defaults say nothing about it
		return s.Step
	}
	s.Grace = first(s.Grace, s.grace, d.grace)
	s.StallAfter = first(0, s.stallAfter, d.stallAfter)
	s.Retry = first(s.Retry, s.retry, d.retry)
	s.RunsOn = first(s.RunsOn, s.runsOn, d.runsOn)
	return s.Step
}

func first[V any](otherwise V, choices ...*V) V {
	for _, c := range choices {
		if c != nil {
			return *c
		}
	}
	return otherwise
}

// sleep is how long a step of kind sleep sleeps; the longest possible where that is an expression.
func (s *stepDraft) sleep() time.Duration {
	if s.with != nil {
		if n := s.with.find("duration"); n != nil && n.kind == text {
			if d, err := ParseDuration(strings.TrimSpace(n.text)); err == nil {
				return d
			}
		}
	}
	return maxSleep
}
