package jobs

import "time"

// stallTimer fires when an attempt may have been silent for its stall_after.
type stallTimer struct {
	*time.Timer
	e *execution
}

// newStallTimer starts the timer; without a stall_after it never fires.
func newStallTimer(e *execution) *stallTimer {
	t := &stallTimer{Timer: time.NewTimer(e.claim.StallAfter), e: e}
	if e.claim.StallAfter <= 0 {
		t.Stop()
	}
	return t
}

// check stops an attempt that is silent for too long, and else waits for the rest.
func (t *stallTimer) check() {
	if left := t.e.claim.StallAfter - t.e.silence(); left > 0 {
		t.Reset(left)
		return
	}
	t.e.stop(ErrStalled)
}
