package cmd

import (
	"context"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// logFollower prints what is written until what it follows has ended. Lines of a step come in their order, none twice.
type logFollower struct {
	silent

	server  *connection
	run     uuid.UUID
	step    string // "": all of the run
	attempt *int   // nil: all
	show    func(client.Answer[client.Log]) error

	began   bool               // what was there at first was printed
	cursors map[string]*string // the last line of each step
	running map[string]bool    // steps that may write
	moved   map[string]bool    // steps that changed their state since the last look
}

// toTheEnd follows until the run, or the step, has ended.
func (f *logFollower) toTheEnd(ctx context.Context) error {
	f.say = f.server.note
	f.cursors, f.running, f.moved = map[string]*string{}, map[string]bool{}, map[string]bool{}
	if f.step != "" {
		return f.stepToTheEnd(ctx)
	}
	run, err := f.server.RunGet(ctx, f.run)
	if err != nil {
		return err
	}
	w := newWatch(f.server, run)
	w.shown = f
	return w.toTheEnd(ctx)
}

// stepToTheEnd follows one step. What an attempt wrote is stored before its end is.
func (f *logFollower) stepToTheEnd(ctx context.Context) error {
	step, err := f.server.StepGet(ctx, f.run, f.step)
	if err != nil {
		return err
	}
	return poll(ctx, func() (changed, done bool, err error) {
		if step, err = f.server.patient.StepGet(ctx, f.run, f.step); err != nil {
			return false, false, err
		}
		if changed, err = f.lines(ctx, f.step); err != nil {
			return changed, false, err
		}
		f.server.answered()
		over := lifecycle.StepState(step.Value.State).Final() || f.attempt != nil && step.Value.Attempt > int64(*f.attempt)
		return changed, over, nil
	})
}

// transition notes which steps may have written something.
func (f *logFollower) transition(t client.Transition) error {
	if t.Step != nil {
		f.moved[*t.Step] = true
		f.running[*t.Step] = t.To == string(lifecycle.StepRunning)
	}
	return nil
}

// look prints what is new: at first everything, in the order of the plan, then step by step.
func (f *logFollower) look(ctx context.Context, _ *watch, _ bool) error {
	if !f.began {
		f.began = true
		if _, err := f.lines(ctx, ""); err != nil {
			return err
		}
		return nil
	}
	for step, running := range f.running {
		if !running && !f.moved[step] {
			continue
		}
		delete(f.moved, step)
		if _, err := f.lines(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// lines prints what a step, or with "" every step, wrote since the last time.
func (f *logFollower) lines(ctx context.Context, step string) (changed bool, err error) {
	for line, err := range f.server.patient.Logs(ctx, f.run, logParams(step, f.attempt, f.cursors[step])) {
		if err != nil {
			return changed, err
		}
		changed, f.cursors[line.Value.Step] = true, &line.Value.ID
		if err := f.show(line); err != nil {
			return changed, err
		}
	}
	return changed, nil
}
