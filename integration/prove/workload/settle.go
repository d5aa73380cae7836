//go:build linux

package workload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

const maxNamed = 20 // runs that an error names

// Settle has the operator go on until every run has ended, those included that were not submitted by anybody, and
// reconcile has nothing to do. If ctx ends before that, the error says what the runs wait for.
func (w *Workload) Settle(ctx context.Context) error {
	rest, cancel := context.WithCancel(ctx)
	defer cancel()
	w.dropSchedules(rest)
	for _, queue := range Queues() {
		w.resumeQueue(rest, queue)
	}
	var helpers sync.WaitGroup
	helpers.Go(func() { w.watch(rest) })
	helpers.Go(func() { w.operate(rest, true) })
	for pause(ctx, between) {
		if w.outstanding() > 0 {
			continue
		}
		left, err := list[int64](ctx, w, `select (select count(*) from weir.runs where finished_at is null) + (select count(*) from weir.dirty)`)
		if err == nil && left[0] == 0 {
			break
		}
	}
	open := ctx.Err() != nil
	cancel()
	helpers.Wait()
	if open {
		return errors.Join(w.problemsSoFar(), w.unsettled(ctx))
	}
	return w.problemsSoFar()
}

// openStep is a step that has not ended.
type openStep struct {
	Run   uuid.UUID
	Name  string
	Key   string
	State string
	What  string
}

// unsettled says which runs have not ended, and what they wait for.
func (w *Workload) unsettled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookWithin)
	defer cancel()
	w.mu.Lock()
	var text strings.Builder
	fmt.Fprintf(&text, "%d acknowledged runs have not ended", len(w.open))
	named := 0
	for run := range w.open {
		if named++; named <= maxNamed {
			fmt.Fprintf(&text, "\n  run %s", run)
		}
	}
	w.mu.Unlock()
	steps, err := table[openStep](ctx, w, `
select r.id as run, r.name, coalesce(s.key, '') as key, coalesce(s.state::text, r.state::text) as state,
  format('run %s, attempt %s, cause %s, waiting_for %s, token %s, run_after %s', r.state, s.attempt, s.cause, s.waiting_for, s.river_job_id, s.run_after) as what
from weir.runs r left join weir.steps s on s.run_id = r.id and s.finished_at is null
where r.finished_at is null order by r.created_at, s.step limit $1`, 3*maxNamed)
	if err != nil {
		fmt.Fprintf(&text, "\nand what they wait for is not known: %v", err)
	}
	for _, s := range steps {
		fmt.Fprintf(&text, "\n  run %s (%s): step %s is %s: %s%s", s.Run, s.Name, s.Key, s.State, s.What, w.why(ctx, s))
	}
	return errors.New(text.String())
}

// why is what the API says about a step.
func (w *Workload) why(ctx context.Context, s openStep) string {
	weir := w.server("why", time.Now().Nanosecond())
	if weir == nil || s.Key == "" {
		return ""
	}
	answer, err := weir.StepWhy(ctx, s.Run, s.Key)
	if err != nil {
		return ""
	}
	var text strings.Builder
	for _, reason := range answer.Value.Reasons {
		fmt.Fprintf(&text, "; %s: %s", reason.Code, reason.Message)
	}
	return text.String()
}
