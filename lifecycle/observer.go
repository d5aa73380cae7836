package lifecycle

import "time"

// Observer is told what happens to runs and steps: for metrics. Its methods are called concurrently and must not block;
// one that panics is logged and changes nothing.
type Observer interface {
	// RunFinished: a run ended, so long after it was submitted.
	RunFinished(state RunState, took time.Duration)
	// StepReported: a report was recorded, and the step is in this state now.
	StepReported(state StepState)
	// PassFailed: a pass of reconcile was rolled back and is made again.
	PassFailed()
	// Quarantined: a run was set aside because reconcile fails on it.
	Quarantined()
	// LateReport: a report changed nothing, because its attempt had ended otherwise. It is kept as evidence.
	LateReport(result Result)
	// Expired: n attempts were ended by the database, because nobody ended them: lease_expired, deadline, stalled,
	// unconfirmed, worker_forgot or report_undeliverable.
	Expired(cause Cause, n int)
	// Repaired: n rows were put right that a person, River's UI or a bug had left wrong. repair is one of the Repair
	// constants.
	Repaired(repair string, n int)
}

// The repairs that an Observer is told of.
const (
	RepairFetchedNotStarted = "fetched_not_started" // fetched from River 10 s ago and never started: dispatched again
	RepairFetchedByDead     = "fetched_by_dead"     // fetched by a worker whose lease ran out: dispatched again
	RepairEndedNotStarted   = "ended_not_started"   // its River job ended without a start: dispatched again
	RepairRiverCancelled    = "river_cancelled"     // its River job was cancelled: the step is cancelled
	RepairRiverDeleted      = "river_deleted"       // its River job was deleted: the step is cancelled
	RepairNeedsCounted      = "needs_counted"       // counts of needs were wrong
	RepairRunCounted        = "run_counted"         // counts of a run were wrong
	RepairLimitCounted      = "limit_counted"       // the count of a limit was wrong
	RepairForgotten         = "forgotten"           // something that reconcile should have seen had no dirty row
)

// Unobserved is an Observer that does nothing. Embed it to observe some things only.
type Unobserved struct{}

// RunFinished implements Observer.
func (Unobserved) RunFinished(RunState, time.Duration) {}

// StepReported implements Observer.
func (Unobserved) StepReported(StepState) {}

// PassFailed implements Observer.
func (Unobserved) PassFailed() {}

// Quarantined implements Observer.
func (Unobserved) Quarantined() {}

// LateReport implements Observer.
func (Unobserved) LateReport(Result) {}

// Expired implements Observer.
func (Unobserved) Expired(Cause, int) {}

// Repaired implements Observer.
func (Unobserved) Repaired(string, int) {}
