package jobs

import (
	"context"
	"fmt"
	"time"
)

// Drain ends the supervisor: nothing new starts; running attempts have ShutdownGrace to end by themselves, then their
// contexts end with ErrShutdown and they have their own grace; then what is not yet reported is offered for as long as
// reports are. Attempts that returned because of the shutdown are handed back, those that did not return are reported
// as crashed.
//
// When ctx ends Drain stops waiting at once: contexts end, handlers are left behind, reports are not offered any more.
// The error says how many reports nobody took. A supervisor that was drained cannot be used again.
func (s *Supervisor) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	defer s.end()

	grace, cancel := context.WithTimeout(ctx, s.cfg.ShutdownGrace)
	defer cancel()
	if !s.waitIdle(grace) {
		s.stopAll()
		if !s.waitIdle(ctx) {
			close(s.hurryOnce())
			s.end()
			last, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			s.waitIdle(last)
		}
	}
	if left := s.reporter.wait(ctx); left > 0 {
		return fmt.Errorf("drain the attempts: %d reports were not taken", left)
	}
	return nil
}

// hurryOnce gives the channel to close, or one that nobody waits for when it was closed before.
func (s *Supervisor) hurryOnce() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hurried {
		return make(chan struct{})
	}
	s.hurried = true
	return s.hurry
}

// isHurried is true when nobody waits for handlers any more.
func (s *Supervisor) isHurried() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hurried
}

// stopAll ends the context of every attempt, and of those that are about to start.
func (s *Supervisor) stopAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for _, e := range s.running {
		e.stop(ErrShutdown)
	}
}

// waitIdle waits until no attempt is running; false: ctx ended before.
func (s *Supervisor) waitIdle(ctx context.Context) bool {
	for {
		s.mu.Lock()
		busy, changed := s.entering, s.changed
		s.mu.Unlock()
		if busy == 0 {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// wait waits until every report is taken or given up, or ctx ends, and answers how many are left.
func (r *reporter) wait(ctx context.Context) int {
	for {
		r.mu.Lock()
		left, changed := len(r.pending), r.changed
		r.mu.Unlock()
		if left == 0 {
			return 0
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return left
		}
	}
}
