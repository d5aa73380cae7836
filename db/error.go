package db

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATEs that callers of this package tell apart. The whole list is appendix A of PostgreSQL's manual.
const (
	UniqueViolation      = "23505"
	ForeignKeyViolation  = "23503"
	CheckViolation       = "23514"
	LockNotAvailable     = "55P03"
	SerializationFailure = "40001"
	DeadlockDetected     = "40P01"
	QueryCanceled        = "57014"
	UndefinedTable       = "42P01"
)

// Error is a refusal by the database itself, without a meaning: package lifecycle gives it one.
type Error struct {
	// SQLState is the five-character code, for example [CheckViolation].
	SQLState string
	// Constraint is the name of the rule that was broken; empty if it was none.
	Constraint string
	// Message, Detail and Hint are the server's; the last two may be empty.
	Message, Detail, Hint string
	// Schema, Table and Column name what the refusal is about, where the server says so.
	Schema, Table, Column string
	// Fatal is true if the server ended the session with this error.
	Fatal bool

	err error
}

// Error is the message with its SQLSTATE.
func (e *Error) Error() string { return e.Message + " (SQLSTATE " + e.SQLState + ")" }

// Unwrap is the driver's error.
func (e *Error) Unwrap() error { return e.err }

// AsError finds the database's refusal in err. It is false for errors that no server sent: a lost
// connection, an ended context, no rows.
func AsError(err error) (*Error, bool) {
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) {
		return nil, false
	}
	return &Error{
		SQLState:   refusal.Code,
		Constraint: refusal.ConstraintName,
		Message:    refusal.Message,
		Detail:     refusal.Detail,
		Hint:       refusal.Hint,
		Schema:     refusal.SchemaName,
		Table:      refusal.TableName,
		Column:     refusal.ColumnName,
		Fatal:      isFatal(refusal),
		err:        err,
	}, true
}

// isFatal is true for errors after which the session is gone.
func isFatal(refusal *pgconn.PgError) bool {
	severity := refusal.SeverityUnlocalized
	if severity == "" {
		severity = refusal.Severity
	}
	return severity == "FATAL" || severity == "PANIC"
}
