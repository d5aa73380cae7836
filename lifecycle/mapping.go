package lifecycle

import (
	"context"
	"errors"

	"github.com/weirqueue/weir/db"
)

// mapError gives an error of the database its meaning for whoever called the Engine.
func mapError(err error) error {
	var known *Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case db.IsLockTimeout(err):
		return &Error{Code: CodeOverloaded, Message: "somebody else holds what this needs; try again", Retryable: true, Err: err}
	case errors.Is(err, context.DeadlineExceeded) && !db.IsTransient(err):
		return &Error{Code: CodeTimedOut, Message: "the database took too long; try again", Retryable: true, Err: err}
	case db.IsTransient(err), db.OutcomeUnknown(err):
		return &Error{Code: CodeDatabaseUnavailable, Message: "the database did not answer; try again", Retryable: true, Err: err}
	}
	refusal, ok := db.AsError(err)
	if !ok {
		return &Error{Code: CodeInternal, Message: "something unexpected went wrong", Err: err}
	}
	switch refusal.SQLState {
	case db.CheckViolation:
		return &Error{Code: CodeIllegalTransition, Message: "the database refused it: " + refusal.Constraint, Err: err}
	case db.QueryCanceled:
		return &Error{Code: CodeTimedOut, Message: "the database took too long; try again", Retryable: true, Err: err}
	case "22P05", "22021", "22P02": // what PostgreSQL's text and jsonb do not take
		return &Error{Code: CodeReportRejected, Message: "the database cannot store a text in it", Err: err}
	case "54000", "53200":
		return &Error{Code: CodeTooLarge, Message: "it is too large for the database", Err: err}
	}
	return &Error{Code: CodeInternal, Message: "the database refused it", Err: err}
}
