//go:build linux

package main

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/integration/prove/check"
	"github.com/weirqueue/weir/integration/prove/ledger"
)

// spread is how long something took, at its quickest, usually, and at its slowest.
type spread []time.Duration

func (s spread) at(percent int) time.Duration {
	if len(s) == 0 {
		return 0
	}
	return s[min(len(s)*percent/100, len(s)-1)]
}

// recoveries are, by kind of fault, how long it took from the fault to the next start of a step: from its end if it is
// the server's, else from its beginning, since the others are to go on. Where a fault of the server was under way, or
// no step was to be started any more, it says nothing about a fault of a replica.
func recoveries(all []played, entries []ledger.Entry) map[string]spread {
	var starts []time.Duration
	for _, e := range entries {
		if e.What == ledger.Start {
			starts = append(starts, e.At)
		}
	}
	slices.Sort(starts)
	took := map[string]spread{}
	for _, f := range all {
		from := f.Began
		if f.Replica < 0 {
			from = f.Ended
		}
		next := sort.Search(len(starts), func(i int) bool { return starts[i] >= from })
		if next < len(starts) && (f.Replica < 0 || !disturbed(all, from, starts[next], time.Second)) {
			took[f.Kind] = append(took[f.Kind], starts[next]-from)
		}
	}
	for _, s := range took {
		slices.Sort(s)
	}
	return took
}

// disturbed says whether the server had a fault at some time in between, or was just coming back; of these kinds, none: of any.
func disturbed(all []played, from, to, margin time.Duration, kinds ...string) bool {
	return slices.ContainsFunc(all, func(f played) bool {
		return f.Replica < 0 && f.Began <= to && from <= f.Ended+margin && (len(kinds) == 0 || slices.Contains(kinds, f.Kind))
	})
}

// attempt is one of a step.
type attempt struct {
	run  uuid.UUID
	step string
	n    int
}

// startedBy tells which process ran an attempt.
func startedBy(entries []ledger.Entry) map[attempt]string {
	by := map[attempt]string{}
	for _, e := range entries {
		if e.What == ledger.Start {
			by[attempt{e.Run, e.Step, e.Attempt}] = e.Replica
		}
	}
	return by
}

// movedOn are, for kill -9 and for freezing, how long after it the steps that the process held became something else,
// because its lease had run out.
func movedOn(all []played, entries []ledger.Entry, moves []check.Move) map[string]spread {
	by := startedBy(entries)
	took := map[string]spread{}
	for _, m := range moves {
		replica, ok := by[attempt{m.Run, m.Step, m.Attempt}]
		if !ok || m.From != "running" || m.Cause != leaseExpired && m.To != retrying {
			continue
		}
		for _, f := range all {
			held := f.Process == replica && f.Began < m.Seen && m.Seen < f.Began+2*lease
			if held && (f.Kind == kill || f.Kind == freeze) && m.Seen > f.Began+lease/2 && !disturbed(all, f.Began, m.Seen, lease, unsettling()...) {
				took[f.Kind] = append(took[f.Kind], m.Seen-f.Began)
			}
		}
	}
	for _, s := range took {
		slices.Sort(s)
	}
	return took
}

// unsettling are the faults after which nobody is declared lost for a whole lease.
func unsettling() []string {
	return []string{restartFast, restartAtOnce, serverCrash, outage, clockForward, clockBack, diskFull}
}

const (
	leaseExpired = "lease_expired"
	forgotten    = "worker_forgot"
	retrying     = "retrying"
)

// lostThoughAlive lists what was declared lost although its process was neither killed nor frozen nor cut off from the
// database: no fault of the server is a reason for that.
func lostThoughAlive(all []played, seatOf map[string]int, entries []ledger.Entry, moves []check.Move) []check.Violation {
	by := startedBy(entries)
	var found []check.Violation
	for _, m := range moves {
		process, ok := by[attempt{m.Run, m.Step, m.Attempt}]
		if !ok || m.From != "running" || m.Cause != leaseExpired && m.Cause != forgotten {
			continue
		}
		excused := slices.ContainsFunc(all, func(f played) bool {
			if f.Process == process { // it was killed, frozen or ended
				return f.Began < m.Seen
			}
			cutOff := slices.Contains([]string{silence, cut, cutCommitted, cutUncommitted, latency, deafness}, f.Kind)
			return cutOff && f.Replica == seatOf[process] && f.Began < m.Seen && m.Seen < f.Ended+3*lease
		})
		if !excused {
			found = append(found, check.Violation{
				Rule: "lost-though-alive", Run: m.Run, Step: m.Step,
				What: fmt.Sprintf("attempt %d became %s, cause %s, while process %s lived and had its way to the database", m.Attempt, m.To, m.Cause, process),
			})
		}
	}
	return found
}
