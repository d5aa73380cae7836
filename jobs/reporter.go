package jobs

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
)

// Bounds of what waits to be reported. A worker that has more than this starts nothing new.
const (
	maxUnreported      = 1000
	maxUnreportedBytes = 128 << 20
)

// reporter offers outcomes until they are taken. It keeps nothing of an attempt but its report.
type reporter struct {
	cfg *SupervisorConfig
	ctx context.Context // ends with the supervisor

	mu      sync.Mutex
	pending map[lifecycle.Hold]*offer
	bytes   int
	ended   map[lifecycle.Hold]int64 // given up, and the token; the next heartbeat says so
	changed chan struct{}            // closed and replaced when pending shrinks
}

// offer is a report on its way.
type offer struct {
	kind    string
	token   int64 // of the dispatch that started the attempt
	since   time.Time
	tried   chan struct{} // closed when it was sent once, whatever came of it
	settled chan struct{} // closed when it is over
	bytes   int
}

func newReporter(ctx context.Context, cfg *SupervisorConfig) *reporter {
	return &reporter{
		cfg: cfg, ctx: ctx, pending: map[lifecycle.Hold]*offer{}, ended: map[lifecycle.Hold]int64{},
		changed: make(chan struct{}),
	}
}

// offer sends a report until it is taken, refused for good, or until has passed. It does not wait.
func (r *reporter) offer(rep lifecycle.Report, kind string, token int64, until time.Time, logger *slog.Logger) *offer {
	o := &offer{
		kind: kind, token: token, since: time.Now(), tried: make(chan struct{}), settled: make(chan struct{}), bytes: len(rep.Output),
	}
	r.mu.Lock()
	r.pending[holdOf(rep)] = o
	r.bytes += o.bytes
	r.mu.Unlock()
	go func() {
		taken := r.deliver(o, rep, until, logger)
		r.settle(o, holdOf(rep), taken)
	}()
	return o
}

// deliver sends a report, and less of it each time that it is refused. It answers false when it gave up.
func (r *reporter) deliver(o *offer, rep lifecycle.Report, until time.Time, logger *slog.Logger) bool {
	tried := sync.OnceFunc(func() { close(o.tried) })
	defer tried()
	for failures := 0; ; {
		answer, err := r.send(rep, until)
		tried()
		switch {
		case err == nil:
			r.answered(o.kind, rep, answer, logger)
			return true
		case r.ctx.Err() != nil:
			logger.Warn("the report was not taken before the replica ended", "outcome", rep.Outcome, "error", err)
			return false
		case isRetryable(err):
			failures++
			wait := jittered(failures, 100*time.Millisecond, 5*time.Second)
			if time.Now().Add(wait).After(until) {
				logger.Error("nobody took the report in time", "outcome", rep.Outcome, "error", err)
				return false
			}
			logger.Debug("the report is offered again", "outcome", rep.Outcome, "error", err)
			r.cfg.observe(func(ob Observer) { ob.ReportRetried(o.kind) })
			sleep(r.ctx, wait)
		default:
			less, ok := reduce(rep, err)
			if !ok {
				logger.Error("the report was refused", "outcome", rep.Outcome, "error", err)
				return false
			}
			logger.Warn("the report was refused, less of it is offered", "outcome", rep.Outcome, "error", err)
			r.cfg.observe(func(ob Observer) { ob.ReportReduced(o.kind) })
			rep, failures = less, 0
		}
	}
}

func (r *reporter) send(rep lifecycle.Report, until time.Time) (lifecycle.FinishAnswer, error) {
	ctx, cancel := context.WithTimeout(r.ctx, min(r.cfg.SendTimeout, max(time.Until(until), time.Millisecond)))
	defer cancel()
	return r.cfg.Lifecycle.StepFinish(ctx, rep)
}

