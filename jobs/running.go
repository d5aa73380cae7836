package jobs

import (
	"slices"
	"time"

	"github.com/weirqueue/weir/lifecycle"
)

// RunningAttempt is an attempt that a supervisor holds.
type RunningAttempt struct {
	lifecycle.Hold
	Kind     string
	Since    time.Time // when its handler started; when its report was first offered, if Reported
	Reported bool      // the handler is over, the report is on its way
}

// Running lists the attempts that the supervisor holds, the oldest first: those whose handler runs and those whose
// report is not yet taken.
func (s *Supervisor) Running() []RunningAttempt {
	all := map[lifecycle.Hold]RunningAttempt{}
	s.mu.Lock()
	for h, e := range s.running {
		all[h] = RunningAttempt{Hold: h, Kind: e.claim.Kind, Since: e.began}
	}
	s.mu.Unlock()
	// An attempt is offered before it stops running, so in this order none is missed.
	s.reporter.mu.Lock()
	for h, o := range s.reporter.pending {
		all[h] = RunningAttempt{Hold: h, Kind: o.kind, Since: o.since, Reported: true}
	}
	s.reporter.mu.Unlock()
	out := make([]RunningAttempt, 0, len(all))
	for _, a := range all {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b RunningAttempt) int { return a.Since.Compare(b.Since) })
	return out
}

// Stop ends the context of an attempt because somebody asked for it. It answers false when the attempt does not run
// here (any more).
func (s *Supervisor) Stop(stop lifecycle.Stop) bool {
	return s.stopOne(stop.Hold, &StopError{Cause: stop.Cause, Grace: stop.Grace})
}

// Gone ends the context of an attempt that the database does not count as this worker's any more.
func (s *Supervisor) Gone(h lifecycle.Hold) bool { return s.stopOne(h, ErrLost) }

func (s *Supervisor) stopOne(h lifecycle.Hold, cause error) bool {
	s.mu.Lock()
	e := s.running[h]
	s.mu.Unlock()
	if e == nil {
		return false
	}
	e.stop(cause)
	return true
}
