package jobs

import (
	"time"

	"github.com/weirqueue/weir/lifecycle"
)

// Observer is told what happens to attempts: for metrics. Its methods are called concurrently and must not block; one
// that panics is logged and changes nothing.
type Observer interface {
	// AttemptStarted: a handler is about to be called.
	AttemptStarted(kind string)
	// AttemptFinished: an attempt ended, after so long; its report is about to be offered.
	AttemptFinished(kind string, outcome lifecycle.Outcome, cause lifecycle.Cause, took time.Duration)
	// AttemptAbandoned: a handler ignored the end of its context and was left behind.
	AttemptAbandoned(kind string)
	// ReportRetried: a report is offered again after an error that may pass.
	ReportRetried(kind string)
	// ReportReduced: a report was refused and is offered with less in it.
	ReportReduced(kind string)
	// ReportLate: a report changed nothing because the attempt had ended otherwise.
	ReportLate(kind string, result lifecycle.Result)
	// ReportGivenUp: nobody took a report in time; the next heartbeat says so.
	ReportGivenUp(kind string)
	// LogDropped: so many log lines of an attempt could not be stored.
	LogDropped(kind string, lines int)
}

// Unobserved is an Observer that does nothing. Embed it to observe some things only.
type Unobserved struct{}

// AttemptStarted implements Observer.
func (Unobserved) AttemptStarted(string) {}

// AttemptFinished implements Observer.
func (Unobserved) AttemptFinished(string, lifecycle.Outcome, lifecycle.Cause, time.Duration) {}

// AttemptAbandoned implements Observer.
func (Unobserved) AttemptAbandoned(string) {}

// ReportRetried implements Observer.
func (Unobserved) ReportRetried(string) {}

// ReportReduced implements Observer.
func (Unobserved) ReportReduced(string) {}

// ReportLate implements Observer.
func (Unobserved) ReportLate(string, lifecycle.Result) {}

// ReportGivenUp implements Observer.
func (Unobserved) ReportGivenUp(string) {}

// LogDropped implements Observer.
func (Unobserved) LogDropped(string, int) {}
