package lifecycle

import (
	"fmt"

	"github.com/weirqueue/weir/db/queries"
)

// applicant is a run or step that needs slots, holds them, or did.
type applicant struct {
	queries.GateLookRow
	line string // that it stands in
}

// claim is one limit that an applicant needs a slot of.
type claim struct {
	key  string
	says int32 // what its plan, or run, says the limit is
}

// claims are the slots that it needs.
func (a *applicant) claims() []claim {
	var out []claim
	if a.ConcurrencyKey != nil {
		out = append(out, claim{*a.ConcurrencyKey, a.ConcurrencyLimit})
	}
	if !a.IsStep {
		if a.RunKey != nil {
			out = append(out, claim{lineKey + *a.RunKey, 1})
		}
		return out
	}
	if a.EachParallel > 0 {
		out = append(out, claim{fmt.Sprintf(lineEach+"%s/%d", a.RunID, a.Parent), a.EachParallel})
	}
	if a.RunParallel > 0 && a.Expects == nil {
		out = append(out, claim{lineRun + a.RunID.String(), a.RunParallel})
	}
	return out
}

// home is the line that it stands in first.
func (a *applicant) home() string {
	switch c := a.claims(); {
	case a.StartsLater:
		return lineStart
	case len(c) > 0:
		return c[0].key
	case a.RateKey != nil:
		return lineRate + *a.RateKey
	}
	return lineStart // whose time has come: nothing holds it back
}

// standing is what an applicant is to the gate.
type standing int

const (
	over  standing = iota // it needs no slot now
	wants                 // it may start but for slots
	keeps                 // it runs, or may start any moment
)

func (a *applicant) standing() standing {
	runs := RunState(a.RunState) == RunRunning && !a.Cancelling
	if !a.IsStep {
		switch {
		case RunState(a.RunState).Final():
			return over
		case a.Admitted:
			return keeps
		case runs:
			return wants
		}
		return over
	}
	switch StepState(a.State) {
	case StepRunning:
		return keeps
	case StepWaiting:
		if a.Expects != nil {
			return keeps
		}
		return over
	case StepAvailable, StepRetrying, StepPending:
		switch {
		case a.Dispatched:
			return keeps
		case !runs || !a.Admitted || !a.Due:
			return over
		case StepState(a.State) == StepPending && (a.Expects == nil || a.NeedsOpen > 0):
			return over
		case a.HasSlot && a.WaitingOn == nil:
			return keeps
		}
		return wants
	case StepSucceeded, StepFailed, StepCrashed, StepTimedOut, StepLost, StepCancelled, StepSkipped:
	}
	return over
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
