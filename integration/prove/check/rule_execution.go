//go:build linux

package check

import (
	"slices"
	"time"
)

// executionWithoutClaim: what was executed had been claimed, with that attempt.
func executionWithoutClaim(h *history, say sayer) {
	for _, a := range h.attempts {
		x := h.executed[a]
		switch {
		case h.run[a.run] == nil:
			say(a.place, "attempt %d of step %s was executed, and its run does not exist", a.n, x.key)
		case h.step[a.place] == nil:
			say(a.place, "attempt %d of step %s was executed, and the run has no such step", a.n, x.key)
		case h.claimOf(a) == nil:
			say(a.place, "attempt %d was executed, and no transition to running has it", a.n)
		}
	}
}

// attemptExecutedTwice: an attempt is executed once.
func attemptExecutedTwice(h *history, say sayer) {
	for _, a := range h.attempts {
		if x := h.executed[a]; len(x.starts) > 1 || len(x.ends) > 1 {
			say(a.place, "attempt %d of step %s began %d times and ended %d times: %v, %v", a.n, x.key, len(x.starts), len(x.ends), x.starts, x.ends)
		}
	}
}

// executionsOverlap: an attempt begins after the one before it has ended, unless that was given up: by the database, by
// its worker's abandoning it, or with its worker.
func executionsOverlap(h *history, say sayer) {
	of := map[place][]*execution{}
	for _, a := range h.attempts {
		of[a.place] = append(of[a.place], h.executed[a])
	}
	for _, at := range sorted(of, comparePlaces) {
		all := of[at]
		slices.SortFunc(all, func(a, b *execution) int { return compare(a.n, b.n) })
		for i, later := range all {
			began, ok := later.startedAt()
			if !ok {
				continue
			}
			for _, earlier := range all[:i] {
				ended, known := earlier.endedAt()
				if t := h.endOf(earlier.attempt); known && began < ended && t != nil && t.over() {
					say(at, "attempt %d began %s before attempt %d ended, which ended by itself: %s, %s by %s", later.n, ended-began, earlier.n, t.To, t.Cause, t.Actor)
				}
			}
		}
	}
}

// over says that nothing was left of an attempt when its end was recorded: its worker had seen it end, and said so.
func (t *transition) over() bool {
	return t.ownWord() || t.reported() && t.Cause == "handed_back"
}

// executionBeganBeforeItsNeedsEnded: what a step needs has really ended before it begins, and not only in the tables.
func executionBeganBeforeItsNeedsEnded(h *history, say sayer) {
	known := map[place]lastEnd{}
	for _, a := range h.attempts {
		began, ok := h.executed[a].startedAt()
		s := h.step[a.place]
		if !ok || s == nil {
			continue
		}
		for _, need := range h.needsWhole(s) {
			if last := h.lastEnd(need.place(), known); last.at > began {
				say(a.place, "attempt %d began %s before attempt %d of step %s ended, which belongs to what it needs (%s)", a.n, last.at-began, last.of.n, h.name(last.of.place), need.Key)
			}
		}
	}
}

// lastEnd is the end of an execution.
type lastEnd struct {
	at time.Duration
	of attempt
}

// lastEnd is when the last attempt of a step, of the children of a fan-out or of all of a child run really ended, of those
// that ended by themselves.
func (h *history) lastEnd(at place, known map[place]lastEnd) lastEnd {
	if last, ok := known[at]; ok {
		return last
	}
	known[at] = lastEnd{} // a circle is found by others
	var last lastEnd
	later := func(other lastEnd) {
		if other.at > last.at {
			last = other
		}
	}
	s := h.step[at]
	if s != nil && s.ReusedFrom == [16]byte{} {
		a := attempt{at, s.Attempt}
		if t := h.endOf(a); t != nil && t.ownWord() && h.executed[a] != nil {
			ended, _ := h.executed[a].endedAt()
			later(lastEnd{ended, a})
		}
	}
	for _, child := range h.childrens[at] {
		later(h.lastEnd(child.place(), known))
	}
	if child := h.childRun[at]; child != nil {
		for _, of := range h.stepsOf[child.ID] {
			later(h.lastEnd(of.place(), known))
		}
	}
	known[at] = last
	return last
}

// reportedBeforeItEnded: when the end of an attempt was seen in the tables, it had ended, if it was its worker who said so.
func reportedBeforeItEnded(h *history, say sayer) {
	for _, a := range h.attempts {
		t := h.endOf(a)
		if t == nil || !t.over() {
			continue
		}
		ended, known := h.executed[a].endedAt()
		if seen, ok := h.seen[t.ID]; ok && known && seen < ended {
			say(a.place, "attempt %d was seen to be %s (%s by %s) %s before it ended", a.n, t.To, t.Cause, t.Actor, ended-seen)
		}
	}
}

// outcomeDiffersFromExecution: what a worker reported is what its handler or command did.
func outcomeDiffersFromExecution(h *history, say sayer) {
	for _, a := range h.attempts {
		t, s := h.endOf(a), h.step[a.place]
		if t == nil || s == nil || !t.reported() {
			continue
		}
		x := h.executed[a]
		told := t.outcome() // empty: handed back
		wrong := false
		switch x.says() {
		case saysSucceeded: // too late for its deadline, or killed, it has not succeeded
			wrong = told == "failed" || told == "" && s.Kind != "exec"
		case saysFailed, saysStopped:
			wrong = told == "succeeded"
		case saysPanicked:
			wrong = told == "succeeded" || told == "failed" || told == ""
		}
		if wrong {
			say(a.place, "attempt %d ended with %q, and was recorded as %s (%s by %s, outcome %q)", a.n, x.ends[len(x.ends)-1].Note, t.To, t.Cause, t.Actor, told)
		}
	}
}

// work is what tells which steps write to the ledger: their kind, and for kind exec their command.
type work struct{ kind, command string }

// successWithoutExecution: what has succeeded was executed, to its end. Looked at are the kinds and commands of which the
// ledger has anything.
func successWithoutExecution(h *history, say sayer) {
	notes := map[work]bool{}
	for _, a := range h.attempts {
		if s := h.step[a.place]; s != nil {
			notes[work{s.Kind, s.Command}] = true
		}
	}
	for i := range h.transitions {
		t := &h.transitions[i]
		if t.From != "running" || t.To != "succeeded" || !t.reported() {
			continue
		}
		a := attempt{place{t.Run, t.Step}, t.Attempt}
		s := h.step[a.place]
		if s == nil || !notes[work{s.Kind, s.Command}] {
			continue
		}
		switch x := h.executed[a]; {
		case x == nil || len(x.starts) == 0:
			say(a.place, "attempt %d has succeeded (%s by %s), and was never executed", a.n, t.Cause, t.Actor)
		case len(x.ends) == 0:
			say(a.place, "attempt %d has succeeded (%s by %s), and its execution has not ended", a.n, t.Cause, t.Actor)
		}
	}
}
