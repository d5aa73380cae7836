package lifecycle

// StepState is the state of a step, as weir.steps.state holds it.
type StepState string

// The states of a step. Final states are never left.
const (
	StepPending   StepState = "pending"   // waits for its needs
	StepAvailable StepState = "available" // may be claimed
	StepRunning   StepState = "running"   // a worker holds it
	StepRetrying  StepState = "retrying"  // to be claimed again at run_after
	StepWaiting   StepState = "waiting"   // needs something from outside
	StepSucceeded StepState = "succeeded" // final: the handler said so
	StepFailed    StepState = "failed"    // final: the handler said so
	StepCrashed   StepState = "crashed"   // final: the worker lived to say that it panicked or was killed
	StepTimedOut  StepState = "timed_out" // final: its deadline passed
	StepLost      StepState = "lost"      // final: its worker's lease ran out
	StepCancelled StepState = "cancelled" // final: somebody asked
	StepSkipped   StepState = "skipped"   // final: run_if said no, or something upstream failed
)

// StepStates lists every state of a step, in the order of the enum weir.step_state.
func StepStates() []StepState {
	return []StepState{
		StepPending, StepAvailable, StepRunning, StepRetrying, StepWaiting,
		StepSucceeded, StepFailed, StepCrashed, StepTimedOut, StepLost, StepCancelled, StepSkipped,
	}
}

// Final reports whether the state is never left.
func (s StepState) Final() bool {
	switch s {
	case StepSucceeded, StepFailed, StepCrashed, StepTimedOut, StepLost, StepCancelled, StepSkipped:
		return true
	case StepPending, StepAvailable, StepRunning, StepRetrying, StepWaiting:
		return false
	}
	return false
}

// RunState is the state of a run, as weir.runs.state holds it.
type RunState string

// The states of a run.
const (
	RunRunning   RunState = "running"
	RunPaused    RunState = "paused"
	RunSucceeded RunState = "succeeded"
	RunFailed    RunState = "failed"
	RunCancelled RunState = "cancelled"
)

// RunStates lists every state of a run, in the order of the enum weir.run_state.
func RunStates() []RunState {
	return []RunState{RunRunning, RunPaused, RunSucceeded, RunFailed, RunCancelled}
}

// Final reports whether the state is never left.
func (s RunState) Final() bool {
	switch s {
	case RunSucceeded, RunFailed, RunCancelled:
		return true
	case RunRunning, RunPaused:
		return false
	}
	return false
}

// Outcome is how an attempt ended, in the words of its worker.
type Outcome string

// The outcomes that a worker can report.
const (
	OutcomeSucceeded Outcome = "succeeded"
	OutcomeFailed    Outcome = "failed"
	OutcomeCrashed   Outcome = "crashed"
	OutcomeTimedOut  Outcome = "timed_out"
	OutcomeCancelled Outcome = "cancelled"
	// OutcomeHandedBack gives the step back to the queue, due now and not counted as a failure: a replica that shuts
	// down after the handler returned without finishing, or a claim that never started.
	OutcomeHandedBack Outcome = "handed_back"
)

// Cause is why a transition happened: a closed list, the enum weir.cause.
type Cause string

// The causes. What a later version brings is in the list already, because the list is closed.
const (
	CauseSubmitted           Cause = "submitted"
	CauseNeedsMet            Cause = "needs_met"
	CauseStartAt             Cause = "start_at"
	CauseUpstreamFailed      Cause = "upstream_failed"
	CauseRunIf               Cause = "run_if"
	CauseClaimed             Cause = "claimed"
	CauseReported            Cause = "reported"
	CausePanic               Cause = "panic"
	CauseKilled              Cause = "killed"
	CauseDeadline            Cause = "deadline"
	CauseStalled             Cause = "stalled"
	CauseRunTimeout          Cause = "run_timeout"
	CauseLeaseExpired        Cause = "lease_expired"
	CauseClaimExpired        Cause = "claim_expired"
	CauseHandedBack          Cause = "handed_back"
	CauseAttemptsLeft        Cause = "attempts_left"
	CauseAttemptsSpent       Cause = "attempts_spent"
	CausePermanent           Cause = "permanent"
	CauseCancelRequested     Cause = "cancel_requested"
	CauseFailurePolicy       Cause = "failure_policy"
	CauseSignal              Cause = "signal"
	CauseApproval            Cause = "approval"
	CauseTime                Cause = "time"
	CauseDecision            Cause = "decision"
	CausePaused              Cause = "paused"
	CauseResumed             Cause = "resumed"
	CauseSuperseded          Cause = "superseded"
	CauseRerun               Cause = "rerun"
	CauseReportRefused       Cause = "report_refused"
	CauseRepaired            Cause = "repaired"
	CauseStepsFinal          Cause = "steps_final"
	CauseUnconfirmed         Cause = "unconfirmed"
	CauseAbandoned           Cause = "abandoned"
	CauseWorkerForgot        Cause = "worker_forgot"
	CauseReportUndeliverable Cause = "report_undeliverable"
	CauseManual              Cause = "manual"
)

// Causes lists every cause, in the order of the enum weir.cause.
func Causes() []Cause {
	return []Cause{
		CauseSubmitted, CauseNeedsMet, CauseStartAt, CauseUpstreamFailed, CauseRunIf, CauseClaimed, CauseReported,
		CausePanic, CauseKilled, CauseDeadline, CauseStalled, CauseRunTimeout, CauseLeaseExpired, CauseClaimExpired,
		CauseHandedBack, CauseAttemptsLeft, CauseAttemptsSpent, CausePermanent, CauseCancelRequested,
		CauseFailurePolicy, CauseSignal, CauseApproval, CauseTime, CauseDecision, CausePaused, CauseResumed,
		CauseSuperseded, CauseRerun, CauseReportRefused, CauseRepaired, CauseStepsFinal, CauseUnconfirmed,
		CauseAbandoned, CauseWorkerForgot, CauseReportUndeliverable, CauseManual,
	}
}
