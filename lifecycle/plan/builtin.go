package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/weirqueue/weir/lifecycle/expr"
)

// The kinds that no worker runs: the lifecycle itself does.
const (
	KindWait = "wait"
	KindPlan = "plan"
)

// What a step of kind wait waits for.
const (
	WaitSignal   = "signal"
	WaitApproval = "approval"
	WaitTime     = "time"
)

const notEvaluated = "holds an expression that was not evaluated"

// BuiltIn reports whether no worker runs a kind: wait and plan.
func BuiltIn(kind string) bool { return kind == KindWait || kind == KindPlan }

// meaningless is a field that means nothing for a step that no worker runs.
type meaningless struct{ name, why string }

// of says for which kinds it means nothing: limits of a plan step are those of its child runs, which begin with its slots.
func (m meaningless) of(kind string) bool {
	return kind != KindPlan || m.name != "concurrency" && m.name != "rate"
}

// notBuiltIn are the fields of a step that mean nothing where there is no worker, and why.
var notBuiltIn = []meaningless{
	{"queue", "no worker takes it from a queue"},
	{"priority", "no worker takes it from a queue"},
	{"grace", "there is nothing to stop"},
	{"stall_after", "there is no worker that could be silent"},
	{"retry", "it has no attempts"},
	{"runs_on", "no worker runs it"},
	{"concurrency", "it holds no slot"},
	{"rate", "it takes no slot"},
}

// checkBuiltIn refuses the fields that mean nothing for a step of kind wait or plan.
func (r *reader) checkBuiltIn(s *stepDraft) {
	if !BuiltIn(s.Kind) {
		return
	}
	for _, f := range notBuiltIn {
		if n := s.at.find(f.name); n != nil && f.of(s.Kind) {
			hint := ""
			if s.Kind == KindPlan && f.name != "retry" {
				hint = "; say it in the plan that it runs"
			}
			r.faultIn(n, f.name, CodeUnknownField, "means nothing for a step of kind %s: %s%s", s.Kind, f.why, hint)
		}
	}
}

// Wait is the `with` of a step of kind wait, its expressions evaluated.
type Wait struct {
	For      string        // WaitSignal, WaitApproval, WaitTime
	Duration time.Duration // of WaitTime, from when the step starts to wait; 0 = Until says it
	Until    *time.Time
}

// waitDraft is a `with` of kind wait as it is read.
type waitDraft struct {
	Wait
	later bool // some of it is an expression
}

// waitFields are the fields of a wait.
func waitFields() []field[waitDraft] {
	return []field[waitDraft]{
		of("for", "what ends it: signal (default), approval, or time", choice([]string{WaitSignal, WaitApproval, WaitTime}),
			func(w *waitDraft, v string) { w.For = v }),
		maybe(of("duration", "with for time: how long it waits", duration(MaxDuration),
			func(w *waitDraft, v time.Duration) { w.Duration = v })),
		maybe(of("until", "with for time: when it ends", instant(),
			func(w *waitDraft, v time.Time) { w.Until = &v })),
	}
}

// maybe lets a field be a string with an expression too; what the expression gives is looked at when it is evaluated.
func maybe(f field[waitDraft]) field[waitDraft] {
	f.schema.AnyOf = []*jsonschema.Schema{
		{Type: f.schema.Type, MinLength: f.schema.MinLength, Pattern: f.schema.Pattern, Format: f.schema.Format}, expression(),
	}
	f.schema.MinLength, f.schema.Pattern, f.schema.Format = nil, "", ""
	read := f.read
	f.read = func(r *reader, n *node, into *waitDraft) {
		if isExpression(n) {
			into.later = true
			return
		}
		read(r, n, into)
	}
	return f
}

// wait reads the `with` of a step of kind wait.
func (r *reader) wait(with *node) waitDraft {
	var w waitDraft
	readFields(r, with, theFormat().wait, &w)
	w.For = orElse(w.For, WaitSignal)
	duration, until := with.find("duration"), with.find("until")
	switch {
	case w.For == WaitTime && duration == nil && until == nil:
		r.faultIn(with, "duration", CodeWrongType, "is missing: waiting for time needs a duration, or until")
	case w.For == WaitTime && duration != nil && until != nil:
		r.faultIn(until, "until", CodeOutOfRange, "stands beside duration: give one of them")
	case w.For != WaitTime && duration != nil:
		r.faultIn(duration, "duration", CodeUnknownField, "belongs to a wait for time; how long this one may take at most, the step's timeout says")
	case w.For != WaitTime && until != nil:
		r.faultIn(until, "until", CodeUnknownField, "belongs to a wait for time; how long this one may take at most, the step's timeout says")
	}
	return w
}

// ParseWait reads the `with` of a step of kind wait whose expressions are evaluated. The error is [Faults] with paths like
// with.until, or a *[SyntaxError].
func ParseWait(with json.RawMessage) (Wait, error) {
	r, n, err := readWith(with)
	if err != nil {
		return Wait{}, err
	}
	w := r.wait(&n)
	if w.later {
		r.fault(&n, CodeBadExpression, notEvaluated)
	}
	return w.Wait, r.err()
}

// SubPlan is the `with` of a step of kind plan, its expressions evaluated.
type SubPlan struct {
	Plan    *Plan           // inline; nil: Name says which
	Text    json.RawMessage // of Plan, as it was given; nil without one
	Name    string          // of a named plan
	Version int             // of the named plan; 0 = the newest
	Input   json.RawMessage // an object, whose members replace those of the plan's input; nil: none given
}

