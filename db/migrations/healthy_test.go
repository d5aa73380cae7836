package migrations_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// healthy makes a run in the middle of its life, the way that replicas do: one (1) succeeded; two (2), allowed to fail,
// failed; three (3) is running; and four (4) needs two and three. The worker has the id of the run.
func healthy(t *testing.T, pool *pgxpool.Pool) uuid.UUID {
	t.Helper()
	run, err := uuid.NewV7()
	require.NoError(t, err)
	for _, sql := range []string{
		"insert into weir.workers (id, name, host, kinds, queues, lease_until) values ($1, 'worker', 'host', '{noop}', '{\"default\": 1}', clock_timestamp() + interval '1 hour')",
		"insert into weir.runs (id, name, steps_total, steps_open) values ($1, 'healthy', 4, 4)",
		`insert into weir.steps (run_id, step, key, kind, state, needs_total, needs_open, dependants, allow_failure) values
			($1, 1, 'one', 'noop', 'available', 0, 0, 2, false),
			($1, 2, 'two', 'noop', 'pending', 1, 1, 1, true),
			($1, 3, 'three', 'noop', 'pending', 1, 1, 1, false),
			($1, 4, 'four', 'noop', 'pending', 2, 2, 0, false)`,
		"insert into weir.needs (run_id, need, step) values ($1, 1, 2), ($1, 1, 3), ($1, 2, 4), ($1, 3, 4)",
		healthyDispatch("step = 1"), healthyStart("step = 1"), healthyEnd("1", "succeeded", "true"),
		"insert into weir.outputs (run_id, step, attempt, output) values ($1, 1, 1, '{}')",
		"update weir.steps set needs_open = 0, state = 'available', cause = 'needs_met' where run_id = $1 and step in (2, 3)",
		healthyDispatch("step in (2, 3)"), healthyStart("step in (2, 3)"), healthyEnd("2", "failed", "false"),
		"insert into weir.outputs (run_id, step, attempt, error_code, error_message) values ($1, 2, 1, 'exit_status', 'exit status 1')",
		"update weir.steps set needs_open = 1, needs_allowed = 1 where run_id = $1 and step = 4",
		"update weir.runs set steps_open = 2 where id = $1",
		"delete from weir.dirty where run_id = $1",
	} {
		require.NoError(t, write(t, pool, "fixture", sql, run), sql)
	}
	return run
}

func healthyDispatch(which string) string {
	return `
with job as (
  insert into weir.river_job (id, args, kind, max_attempts)
  select nextval('weir.river_job_id_seq'), jsonb_build_object('run', run_id, 'step', step), kind, 1 from weir.steps where run_id = $1 and ` + which + `
  returning id, (args ->> 'step')::int as step
)
update weir.steps s set river_job_id = job.id from job where s.run_id = $1 and s.step = job.step`
}

func healthyStart(which string) string {
	return `
update weir.steps set
  state = 'running', cause = 'claimed', attempt = attempt + 1, worker_id = $1, claimed_at = clock_timestamp(), started_at = clock_timestamp(),
  deadline_at = clock_timestamp() + interval '10 minutes'
where run_id = $1 and ` + which
}

func healthyEnd(step, state, output string) string {
	return `
update weir.steps set
  state = '` + state + `', cause = 'reported', finished_at = clock_timestamp(), settled = true, river_job_id = null, has_output = ` + output + `
where run_id = $1 and step = ` + step
}

// circle makes a run whose three steps need each other: nothing of it can ever start.
func circle(t *testing.T, pool *pgxpool.Pool) uuid.UUID {
	t.Helper()
	run, err := uuid.NewV7()
	require.NoError(t, err)
	for _, sql := range []string{
		"insert into weir.runs (id, name, steps_total, steps_open) values ($1, 'circle', 3, 3)",
		"insert into weir.steps (run_id, step, key, kind, needs_total, needs_open, dependants) select $1, i, 'k' || i, 'noop', 1, 1, 1 from generate_series(1, 3) i",
		"insert into weir.needs (run_id, need, step) values ($1, 1, 2), ($1, 2, 3), ($1, 3, 1)",
	} {
		require.NoError(t, write(t, pool, "fixture", sql, run), sql)
	}
	return run
}

// beating has somebody reconcile since long ago and for long to come.
func beating(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	_, err := pool.Exec(t.Context(), "update weir.pulse set beat_at = clock_timestamp() + interval '1 day', steady_since = clock_timestamp() - interval '1 day'")
	require.NoError(t, err)
}
