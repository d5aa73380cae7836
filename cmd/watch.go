package cmd

import (
	"context"
	"time"

	"github.com/weirqueue/weir/lifecycle"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// How often the server is asked: soon after something has happened, later and later when nothing does.
const (
	pollSoon = 200 * time.Millisecond
	pollLate = time.Second
)

// historyWithin is how long the history of a run that has ended is waited for. The database shows it only when every
// older transaction has ended; a backup may take hours.
const historyWithin = 5 * time.Second

// maxPage is the most items that a page can have.
const maxPage = 500

// watch follows a run until it has ended.
type watch struct {
	server *connection
	shown  display
	run    client.Answer[client.Run]

	cursor  *string   // the last transition that was seen
	asked   time.Time // when run was read
	ended   bool      // the transition that ended the run was seen
	finals  int64     // steps whose last transition was seen
	endedAt time.Time // when run was first seen to have ended
}

// display shows how a run goes.
type display interface {
	transition(t client.Transition) error
	// look is called after every look at the history; changed: there was something new.
	look(ctx context.Context, w *watch, changed bool) error
	// note shows a line that is no answer.
	note(text string)
	// close shows how it ended, or where it was left.
	close(w *watch) error
}

func newWatch(server *connection, run client.Answer[client.Run]) *watch {
	return &watch{server: server, run: run, asked: time.Now()}
}

// toTheEnd follows the run until it has ended and all of its history was seen.
func (w *watch) toTheEnd(ctx context.Context) error {
	return poll(ctx, func() (changed, done bool, err error) {
		if changed, err = w.history(ctx); err != nil {
			return changed, false, err
		}
		if err := w.read(ctx, changed); err != nil {
			return changed, false, err
		}
		w.server.answered()
		return changed, w.over(changed), w.shown.look(ctx, w, changed)
	})
}

// history reads what happened since the last time.
func (w *watch) history(ctx context.Context) (changed bool, err error) {
	limit := int64(maxPage)
	for t, err := range w.server.patient.Transitions(ctx, w.run.Value.ID, client.TransitionListParams{Cursor: w.cursor, Limit: &limit}) {
		if err != nil {
			return changed, err
		}
		id, to := t.Value.ID, t.Value.To
		changed, w.cursor = true, &id
		switch {
		case t.Value.Step == nil && lifecycle.RunState(to).Final():
			w.ended = true
		case t.Value.Step != nil && lifecycle.StepState(to).Final():
			w.finals++
		}
		if err := w.shown.transition(t.Value); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// read reads the run itself, when that may have changed.
func (w *watch) read(ctx context.Context, changed bool) error {
	if w.final() || !changed && time.Since(w.asked) < pollLate {
		return nil
	}
	run, err := w.server.patient.RunGet(ctx, w.run.Value.ID)
	if err != nil {
		return err
	}
	w.run, w.asked = run, time.Now()
	return nil
}

func (w *watch) final() bool { return lifecycle.RunState(w.run.Value.State).Final() }

// over reports whether the run has ended and there is nothing more to see.
func (w *watch) over(changed bool) bool {
	if !w.final() {
		return false
	}
	if w.endedAt.IsZero() {
		w.endedAt = time.Now()
	}
	// The end of a step may become visible after that of the run that it let end.
	if w.ended && (w.finals >= w.run.Value.Steps.Total || w.run.Value.RerunOf != nil && !changed) {
		return true
	}
	return !changed && time.Since(w.endedAt) > historyWithin
}

// poll does something until it is done, more and more seldom when nothing changes.
func poll(ctx context.Context, do func() (changed, done bool, err error)) error {
	pause := pollSoon
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		changed, done, err := do()
		if err != nil || done {
			return err
		}
		if pause = min(pause*3/2, pollLate); changed {
			pause = pollSoon
		}
		timer.Reset(pause)
	}
}
