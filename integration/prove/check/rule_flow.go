//go:build linux

package check

// went is the transition with which a step left pending because its needs were met; nil: it did not. born: it was born so.
func (h *history) went(s *step) (t *transition, born bool) {
	chain := h.chain[s.place()]
	if s.ReusedFrom != [16]byte{} {
		return nil, false
	}
	if len(chain) == 0 {
		return nil, s.State != "pending"
	}
	if chain[0].From != "pending" {
		return chain[0], true
	}
	if chain[0].To == "available" || chain[0].To == "waiting" {
		return chain[0], false
	}
	return nil, false
}

// needsWhole are the steps that a step needs; those of a child of a fan-out are its parent's.
func (h *history) needsWhole(s *step) []*step {
	at := s.place()
	if s.Parent > 0 {
		at.step = s.Parent
	}
	var needs []*step
	for _, n := range h.needsOf[at] {
		if need := h.step[place{s.Run, n}]; need != nil {
			needs = append(needs, need)
		}
	}
	return needs
}

// finalID is the transition with which something ended; 0: it was born so, or has not ended.
func (h *history) finalID(at place) int64 {
	chain := h.chain[at]
	if len(chain) == 0 {
		return 0
	}
	last := chain[len(chain)-1]
	if at.step == 0 && runIsFinal(last.To) || at.step > 0 && stepIsFinal(last.To) {
		return last.ID
	}
	return 0
}

// stepWentBeforeItsNeeds: nothing leaves pending for work before all of its needs have ended. Ids are given in the order
// in which things cause each other.
func stepWentBeforeItsNeeds(h *history, say sayer) {
	for i := range h.steps {
		s := &h.steps[i]
		t, born := h.went(s)
		if t == nil && !born {
			continue
		}
		for _, need := range h.needsWhole(s) {
			ended := h.finalID(need.place())
			switch {
			case !stepIsFinal(need.State):
				say(s.place(), "it went on, and %s, which it needs, is %s", need.Key, need.State)
			case t != nil && ended > t.ID:
				say(s.place(), "it went on with transition %d, and %s, which it needs, ended with transition %d", t.ID, need.Key, ended)
			case born && s.Parent == 0 && ended != 0:
				say(s.place(), "it was born without waiting for %s, which it needs", need.Key)
			}
		}
	}
}

// ends counts how the needs of a step have ended.
type ends struct{ open, success, failure, allowed, neutral int }

func (h *history) endsOf(s *step) ends {
	var e ends
	for _, n := range h.needsOf[s.place()] {
		need := h.step[place{s.Run, n}]
		if need == nil {
			continue
		}
		switch need.end() {
		case success:
			e.success++
		case failure:
			e.failure++
		case allowed:
			e.allowed++
		case neutral:
			e.neutral++
		default:
			e.open++
		}
	}
	return e
}

// stepRanWrongly: what went on did so as its run_if says.
func stepRanWrongly(h *history, say sayer) {
	for i := range h.steps {
		s := &h.steps[i]
		t, born := h.went(s)
		if t == nil && !born || t != nil && t.byHand() {
			continue
		}
		e := h.endsOf(s)
		right := e.open == 0
		switch s.RunIf {
		case "all_succeeded":
			right = right && e.failure == 0 && e.neutral == 0
		case "any_failed":
			right = right && e.failure+e.allowed > 0
		}
		if !right {
			say(s.place(), "it went on, with run_if %s and needs that ended so: %+v", s.RunIf, e)
		}
	}
}

// stepSkippedWrongly: what was skipped was so as its run_if says, or by an operator.
func stepSkippedWrongly(h *history, say sayer) {
	for i := range h.steps {
		s := &h.steps[i]
		chain := h.chain[s.place()]
		if s.State != "skipped" || len(chain) == 0 || chain[len(chain)-1].byHand() {
			continue
		}
		e := h.endsOf(s)
		right := false
		switch last := chain[len(chain)-1]; {
		case last.From == "waiting":
			right = s.Cause == "decision"
		case s.Cause == "upstream_failed":
			right = s.RunIf == "all_succeeded" && e.failure > 0
		case s.Cause == "run_if" && s.RunIf == "all_succeeded":
			right = e.open == 0 && e.failure == 0 && e.neutral > 0
		case s.Cause == "run_if" && s.RunIf == "any_failed":
			right = e.open == 0 && e.failure+e.allowed == 0
		}
		if !right {
			say(s.place(), "it was skipped, %s, with run_if %s and needs that ended so: %+v", s.Cause, s.RunIf, e)
		}
	}
}

