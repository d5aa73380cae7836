package lifecycle_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// step says how a step may end, given how its needs did, and compares.
func (m *modelled) step(s *plan.Step) {
	seen := m.seen.steps[s.Key]
	if seen == nil {
		m.differ(s.Key, "there is no such step")
		return
	}
	if m.kept[s.Key] {
		m.compare(s.Key, seen, ends{}.of(lifecycle.StepSucceeded, lifecycle.CauseRerun))
		return
	}
	stops := m.stops(s, s.Key)
	starts, otherwise := m.starts(s)
	if !starts {
		m.compare(s.Key, seen, withStops(otherwise, stops, false))
		if seen.attempt > 0 || len(seen.children) > 0 || seen.child != nil {
			m.differ(s.Key, "it has been started")
		}
		return
	}
	if m.over(s) && (seen.attempt > 0 || len(seen.children) > 0 || seen.child != nil) {
		m.differ(s.Key, "it was started after its run was cancelled")
	}
	switch s.Expects() {
	case "":
		m.work(s, s.Key, seen, stops)
	case "children":
		m.fan(s, seen, stops)
	case "run":
		m.below(s, s.Key, seen, stops)
	default:
		m.wait(s, seen, stops)
	}
}

// compare notes an end that is not allowed.
func (m *modelled) compare(key string, seen *seenStep, allowed ends) {
	if !allowed.has(seen.end) {
		m.differ(key, "it is %v, must be %v", seen.end, allowed)
	}
}

// starts reports whether a step's needs let it start, and if not, how it ends.
func (m *modelled) starts(s *plan.Step) (starts bool, otherwise ends) {
	counts := map[meaning]int{}
	for _, need := range s.Needs {
		counts[meaningOf(m.seen.steps[need], m.of(need).AllowFailure)]++
	}
	switch {
	case s.RunIf == "all_finished":
		return true, nil
	case s.RunIf == "any_failed" && counts[bad]+counts[pardon] == 0:
		return false, ends{}.of(lifecycle.StepSkipped, lifecycle.CauseRunIf)
	case s.RunIf == "any_failed":
		return true, nil
	case counts[bad] > 0:
		return false, ends{}.of(lifecycle.StepSkipped, lifecycle.CauseUpstreamFailed)
	case counts[neither] > 0:
		return false, ends{}.of(lifecycle.StepSkipped, lifecycle.CauseRunIf)
	}
	return true, nil
}

func (m *modelled) of(key string) *plan.Step {
	return &m.plan.Steps[slices.IndexFunc(m.plan.Steps, func(s plan.Step) bool { return s.Key == key })]
}

// stops are the reasons for which a step may have been stopped. A fan-out's reasons are its children's.
func (m *modelled) stops(s *plan.Step, key string) []lifecycle.Cause {
	causes := slices.Clone(m.above)
	if m.acts("cancel") {
		causes = append(causes, lifecycle.CauseCancelRequested)
	}
	if m.path == "" && slices.ContainsFunc(m.script.Acts, func(a act) bool { return a.Do == "cancel step" && (a.Path == key || a.Path == s.Key) }) {
		causes = append(causes, lifecycle.CauseCancelRequested)
	}
	if m.plan.Timeout > 0 {
		causes = append(causes, lifecycle.CauseRunTimeout)
	}
	if supersedes(m.plan.Concurrency) || supersedes(s.Concurrency) {
		causes = append(causes, lifecycle.CauseSuperseded)
	}
	if m.plan.OnFailure == "cancel" && s.RunIf == "all_succeeded" && m.struck(s) {
		causes = append(causes, lifecycle.CauseFailurePolicy)
	}
	return causes
}

// supersedes reports whether others with the same key may have something cancelled.
func supersedes(c *plan.Concurrency) bool { return c != nil && c.Strategy != "queue" }

// struck reports whether the failure of another step may have had the rest cancelled. To its children, a fan-out is one.
func (m *modelled) struck(than *plan.Step) bool {
	for i := range m.plan.Steps {
		s := &m.plan.Steps[i]
		seen := m.seen.steps[s.Key]
		if (s != than || s.ForEach != "") && seen.cause != string(lifecycle.CauseFailurePolicy) && meaningOf(seen, s.AllowFailure) == bad {
			return true
		}
		for _, child := range seen.children { // one of a fan-out's children is enough for the others
			if child.cause != string(lifecycle.CauseFailurePolicy) && meaningOf(child, s.AllowFailure) == bad {
				return true
			}
		}
	}
	return false
}

