//go:build linux

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// queryWithin bounds one look into the database.
const queryWithin = 30 * time.Second

// Submit submits a plan in YAML through a replica's API.
func (c *Cluster) Submit(r *Replica, text string) uuid.UUID {
	c.t.Helper()
	document, err := plan.JSON([]byte(text))
	if err != nil {
		c.t.Fatalf("read the plan: %v", err)
	}
	answer, err := r.Client.RunSubmit(c.t.Context(), document, "")
	if err != nil {
		c.t.Fatalf("submit through %s: %v", r, err)
	}
	return answer.Value.ID
}

// RunState is where a run is.
func (c *Cluster) RunState(run uuid.UUID) lifecycle.RunState {
	c.t.Helper()
	return lifecycle.RunState(Value[string](c, `select state::text from weir.runs where id = $1`, run))
}

// RunEnds waits until a run is final, and returns how it ended.
func (c *Cluster) RunEnds(run uuid.UUID) lifecycle.RunState {
	c.t.Helper()
	var state lifecycle.RunState
	c.Until(fmt.Sprintf("run %s ends", run), func() bool {
		state = c.RunState(run)
		return state.Final()
	})
	return state
}

// Step is a row of weir.steps.
type Step struct {
	Step       int
	Key        string
	State      lifecycle.StepState
	Cause      lifecycle.Cause
	Attempt    int
	Failures   int
	WorkerID   *uuid.UUID
	RiverJobID *int64
	RunAfter   *time.Time
	FinishedAt *time.Time
}

// Steps are the steps of a run by their keys.
func (c *Cluster) Steps(run uuid.UUID) map[string]Step {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), queryWithin)
	defer cancel()
	rows, err := c.Pool.Query(ctx, `
select step, key, state::text as state, cause::text as cause, attempt, failures, worker_id, river_job_id, run_after, finished_at
from weir.steps where run_id = $1 order by step`, run)
	if err != nil {
		c.t.Fatalf("read the steps: %v", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Step])
	if err != nil {
		c.t.Fatalf("read the steps: %v", err)
	}
	steps := make(map[string]Step, len(list))
	for _, s := range list {
		steps[s.Key] = s
	}
	return steps
}

// Step is one step of a run.
func (c *Cluster) Step(run uuid.UUID, key string) Step {
	c.t.Helper()
	s, ok := c.Steps(run)[key]
	if !ok {
		c.t.Fatalf("run %s has no step %s", run, key)
	}
	return s
}

// StepBecomes waits until a step is in a state, and fails the test if it ends in another one.
func (c *Cluster) StepBecomes(run uuid.UUID, key string, want lifecycle.StepState) Step {
	c.t.Helper()
	var s Step
	c.Until(fmt.Sprintf("step %s of run %s is %s", key, run, want), func() bool {
		s = c.Step(run, key)
		return s.State == want || s.State.Final()
	})
	if s.State != want {
		c.t.Fatalf("step %s of run %s ended %s, cause %s; it should have become %s", key, run, s.State, s.Cause, want)
	}
	return s
}

// History is every transition of a run in order, each as one line without its time: what must not change any more can
// be compared.
func (c *Cluster) History(run uuid.UUID) []string {
	c.t.Helper()
	return Value[[]string](c, `
select coalesce(array_agg(concat_ws(' ', id, step, attempt, from_state || '→' || to_state, actor, cause) order by id), '{}')
from weir.transitions where run_id = $1`, run)
}

// Row is everything that a step's row says, as text.
func (c *Cluster) Row(run uuid.UUID, key string) string {
	c.t.Helper()
	return Value[string](c, `select s::text from weir.steps s where run_id = $1 and key = $2`, run, key)
}

// NoViolations fails the test if an invariant is broken, or if reconcile has left anything to do.
func (c *Cluster) NoViolations() {
	c.t.Helper()
	c.Until("reconcile has nothing left to do", func() bool { return Value[int](c, `select count(*)::int from weir.dirty`) == 0 })
	broken := Value[json.RawMessage](c, `select coalesce(json_agg(v), '[]') from weir.violations v`)
	if string(broken) != "[]" {
		c.t.Fatalf("invariants are broken: %s", broken)
	}
}

// DispatchedOnce fails the test if any step of any run has more than one River job.
func (c *Cluster) DispatchedOnce() {
	c.t.Helper()
	twice := Value[json.RawMessage](c, `
select coalesce(json_agg(d), '[]') from (select args, count(*) from weir.river_job where kind not like 'river%' group by args having count(*) > 1) d`)
	if string(twice) != "[]" {
		c.t.Fatalf("steps were dispatched more than once: %s", twice)
	}
}

// Value reads one value from the database.
func Value[T any](c *Cluster, sql string, args ...any) T {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), queryWithin)
	defer cancel()
	var v T
	if err := c.Pool.QueryRow(ctx, sql, args...).Scan(&v); err != nil {
		c.t.Fatalf("query the cluster's database: %v", err)
	}
	return v
}

// Exec changes something in the database.
func (c *Cluster) Exec(sql string, args ...any) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), queryWithin)
	defer cancel()
	if _, err := c.Pool.Exec(ctx, sql, args...); err != nil {
		c.t.Fatalf("change the cluster's database: %v", err)
	}
}