// subPlanDraft is a `with` of kind plan as it is read.
type subPlanDraft struct{ plan, input *node }

func isExpression(n *node) bool { return n != nil && n.kind == text && expr.Has(n.text) }

func subPlanFields() []field[subPlanDraft] {
	return []field[subPlanDraft]{
		of("plan", "a plan, or the name of one: name or name@version", anyJSON(),
			func(s *subPlanDraft, v *node) { s.plan = v }).require(CodeWrongType),
		of("input", "an object whose members replace those of the plan's input", anyJSON(),
			func(s *subPlanDraft, v *node) { s.input = v }),
	}
}

// subPlan reads the `with` of a step of kind plan, depth being that of the plan which has the step. later says that some of
// it is an expression.
func (r *reader) subPlan(with *node, depth int) (s SubPlan, later bool) {
	var d subPlanDraft
	readFields(r, with, theFormat().subPlan, &d)
	if n := d.plan; n != nil {
		r.enter("plan")
		switch {
		case isExpression(n):
		case n.kind == text:
			var ok bool
			if s.Name, s.Version, ok = ParseRef(n.text); !ok {
				r.fault(n, CodeOutOfRange, "must be a plan, or the name of one like load/daily or load/daily@3")
			}
		case n.kind != object:
			r.fault(n, CodeWrongType, "is %s, must be a plan, or the name of one", n.kind)
		case depth >= MaxDepth:
			r.fault(n, CodeOutOfRange, "is inside %d plans, at most %d are allowed", depth+1, MaxDepth)
		default:
			s.Plan, s.Text = r.planAt(n, depth+1), n.json()
		}
		r.leave()
	}
	if n := d.input; n != nil && !isExpression(n) {
		r.enter("input")
		if isA(r, n, object) {
			if s.Input = n.json(); len(s.Input) > r.limits.Input {
				r.fault(n, CodeOutOfRange, "is larger than %d bytes", r.limits.Input)
			}
		}
		r.leave()
	}
	return s, isExpression(d.plan) || isExpression(d.input)
}

// ParseSubPlan reads the `with` of a step of kind plan whose expressions are evaluated. The error is [Faults] with paths like
// with.plan, or a *[SyntaxError].
func ParseSubPlan(with json.RawMessage) (SubPlan, error) {
	r, n, err := readWith(with)
	if err != nil {
		return SubPlan{}, err
	}
	r.held = []string{""} // of the run that has the step: not known here
	s, later := r.subPlan(&n, 0)
	if later {
		r.fault(&n, CodeBadExpression, notEvaluated)
	}
	return s, r.err()
}

func readWith(with json.RawMessage) (*reader, node, error) {
	r := newReader(Limits{})
	n, err := readJSON(r, with)
	if err == nil {
		err = r.err()
	}
	r.enter("with")
	return r, n, err
}

var refPattern = regexp.MustCompile(`^([a-z0-9][a-z0-9._/-]{0,127})(?:@([1-9][0-9]{0,8}))?$`)

// ParseRef reads the name of a named plan: name, or name@version. Version 0 is the newest.
func ParseRef(ref string) (name string, version int, ok bool) {
	m := refPattern.FindStringSubmatch(ref)
	if m == nil {
		return "", 0, false
	}
	if m[2] != "" {
		version, _ = strconv.Atoi(m[2]) // at most nine digits
	}
	return m[1], version, true
}

// FormatRef is the name of a named plan as [ParseRef] reads it.
func FormatRef(name string, version int) string {
	if version == 0 {
		return name
	}
	return name + "@" + strconv.Itoa(version)
}

// literal lists the members of the step's `with` in which the step evaluates no expression. Those of an inline plan are that
// plan's own.
func (s *stepDraft) literal() []string {
	if s.Kind != KindPlan || s.with == nil {
		return Literal(s.Kind)
	}
	if n := s.with.find("plan"); n != nil && n.kind != text {
		return []string{"plan"}
	}
	return nil
}

// EvalWith evaluates the `with` of a step of any kind. What [Literal] lists is left alone, and so is an inline plan of a step
// of kind plan: its expressions are over the child run's input and needs. Errors are those of [expr.Eval].
func EvalWith(kind string, with json.RawMessage, scope expr.Scope) (json.RawMessage, error) {
	literal := Literal(kind)
	if kind == KindPlan && inline(with) != nil {
		literal = []string{"plan"}
	}
	return expr.Eval(with, scope, literal...)
}

// inline is the text of the plan in a `with` of kind plan; nil if it names one.
func inline(with json.RawMessage) json.RawMessage {
	var in struct{ Plan json.RawMessage }
	if err := json.Unmarshal(with, &in); err != nil || !bytes.HasPrefix(in.Plan, []byte("{")) {
		return nil
	}
	return in.Plan
}

// checkInline compares the steps of a plan inside a step with the kinds there are. at is the path of that plan, with a dot.
func (s *Step) checkInline(kinds map[string]Kind, at string) Faults {
	text := inline(s.With)
	if s.Kind != KindPlan || text == nil {
		return nil
	}
	p, err := ParseJSON(text)
	if err != nil {
		return Faults{{Path: strings.TrimSuffix(at, "."), Code: CodeWrongType, Message: fmt.Sprintf("cannot be read: %v", err)}}
	}
	faults := p.CheckKinds(kinds)
	for i := range faults {
		faults[i].Path = at + faults[i].Path
	}
	return faults
}
