package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
)

const maxStack = 16 << 10 // bytes of a stack that are kept in a report

// conclude says how the attempt ended: what came out of the handler, seen in the light of why its context had ended by
// then. r is nil for a handler that was abandoned.
//
//	context ended by   returned nil   returned an error          panicked   abandoned
//	nothing            succeeded      failed (killed: crashed)   crashed    -
//	deadline, stall    timed_out      timed_out                  timed_out  timed_out, abandoned
//	a stop             succeeded      cancelled                  cancelled  cancelled, abandoned
//	shutdown           succeeded      handed back (or crashed)   crashed    crashed, killed
//	loss               succeeded      failed                     crashed    crashed, killed
func (e *execution) conclude(r *result, maxOutput int64) lifecycle.Report {
	rep := lifecycle.Report{
		ID: uuid.New(), Run: e.claim.Run, Step: e.claim.Step, Attempt: e.claim.Attempt, Worker: e.claim.Worker,
		Cause: lifecycle.CauseReported,
	}
	cause := context.Cause(e.ctx)
	if r != nil {
		cause = r.cause
	}
	var stop *StopError
	timedOut := errors.Is(cause, ErrDeadline) || errors.Is(cause, ErrStalled)
	switch {
	case r != nil && r.panic == nil && r.err == nil && !timedOut:
		rep.Outcome = lifecycle.OutcomeSucceeded
		out := r.output.checked(maxOutput)
		rep.Output, rep.OutputError = out.json, out.problem
	case timedOut:
		e.timedOut(&rep, cause)
		said(&rep, r)
	case errors.As(cause, &stop):
		cancelled(&rep, stop)
		said(&rep, r)
	case r == nil:
		rep.Outcome, rep.Cause = lifecycle.OutcomeCrashed, lifecycle.CauseKilled
		rep.Error = &lifecycle.ReportError{Code: "killed", Message: cause.Error() + ", and the handler did not return", Retryable: true}
	case r.panic != nil:
		rep.Outcome, rep.Cause = lifecycle.OutcomeCrashed, lifecycle.CausePanic
		rep.Error = &lifecycle.ReportError{Code: "panic", Message: message(r.panic.value), Retryable: true, Detail: r.panic.detail()}
	default:
		failed(&rep, r.err, cause)
	}
	if r == nil {
		rep.Error.Detail = detail(map[string]string{"stack": cut(clean(e.stack()), maxStack)})
		if rep.Outcome != lifecycle.OutcomeCrashed {
			rep.Cause = lifecycle.CauseAbandoned
		}
	}
	return rep
}

func (e *execution) timedOut(rep *lifecycle.Report, cause error) {
	rep.Outcome = lifecycle.OutcomeTimedOut
	if errors.Is(cause, ErrStalled) {
		rep.Cause = lifecycle.CauseStalled
		rep.Error = &lifecycle.ReportError{
			Code: "stalled", Message: fmt.Sprintf("no log line, progress or output for %s", e.claim.StallAfter), Retryable: true,
		}
		return
	}
	rep.Cause = lifecycle.CauseDeadline
	rep.Error = &lifecycle.ReportError{
		Code: "deadline", Message: fmt.Sprintf("the attempt took longer than its timeout of %s", e.claim.Timeout), Retryable: true,
	}
}

func cancelled(rep *lifecycle.Report, stop *StopError) {
	rep.Outcome, rep.Cause = lifecycle.OutcomeCancelled, stop.Cause
	if stop.Cause == lifecycle.CauseRunTimeout {
		rep.Outcome = lifecycle.OutcomeTimedOut
	}
	rep.Error = &lifecycle.ReportError{Code: "stopped", Message: stop.Error(), Retryable: true}
}

// failed is a handler that returned an error although nobody had stopped it, or because the replica shuts down.
func failed(rep *lifecycle.Report, err, cause error) {
	var f *Failure
	crashed := errors.As(err, &f) && f.crashed
	if errors.Is(cause, ErrShutdown) && !crashed {
		rep.Outcome, rep.Cause = lifecycle.OutcomeHandedBack, lifecycle.CauseHandedBack
		return
	}
	rep.Outcome = lifecycle.OutcomeFailed
	rep.Error, rep.RetryAfter = reportError(err)
	if crashed {
		rep.Outcome, rep.Cause = lifecycle.OutcomeCrashed, lifecycle.CauseKilled
	}
}

// said adds what a handler said when it was stopped to a report whose outcome is decided.
func said(rep *lifecycle.Report, r *result) {
	switch {
	case r == nil:
	case r.panic != nil:
		rep.Error.Message = message(rep.Error.Message + "; the handler panicked: " + r.panic.value)
		rep.Error.Detail = r.panic.detail()
	case r.err != nil:
		err, _ := reportError(r.err)
		rep.Error.Detail = err.Detail
		if !errors.Is(r.err, context.Canceled) && !errors.Is(r.err, context.DeadlineExceeded) {
			rep.Error.Message = message(rep.Error.Message + "; the handler said: " + err.Message)
		}
	}
}

func (p *panicked) detail() []byte {
	return detail(map[string]string{"stack": cut(clean(p.stack), maxStack)})
}

// stack is where the handler's goroutine is now.
func (e *execution) stack() string {
	<-e.spoke
	return stackOf(e.id)
}