// stepCancelledUnasked: what was cancelled, somebody asked to cancel: the step, its run, its run's policy, its child run, or
// the River job that its worker ran.
func stepCancelledUnasked(h *history, say sayer) {
	for i := range h.steps {
		s := &h.steps[i]
		chain := h.chain[s.place()]
		if s.State != "cancelled" || len(chain) == 0 {
			continue
		}
		last := chain[len(chain)-1]
		child := h.childRun[s.place()]
		r := h.run[s.Run]
		switch {
		case s.CancelAsked, r == nil, r.CancelAsked, r.Failing, last.byHand(), last.Actor == "river", last.reported(), child != nil && child.CancelAsked:
		default:
			say(s.place(), "it was cancelled (%s by %s), and nobody had asked for it", last.Cause, last.Actor)
		}
	}
}

// runEndedBeforeItsSteps: a run ends with its last step.
func runEndedBeforeItsSteps(h *history, say sayer) {
	for i := range h.runs {
		r := &h.runs[i]
		at := place{r.ID, 0}
		if !runIsFinal(r.State) {
			continue
		}
		ended := h.finalID(at)
		for _, s := range h.stepsOf[r.ID] {
			switch {
			case !stepIsFinal(s.State):
				say(at, "it is %s, and %s is %s", r.State, s.Key, s.State)
			case h.finalID(s.place()) > ended:
				say(at, "it ended with transition %d, and %s with transition %d", ended, s.Key, h.finalID(s.place()))
			}
		}
	}
}

// runEndedWrongly: a run has failed if a step failed that may not, is cancelled if that was asked, else has succeeded.
func runEndedWrongly(h *history, say sayer) {
	for i := range h.runs {
		r := &h.runs[i]
		chain := h.chain[place{r.ID, 0}]
		if !runIsFinal(r.State) || len(chain) > 0 && chain[len(chain)-1].byHand() {
			continue
		}
		failed := 0
		for _, s := range h.stepsOf[r.ID] {
			if s.end() == failure {
				failed++
			}
		}
		want := "succeeded"
		switch {
		case r.CancelAsked && r.CancelCause == "run_timeout":
			want = "failed"
		case r.CancelAsked:
			want = "cancelled"
		case failed > 0:
			want = "failed"
		}
		if r.State != want {
			say(place{r.ID, 0}, "it is %s, and should be %s: %d steps failed, asked to cancel: %t %s", r.State, want, failed, r.CancelAsked, r.CancelCause)
		}
	}
}

// fanOutEndedWrongly: a fan-out ends as its children have, after them, and with as many as its list is long.
func fanOutEndedWrongly(h *history, say sayer) {
	for _, at := range sorted(h.family, comparePlaces) {
		chain, s := h.chain[at], h.step[at]
		if s == nil || len(chain) == 0 {
			continue
		}
		last := chain[len(chain)-1]
		if last.From != "waiting" || last.Cause != "steps_final" || last.byHand() {
			continue
		}
		failed := 0
		for _, child := range h.childrens[at] {
			if child.end() == failure {
				failed++
			}
			if !stepIsFinal(child.State) || h.finalID(child.place()) > last.ID {
				say(at, "it ended with transition %d, and its child %s is %s and ended with transition %d", last.ID, child.Key, child.State, h.finalID(child.place()))
			}
		}
		if n := len(h.childrens[at]); n != h.family[at].Total {
			say(at, "its list is %d long, and it has %d children", h.family[at].Total, n)
		}
		if want := map[bool]string{true: "failed", false: "succeeded"}[failed > 0]; s.State != want {
			say(at, "it is %s, and %d of its children failed", s.State, failed)
		}
	}
}

// childRunEndedDifferently: a step that waits for a child run ends as that has, after it.
func childRunEndedDifferently(h *history, say sayer) {
	for i := range h.steps {
		s := &h.steps[i]
		chain := h.chain[s.place()]
		if s.Expects != "run" || len(chain) == 0 {
			continue
		}
		last := chain[len(chain)-1]
		if last.From != "waiting" || last.Cause != "steps_final" || last.byHand() {
			continue
		}
		child := h.childRun[s.place()]
		switch {
		case child == nil:
			say(s.place(), "it is %s, and its child run is not there", s.State)
		case child.State != s.State:
			say(s.place(), "it is %s, and its child run %s is %s", s.State, child.ID, child.State)
		case h.finalID(place{child.ID, 0}) > last.ID:
			say(s.place(), "it ended with transition %d, and its child run %s with transition %d", last.ID, child.ID, h.finalID(place{child.ID, 0}))
		}
	}
}
