package lifecycle_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// This is section 2 of the design and of the contract once more, without a database, time or concurrency: given a plan and
// how everything that comes from outside goes (a script), it says how each step and each run may end. Where a race is open,
// such as between a cancellation and the end of an attempt, it allows more than one end.
//
// A step is judged by how its needs did end, so that what one race left open does not blur all that follows from it.

// script is all that happens to a run and to those below it from outside. Steps are named by their path: k1, k1[0], k2/k0.
// The child runs of a fan-out share what happens: k3/k0 is about k3[0]/k0, k3[1]/k0, and so on.
type script struct {
	Ends      map[string][]ending `json:",omitempty"` // of each attempt; those after them succeed
	Lists     map[string]int      `json:",omitempty"` // how long the list in the output of a step is
	Signals   map[string]when     `json:",omitempty"` // when a step gets its signal
	Approvals map[string]string   `json:",omitempty"` // accept or fail
	Decisions map[string][]string `json:",omitempty"` // each time that a step waits for one; fail after them
	Acts      []act               `json:",omitempty"` // of an operator
	Again     *again              `json:",omitempty"` // nil: it is not done again
}

// again is how a run is done again once it has ended. The script is the same, but for the acts.
type again struct{ From []string }

// common is what the path of a step has in common with those of its cousins in the other child runs of a fan-out.
func common(path string) string { return regexp.MustCompile(`\[\d+\]/`).ReplaceAllString(path, "/") }

// ending is how an attempt ends.
type ending struct {
	Outcome   lifecycle.Outcome
	Permanent bool `json:",omitempty"`
}

// when is when a signal comes.
type when string

const (
	early when = "early" // before the step waits
	late  when = "late"  // while it waits
	never when = "never"
)

// act is what an operator does to a run after so many reports from it.
type act struct {
	After int
	Do    string // cancel, cancel step, pause; cancel below, pause below: one of the runs below it
	Path  string `json:",omitempty"` // of the step
}

// end is how a step or a run ended.
type end struct{ state, cause string }

func (e end) String() string { return e.state + " (" + e.cause + ")" }

// ends are those that are allowed.
type ends []end

func (es ends) has(e end) bool { return slices.Contains(es, e) }

// of adds a state with each of some causes.
func (es ends) of(state lifecycle.StepState, causes ...lifecycle.Cause) ends {
	for _, c := range causes {
		es = append(es, end{string(state), string(c)})
	}
	return es
}

// modelled is a run as the model sees it.
type modelled struct {
	script *script
	plan   *plan.Plan
	path   string // of what is in it: "" or "k2/"
	seen   *seenRun
	above  []lifecycle.Cause // why it may have been cancelled from above
	kept   map[string]bool   // steps that a rerun carried over

	differs []string // what is not as it must be
}

// judge compares a run, and those below it, with the script.
func judge(s *script, p *plan.Plan, path string, seen *seenRun, above []lifecycle.Cause) []string {
	return (&modelled{script: s, plan: p, path: path, seen: seen, above: above}).judge()
}

// judgeAgain does the same for a run that does another one again.
func judgeAgain(s *script, p *plan.Plan, before, seen *seenRun) []string {
	return (&modelled{script: s, plan: p, seen: seen, kept: kept(p, before, s.Again.From)}).judge()
}

// kept are the steps that a rerun carries over: those that had succeeded, but for those that are to run again and what is
// downstream of what runs again. When that is nothing, everything runs again.
func kept(p *plan.Plan, before *seenRun, from []string) map[string]bool {
	keeps, all := map[string]bool{}, true
	for _, s := range inOrder(p) {
		succeeded := before.steps[s.Key].state == string(lifecycle.StepSucceeded)
		all = all && succeeded
		if succeeded && !slices.Contains(from, s.Key) && !slices.ContainsFunc(s.Needs, func(need string) bool { return !keeps[need] }) {
			keeps[s.Key] = true
		}
	}
	if len(from) == 0 && (all || before.state == string(lifecycle.RunSucceeded)) {
		return nil
	}
	return keeps
}

func (m *modelled) judge() []string {
	p, seen := m.plan, m.seen
	if len(seen.steps) != len(p.Steps) {
		m.differ("", "it has %d steps, not %d", len(seen.steps), len(p.Steps))
		return m.differs
	}
	for _, s := range inOrder(p) {
		m.step(s)
	}
	m.run()
	return m.differs
}

