//go:build linux

package check

import (
	"slices"
)

// legalTransitionsDiffer: the table of what is legal is what the design says.
func legalTransitionsDiffer(h *history, say sayer) {
	there := map[legal]bool{}
	for _, l := range h.legal {
		there[l] = true
	}
	for entity, moves := range map[string]map[string][]string{"step": stepMoves(), "run": runMoves()} {
		for _, from := range sorted(moves, compare) {
			for _, to := range moves[from] {
				l := legal{entity, from, to}
				if !there[l] {
					say(place{}, "weir.legal_transitions does not let a %s go from %s to %s", entity, from, to)
				}
				delete(there, l)
			}
		}
	}
	for l := range there {
		say(place{}, "weir.legal_transitions lets a %s go from %s to %s", l.Entity, l.From, l.To)
	}
}

// chains goes through all histories: of runs (step 0) and of steps.
func (h *history) chains(each func(at place, chain []*transition)) {
	for i := range h.runs {
		at := place{h.runs[i].ID, 0}
		each(at, h.chain[at])
	}
	for i := range h.steps {
		at := h.steps[i].place()
		each(at, h.chain[at])
	}
}

// now is the state of a run or step that is there, and its cause.
func (h *history) now(at place) (state, cause string) {
	if at.step == 0 {
		return h.run[at.run].State, h.run[at.run].Cause
	}
	return h.step[at].State, h.step[at].Cause
}

// bornIllegally: a history starts from a legal birth, and what has none is as it was born.
func bornIllegally(h *history, say sayer) {
	h.chains(func(at place, chain []*transition) {
		state, _ := h.now(at)
		reused := at.step > 0 && h.step[at].ReusedFrom != [16]byte{}
		if len(chain) > 0 {
			state = chain[0].From
		}
		switch {
		case at.step == 0 && state != "running", at.step > 0 && !reused && !stepIsBornIn(state):
			say(at, "its history starts with %s, in which nothing is born", state)
		case reused && (state != "succeeded" || len(chain) > 0):
			say(at, "it was carried over, and is not just succeeded: it starts with %s and has %d transitions", state, len(chain))
		}
	})
}

// transitionIllegal: every change of state is one that the design has.
func transitionIllegal(h *history, say sayer) {
	steps, runs := stepMoves(), runMoves()
	for i := range h.transitions {
		t := &h.transitions[i]
		moves := steps
		if t.Step == 0 {
			moves = runs
		}
		if !slices.Contains(moves[t.From], t.To) {
			say(place{t.Run, t.Step}, "transition %d goes from %s to %s (%s by %s)", t.ID, t.From, t.To, t.Cause, t.Actor)
		}
	}
}

// historyHasAGap: each transition starts where the one before it ended.
func historyHasAGap(h *history, say sayer) {
	h.chains(func(at place, chain []*transition) {
		for i := 1; i < len(chain); i++ {
			if chain[i].From != chain[i-1].To {
				say(at, "transition %d starts from %s, and the one before it, %d, ended in %s", chain[i].ID, chain[i].From, chain[i-1].ID, chain[i-1].To)
			}
		}
	})
}

// historyOfNothing: history is of runs and steps that exist, and steps are of runs.
func historyOfNothing(h *history, say sayer) {
	for _, at := range sorted(h.chain, comparePlaces) {
		if at.step == 0 && h.run[at.run] == nil || at.step > 0 && h.step[at] == nil {
			say(at, "there are %d transitions of step %d, which does not exist", len(h.chain[at]), at.step)
		}
	}
	for i := range h.steps {
		if s := &h.steps[i]; h.run[s.Run] == nil {
			say(s.place(), "its run does not exist")
		}
	}
	for _, n := range h.needs {
		if h.step[place{n.Run, n.Need}] == nil || h.step[place{n.Run, n.Step}] == nil {
			say(place{n.Run, n.Step}, "step %d needs step %d, and not both exist", n.Step, n.Need)
		}
	}
}

// attemptDoesNotGrowByOne: attempt changes on the way to running only, by one, from 0.
func attemptDoesNotGrowByOne(h *history, say sayer) {
	h.chains(func(at place, chain []*transition) {
		n := 0
		for _, t := range chain {
			want := n
			if t.To == "running" && at.step > 0 {
				want++
			}
			if t.Attempt != want {
				say(at, "transition %d, %s to %s, has attempt %d after attempt %d", t.ID, t.From, t.To, t.Attempt, n)
			}
			n = t.Attempt
		}
	})
}

// actorUnknown: every transition says who did it.
func actorUnknown(h *history, say sayer) {
	for i := range h.transitions {
		if t := &h.transitions[i]; !actorIsKnown(t.Actor) {
			say(place{t.Run, t.Step}, "transition %d, %s to %s, was done by %q", t.ID, t.From, t.To, t.Actor)
		}
	}
}

