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
	if n.kind == null {
		r.fault(n, CodeEmptyPlan, "there is no plan in it")
		return nil, r.err()
	}
	d := planDraft{Plan: Plan{Input: json.RawMessage("{}"), Labels: map[string]string{}, OnFailure: "continue"}}
	readFields(r, n, theFormat().plan, &d)
	if d.input != nil {
		if d.Input = d.input.json(); len(d.Input) > r.limits.Input {
			r.faultIn(d.input, "input", CodeOutOfRange, "is larger than %d bytes", r.limits.Input)
		}
	}
	if d.steps != nil {
		steps := r.steps(d.steps)
		r.graph(steps)
		d.Steps = make([]Step, len(steps))
		for i := range steps {
			d.Steps[i] = steps[i].resolve(&d.defaults)
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return &d.Plan, nil
}

func (r *reader) steps(n *node) []stepDraft {
	r.enter("steps")
	defer r.leave()
	switch {
	case len(n.items) == 0:
		r.fault(n, CodeEmptyPlan, "has no steps: a plan needs at least one")
	case len(n.items) > r.limits.Steps:
		r.fault(n, CodeTooManySteps, "has %d steps, at most %d are allowed", len(n.items), r.limits.Steps)
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
			r.checkKind(s)
			r.checkWith(s)
		}
		r.leave()
	}
	return steps
}

// checkKind refuses the kinds that come later.
func (r *reader) checkKind(s *stepDraft) {
	if s.Kind == "wait" || s.Kind == "plan" {
		r.faultIn(s.kind, "kind", CodeNotSupportedYet, "this kind is not supported yet")
	}
}

// checkWith looks at the size of `with`, at its expressions, and at the one input that the defaults depend on.
func (r *reader) checkWith(s *stepDraft) {
	s.With = json.RawMessage("{}")
	if s.with == nil {
		return
	}
	r.enter("with")
	defer r.leave()
	if s.With = s.with.json(); len(s.With) > r.limits.With {
		r.fault(s.with, CodeOutOfRange, "is larger than %d bytes", r.limits.With)
	}
	if bytes.Contains(s.With, []byte("${{")) {
		known := map[string]bool{}
		if s.needs != nil {
			for i := range s.needs.items {
				known[s.needs.items[i].text] = true
			}
		}
		for i := range s.with.members {
			m := &s.with.members[i]
			if !slices.Contains(Literal(s.Kind), m.name) {
				r.enter(m.name)
				r.expressions(&m.value, func(key string) bool { return known[key] })
				r.leave()
			}
		}
	}
	if d := s.with.find("duration"); s.Kind == "sleep" && d != nil && d.kind == text && !expr.Has(d.text) {
		r.enter("duration")
		readDuration(r, d, maxSleep)
		r.leave()
	}
}

// Literal lists the members of a kind's input in which no expression is evaluated.
func Literal(kind string) []string {
	if kind == "exec" {
		return []string{"command"}
	}
	return nil
}

func (r *reader) expressions(n *node, isNeed func(string) bool) {
	switch n.kind {
	case text:
		for _, p := range expr.CheckText(n.text, isNeed) {
			r.fault(n, p.Code, "%s", p.Message)
		}
	case list:
		for i := range n.items {
			r.enterItem(i)
			r.expressions(&n.items[i], isNeed)
			r.leave()
		}
	case object:
		for i := range n.members {
			r.enter(n.members[i].name)
			r.expressions(&n.members[i].value, isNeed)
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
	}
	s.RunIf = orElse(s.RunIf, "all_succeeded")
	s.Queue = first(queue, s.queue, d.queue)
	s.Priority = first(defaultPriority, s.priority, d.priority)
	s.Timeout = first(timeout, s.timeout, d.timeout)
	s.Grace = first(defaultGrace, s.grace, d.grace)
	s.StallAfter = first(0, s.stallAfter, d.stallAfter)
	s.Retry = first(defaultRetry(), s.retry, d.retry)
	s.RunsOn = first("replica", s.runsOn, d.runsOn)
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