func (r *reporter) answered(kind string, rep lifecycle.Report, a lifecycle.FinishAnswer, logger *slog.Logger) {
	if a.Result == lifecycle.ResultRecorded || a.Result == lifecycle.ResultDuplicate {
		return
	}
	logger.Warn("the report changed nothing", "outcome", rep.Outcome, "result", a.Result, "state", a.State, "actor", a.Actor)
	r.cfg.observe(func(o Observer) { o.ReportLate(kind, a.Result) })
}

// settle forgets a report; one that was given up goes into the next heartbeat.
func (r *reporter) settle(o *offer, h lifecycle.Hold, taken bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, h)
	r.bytes -= o.bytes
	if !taken {
		r.ended[h] = o.token
		r.cfg.observe(func(ob Observer) { ob.ReportGivenUp(o.kind) })
	}
	close(o.settled)
	close(r.changed)
	r.changed = make(chan struct{})
}

// late sends a report that can only be evidence, once.
func (r *reporter) late(rep lifecycle.Report, kind string, logger *slog.Logger) {
	answer, err := r.send(rep, time.Now().Add(r.cfg.SendTimeout))
	switch {
	case err == nil:
		r.answered(kind, rep, answer, logger)
	case r.ctx.Err() == nil:
		logger.Warn("the late report was not taken", "outcome", rep.Outcome, "error", err)
	}
}

// overloaded reports whether so much is unreported that nothing new should start.
func (r *reporter) overloaded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pending) >= maxUnreported || r.bytes >= maxUnreportedBytes
}

// holds reports whether the database may still take the attempt that was started by a token for one that runs.
func (r *reporter) holds(token int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.pending {
		if o.token == token {
			return true
		}
	}
	for _, ended := range r.ended {
		if ended == token {
			return true
		}
	}
	return false
}

// given lists the attempts whose reports were given up.
func (r *reporter) given() []lifecycle.Hold {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]lifecycle.Hold, 0, len(r.ended))
	for h := range r.ended {
		out = append(out, h)
	}
	return out
}

// forget drops what a heartbeat has said.
func (r *reporter) forget(ended []lifecycle.Hold) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range ended {
		delete(r.ended, h)
	}
}

func holdOf(rep lifecycle.Report) lifecycle.Hold {
	return lifecycle.Hold{Run: rep.Run, Step: rep.Step, Attempt: rep.Attempt}
}

// reduce makes the next, smaller form of a report that was refused for good: the same outcome without output and
// detail, then a crash with the refusal as its error. It answers false when there is nothing left to leave out.
func reduce(rep lifecycle.Report, refusal error) (lifecycle.Report, bool) {
	if rep.Cause == lifecycle.CauseReportRefused {
		return rep, false
	}
	code, text := "refused", refusal.Error()
	if refused, ok := errors.AsType[*lifecycle.Error](refusal); ok {
		code, text = refused.Code, refused.Message
	}
	rep.ID = uuid.New()
	switch {
	case rep.Output != nil:
		known := []string{outputTooLarge, outputInvalidJSON, outputInvalidUTF8, outputNullCharacter, outputTooDeep}
		problem := &lifecycle.OutputError{Code: code, Bytes: int64(len(rep.Output))}
		if !slices.Contains(known, code) {
			problem.Code = "refused"
		}
		rep.Output, rep.OutputError = nil, problem
		return rep, true
	case rep.Error != nil && rep.Error.Detail != nil:
		short := *rep.Error
		short.Detail = nil
		rep.Error = &short
		return rep, true
	}
	again := rep.Error != nil && rep.Error.Retryable // work that was done is not done again for its report
	rep.OutputError, rep.RetryAfter = nil, 0
	rep.Error = &lifecycle.ReportError{
		Code: "report_refused", Message: message(string(rep.Outcome) + " could not be reported: " + text), Retryable: again,
	}
	rep.Outcome, rep.Cause = lifecycle.OutcomeCrashed, lifecycle.CauseReportRefused
	return rep, true
}

// isRetryable also counts a call that ran out of its own time.
func isRetryable(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || lifecycle.IsRetryable(err)
}

// sleep waits for d or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