// causeUnknown: every transition says why.
func causeUnknown(h *history, say sayer) {
	for i := range h.transitions {
		if t := &h.transitions[i]; !causeIsKnown(t.Cause) {
			say(place{t.Run, t.Step}, "transition %d, %s to %s, has the cause %q", t.ID, t.From, t.To, t.Cause)
		}
	}
}

// retryUnexplained: a step is executed again because its retry policy wants it, it was handed back, or an operator said so.
func retryUnexplained(h *history, say sayer) {
	for i := range h.steps {
		s := &h.steps[i]
		failures := 0
		for _, t := range h.chain[s.place()] {
			if t.counts() {
				failures++
			}
			if t.To != "retrying" || t.byHand() {
				continue
			}
			why := ""
			switch {
			case t.From == "waiting" && t.Cause == "decision":
			case t.From != "running":
				why = "nobody decided it"
			case t.Cause == "handed_back" || t.Cause == "claim_expired":
			case !slices.Contains([]string{"attempts_left", "lease_expired", "deadline", "stalled", "worker_forgot", "report_undeliverable"}, t.Cause):
				why = "that is no reason"
			case failures >= s.MaxAttempts:
				why = "its attempts were used up"
			case !s.retries(t):
				why = "its retry policy does not want that"
			}
			if why != "" {
				say(s.place(), "transition %d, %s to retrying (%s by %s, outcome %s, failure %d of %d): %s", t.ID, t.From, t.Cause, t.Actor, t.Outcome, failures, s.MaxAttempts, why)
			}
		}
	}
}

// retries says whether the step's retry policy wants another attempt after this end of one. What may have happened
// although nobody said so is tried again on request only.
func (s *step) retries(t *transition) bool {
	if s.RetryOn != nil {
		return slices.Contains(s.RetryOn, t.Outcome)
	}
	return t.Outcome == "failed" || t.Outcome == "crashed" || t.Outcome == "timed_out" && t.reported()
}

// stateDiffersFromHistory: replaying its history gives the state of a row.
func stateDiffersFromHistory(h *history, say sayer) {
	h.chains(func(at place, chain []*transition) {
		if len(chain) == 0 {
			return // bornIllegally looks at it
		}
		state, _ := h.now(at)
		if last := chain[len(chain)-1]; last.To != state {
			say(at, "it is %s, and its last transition, %d, ended in %s", state, last.ID, last.To)
		}
	})
}

// causeDiffersFromHistory: so does the cause.
func causeDiffersFromHistory(h *history, say sayer) {
	h.chains(func(at place, chain []*transition) {
		_, cause := h.now(at)
		switch {
		case len(chain) > 0 && chain[len(chain)-1].Cause != cause:
			say(at, "its cause is %s, and that of its last transition %s", cause, chain[len(chain)-1].Cause)
		case len(chain) == 0 && cause != "submitted" && cause != "rerun":
			say(at, "its cause is %s, and it was only born", cause)
		}
	})
}

// attemptDiffersFromHistory: so does the attempt.
func attemptDiffersFromHistory(h *history, say sayer) {
	for i := range h.steps {
		s := &h.steps[i]
		if s.ReusedFrom != [16]byte{} {
			continue // it has the attempt of the step that it was
		}
		claims := 0
		for _, t := range h.chain[s.place()] {
			if t.To == "running" {
				claims++
			}
		}
		if s.Attempt != claims {
			say(s.place(), "its attempt is %d, and it was claimed %d times", s.Attempt, claims)
		}
	}
}

// failuresDifferFromHistory: so do the failures, which are the outcomes that the retry policy counts.
func failuresDifferFromHistory(h *history, say sayer) {
	for i := range h.steps {
		s := &h.steps[i]
		if s.ReusedFrom != [16]byte{} {
			continue
		}
		n := 0
		for _, t := range h.chain[s.place()] {
			if t.counts() {
				n++
			}
		}
		if s.Failures != n {
			say(s.place(), "its failures are %d, and its history has %d", s.Failures, n)
		}
	}
}

// finishedAtWithoutAnEnd: finished_at is set exactly when the row is final.
func finishedAtWithoutAnEnd(h *history, say sayer) {
	for i := range h.runs {
		if r := &h.runs[i]; r.Finished != runIsFinal(r.State) {
			say(place{r.ID, 0}, "it is %s, and whether finished_at is set: %t", r.State, r.Finished)
		}
	}
	for i := range h.steps {
		if s := &h.steps[i]; s.Finished != stepIsFinal(s.State) {
			say(s.place(), "it is %s, and whether finished_at is set: %t", s.State, s.Finished)
		}
	}
}
