//go:build linux

package check

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// limitOf is how many may hold a key at once; 0: that is not known. The keys of plans carry it: limit/N/STRATEGY/NAME.
func (h *history) limitOf(key string) int {
	part := strings.Split(key, "/")
	switch {
	case part[0] == "limit" && len(part) > 2:
		n, _ := strconv.Atoi(part[1])
		return n
	case part[0] == "~key":
		return 1
	case part[0] == "~run" && len(part) == 2:
		if id, err := uuid.Parse(part[1]); err == nil && h.run[id] != nil {
			return h.run[id].MaxParallel
		}
	case part[0] == "~each" && len(part) == 3:
		id, err := uuid.Parse(part[1])
		n, err2 := strconv.Atoi(part[2])
		if err == nil && err2 == nil && h.policy[place{id, n}] != nil {
			return h.policy[place{id, n}].MaxParallel
		}
	}
	return 0
}

// limitExceeded: in no snapshot of the database did more hold a key, or run under it, than may. Keys whose limit somebody
// set are left out.
func limitExceeded(h *history, say sayer) {
	set := h.administered()
	for _, s := range h.Samples {
		n := h.limitOf(s.Key)
		if n > 0 && !set[s.Key] && (s.Held > n || s.Running > n) {
			say(place{}, "%d held the limit %s and %d ran under it at once, and %d may", s.Held, s.Key, s.Running, n)
		}
	}
}

// administered are the keys whose limit somebody set.
func (h *history) administered() map[string]bool {
	set := map[string]bool{}
	for _, s := range h.Samples {
		set[s.Key] = set[s.Key] || s.Administered > 0
	}
	for _, l := range h.limits {
		set[l.Key] = set[l.Key] || l.Administered > 0
	}
	return set
}

// span is the time of an execution, and what it is of.
type span struct {
	from, to time.Duration
	of       attempt
}

// spans are the times of all executions that ended by themselves.
func (h *history) spans() []span {
	var all []span
	for _, a := range h.attempts {
		t := h.endOf(a)
		if t == nil || !t.ownWord() || h.step[a.place] == nil {
			continue
		}
		from, began := h.executed[a].startedAt()
		to, ended := h.executed[a].endedAt()
		if began && ended {
			all = append(all, span{from, to, a})
		}
	}
	return all
}

// most is how many of the spans went on at once at the most, and which.
func most(spans []span) []attempt {
	slices.SortFunc(spans, func(a, b span) int { return compare(a.from, b.from) })
	var going []span
	var found []attempt
	for _, s := range spans {
		going = slices.DeleteFunc(going, func(g span) bool { return g.to <= s.from })
		going = append(going, s)
		if len(going) > len(found) {
			found = found[:0]
			for _, g := range going {
				found = append(found, g.of)
			}
		}
	}
	return found
}

// limitExceededByExecutions: no more steps, or runs with steps, of a limit's key were executed at once than may be.
func limitExceededByExecutions(h *history, say sayer) {
	set := h.administered()
	steps, runs := map[string][]span{}, map[string]map[uuid.UUID]span{}
	for _, x := range h.spans() {
		s := h.step[x.of.place]
		if p := h.policy[place{s.Run, max(s.Parent, 0)}]; s.Parent > 0 && p != nil && p.Key != "" {
			steps[p.Key] = append(steps[p.Key], x)
		} else if p := h.policy[s.place()]; p != nil && p.Key != "" {
			steps[p.Key] = append(steps[p.Key], x)
		}
		var keys []string
		if p := h.policy[place{s.Run, 0}]; p != nil && p.Key != "" {
			keys = append(keys, p.Key)
		}
		if r := h.run[s.Run]; r != nil && r.Key != "" {
			keys = append(keys, "~key/"+r.Key)
		}
		for _, key := range keys { // a run holds its slot from its first step to its last
			if runs[key] == nil {
				runs[key] = map[uuid.UUID]span{}
			}
			whole, known := runs[key][s.Run]
			if !known {
				whole = x
			}
			runs[key][s.Run] = span{min(whole.from, x.from), max(whole.to, x.to), whole.of}
		}
	}
	for key, all := range runs {
		for _, whole := range all {
			steps[key] = append(steps[key], whole)
		}
	}
	for _, key := range sorted(steps, compare) {
		if n, at := h.limitOf(key), most(steps[key]); n > 0 && !set[key] && len(at) > n {
			say(at[0].place, "%d were executed at once under the limit %s, and %d may be: %s", len(at), key, n, h.names(at))
		}
	}
}

// maxParallelExceededByExecutions: no more steps of a run, or children of a fan-out, were executed at once than may be.
func maxParallelExceededByExecutions(h *history, say sayer) {
	of := map[place][]span{}
	for _, x := range h.spans() {
		s := h.step[x.of.place]
		of[place{s.Run, 0}] = append(of[place{s.Run, 0}], x)
		if s.Parent > 0 {
			of[place{s.Run, s.Parent}] = append(of[place{s.Run, s.Parent}], x)
		}
	}
	for _, at := range sorted(of, comparePlaces) {
		n := 0
		if r := h.run[at.run]; at.step == 0 && r != nil {
			n = r.MaxParallel
		} else if p := h.policy[at]; p != nil {
			n = p.MaxParallel
		}
		if n == 0 {
			continue
		}
		if together := most(of[at]); len(together) > n {
			say(at, "%d of its steps were executed at once, and %d may be: %s", len(together), n, h.names(together))
		}
	}
}

func (h *history) names(of []attempt) string {
	var all []string
	for _, a := range of {
		all = append(all, a.run.String()+" "+h.name(a.place))
	}
	return strings.Join(all, ", ")
}
