//go:build linux

package check

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// run is a row of weir.runs.
type run struct {
	ID                               uuid.UUID
	Name, State, Cause               string
	MaxParallel                      int // 0: no limit
	StepsTotal, StepsOpen, StepsFail int
	Finished                         bool // finished_at is set
	CancelAsked                      bool
	CancelCause                      string
	Failing                          bool // on_failure: cancel struck
	Key, Scope, IdempotencyKey       string
	RerunOf, ParentRun               uuid.UUID // Nil: none
	ParentStep                       int
	Scheduled                        bool // has the label of a schedule
}

const runsSQL = `
select id, name, state::text, cause::text, coalesce(max_parallel, 0), steps_total, steps_open, steps_failed, finished_at is not null,
  cancel_requested_at is not null, coalesce(cancel_cause::text, ''), failing_at is not null, coalesce(key, ''), coalesce(idempotency_scope, ''),
  coalesce(idempotency_key, ''), coalesce(rerun_of, '00000000-0000-0000-0000-000000000000'), coalesce(parent_run, '00000000-0000-0000-0000-000000000000'),
  coalesce(parent_step, 0), labels ? 'weir/schedule'
from weir.runs order by id`

// step is a row of weir.steps.
type step struct {
	Run                                                         uuid.UUID
	Step                                                        int
	Key, Kind, State, Cause                                     string
	Attempt, Failures, MaxAttempts                              int
	Settled, AllowFailure                                       bool
	RunIf                                                       string
	NeedsTotal, NeedsOpen, NeedsFailed, NeedsAllowed, NeedsNeut int
	Dependants                                                  int
	Finished                                                    bool // finished_at is set
	CancelAsked                                                 bool
	River                                                       int64 // the dispatch token; 0: none
	Report, ReusedFrom                                          uuid.UUID
	Parent                                                      int // of a child of a fan-out; 0: it is none
	Expects                                                     string
	RetryOn                                                     []string // nil: the policy does not say
	Command                                                     string   // what a step of kind exec runs
}

func (s *step) place() place { return place{s.Run, s.Step} }

const stepsSQL = `
select s.run_id, s.step, s.key, s.kind, s.state::text, s.cause::text, s.attempt, s.failures, s.max_attempts, s.settled, s.allow_failure, s.run_if::text,
  s.needs_total, s.needs_open, s.needs_failed, s.needs_allowed, s.needs_neutral, s.dependants, s.finished_at is not null,
  s.cancel_requested_at is not null, coalesce(s.river_job_id, 0), coalesce(s.report, '00000000-0000-0000-0000-000000000000'),
  coalesce(s.reused_from, '00000000-0000-0000-0000-000000000000'), coalesce(s.parent, 0), coalesce(s.expects, ''),
  case when s.retry ? 'on' then array(select jsonb_array_elements_text(s.retry->'on')) end,
  coalesce(case when s.kind = 'exec' then (select i."with"->'command'->>0 from weir.step_inputs i where i.run_id = s.run_id and i.step = coalesce(s.parent, s.step)) end, '')
from weir.steps s order by s.run_id, s.step`

// transition is a row of weir.transitions. Step 0: of the run itself.
type transition struct {
	ID                     int64
	Run                    uuid.UUID
	Step, Attempt          int
	From, To, Actor, Cause string
	Outcome                string // of the attempt that was left, where the row says it
}

const transitionsSQL = `
select id, run_id, coalesce(step, 0), coalesce(attempt, 0), from_state, to_state, actor, cause::text, coalesce(detail->>'outcome', '')
from weir.transitions order by id`

type need struct {
	Run        uuid.UUID
	Need, Step int
	Counted    bool
}

const needsSQL = `select run_id, need, step, counted from weir.needs order by run_id, step, need`

type lateReport struct {
	Run             uuid.UUID
	Step, Attempt   int
	Worker, Report  uuid.UUID
	Outcome, Result string
}

const lateSQL = `
select run_id, step, attempt, coalesce(worker_id, '00000000-0000-0000-0000-000000000000'), report, outcome, result
from weir.late_reports order by id`

type policy struct {
	Run         uuid.UUID
	Step        int
	Key         string // of its concurrency limit
	Limit       int
	MaxParallel int // of a fan-out
}

const policiesSQL = `
select run_id, step, coalesce(concurrency_key, ''), coalesce(concurrency_limit, 0), coalesce(max_parallel, 0) from weir.policies order by run_id, step`

type family struct {
	Run                            uuid.UUID
	Step                           int
	Total, Expanded, Ended, Failed int
}

