package lifecycle

import (
	"context"
	"errors"
	"time"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// The codes of errors. They are the problem codes of the API.
const (
	CodeInvalidRequest      = "invalid_request"
	CodeNotFound            = "not_found"
	CodeIllegalTransition   = "illegal_transition"
	CodeIdempotencyConflict = "idempotency_conflict"
	CodeWorkerGone          = "worker_gone"
	CodeTooLarge            = "too_large"
	CodePlanInvalid         = "plan_invalid"
	CodeReportRejected      = "report_rejected"
	CodeInternal            = "internal"
	CodeDatabaseUnavailable = "database_unavailable"
	CodeOverloaded          = "overloaded"
	CodeShuttingDown        = "shutting_down"
	CodeTimedOut            = "timed_out"
)

// Error is every error that a caller of this package can do something about. Edges map its code and never its text.
type Error struct {
	Code    string
	Message string        // one sentence without a full stop: what is wrong; never contains a value that was sent
	Faults  []plan.Fault  // with CodePlanInvalid and CodeInvalidRequest: everything that is wrong, and where
	Allowed []string      // with CodeIllegalTransition: the states that would be legal
	Current *CurrentState // what it is now, where that was the reason
	Err     error         // what is behind it, may be nil

	Retryable bool // the same call may succeed later; decided once, where the error arises
}

// CurrentState is who decided about a run or step, and when.
type CurrentState struct {
	State   string
	Attempt int
	Actor   string
	At      time.Time
}

// Error is the message, with what is behind it. Edges that speak to strangers show Message alone.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap gives what is behind it.
func (e *Error) Unwrap() error { return e.Err }

// IsRetryable reports whether the call that met err may be repeated as it is. Every call of the Engine is idempotent,
// so this is also the answer when the outcome of a commit is unknown.
func IsRetryable(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Retryable
	}
	return db.IsTransient(err) || db.IsLockTimeout(err) || db.OutcomeUnknown(err) && !errors.Is(err, context.Canceled)
}

// invalid is a request with one thing in it that is wrong.
func invalid(field, message string) *Error {
	return &Error{Code: CodeInvalidRequest, Message: "the request is not valid", Faults: []plan.Fault{{Path: field, Code: CodeInvalidRequest, Message: message}}}
}
