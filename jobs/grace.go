package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/weirqueue/weir/jobs/process"
)

// The database ends an attempt itself when its grace is over. So that what really happened is known before that, the
// last part of the grace is kept for saying it: processes are killed, and handlers abandoned, a little earlier.
const maxReserve = time.Second

// grace is how long the attempt has between the end of its context and the moment when all of it must be over.
func (e *execution) grace() time.Duration {
	var stop *StopError
	if errors.As(context.Cause(e.ctx), &stop) && stop.Grace > 0 {
		return stop.Grace
	}
	return e.claim.Grace
}

// orphanGrace is how long a process has between TERM and KILL when the replica vanishes: it has to be gone well before
// the lease runs out and the step may run elsewhere. At the time of its death the replica may not have been heard of
// for half a lease.
func (e *execution) orphanGrace() time.Duration { return min(e.grace(), e.lease/5) }

func (e *execution) reserve() time.Duration { return min(e.grace()/5, maxReserve) }

// killAfter is how long after the end of the context a process gets KILL.
func (e *execution) killAfter() time.Duration { return e.grace() - e.reserve() }

// patience is how long after the end of the context the handler may take to return. A handler that runs a process does
// not ignore its context: the process gets KILL in time, and how soon the machine confirms that is bounded and not the
// handler's doing. To call that abandoned would be untrue, and would give back a slot that is still in use.
func (e *execution) patience() time.Duration {
	if e.kills.Load() {
		return e.grace() + process.EndsWithin
	}
	return e.grace() - e.reserve()/2
}

// flushFor is how long the last lines of the log may take.
func (e *execution) flushFor() time.Duration {
	if e.ctx.Err() != nil {
		return e.reserve() / 4
	}
	return maxFlush
}

// slotUntil is when the slot is given back, taken report or not.
func (e *execution) slotUntil(now time.Time, sendFor time.Duration) time.Time {
	until := now.Add(sendFor)
	if e.deadline.IsZero() {
		return until
	}
	if end := e.deadline.Add(e.claim.Grace); end.Before(until) {
		until = end
	}
	return until
}

// maxFlush is how long the last lines of a log may hold up the report of an attempt that ended by itself.
const maxFlush = 2 * time.Second
