package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/weirqueue/weir/lifecycle"
)

// start asks for the right to run a step, for a few seconds. It answers nil when the step is not to be run here.
func (s *Supervisor) start(ctx context.Context, req lifecycle.StartRequest) (*lifecycle.Attempt, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StartWithin)
	defer cancel()
	logger := s.cfg.Logger.With("run", req.Run, "step_ordinal", req.Step, "token", req.Token)
	for failures := 0; ; {
		answer, err := s.cfg.Lifecycle.StepStart(ctx, req)
		switch {
		case err == nil && answer.Result == lifecycle.ResultStarted && answer.Attempt != nil:
			return answer.Attempt, nil
		case err == nil:
			logger.Debug("the step is not to be started", "result", answer.Result, "state", answer.State, "actor", answer.Actor)
			return nil, nil
		case !isRetryable(err) && ctx.Err() == nil:
			return nil, fmt.Errorf("start a step: %w", err)
		}
		failures++
		sleep(ctx, jittered(failures, 50*time.Millisecond, time.Second))
		if ctx.Err() != nil {
			s.keep(req.Token)
			go s.undoStart(req) // the last call may have been heard
			return nil, fmt.Errorf("start a step, tried %d times: %w", failures, err)
		}
	}
}

// undoStart finds out, for as long as a lease, whether a Start that nobody answered was committed: the attempt is then
// handed back, for nothing of it was done.
func (s *Supervisor) undoStart(req lifecycle.StartRequest) {
	defer s.give(req.Token)
	ctx, cancel := context.WithTimeout(s.base, s.cfg.Lease)
	defer cancel()
	for failures := 1; ctx.Err() == nil; failures++ {
		answer, err := s.cfg.Lifecycle.StepStart(ctx, req)
		switch {
		case err == nil && answer.Result == lifecycle.ResultStarted && answer.Attempt != nil:
			e := newExecution(s.base, s.cfg, *answer.Attempt)
			e.stop(ErrShutdown)
			rep := e.conclude(&result{err: context.Canceled, cause: ErrShutdown}, s.cfg.MaxOutput)
			s.reporter.offer(rep, answer.Attempt.Kind, req.Token, s.offerUntil(e), e.logger)
			e.release()
			e.sender.close(ctx)
			return
		case err == nil || !isRetryable(err):
			return
		}
		sleep(ctx, jittered(failures, 500*time.Millisecond, 5*time.Second))
	}
}
