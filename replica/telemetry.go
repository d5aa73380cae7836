package replica

import (
	"sync/atomic"

	"github.com/weirqueue/weir/api"
	"github.com/weirqueue/weir/jobs"
)

// telemetry counts what the replica could not tell of itself.
type telemetry struct {
	jobs.Unobserved

	failures atomic.Int64 // observers that panicked
	dropped  atomic.Int64 // lines of logs that could not be stored
}

// failed counts an observer that panicked.
func (t *telemetry) failed() { t.failures.Add(1) }

// LogDropped implements jobs.Observer.
func (t *telemetry) LogDropped(_ string, lines int) { t.dropped.Add(int64(lines)) }

// read is what was counted since the process started.
func (t *telemetry) read() api.TelemetryState {
	return api.TelemetryState{Failures: t.failures.Load(), Dropped: t.dropped.Load()}
}