func (m *modelled) differ(key, format string, args ...any) {
	m.differs = append(m.differs, strings.TrimSuffix(m.path+key, "/")+": "+fmt.Sprintf(format, args...))
}

// inOrder lists the steps of a plan, each after those that it needs.
func inOrder(p *plan.Plan) []*plan.Step {
	var out []*plan.Step
	done := map[string]bool{}
	for len(out) < len(p.Steps) {
		for i := range p.Steps {
			s := &p.Steps[i]
			if !done[s.Key] && !slices.ContainsFunc(s.Needs, func(need string) bool { return !done[need] }) {
				done[s.Key] = true
				out = append(out, s)
			}
		}
	}
	return out
}

// meaning is what the end of a step means: section 2.1 of the contract.
type meaning string

const (
	good    meaning = "success"
	bad     meaning = "failure"
	pardon  meaning = "failure that is allowed"
	neither meaning = "neutral"
)

func meaningOf(s *seenStep, allowed bool) meaning {
	switch {
	case s.state == string(lifecycle.StepSucceeded):
		return good
	case s.state == string(lifecycle.StepSkipped) && (s.cause == string(lifecycle.CauseRunIf) || s.cause == string(lifecycle.CauseDecision)):
		return neither
	case allowed:
		return pardon
	}
	return bad
}

// run says how the run itself may end.
func (m *modelled) run() {
	failed, timedOut := false, false
	for _, s := range m.plan.Steps {
		seen := m.seen.steps[s.Key]
		failed = failed || meaningOf(seen, s.AllowFailure) == bad
		timedOut = timedOut || seen.cause == string(lifecycle.CauseRunTimeout)
	}
	var allowed ends
	switch {
	case m.acts("cancel") && m.seen.asked: // the request was in time
		allowed = ends{{string(lifecycle.RunCancelled), string(lifecycle.CauseCancelRequested)}}
	case failed:
		allowed = ends{{string(lifecycle.RunFailed), string(lifecycle.CauseStepsFinal)}}
	default:
		allowed = ends{{string(lifecycle.RunSucceeded), string(lifecycle.CauseStepsFinal)}}
	}
	if m.plan.Timeout > 0 {
		if timedOut && len(m.above) == 0 {
			allowed = nil
		}
		allowed = append(allowed, end{string(lifecycle.RunFailed), string(lifecycle.CauseRunTimeout)})
	}
	if supersedes(m.plan.Concurrency) {
		allowed = append(allowed, end{string(lifecycle.RunCancelled), string(lifecycle.CauseSuperseded)})
	}
	for _, cause := range m.above {
		allowed = append(allowed, end{string(lifecycle.RunCancelled), string(cause)})
		if cause == lifecycle.CauseRunTimeout { // it reaches down
			allowed = append(allowed, end{string(lifecycle.RunFailed), string(cause)})
		}
	}
	if !allowed.has(m.seen.end) {
		m.differ("", "the run is %v, must be %v", m.seen.end, allowed)
	}
	if m.plan.Output != nil && m.seen.state == string(lifecycle.RunSucceeded) {
		m.output()
	}
}

// output compares the output of a run, {"of": "${{ steps.KEY.output }}"}, with that of the step.
func (m *modelled) output() {
	var template map[string]string
	if err := json.Unmarshal(m.plan.Output, &template); err != nil {
		m.differ("", "the output: %v", err)
		return
	}
	key := strings.TrimSuffix(strings.TrimPrefix(template["of"], "${{ steps."), ".output }}")
	step := m.seen.steps[key]
	switch {
	case step.output == "" && m.seen.output != "":
		m.differ("", "it has the output %s of a step that has none", m.seen.output)
	case step.output != "" && m.seen.output != `{"of": `+step.output+`}`:
		m.differ("", "its output is %s, that of %s is %s", m.seen.output, key, step.output)
	}
}

// acts reports whether an operator does that to the run.
func (m *modelled) acts(do string) bool {
	if m.path != "" {
		do += " below"
	}
	return slices.ContainsFunc(m.script.Acts, func(a act) bool { return a.Do == do })
}
