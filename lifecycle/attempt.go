package lifecycle

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Result is what became of a Start or a Finish: an answer, not an error.
type Result string

// The results. Only Started, Recorded and Duplicate mean that the database took it.
const (
	ResultStarted    Result = "started"    // the step is running, under the attempt of the answer
	ResultRecorded   Result = "recorded"   // the report is what became of the attempt
	ResultDuplicate  Result = "duplicate"  // the same report was recorded before
	ResultTooLate    Result = "too_late"   // the attempt had ended otherwise, or the step was final
	ResultSuperseded Result = "superseded" // another dispatch or another attempt holds the step now
	ResultPaused     Result = "paused"     // the run, or the queue, is paused: the dispatch was taken back
	ResultCancelled  Result = "cancelled"  // the step is cancelled, or is being cancelled: nothing starts
)

// StartRequest asks for the right to run a step.
type StartRequest struct {
	Run    uuid.UUID
	Step   int       // ordinal
	Token  int64     // the River job that the step was dispatched with
	Worker uuid.UUID // whose lease must be alive
}

// StartAnswer is the answer to a StartRequest. Attempt is set when Result is ResultStarted; else State, Actor and At
// say who holds the step, has asked to cancel it or submitted it, and when.
type StartAnswer struct {
	Result  Result
	Attempt *Attempt
	State   StepState
	Actor   string
	At      time.Time
}

// Attempt is one claim of a step: all that a worker needs to do the work.
type Attempt struct {
	Run     uuid.UUID
	RunName string
	Step    int    // ordinal
	Key     string // the step's key
	Kind    string
	Attempt int // the fence: goes into the report
	Worker  uuid.UUID

	With  json.RawMessage // the step's `with`, expressions not yet evaluated; never nil
	Input json.RawMessage // the run's input; never nil
	Needs map[string]Need // the direct needs by key; of a child of a fan-out: those of the fan-out

	Item  json.RawMessage // of a child of a fan-out: its item; nil for other steps
	Index int             // its place in the list, from 0; -1 for other steps

	Timeout    time.Duration // how long the attempt may take; 0 = no limit
	Remaining  time.Duration // what is left of Timeout by the database's clock when the answer was made
	Grace      time.Duration // between TERM and KILL, and for reporting
	StallAfter time.Duration // 0 = never
	Deadline   *time.Time    // by the database's clock, for people; workers count Remaining down instead

	Failures    int // outcomes counted before this attempt
	MaxAttempts int
}

// Need is what a step sees of one of its direct needs.
type Need struct {
	State  StepState
	Output json.RawMessage // nil when it has none
}

// ReportError is what went wrong with an attempt, in a form that people and programs can read.
type ReportError struct {
	Code      string          // short, machine-readable: lower case and underscores
	Message   string          // at most 8 KiB, cut visibly beyond
	Retryable bool            // false ends the step whatever its retry policy says
	Detail    json.RawMessage // kind-specific, may be nil
}

// OutputError says that an output existed and could not be kept.
type OutputError struct {
	Code  string `json:"code"` // too_large, invalid_json, invalid_utf8, null_character, too_deep
	Bytes int64  `json:"bytes"`
}

// Report is how an attempt ended. It can be sent any number of times: the same ID counts once.
type Report struct {
	ID          uuid.UUID // the sender's, made once per report
	Run         uuid.UUID
	Step        int
	Attempt     int
	Worker      uuid.UUID
	Outcome     Outcome
	Cause       Cause           // CauseReported unless panic, killed, deadline, stalled, abandoned, report_refused, report_undeliverable, cancel_requested
	Output      json.RawMessage // only with OutcomeSucceeded; nil = none
	OutputError *OutputError
	Error       *ReportError
	RetryAfter  time.Duration // lengthens the backoff, at most 1h; 0 = none
}

// FinishAnswer is the answer to a Report: what the step's state is now, who decided it and when.
type FinishAnswer struct {
	Result  Result
	State   StepState
	Attempt int
	Actor   string
	At      time.Time
}

// Hold names an attempt that a worker holds.
type Hold struct {
	Run     uuid.UUID
	Step    int
	Attempt int
}

// Heartbeat renews a worker's lease and names everything that it holds, attempts whose report is not yet taken
// included. Ended lists attempts whose report the worker gave up on: they become crashed, report_undeliverable.
type Heartbeat struct {
	Worker uuid.UUID
	Holds  []Hold
	Ended  []Hold
}

// HeartbeatAnswer tells a worker what to stop. Known is false when the worker's row is not there any more: it has
// to register again under a new id.
type HeartbeatAnswer struct {
	Known bool
	Stops []Stop
	Gone  []Hold // held by the worker's word, but not by the database's: stop them, their reports will be too late
}

// Stop asks a worker to end an attempt.
type Stop struct {
	Hold
	Cause Cause         // cancel_requested, run_timeout, superseded, …
	Grace time.Duration // from TERM to KILL
}

// LogLine is one line that an attempt wrote. Seq counts from 1 within an attempt; the same (attempt, Seq) is stored once.
type LogLine struct {
	Run       uuid.UUID
	Step      int
	Attempt   int
	Seq       int64
	At        time.Time
	Stream    string // stdout, stderr, log
	Level     string // debug, info, warn, error; "" for stdout and stderr
	Text      string // valid UTF-8 without NUL, at most 16 KiB
	Truncated bool   // the line, or the rest of the log, was cut here
}

// Progress is how far an attempt says it is. A sign of life for stall_after.
type Progress struct {
	Hold
	Percent *float64
	Message string
}

// Kind is a kind of step that a replica can run, as weir.kinds publishes it.
type Kind struct {
	Name   string
	Input  json.RawMessage // JSON Schema of `with`; nil = anything
	Output json.RawMessage // JSON Schema of the output; nil = anything
}

// Worker describes a process that executes attempts, as weir.workers shows it.
type Worker struct {
	ID     uuid.UUID
	Name   string
	Host   string
	PID    int
	Build  string
	Schema int // the schema version that its binary embeds
	Kinds  []string
	Queues map[string]int // slots by queue
}
