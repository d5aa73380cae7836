package migrations_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
)

const (
	// stepBorn makes run $1 with one step, born as $2.
	stepBorn = `
with a_run as (insert into weir.runs (id, name, steps_total, steps_open) values ($1, 'fixture', 1, 1))
insert into weir.steps (run_id, step, key, kind, state, waiting_for) values ($1, 1, 'only', 'noop', $2::weir.step_state, case when $2::text = 'waiting' then 'signal' end)`
	// stepMoved brings the step into state $2.
	stepMoved = `
update weir.steps set
  state = $2::weir.step_state, cause = 'reported', river_job_id = null,
  attempt = attempt + case when $2::text = 'running' then 1 else 0 end,
  worker_id = case when $2::text = 'running' then gen_random_uuid() else worker_id end,
  claimed_at = case when $2::text = 'running' then clock_timestamp() else claimed_at end,
  started_at = case when $2::text = 'running' then clock_timestamp() else started_at end,
  finished_at = case when $2::weir.step_state >= 'succeeded' then clock_timestamp() end,
  run_after = case when $2::text = 'retrying' then clock_timestamp() end,
  waiting_for = case when $2::text = 'waiting' then 'decision' end
where run_id = $1`
	// runBorn makes run $1 with all of its steps ended, born as $2.
	runBorn = `
insert into weir.runs (id, name, steps_total, steps_open, cancel_requested_at, cancel_requested_by, state)
values ($1, 'fixture', 1, 0, clock_timestamp(), 'fixture', $2::weir.run_state)`
	// runMoved brings the run into state $2.
	runMoved = `
update weir.runs set state = $2::weir.run_state, finished_at = case when $2::text not in ('running', 'paused') then clock_timestamp() end where id = $1`
)

// stepWays leads from birth to each state of a step, and runWays of a run.
func stepWays() map[string][]string {
	return map[string][]string{
		"pending":   {"pending"},
		"available": {"available"},
		"waiting":   {"waiting"},
		"running":   {"available", "running"},
		"retrying":  {"available", "running", "retrying"},
		"succeeded": {"available", "running", "succeeded"},
		"failed":    {"available", "running", "failed"},
		"cancelled": {"pending", "cancelled"},
		"skipped":   {"pending", "skipped"},
	}
}

func runWays() map[string][]string {
	return map[string][]string{
		"running":   {"running"},
		"paused":    {"running", "paused"},
		"succeeded": {"running", "succeeded"},
		"failed":    {"running", "failed"},
		"cancelled": {"running", "cancelled"},
	}
}

// stepIn makes a run with one step, brings the step into a state, and proves that it is there.
func stepIn(t *testing.T, pool *pgxpool.Pool, state string) uuid.UUID {
	t.Helper()
	run := in(t, pool, stepBorn, stepMoved, stepWays()[state])
	require.Equal(t, state, one[string](t, pool, "select state::text from weir.steps where run_id = $1", run))
	return run
}

// runIn makes a run, brings it into a state, and proves that it is there.
func runIn(t *testing.T, pool *pgxpool.Pool, state string) uuid.UUID {
	t.Helper()
	run := in(t, pool, runBorn, runMoved, runWays()[state])
	require.Equal(t, state, one[string](t, pool, "select state::text from weir.runs where id = $1", run))
	return run
}

func in(t *testing.T, pool *pgxpool.Pool, birth, move string, way []string) uuid.UUID {
	t.Helper()
	require.NotEmpty(t, way)
	id, err := uuid.NewV7()
	require.NoError(t, err)
	require.NoError(t, write(t, pool, "fixture", birth, id, way[0]))
	for _, next := range way[1:] {
		require.NoError(t, write(t, pool, "fixture", move, id, next))
	}
	return id
}

// write runs one statement as an actor; none: by hand.
func write(t *testing.T, pool *pgxpool.Pool, actor, sql string, args ...any) error {
	t.Helper()
	return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "select set_config('weir.actor', $1, true)", actor); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), sql, args...)
		return err
	})
}

// plant runs statements with all triggers off, as corruption comes about.
func plant(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "set local session_replication_role = replica"); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), sql, args...)
		return err
	}), sql)
}

// refused is the refusal in err: SQLSTATE 23514 and this constraint.
func refused(t *testing.T, err error, constraint string) db.Error {
	t.Helper()
	refusal, ok := db.AsError(err)
	require.True(t, ok, "%s: %v", constraint, err)
	require.Equal(t, db.CheckViolation, refusal.SQLState, "%v", err)
	require.Equal(t, constraint, refusal.Constraint, "%v", err)
	return *refusal
}

// one reads a single value.
func one[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	var value T
	require.NoError(t, pool.QueryRow(t.Context(), sql, args...).Scan(&value), sql)
	return value
}
