package jobs

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirqueue/weir/lifecycle"
)

// Why the context of an attempt ended, as context.Cause tells a handler. A stop that somebody asked for is a
// *[StopError] instead.
var (
	// ErrDeadline: the step's timeout is over.
	ErrDeadline = errors.New("the attempt's timeout is over")
	// ErrStalled: no log line, no progress and no output for the step's stall_after.
	ErrStalled = errors.New("the attempt was silent for longer than its stall_after")
	// ErrShutdown: the replica shuts down. A handler that returns now is handed back and runs again elsewhere.
	ErrShutdown = errors.New("the replica is shutting down")
	// ErrLost: the database does not count the attempt as this worker's any more.
	ErrLost = errors.New("the attempt is not held by this worker any more")
)

// StopError is the cause of a context that ended because somebody asked for it: a cancel, a run that is over its
// timeout, a run that was superseded.
type StopError struct {
	Cause lifecycle.Cause
	Grace time.Duration // how long the handler has to return; 0 = the step's own grace
}

// Error implements error.
func (e *StopError) Error() string { return fmt.Sprintf("the attempt was asked to stop: %s", e.Cause) }