const familiesSQL = `select run_id, step, total, expanded, ended, failed from weir.families order by run_id, step`

type item struct {
	Run                uuid.UUID
	Parent, Item, Step int
}

const itemsSQL = `select run_id, parent, item, step from weir.items order by run_id, parent, item`

type slot struct {
	Run     uuid.UUID
	Step    int
	Holds   []string
	Waiting string
}

const slotsSQL = `select run_id, step, holds, coalesce(waiting_on, '') from weir.slots order by seq`

type limit struct {
	Key                string
	Used, Administered int
}

const limitsSQL = `select key, used, coalesce(administered, 0) from weir.limits order by key`

type legal struct{ Entity, From, To string }

const legalSQL = `select entity, from_state, to_state from weir.legal_transitions order by 1, 2, 3`

type found struct {
	Rule    string
	Run     uuid.UUID
	Step    int
	Message string
}

const (
	violationsSQL = `select rule, coalesce(run_id, '00000000-0000-0000-0000-000000000000'), coalesce(step, 0), message from weir.violations order by 1, 2, 3, 4`
	dirtySQL      = `select 'hint', run_id, coalesce(step, 0), concat('written at ', at, ', shard ', shard) from weir.dirty order by id`
	quarantineSQL = `select 'quarantine', run_id, 0, concat(error, ' (', sqlstate, ', ', tries, ' tries)') from weir.quarantine order by run_id`

	// Jobs that nobody has fetched, and whose step has ended. Those in a queue that is paused wait rightly.
	riverLeftSQL = `
select 'job', s.run_id, s.step, format('River job %s of kind %s in queue %s is %s', j.id, j.kind, j.queue, j.state)
from weir.river_job j
join weir.steps s on s.run_id = case when j.args->>'run' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then (j.args->>'run')::uuid end
  and s.step = case when j.args->>'step' ~ '^[0-9]{1,9}$' then (j.args->>'step')::int end
where j.state in ('available', 'pending', 'scheduled', 'retryable') and s.state >= 'succeeded'
  and not exists (select from weir.river_queue q where q.name = j.queue and q.paused_at is not null)
order by j.id`
)

// tables are the rows of one snapshot of the database.
type tables struct {
	runs        []run
	steps       []step
	transitions []transition
	needs       []need
	late        []lateReport
	policies    []policy
	families    []family
	items       []item
	slots       []slot
	limits      []limit
	legal       []legal
	kept        []keptRow // runs and steps that are final, whole

	violations, dirty, quarantine, river []found
}

// read reads everything in one transaction.
func (t *tables) read(ctx context.Context, tx pgx.Tx, whole bool) error {
	if _, err := tx.Exec(ctx, "set local timezone = 'UTC'"); err != nil {
		return fmt.Errorf("set the time zone: %w", err)
	}
	for _, err := range []error{
		rows(ctx, tx, runsSQL, &t.runs), rows(ctx, tx, stepsSQL, &t.steps), rows(ctx, tx, transitionsSQL, &t.transitions),
		rows(ctx, tx, needsSQL, &t.needs), rows(ctx, tx, lateSQL, &t.late), rows(ctx, tx, policiesSQL, &t.policies),
		rows(ctx, tx, familiesSQL, &t.families), rows(ctx, tx, itemsSQL, &t.items), rows(ctx, tx, slotsSQL, &t.slots),
		rows(ctx, tx, limitsSQL, &t.limits), rows(ctx, tx, legalSQL, &t.legal), rows(ctx, tx, violationsSQL, &t.violations),
		rows(ctx, tx, dirtySQL, &t.dirty), rows(ctx, tx, quarantineSQL, &t.quarantine), rows(ctx, tx, riverLeftSQL, &t.river),
	} {
		if err != nil {
			return fmt.Errorf("read the tables: %w", err)
		}
	}
	if !whole {
		return nil
	}
	for _, sql := range []string{stepRow + " where s.state >= 'succeeded'", runRow + " where r.finished_at is not null or r.state in ('succeeded', 'failed', 'cancelled')"} {
		kept, err := rowsOf(ctx, tx, sql)
		if err != nil {
			return fmt.Errorf("read what is final: %w", err)
		}
		t.kept = append(t.kept, kept...)
	}
	return nil
}

func rows[V any](ctx context.Context, q querier, sql string, into *[]V) error {
	found, err := q.Query(ctx, sql)
	if err != nil {
		return err
	}
	*into, err = pgx.CollectRows(found, pgx.RowToStructByPos[V])
	return err
}