// over reports whether a need was cancelled with the whole run: nothing starts after that.
func (m *modelled) over(s *plan.Step) bool {
	alone := m.acts("cancel") && !m.acts("cancel step") && m.plan.Timeout == 0 // no other cancellation is like it
	return alone && slices.ContainsFunc(s.Needs, func(need string) bool {
		return m.seen.steps[need].end == end{string(lifecycle.StepCancelled), string(lifecycle.CauseCancelRequested)}
	})
}

// withStops adds the ends that a cancellation brings.
func withStops(allowed ends, stops []lifecycle.Cause, started bool) ends {
	for _, cause := range stops {
		allowed = allowed.of(lifecycle.StepCancelled, cause)
		if started && cause == lifecycle.CauseRunTimeout {
			allowed = allowed.of(lifecycle.StepTimedOut, cause)
		}
	}
	return allowed
}

// worked is what the attempts of a step come to if nobody stops it.
type worked struct {
	ends               ends
	attempts, failures int
}

// attempts plays the script of a step that workers do.
func (m *modelled) attempts(s *plan.Step, path string) worked {
	var w worked
	script, decisions := m.script.Ends[path], slices.Clone(m.script.Decisions[path])
	for {
		now := ending{Outcome: lifecycle.OutcomeSucceeded}
		if w.attempts < len(script) {
			now = script[w.attempts]
		}
		w.attempts++
		switch now.Outcome {
		case lifecycle.OutcomeSucceeded:
			w.ends = w.ends.of(lifecycle.StepSucceeded, lifecycle.CauseReported)
			return w
		case lifecycle.OutcomeHandedBack:
			continue
		case lifecycle.OutcomeFailed, lifecycle.OutcomeCrashed, lifecycle.OutcomeTimedOut, lifecycle.OutcomeCancelled:
		}
		w.failures++
		if !now.Permanent && w.failures < s.Retry.MaxAttempts && (s.Retry.On == nil || slices.Contains(s.Retry.On, string(now.Outcome))) {
			continue
		}
		last := lifecycle.StepState(now.Outcome)
		if m.plan.OnFailure != "pause" || s.AllowFailure {
			w.ends = w.ends.of(last, lifecycle.CauseReported, lifecycle.CausePermanent, lifecycle.CauseAttemptsSpent)
			return w
		}
		decision := "fail"
		if len(decisions) > 0 {
			decision, decisions = decisions[0], decisions[1:]
		}
		switch decision {
		case "retry":
			continue
		case "skip":
			w.ends = w.ends.of(lifecycle.StepSkipped, lifecycle.CauseDecision)
		case "accept":
			w.ends = w.ends.of(lifecycle.StepSucceeded, lifecycle.CauseDecision)
		default:
			w.ends = w.ends.of(last, lifecycle.CauseDecision)
		}
		return w
	}
}

// work is about a step that workers do.
func (m *modelled) work(s *plan.Step, key string, seen *seenStep, stops []lifecycle.Cause) {
	w := m.attempts(s, common(m.path+key))
	if w.ends.has(seen.end) && (seen.attempt != w.attempts || seen.failures != w.failures) {
		m.differ(key, "it has %d attempts and %d failures, must have %d and %d", seen.attempt, seen.failures, w.attempts, w.failures)
	}
	if seen.attempt > w.attempts {
		m.differ(key, "it was started %d times, at most %d are allowed", seen.attempt, w.attempts)
	}
	m.compare(key, seen, withStops(w.ends, stops, true))
}

// wait is about a step of kind wait.
func (m *modelled) wait(s *plan.Step, seen *seenStep, stops []lifecycle.Cause) {
	var allowed ends
	path := common(m.path + s.Key)
	switch s.Expects() {
	case plan.WaitTime:
		allowed = allowed.of(lifecycle.StepSucceeded, lifecycle.CauseTime)
	case plan.WaitSignal:
		at := m.script.Signals[path]
		if at != never {
			allowed = allowed.of(lifecycle.StepSucceeded, lifecycle.CauseSignal)
		}
		if at != early && s.Timeout > 0 && s.Timeout < time.Minute {
			allowed = allowed.of(lifecycle.StepTimedOut, lifecycle.CauseDeadline)
		}
	case plan.WaitApproval:
		if m.script.Approvals[path] == "accept" {
			allowed = allowed.of(lifecycle.StepSucceeded, lifecycle.CauseApproval, lifecycle.CauseDecision)
		} else {
			allowed = allowed.of(lifecycle.StepFailed, lifecycle.CauseApproval, lifecycle.CauseDecision)
		}
		if s.Timeout > 0 {
			allowed = allowed.of(lifecycle.StepTimedOut, lifecycle.CauseDeadline)
		}
	}
	m.compare(s.Key, seen, withStops(allowed, stops, true))
	if seen.attempt > 0 {
		m.differ(s.Key, "a worker got it")
	}
}

