package lifecycle_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// playWithin is far more time than runs need to end.
const playWithin = time.Minute

// world is all that is outside of the engines: workers that do what the scripts of runs say, and an operator. Everything
// happens at random times, and at all engines.
type world struct {
	t       *testing.T
	pool    *pgxpool.Pool
	engines []*lifecycle.Engine
	workers []uuid.UUID

	mu       sync.Mutex
	places   map[uuid.UUID]place // of every run known so far
	reports  map[*script]int     // how many there were, of the run and those below it
	acted    map[*script]int     // how many of its acts were done
	decided  map[decisionAt]int  // how many decisions were made; the operator's alone
	problems []error
}

// place is where a run stands in a script.
type place struct {
	script *script
	root   uuid.UUID
	path   string // of what is in it
}

type decisionAt struct {
	script *script
	path   string
}

// newWorld starts several engines on a database, and registers workers.
func newWorld(t *testing.T, engines, workers int) *world {
	t.Helper()
	w := &world{
		t: t, pool: dbtest.Pool(t), places: map[uuid.UUID]place{}, reports: map[*script]int{}, acted: map[*script]int{}, decided: map[decisionAt]int{},
	}
	for range engines {
		e := lifecycle.New(lifecycle.Config{Pool: w.pool, Replica: uuid.New(), PollInterval: 20 * time.Millisecond})
		w.engines = append(w.engines, e)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	require.NoError(t, w.engines[0].KindsRegister(t.Context(), []lifecycle.Kind{{Name: "noop"}}))
	for range workers {
		id := uuid.New()
		w.workers = append(w.workers, id)
		_, err := w.pool.Exec(t.Context(), `insert into weir.workers (id, name, lease_until) values ($1, 'test', clock_timestamp() + interval '1 hour')`, id)
		require.NoError(t, err)
	}
	return w
}

func (w *world) engine() *lifecycle.Engine { return w.engines[rand.IntN(len(w.engines))] }

func (w *world) problem(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, fmt.Errorf(format, args...))
}

// play submits runs and waits until all of them have ended.
func (w *world) play(plans []drawn) (runs []uuid.UUID, problem error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), playWithin)
	defer cancel()
	for _, d := range plans {
		p, err := plan.ParseJSON([]byte(d.text))
		if err != nil {
			return nil, fmt.Errorf("parse the plan: %w", err)
		}
		id := uuid.Must(uuid.NewV7())
		w.mu.Lock()
		w.places[id] = place{script: d.script, root: id}
		w.mu.Unlock()
		if _, err := w.engine().Submit(ctx, lifecycle.Submission{Plan: p, ID: id, Actor: "local"}); err != nil {
			return nil, fmt.Errorf("submit: %w", err)
		}
		runs = append(runs, id)
	}
	return runs, w.until(ctx, runs)
}

// doAgain does runs again that have ended, and answers the new ones; nil ids for those that are not done again.
func (w *world) doAgain(plans []drawn, before []uuid.UUID) (runs []uuid.UUID, problem error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), playWithin)
	defer cancel()
	runs = make([]uuid.UUID, len(plans))
	var made []uuid.UUID
	for i, d := range plans {
		if d.script.Again == nil {
			continue
		}
		script := *d.script
		script.Acts = nil
		runs[i] = uuid.Must(uuid.NewV7())
		w.mu.Lock()
		w.places[runs[i]] = place{script: &script, root: runs[i]}
		w.mu.Unlock()
		if _, err := w.engine().RunRerun(ctx, before[i], lifecycle.RerunRequest{Actor: "local", ID: runs[i], From: script.Again.From}); err != nil {
			return nil, fmt.Errorf("do run %s again: %w", before[i], err)
		}
		made = append(made, runs[i])
	}
	return runs, w.until(ctx, made)
}

// until has workers and an operator at runs until all of them have ended.
func (w *world) until(ctx context.Context, runs []uuid.UUID) error {
	over := make(chan struct{})
	var people sync.WaitGroup
	all := []func(context.Context) error{w.operator(runs)}
	for _, id := range w.workers {
		all = append(all, w.worker(id))
	}
	for _, do := range all {
		people.Go(func() {
			for {
				select {
				case <-over:
					return
				case <-ctx.Done():
					return
				case <-time.After(time.Duration(rand.IntN(1000)) * time.Microsecond):
				}
				if err := do(ctx); err != nil && ctx.Err() == nil {
					w.problem("%w", err)
				}
			}
		})
	}
	for ctx.Err() == nil && len(w.problems) == 0 {
		var open int
		if err := w.pool.QueryRow(ctx, `select (select count(*) from weir.runs where finished_at is null) + (select count(*) from weir.dirty)`).Scan(&open); err == nil && open == 0 {
			break
		}
		<-time.After(5 * time.Millisecond)
	}
	if ctx.Err() != nil {
		w.problem("a run does not end")
	}
	close(over)
	people.Wait()
	return errors.Join(w.problems...)
}

