//go:build linux

package check

import (
	"github.com/weirqueue/weir/integration/prove/ledger"
)

const lateMost = 10 // late reports that are kept of a step

// lateReportMissing: whoever was told that their report came too late finds it among the evidence.
func lateReportMissing(h *history, say sayer) {
	there, n := map[attempt]bool{}, map[place]int{}
	for _, l := range h.late {
		at := place{l.Run, l.Step}
		there[attempt{at, l.Attempt}] = true
		n[at]++
	}
	for _, e := range h.Ledger {
		if e.What != ledger.Late {
			continue
		}
		at := h.placeOf(e)
		if !there[attempt{at, e.Attempt}] && n[at] < lateMost {
			say(at, "replica %s was told that its report of attempt %d of step %s came too late (%s), and weir.late_reports does not have it", e.Replica, e.Attempt, e.Step, e.Note)
		}
	}
}

// lateReportNotLate: what is called late is about an attempt that had ended otherwise.
func lateReportNotLate(h *history, say sayer) {
	for _, l := range h.late {
		at := place{l.Run, l.Step}
		s, t := h.step[at], h.endOf(attempt{at, l.Attempt})
		switch {
		case s == nil:
			say(at, "a late report is of step %d, which does not exist", l.Step)
		case t == nil:
			say(at, "a report of attempt %d is called late (%s %s), and no transition has ended that attempt", l.Attempt, l.Outcome, l.Result)
		case s.Report == l.Report:
			say(at, "report %s of attempt %d is called late (%s %s), and is the one that was recorded", l.Report, l.Attempt, l.Outcome, l.Result)
		case s.Attempt == l.Attempt && t.ownWord() && t.Actor == "replica:"+l.Worker.String():
			say(at, "a report of attempt %d by worker %s is called late (%s %s), and that worker has reported the attempt %s", l.Attempt, l.Worker, l.Outcome, l.Result, t.outcome())
		}
	}
}

// lateReportsOverTen: evidence is bounded.
func lateReportsOverTen(h *history, say sayer) {
	n := map[place]int{}
	for _, l := range h.late {
		n[place{l.Run, l.Step}]++
	}
	for _, at := range sorted(n, comparePlaces) {
		if n[at] > lateMost {
			say(at, "there are %d late reports of it, and %d are kept", n[at], lateMost)
		}
	}
}
