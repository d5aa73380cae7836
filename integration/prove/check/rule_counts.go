//go:build linux

package check

import (
	"slices"

	"github.com/google/uuid"
)

// runCountsWrong: the counts of a run are what its steps say.
func runCountsWrong(h *history, say sayer) {
	for i := range h.runs {
		r := &h.runs[i]
		total, open, failed := 0, 0, 0
		for _, s := range h.stepsOf[r.ID] {
			total++
			if !s.Settled {
				open++
			} else if s.end() == failure {
				failed++
			}
		}
		if r.StepsTotal != total || r.StepsOpen != open || r.StepsFail != failed {
			say(place{r.ID, 0}, "total, open and failed are %d, %d, %d, and its steps say %d, %d, %d", r.StepsTotal, r.StepsOpen, r.StepsFail, total, open, failed)
		}
	}
}

// needsCountsWrong: the counts with which a step went on are what the ends of its needs say.
func needsCountsWrong(h *history, say sayer) {
	for i := range h.steps {
		s := &h.steps[i]
		total := len(h.needsOf[s.place()])
		if s.NeedsTotal != total {
			say(s.place(), "needs_total is %d, and it has %d needs", s.NeedsTotal, total)
		}
		if t, born := h.went(s); t == nil && !born {
			continue // what is skipped or cancelled early is not counted any further
		}
		e := h.endsOf(s)
		if s.NeedsOpen != e.open || s.NeedsFailed != e.failure || s.NeedsAllowed != e.allowed || s.NeedsNeut != e.neutral {
			say(s.place(), "open, failed, allowed and neutral are %d, %d, %d, %d, and its needs say %d, %d, %d, %d",
				s.NeedsOpen, s.NeedsFailed, s.NeedsAllowed, s.NeedsNeut, e.open, e.failure, e.allowed, e.neutral)
		}
	}
}

// dependantsCountWrong: dependants is the number of steps that need one.
func dependantsCountWrong(h *history, say sayer) {
	n := map[place]int{}
	for _, e := range h.needs {
		n[place{e.Run, e.Need}]++
	}
	for i := range h.steps {
		if s := &h.steps[i]; s.Dependants != n[s.place()] {
			say(s.place(), "dependants is %d, and %d steps need it", s.Dependants, n[s.place()])
		}
	}
}

// fanOutCountsWrong: a fan-out counts its children, and each place of its list has one.
func fanOutCountsWrong(h *history, say sayer) {
	places := map[place][]int{}
	for _, i := range h.items {
		at := place{i.Run, i.Parent}
		if child := h.step[place{i.Run, i.Step}]; child == nil || child.Parent != i.Parent {
			say(at, "place %d of its list has step %d, which is no child of it", i.Item, i.Step)
		}
		places[at] = append(places[at], i.Item)
	}
	for _, at := range sorted(h.family, comparePlaces) {
		f, s := h.family[at], h.step[at]
		if s == nil {
			say(at, "step %d fans out, and does not exist", at.step)
			continue
		}
		children := h.childrens[at]
		if f.Expanded != len(children) || f.Expanded != len(places[at]) || f.Total < f.Expanded {
			say(at, "%d of %d children are said to be there, and there are %d, with %d places of the list", f.Expanded, f.Total, len(children), len(places[at]))
		}
		if chain := h.chain[at]; len(chain) == 0 || chain[len(chain)-1].Cause != "steps_final" {
			continue // what was cancelled counts its children no further
		}
		ended, failed := 0, 0
		for _, child := range children {
			if child.Settled {
				ended++
				if child.end() == failure {
					failed++
				}
			}
		}
		if f.Ended != ended || f.Failed != failed {
			say(at, "ended and failed are %d and %d, and its children say %d and %d", f.Ended, f.Failed, ended, failed)
		}
	}
}

// limitCountsWrong: a limit counts the slots that are held.
func limitCountsWrong(h *history, say sayer) {
	n := map[string]int{}
	for _, s := range h.slots {
		for _, key := range s.Holds {
			n[key]++
		}
	}
	for _, l := range h.limits {
		if l.Used != n[l.Key] {
			say(place{}, "used of limit %s is %d, and %d slots of it are held", l.Key, l.Used, n[l.Key])
		}
		delete(n, l.Key)
	}
	for _, key := range sorted(n, compare) {
		say(place{}, "%d slots of limit %s are held, and the limit does not exist", n[key], key)
	}
}

// hinted are the runs that reconcile has still to look at.
func (h *history) hinted() map[uuid.UUID]bool {
	runs := map[uuid.UUID]bool{}
	for _, d := range h.dirty {
		runs[d.Run] = true
	}
	return runs
}

// slotLeftBehind: what has ended neither holds slots nor waits for one.
func slotLeftBehind(h *history, say sayer) {
	hinted := h.hinted()
	for _, l := range h.slots {
		at := place{l.Run, l.Step}
		r, s := h.run[l.Run], h.step[at]
		over := r == nil || runIsFinal(r.State) || l.Step > 0 && (s == nil || stepIsFinal(s.State))
		if over && !hinted[l.Run] {
			say(at, "it has ended, holds %v and waits for %q", l.Holds, l.Waiting)
		}
	}
}

// tokenLeftBehind: what has ended has no dispatch token.
func tokenLeftBehind(h *history, say sayer) {
	for i := range h.steps {
		if s := &h.steps[i]; stepIsFinal(s.State) && s.River != 0 {
			say(s.place(), "it is %s, and River job %d may start it", s.State, s.River)
		}
	}
}

// riverJobLeftBehind: no River job waits for a step that has ended. (Whoever fetches one finds that out.)
func riverJobLeftBehind(h *history, say sayer) {
	for _, j := range h.river {
		say(place{j.Run, j.Step}, "it has ended, and %s", j.Message)
	}
}

// hintLeftBehind: reconcile has done what it was told about what was acknowledged or has ended. Runs that are set aside
// have a rule of their own.
func hintLeftBehind(h *history, say sayer) {
	acked := h.acked()
	for _, d := range h.dirty {
		r := h.run[d.Run]
		aside := slices.ContainsFunc(h.quarantine, func(q found) bool { return q.Run == d.Run })
		if !aside && (r == nil || runIsFinal(r.State) || slices.Contains(acked, d.Run)) {
			say(place{d.Run, d.Step}, "a hint is not served: %s", d.Message)
		}
	}
}

// hintMissing: whatever there is to do, something tells reconcile so. The sweep finds out a minute later, and hides it.
func hintMissing(h *history, say sayer) {
	for _, f := range h.Forgotten {
		say(place{f.Run, f.Step}, "%s, and no hint said so", f.Why)
	}
}

// runInQuarantine: what was set aside was done in the end.
func runInQuarantine(h *history, say sayer) {
	hinted := h.hinted()
	for _, q := range h.quarantine {
		if r := h.run[q.Run]; r == nil || !runIsFinal(r.State) || hinted[q.Run] {
			say(place{q.Run, 0}, "it is set aside, since reconcile failed on it: %s", q.Message)
		}
	}
}

// invariantBroken: weir.violations is empty.
func invariantBroken(h *history, say sayer) {
	for _, v := range h.violations {
		say(place{v.Run, v.Step}, "%s: %s", v.Rule, v.Message)
	}
}