// at finds the place of a run in a script.
func (w *world) at(ctx context.Context, run uuid.UUID) (place, error) {
	w.mu.Lock()
	known, ok := w.places[run]
	w.mu.Unlock()
	if ok {
		return known, nil
	}
	var parent uuid.UUID
	var key string
	err := w.pool.QueryRow(ctx, `select s.run_id, s.key from weir.runs r join weir.steps s on s.run_id = r.parent_run and s.step = r.parent_step where r.id = $1`, run).Scan(&parent, &key)
	if err != nil {
		return place{}, err
	}
	above, err := w.at(ctx, parent)
	if err != nil {
		return place{}, err
	}
	above.path += key + "/"
	w.mu.Lock()
	defer w.mu.Unlock()
	w.places[run] = above
	return above, nil
}

// worker starts what is dispatched, and ends what it holds, at random.
func (w *world) worker(id uuid.UUID) func(context.Context) error {
	var held []*lifecycle.Attempt
	return func(ctx context.Context) error {
		if len(held) == 0 || len(held) < 5 && rand.IntN(2) == 0 {
			a, err := w.claim(ctx, id)
			if a != nil {
				held = append(held, a)
			}
			return err
		}
		i := rand.IntN(len(held))
		a := held[i]
		held = append(held[:i], held[i+1:]...)
		return w.report(ctx, a)
	}
}

// claim starts one of the steps that are dispatched; nil: none.
func (w *world) claim(ctx context.Context, worker uuid.UUID) (*lifecycle.Attempt, error) {
	r := lifecycle.StartRequest{Worker: worker}
	err := w.pool.QueryRow(ctx, `
		select run_id, step, river_job_id from weir.steps where state in ('available', 'retrying') and river_job_id is not null
		order by random() limit 1`).Scan(&r.Run, &r.Step, &r.Token)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	answer, err := w.engine().StepStart(ctx, r)
	if lifecycle.IsRetryable(err) {
		return nil, nil
	}
	return answer.Attempt, err
}

// report ends an attempt as the script says, unless it was asked to stop and does.
func (w *world) report(ctx context.Context, a *lifecycle.Attempt) error {
	at, err := w.at(ctx, a.Run)
	if err != nil {
		return err
	}
	path := common(at.path + a.Key)
	now := ending{Outcome: lifecycle.OutcomeSucceeded}
	if script := at.script.Ends[path]; a.Attempt <= len(script) {
		now = script[a.Attempt-1]
	}
	r := reportOf(a, now.Outcome)
	if r.Error != nil {
		r.Error.Retryable = !now.Permanent
	}
	if now.Outcome == lifecycle.OutcomeSucceeded {
		list := make([]int, at.script.Lists[path])
		if r.Output, err = json.Marshal(map[string]any{"list": list}); err != nil {
			return err
		}
	}
	if rand.IntN(2) == 0 {
		var cause string
		err := w.pool.QueryRow(ctx, `select cause from weir.stops where run_id = $1 and step = $2 and attempt = $3`, a.Run, a.Step, a.Attempt).Scan(&cause)
		switch {
		case err == nil:
			r = reportOf(a, lifecycle.OutcomeCancelled)
			r.Cause = lifecycle.Cause(cause)
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		}
	}
	answer, err := w.engine().StepFinish(ctx, r)
	for lifecycle.IsRetryable(err) {
		answer, err = w.engine().StepFinish(ctx, r)
	}
	if err == nil && answer.Result != lifecycle.ResultRecorded && answer.Result != lifecycle.ResultDuplicate {
		err = fmt.Errorf("the report of %s is %s: it is %s", path, answer.Result, answer.State)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reports[at.script]++
	return err
}

func reportOf(a *lifecycle.Attempt, outcome lifecycle.Outcome) lifecycle.Report {
	r := lifecycle.Report{ID: uuid.New(), Run: a.Run, Step: a.Step, Attempt: a.Attempt, Worker: a.Worker, Outcome: outcome, Cause: lifecycle.CauseReported}
	if outcome == lifecycle.OutcomeFailed || outcome == lifecycle.OutcomeCrashed || outcome == lifecycle.OutcomeTimedOut {
		r.Error = &lifecycle.ReportError{Code: "failed", Message: "it failed", Retryable: true}
	}
	return r
}
