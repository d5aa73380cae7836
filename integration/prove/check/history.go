//go:build linux

package check

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/integration/prove/ledger"
)

// history is the evidence and the tables, each to be found by what it is of.
type history struct {
	Evidence
	tables

	run       map[uuid.UUID]*run
	step      map[place]*step
	stepsOf   map[uuid.UUID][]*step
	ordinal   map[stepKey]int
	chain     map[place][]*transition // by id, which is the order within one step or run
	needsOf   map[place][]int
	childrens map[place][]*step // of a fan-out
	childRun  map[place]*run
	policy    map[place]*policy
	family    map[place]*family
	executed  map[attempt]*execution
	attempts  []attempt // of executed, as the ledger has them
	seen      map[int64]time.Duration
}

type stepKey struct {
	run uuid.UUID
	key string
}

// attempt names one.
type attempt struct {
	place
	n int
}

// execution is what the ledger has about an attempt.
type execution struct {
	attempt
	key    string // the step's
	starts []ledger.Entry
	ends   []ledger.Entry
}

func newHistory(e Evidence, t tables) *history {
	h := &history{
		Evidence: e, tables: t, run: map[uuid.UUID]*run{}, step: map[place]*step{}, stepsOf: map[uuid.UUID][]*step{}, ordinal: map[stepKey]int{},
		chain: map[place][]*transition{}, needsOf: map[place][]int{}, childrens: map[place][]*step{}, childRun: map[place]*run{},
		policy: map[place]*policy{}, family: map[place]*family{}, executed: map[attempt]*execution{}, seen: map[int64]time.Duration{},
	}
	for i := range t.runs {
		r := &h.runs[i]
		h.run[r.ID] = r
		if r.ParentRun != uuid.Nil {
			h.childRun[place{r.ParentRun, r.ParentStep}] = r
		}
	}
	for i := range t.steps {
		s := &h.steps[i]
		h.step[s.place()] = s
		h.stepsOf[s.Run] = append(h.stepsOf[s.Run], s)
		h.ordinal[stepKey{s.Run, s.Key}] = s.Step
		if s.Parent > 0 {
			h.childrens[place{s.Run, s.Parent}] = append(h.childrens[place{s.Run, s.Parent}], s)
		}
	}
	for i := range t.transitions {
		m := &h.transitions[i]
		at := place{m.Run, m.Step}
		h.chain[at] = append(h.chain[at], m)
	}
	for _, n := range t.needs {
		h.needsOf[place{n.Run, n.Step}] = append(h.needsOf[place{n.Run, n.Step}], n.Need)
	}
	for i := range t.policies {
		p := &h.policies[i]
		h.policy[place{p.Run, p.Step}] = p
	}
	for i := range t.families {
		f := &h.families[i]
		h.family[place{f.Run, f.Step}] = f
	}
	for _, m := range e.Moves {
		h.seen[m.ID] = m.Seen
	}
	h.readLedger()
	return h
}

// readLedger gathers what the ledger says by attempt. A step that the tables do not have gets the ordinal -1.
func (h *history) readLedger() {
	for _, e := range h.Ledger {
		if e.What != ledger.Start && e.What != ledger.End {
			continue
		}
		at := attempt{h.placeOf(e), e.Attempt}
		x := h.executed[at]
		if x == nil || x.key != e.Step {
			x = &execution{attempt: at, key: e.Step}
			h.executed[at] = x
			h.attempts = append(h.attempts, at)
		}
		if e.What == ledger.Start {
			x.starts = append(x.starts, e)
		} else {
			x.ends = append(x.ends, e)
		}
	}
}

func (h *history) placeOf(e ledger.Entry) place {
	if n, ok := h.ordinal[stepKey{e.Run, e.Step}]; ok {
		return place{e.Run, n}
	}
	return place{e.Run, -1}
}

// claimOf is the transition that began an attempt.
func (h *history) claimOf(a attempt) *transition {
	for _, t := range h.chain[a.place] {
		if t.To == "running" && t.Attempt == a.n {
			return t
		}
	}
	return nil
}

// endOf is the transition that ended an attempt.
func (h *history) endOf(a attempt) *transition {
	for _, t := range h.chain[a.place] {
		if t.From == "running" && t.Attempt == a.n {
			return t
		}
	}
	return nil
}

// endedAt is when an execution ended, and whether that is known.
func (x *execution) endedAt() (time.Duration, bool) {
	var at time.Duration
	for _, e := range x.ends {
		at = max(at, e.At)
	}
	return at, len(x.ends) > 0
}

func (x *execution) startedAt() (time.Duration, bool) {
	if len(x.starts) == 0 {
		return 0, false
	}
	at := x.starts[0].At
	for _, e := range x.starts {
		at = min(at, e.At)
	}
	return at, true
}

// What an execution says about its own end.
const (
	saysNothing   = ""
	saysSucceeded = "succeeded"
	saysFailed    = "failed"
	saysPanicked  = "panicked"
	saysStopped   = "stopped" // its context ended, or TERM came
)

// says is how an execution ended, by its own word. Notes that are not known say nothing.
func (x *execution) says() string {
	if len(x.ends) == 0 {
		return saysNothing
	}
	word, _, _ := strings.Cut(x.ends[len(x.ends)-1].Note, " ")
	switch strings.TrimSuffix(word, ":") {
	case "ok", "succeeded":
		return saysSucceeded
	case "fail", "failed", "permanent", "later":
		return saysFailed
	case "panic", "panicked", "exit":
		return saysPanicked
	case "context", "TERM":
		return saysStopped
	}
	return saysNothing
}

// name is how people know a place.
func (h *history) name(p place) string {
	if s := h.step[p]; s != nil {
		return s.Key
	}
	return ""
}
