package api

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// How the sections of the state are gathered.
const (
	stateWithin = 2 * time.Second        // how long an answer waits for a section
	stateFresh  = 500 * time.Millisecond // how old a value may be that is used again
	countsEvery = 10 * time.Second       // the same of counts, which cost most, and how long counting may take
	stateReads  = 3                      // sections that read from the database at the same time
)

// Why a section is degraded.
const (
	reasonTimedOut = "timed out"
	reasonFailed   = "failed"
	reasonPanicked = "panicked"
)

// section gathers one part of the state, whoever asks for it at the same time: one that hangs keeps one goroutine.
type section struct {
	name   string
	local  bool          // it asks only this process
	wait   time.Duration // how long an answer waits for it
	within time.Duration // how long gathering may take
	fresh  time.Duration // how old a value may be that is used again
	reads  chan struct{} // takes what reads from the database at the same time
	logger *slog.Logger
	gather func(context.Context) (any, error)
	put    func(*State, any)

	mu     sync.Mutex
	flight *flight // nil: nobody gathers now
	value  any     // the last good one; nil: there was none
	asOf   time.Time
	reason string // why the last flight brought no value; "": it did
}

// flight is one gathering.
type flight struct {
	started time.Time
	done    chan struct{}
}

// reading is what a section has to show.
type reading struct {
	value  any
	asOf   time.Time
	reason string // why it is not of now; "": it is
}

// begin starts gathering, unless that is under way or the last value will do. What has begun ends by itself.
func (s *section) begin(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil || s.isFresh() {
		return
	}
	f := &flight{started: time.Now(), done: make(chan struct{})}
	s.flight = f
	go s.fly(context.WithoutCancel(ctx), f)
}

func (s *section) isFresh() bool {
	return s.value != nil && s.reason == "" && time.Since(s.asOf) < s.fresh
}

// await is the section once what was begun has ended, or has taken so long that nobody waits for it any more.
func (s *section) await(ctx context.Context) reading {
	s.mu.Lock()
	f := s.flight
	s.mu.Unlock()
	if f != nil {
		t := time.NewTimer(s.wait - time.Since(f.started))
		defer t.Stop()
		select {
		case <-f.done:
		case <-t.C:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	got := reading{value: s.value, asOf: s.asOf, reason: s.reason}
	if f != nil && s.flight == f {
		got.reason = reasonTimedOut
		if s.value != nil && s.fresh > s.wait && time.Since(s.asOf) < s.fresh+s.within {
			got.reason = "" // it is seldom gathered, and still within that
		}
	}
	return got
}

// fly gathers, and keeps what that brings.
func (s *section) fly(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, s.within)
	defer cancel()
	value, reason, err := s.try(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	s.flight = nil
	if reason != "" && reason != s.reason { // what goes on is not news
		s.logger.WarnContext(ctx, "a section of the state could not be gathered", slog.String("section", s.name), slog.Any("error", err))
	}
	s.reason = reason
	if reason == "" {
		s.value, s.asOf = value, f.started
	}
}

// try gathers, and says why it could not.
func (s *section) try(ctx context.Context) (value any, reason string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			value, reason, err = nil, reasonPanicked, fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	if !s.local {
		select {
		case s.reads <- struct{}{}:
			defer func() { <-s.reads }()
		case <-ctx.Done():
			return nil, reasonTimedOut, ctx.Err()
		}
	}
	value, err = s.gather(ctx)
	switch {
	case err == nil:
		return value, "", nil
	case ctx.Err() != nil:
		return nil, reasonTimedOut, err
	}
	return nil, reasonFailed, err
}
