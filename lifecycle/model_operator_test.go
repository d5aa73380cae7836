package lifecycle_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/lifecycle"
)

// operator does what the scripts of runs say: acts, signals and decisions.
func (w *world) operator(runs []uuid.UUID) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, run := range runs {
			if err := w.actOn(ctx, run); err != nil {
				return fmt.Errorf("act on run %s: %w", run, err)
			}
		}
		return w.answers(ctx)
	}
}

// actOn does the next act on a run, once it is time.
func (w *world) actOn(ctx context.Context, run uuid.UUID) error {
	w.mu.Lock()
	script := w.places[run].script
	next, due := w.acted[script], false
	if next < len(script.Acts) {
		if due = w.reports[script] >= script.Acts[next].After; due {
			w.acted[script]++
		}
	}
	w.mu.Unlock()
	if !due {
		return nil
	}
	return unlessOver(w.do(ctx, run, script.Acts[next]))
}

// do does something to a run.
func (w *world) do(ctx context.Context, run uuid.UUID, act act) error {
	switch act.Do {
	case "cancel":
		return w.engine().RunCancel(ctx, run, lifecycle.CancelRequest{Actor: "local"})
	case "cancel step":
		return w.engine().StepCancel(ctx, run, act.Path, lifecycle.CancelRequest{Actor: "local"})
	case "pause":
		if err := w.engine().RunPause(ctx, run, "local"); err != nil {
			return err
		}
		<-time.After(time.Duration(rand.IntN(10)) * time.Millisecond)
		return w.engine().RunResume(ctx, run, "local")
	}
	// One of the runs below it, if there is one yet.
	do, _ := strings.CutSuffix(act.Do, " below")
	var below uuid.UUID
	err := w.pool.QueryRow(ctx, `select id from weir.runs where parent_run = $1 and finished_at is null order by random() limit 1`, run).Scan(&below)
	if err != nil {
		return ignoring(err, pgx.ErrNoRows)
	}
	act.Do = do
	return w.do(ctx, below, act)
}

func ignoring(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

// unlessOver takes no offence at what has ended, or is not there yet.
func unlessOver(err error) error {
	var refused *lifecycle.Error
	if errors.As(err, &refused) && (refused.Code == lifecycle.CodeIllegalTransition || refused.Code == lifecycle.CodeNotFound) || lifecycle.IsRetryable(err) {
		return nil
	}
	return err
}

// awaited is a step that waits for somebody, or will.
type awaited struct {
	run     uuid.UUID
	key     string
	forWhat string // signal, approval, decision; early: it will wait for a signal
}

// answers sends the signals and makes the decisions that steps wait for.
func (w *world) answers(ctx context.Context) error {
	rows, err := w.pool.Query(ctx, `
		select run_id, key, waiting_for from weir.steps where state = 'waiting' and waiting_for in ('signal', 'approval', 'decision') and cancel_requested_at is null
		union all
		select s.run_id, s.key, 'early' from weir.steps s where s.state = 'pending' and s.expects = 'signal' and not exists (select from weir.signals g where g.run_id = s.run_id and g.step = s.step)`)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (awaited, error) {
		var a awaited
		return a, r.Scan(&a.run, &a.key, &a.forWhat)
	})
	if err != nil {
		return err
	}
	for _, a := range all {
		if err := w.answer(ctx, a); err != nil {
			return fmt.Errorf("answer step %s of run %s, which waits for %s: %w", a.key, a.run, a.forWhat, err)
		}
	}
	return nil
}

func (w *world) answer(ctx context.Context, a awaited) error {
	at, err := w.at(ctx, a.run)
	if err != nil {
		return err
	}
	path := common(at.path + a.key)
	switch a.forWhat {
	case "early":
		if at.script.Signals[path] == early {
			return w.signal(ctx, a, path)
		}
	case "signal":
		if at.script.Signals[path] != never {
			return w.signal(ctx, a, path)
		}
	case "approval":
		return unlessOver(w.engine().StepDecision(ctx, a.run, a.key, lifecycle.DecisionRequest{Actor: "local", Decision: lifecycle.Decision(at.script.Approvals[path])}))
	case "decision":
		return w.decide(ctx, a, at, path)
	}
	return nil
}

func (w *world) signal(ctx context.Context, a awaited, path string) error {
	payload, err := json.Marshal(path)
	if err != nil {
		return err
	}
	return unlessOver(w.engine().StepSignal(ctx, a.run, a.key, lifecycle.SignalRequest{Actor: "local", Payload: payload}))
}

func (w *world) decide(ctx context.Context, a awaited, at place, path string) error {
	made := decisionAt{at.script, at.path + a.key}
	decision := lifecycle.DecisionFail
	if script := at.script.Decisions[path]; w.decided[made] < len(script) {
		decision = lifecycle.Decision(script[w.decided[made]])
	}
	r := lifecycle.DecisionRequest{Actor: "local", Decision: decision}
	if decision == lifecycle.DecisionAccept {
		r.Output = json.RawMessage(acceptedOutput)
	}
	err := w.engine().StepDecision(ctx, a.run, a.key, r)
	if err == nil {
		w.decided[made]++
	}
	return unlessOver(err)
}
