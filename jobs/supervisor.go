package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
)

// releaseWithin is how long giving back a step that is not started here may take.
const releaseWithin = 2 * time.Second

// SupervisorConfig says how a Supervisor works. Lifecycle, Registry and Worker are required.
type SupervisorConfig struct {
	Lifecycle Lifecycle
	Registry  *Registry
	Worker    uuid.UUID
	Logger    *slog.Logger // nil: discards
	Observer  Observer     // nil: nobody
	// ObserverFailed is called whenever the observer has panicked; nil: nobody counts.
	ObserverFailed func()

	Lease         time.Duration // how long a report is offered after the end, if the deadline's grace is not longer; 15s
	ShutdownGrace time.Duration // how long Drain lets attempts finish before it stops them; 30s
	StartWithin   time.Duration // how long a Start is tried; 5s
	SendTimeout   time.Duration // of one call that reports; 5s
	MaxOutput     int64         // bytes of an output; 1 MiB
}

func (c *SupervisorConfig) withDefaults() *SupervisorConfig {
	d := *c
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Observer == nil {
		d.Observer = Unobserved{}
	}
	setDefault(&d.Lease, 15*time.Second)
	setDefault(&d.ShutdownGrace, 30*time.Second)
	setDefault(&d.StartWithin, 5*time.Second)
	setDefault(&d.SendTimeout, 5*time.Second)
	if d.MaxOutput == 0 {
		d.MaxOutput = 1 << 20
	}
	return &d
}

func setDefault(d *time.Duration, v time.Duration) {
	if *d == 0 {
		*d = v
	}
}

// observe tells the observer something, whatever the observer does.
func (c *SupervisorConfig) observe(tell func(Observer)) {
	defer func() {
		if v := recover(); v != nil {
			c.Logger.Error("the observer of attempts panicked", "panic", fmt.Sprint(v))
			if c.ObserverFailed != nil {
				c.ObserverFailed()
			}
		}
	}()
	tell(c.Observer)
}

// Supervisor executes attempts: it starts them, watches over them, stops them and reports what became of them. All
// methods may be called concurrently.
type Supervisor struct {
	cfg      *SupervisorConfig
	base     context.Context // of everything; ends with Drain
	end      context.CancelFunc
	reporter *reporter

	mu       sync.Mutex
	running  map[lifecycle.Hold]*execution
	working  map[int64]int // the tokens of the calls of Work, and of Starts that are undone
	entering int           // calls of Work that have not got as far as running, or are past it
	draining bool          // nothing new starts
	stopping bool          // what is started all the same is stopped at once
	hurried  bool          // hurry is closed
	changed  chan struct{} // closed and replaced when running or entering shrinks
	hurry    chan struct{} // closed when nobody waits for a handler any more
}

// NewSupervisor returns a Supervisor that is ready to work.
func NewSupervisor(c SupervisorConfig) *Supervisor {
	cfg := c.withDefaults()
	s := &Supervisor{
		cfg: cfg, running: map[lifecycle.Hold]*execution{}, working: map[int64]int{}, changed: make(chan struct{}), hurry: make(chan struct{}),
	}
	s.base, s.end = context.WithCancel(context.Background())
	s.reporter = newReporter(s.base, cfg)
	return s
}

// Work starts the step that was dispatched with the token, runs its handler and begins to report; it returns when the
// slot is free again. A step that this worker may not start, or runs already, is none of this call's business: nil. The error says why a Start
// was not possible; the step is then given back, for others to start. The end of ctx stops the attempt: with a *StopError
// as its cause as that says, else as a shutdown.
func (s *Supervisor) Work(ctx context.Context, run uuid.UUID, step int, token int64) error {
	req := lifecycle.StartRequest{Run: run, Step: step, Token: token, Worker: s.cfg.Worker}
	if !s.enter() {
		s.release(ctx, req)
		return nil
	}
	defer s.leave()
	if !s.take(token) {
		s.cfg.Logger.Warn("a step that runs here was fetched again, and is left alone", "run", run, "step_ordinal", step, "token", token)
		return nil
	}
	defer s.give(token)
	if s.reporter.overloaded() {
		s.release(ctx, req)
		return errors.New("start a step: too much is unreported")
	}
	claim, err := s.start(ctx, req)
	if claim == nil {
		if err != nil {
			s.release(ctx, req)
		}
		return err
	}
	s.execute(ctx, *claim, token)
	return nil
}

// release gives a step back that is not started here. What an outage keeps it from is done after it: only once a minute does
// a sweep find what nobody gave back.
func (s *Supervisor) release(ctx context.Context, req lifecycle.StartRequest) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	if err := s.cfg.Lifecycle.StepRelease(ctx, req); err != nil {
		s.cfg.Logger.Warn("a step that is not started here could not be given back", "run", req.Run, "step_ordinal", req.Step, "token", req.Token, "error", err)
		if isRetryable(err) {
			go s.releaseLater(req)
		}
	}
}

