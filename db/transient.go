package db

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

// IsTransient is true for errors that the same call may not meet again: a connection that was lost or
// could not be had, a serialisation failure, a deadlock, a server that starts, stops or is full. It is
// false for an ended context, a closed pool, a lock timeout (see [IsLockTimeout]) and every other refusal.
// Whether the call may simply be repeated is another question: [OutcomeUnknown].
func IsTransient(err error) bool {
	if err == nil || errors.Is(err, puddle.ErrClosedPool) || errors.Is(err, context.Canceled) {
		return false
	}
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok {
		return transientState(refusal.Code)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true // also when it is its own connect_timeout that passed
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return isConnectionLost(err)
}

// IsLockTimeout is true if somebody else held a lock for longer than lock_timeout, or held it at all with
// nowait (55P03).
func IsLockTimeout(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && refusal.Code == LockNotAvailable
}

// OutcomeUnknown is true if the database may have done what was asked although err came back: the
// connection broke, or the wait for the answer ended, after something may have been sent. It is false
// where the server said no, and where it is sure that nothing was sent. Who repeats after it must do so
// idempotently.
func OutcomeUnknown(err error) bool {
	if err == nil || errors.Is(err, puddle.ErrClosedPool) {
		return false
	}
	// pgx 5.12 calls this one safe to retry, and then returns it also for a commit that was sent, when
	// the connection ends before the answer: the reader closes the connection at the first read and
	// reports only that it finds it closed at the second.
	if errors.Is(err, pgconn.ErrConnClosed) {
		return true
	}
	if pgconn.SafeToRetry(err) {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false
	}
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok {
		return isFatal(refusal)
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		pgconn.Timeout(err) || isConnectionLost(err)
}

// transientState sorts the SQLSTATEs.
func transientState(code string) bool {
	switch code {
	case SerializationFailure, DeadlockDetected,
		"25006", // read_only_sql_transaction: it is a standby now, or not a primary yet
		"53100", // disk_full: room can be made
		"53300", // too_many_connections
		"57P01", // admin_shutdown
		"57P02", // crash_shutdown
		"57P03", // cannot_connect_now
		"57P05", // idle_session_timeout
		"25P03": // idle_in_transaction_session_timeout
		return true
	}
	return strings.HasPrefix(code, "08") // connection exceptions
}

// isConnectionLost is true for errors of the way to the server.
func isConnectionLost(err error) bool {
	var netErr net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.As(err, &netErr)
}