// fan is about a step with for_each.
func (m *modelled) fan(s *plan.Step, seen *seenStep, stops []lifecycle.Cause) {
	items, known := m.items(s)
	if !known {
		m.compare(s.Key, seen, withStops(ends{}.of(lifecycle.StepFailed, lifecycle.CausePermanent, lifecycle.CauseReported), stops, true))
		return
	}
	if len(seen.children) > items || len(seen.children) < items && len(stops) == 0 {
		m.differ(s.Key, "it has %d children for %d items", len(seen.children), items)
		return
	}
	failed := false
	for i, child := range seen.children {
		key := s.Key + "[" + strconv.Itoa(i) + "]"
		if child.key != key {
			m.differ(s.Key, "child %d is %s", i, child.key)
		}
		stops := m.stops(s, key)
		if s.Kind == plan.KindPlan {
			m.below(s, key, child, stops)
		} else {
			m.work(s, key, child, stops)
		}
		failed = failed || meaningOf(child, s.AllowFailure) == bad
	}
	allowed := ends{}
	if failed {
		allowed = allowed.of(lifecycle.StepFailed, lifecycle.CauseStepsFinal)
	} else if len(seen.children) == items {
		allowed = allowed.of(lifecycle.StepSucceeded, lifecycle.CauseStepsFinal)
	}
	m.compare(s.Key, seen, withStops(allowed, stops, true))
	if seen.state != string(lifecycle.StepSucceeded) {
		return
	}
	outputs := make([]string, len(seen.children))
	for i, child := range seen.children {
		if outputs[i] = child.output; outputs[i] == "" {
			outputs[i] = "null"
		}
	}
	if want := "[" + strings.Join(outputs, ", ") + "]"; seen.output != want {
		m.differ(s.Key, "its output is %s, must be %s", seen.output, want)
	}
}

// items is how many items a fan-out has: as many as the list in the output of a need, or in the input.
func (m *modelled) items(s *plan.Step) (n int, known bool) {
	from, ok := strings.CutPrefix(s.ForEach, "${{ needs.")
	if !ok {
		return inputItems, true
	}
	need := strings.TrimSuffix(from, ".output.list }}")
	if m.seen.steps[need].state != string(lifecycle.StepSucceeded) || m.seen.steps[need].output == "" {
		return 0, false
	}
	switch lifecycle.Cause(m.seen.steps[need].cause) {
	case lifecycle.CauseDecision, lifecycle.CauseRerun: // it is not the script's
		var output struct{ List []int }
		if err := json.Unmarshal([]byte(m.seen.steps[need].output), &output); err != nil {
			m.differ(need, "its output: %v", err)
		}
		return len(output.List), true
	}
	return m.script.Lists[common(m.path+need)], true
}

// below is about a step that is a run.
func (m *modelled) below(s *plan.Step, key string, seen *seenStep, stops []lifecycle.Cause) {
	if seen.child == nil {
		if len(stops) == 0 {
			m.differ(key, "it has no child run")
		}
		m.compare(key, seen, withStops(nil, stops, true))
		return
	}
	sub, err := plan.ParseSubPlan(s.With)
	if err != nil {
		m.differ(key, "its plan: %v", err)
		return
	}
	m.differs = append(m.differs, judge(m.script, sub.Plan, m.path+key+"/", seen.child, stops)...)
	var allowed ends
	switch lifecycle.RunState(seen.child.state) {
	case lifecycle.RunSucceeded:
		allowed = allowed.of(lifecycle.StepSucceeded, lifecycle.CauseStepsFinal)
		if seen.state == string(lifecycle.StepSucceeded) && seen.output != seen.child.output {
			m.differ(key, "its output is %q, that of its run %q", seen.output, seen.child.output)
		}
	case lifecycle.RunFailed:
		allowed = allowed.of(lifecycle.StepFailed, lifecycle.CauseStepsFinal)
	case lifecycle.RunCancelled:
		allowed = allowed.of(lifecycle.StepCancelled, lifecycle.CauseCancelRequested, lifecycle.Cause(seen.child.cause))
	case lifecycle.RunRunning, lifecycle.RunPaused:
		m.differ(key, "its run is %v", seen.child.end)
	}
	m.compare(key, seen, withStops(allowed, stops, true))
}