// releaseLater tries until it is given back, or somebody says that it cannot be.
func (s *Supervisor) releaseLater(req lifecycle.StartRequest) {
	for failures := 1; s.base.Err() == nil; failures++ {
		sleep(s.base, jittered(failures, 200*time.Millisecond, 2*time.Second))
		ctx, cancel := context.WithTimeout(s.base, releaseWithin)
		err := s.cfg.Lifecycle.StepRelease(ctx, req)
		cancel()
		if err == nil || !isRetryable(err) {
			return
		}
	}
}

func (s *Supervisor) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.entering++
	return true
}

// take makes a token this call's alone. It answers false while another call has it, and until the report about what it
// started is settled: to a worker that asks again, Start answers the attempt that it already has.
func (s *Supervisor) take(token int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.working[token] > 0 || s.reporter.holds(token) {
		return false
	}
	s.working[token]++
	return true
}

// keep has a token stay taken until it was given back once more.
func (s *Supervisor) keep(token int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.working[token]++
}

func (s *Supervisor) give(token int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.working[token]--; s.working[token] == 0 {
		delete(s.working, token)
	}
}

func (s *Supervisor) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entering--
	s.broadcast()
}

func (s *Supervisor) broadcast() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// execute runs one attempt to its end and offers its report.
func (s *Supervisor) execute(ctx context.Context, claim lifecycle.Attempt, token int64) {
	e := newExecution(s.base, s.cfg, claim)
	s.mu.Lock()
	s.running[e.hold] = e
	if s.stopping {
		e.stop(ErrShutdown)
	}
	s.mu.Unlock()
	defer context.AfterFunc(ctx, func() { e.stop(stopCause(ctx)) })()

	s.cfg.observe(func(o Observer) { o.AttemptStarted(claim.Kind) })
	done := make(chan result, 1)
	go e.handle(done)
	r := e.await(done, s.hurry)
	rep := e.conclude(r, s.cfg.MaxOutput)
	s.note(e, r, rep)
	s.finishLog(e)

	o := s.reporter.offer(rep, claim.Kind, token, s.offerUntil(e), e.logger)
	e.cancel(nil)
	e.release()
	s.mu.Lock()
	delete(s.running, e.hold)
	s.broadcast()
	s.mu.Unlock()
	if r == nil {
		go s.afterAbandoned(e, done, o)
	}
	s.holdSlot(e, o)
}

// stopCause is why the end of Work's own context stops an attempt.
func stopCause(ctx context.Context) error {
	if stop, ok := errors.AsType[*StopError](context.Cause(ctx)); ok {
		return stop
	}
	return ErrShutdown
}

// note tells the replica's log and the observer how the attempt ended.
func (s *Supervisor) note(e *execution, r *result, rep lifecycle.Report) {
	took := time.Since(e.began)
	s.cfg.observe(func(o Observer) { o.AttemptFinished(e.claim.Kind, rep.Outcome, rep.Cause, took) })
	switch {
	case r == nil && s.isHurried():
		e.logger.Warn("the replica ends at once and does not wait for the handler", "outcome", rep.Outcome)
	case r == nil:
		e.logger.Error("the handler ignores the end of its context and is abandoned", "outcome", rep.Outcome, "stack", e.stack())
		s.cfg.observe(func(o Observer) { o.AttemptAbandoned(e.claim.Kind) })
	case r.panic != nil:
		e.logger.Error("the handler panicked", "outcome", rep.Outcome, "panic", r.panic.value, "stack", r.panic.stack)
		e.log("log", "error", "panic: "+r.panic.value+"\n"+r.panic.stack)
	default:
		e.logger.Debug("the attempt ended", "outcome", rep.Outcome, "cause", rep.Cause, "took", took)
	}
}

// finishLog sends the last lines of the log, for a bounded time, and ends the sender.
func (s *Supervisor) finishLog(e *execution) {
	ctx, cancel := context.WithTimeout(s.base, e.flushFor())
	defer cancel()
	e.sender.close(ctx)
}

// offerUntil is how long the report is offered.
func (s *Supervisor) offerUntil(e *execution) time.Time {
	until := time.Now().Add(s.cfg.Lease)
	if !e.deadline.IsZero() {
		if end := e.deadline.Add(e.claim.Grace); end.After(until) {
			return end
		}
	}
	return until
}

// holdSlot waits until the report was sent once, but not beyond the attempt's grace.
func (s *Supervisor) holdSlot(e *execution, o *offer) {
	t := time.NewTimer(time.Until(e.slotUntil(time.Now(), s.cfg.SendTimeout)))
	defer t.Stop()
	select {
	case <-o.tried:
	case <-t.C:
	}
}

// afterAbandoned waits for a handler that was left behind, however long, and sends what it says in the end: once, as
// evidence, and not before the report that counts.
func (s *Supervisor) afterAbandoned(e *execution, done <-chan result, o *offer) {
	r := <-done
	select {
	case <-o.settled:
	case <-s.base.Done():
	}
	if s.base.Err() != nil {
		return
	}
	e.logger.Warn("the abandoned handler returned", "after", time.Since(e.began))
	r.cause = nil
	s.reporter.late(e.conclude(&r, s.cfg.MaxOutput), e.claim.Kind, e.logger)
}
