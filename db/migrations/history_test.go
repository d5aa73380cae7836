package migrations_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// last is the newest transition of a run, in words.
func last(t *testing.T, pool *pgxpool.Pool, run uuid.UUID) string {
	t.Helper()
	return one[string](t, pool, `
select concat_ws(' ', coalesce('step ' || step, 'run'), 'attempt ' || attempt, from_state, to_state, 'by', actor, cause, detail)
from weir.transitions where run_id = $1 order by id desc limit 1`, run)
}

// Who did it: what the application says, the worker of the row, or else the database's user.
func TestHistorySaysWhoDidIt(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	worker, user := uuid.New(), one[string](t, pool, "select session_user::text")
	const claim = "update weir.steps set state = 'running', cause = 'claimed', attempt = 1, worker_id = $2, claimed_at = clock_timestamp() where run_id = $1"
	for runsOn, prefix := range map[string]string{"replica": "replica:", "remote": "worker:"} {
		run := uuid.New()
		require.NoError(t, write(t, pool, "somebody", "insert into weir.runs (id, name, steps_total, steps_open) values ($1, 'who', 1, 1)", run))
		require.NoError(t, write(t, pool, "somebody", "insert into weir.steps (run_id, step, key, kind, state, runs_on) values ($1, 1, 'only', 'noop', 'available', $2)", run, runsOn))
		require.NoError(t, write(t, pool, "@worker", claim, run, worker))
		require.Equal(t, "step 1 attempt 1 available running by "+prefix+worker.String()+" claimed", last(t, pool, run))
		require.NoError(t, write(t, pool, "token:ci", stepMoved, run, "failed"))
		require.Equal(t, "step 1 attempt 1 running failed by token:ci reported", last(t, pool, run))
	}
	run := stepIn(t, pool, "pending")
	require.NoError(t, write(t, pool, "@worker", stepMoved, run, "cancelled"))
	require.Equal(t, "step 1 attempt 0 pending cancelled by db:"+user+" reported", last(t, pool, run), "there is no worker")

	run = runIn(t, pool, "running")
	require.NoError(t, write(t, pool, "token:ci", setRun("state = 'paused', cause = 'paused'"), run))
	require.Equal(t, "run running paused by token:ci paused", last(t, pool, run))
	require.NoError(t, write(t, pool, "", setRun("state = 'running'"), run))
	require.Equal(t, "run paused running by db:"+user+" manual", last(t, pool, run))
	require.Zero(t, one[int](t, pool, "select count(*) from weir.transitions where db_user <> session_user"))
}

// What a person forgets is filled in, and what they say is kept.
func TestByHandIsManual(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	const row = "select concat_ws(' ', cause, finished_at is not null, run_after is not null, river_job_id, waiting_for) from weir.steps where run_id = $1"

	run := stepIn(t, pool, "available")
	require.NoError(t, write(t, pool, "dispatch", set("river_job_id = 7"), run))
	require.NoError(t, write(t, pool, "", set("state = 'cancelled'"), run))
	require.Equal(t, "manual t f", one[string](t, pool, row, run))

	run = stepIn(t, pool, "running")
	require.NoError(t, write(t, pool, "dispatch", set("river_job_id = 7"), run))
	require.NoError(t, write(t, pool, "", set("state = 'retrying'"), run))
	require.Equal(t, "manual f t", one[string](t, pool, row, run))

	run = stepIn(t, pool, "waiting")
	require.NoError(t, write(t, pool, "", set("state = 'retrying', run_after = '2100-01-01Z'"), run))
	require.Equal(t, "manual f t", one[string](t, pool, row, run))
	require.Equal(t, 2100, one[time.Time](t, pool, "select run_after from weir.steps where run_id = $1", run).UTC().Year())

	run = stepIn(t, pool, "waiting")
	require.NoError(t, write(t, pool, "", set("state = 'failed', finished_at = '2020-01-01Z'"), run))
	require.Equal(t, 2020, one[time.Time](t, pool, "select finished_at from weir.steps where run_id = $1", run).UTC().Year())

	run = stepIn(t, pool, "waiting")
	require.NoError(t, write(t, pool, "", set("state = 'skipped', settled = true"), run))
	require.False(t, one[bool](t, pool, "select settled from weir.steps where run_id = $1", run), "counting is reconcile's work")

	run = runIn(t, pool, "running")
	require.NoError(t, write(t, pool, "", setRun("state = 'succeeded'"), run))
	require.Equal(t, "manual t", one[string](t, pool, "select concat_ws(' ', cause, finished_at is not null) from weir.runs where id = $1", run))
}

// A change by hand wakes the cluster; one by an application does that itself, once per flush.
func TestByHandWakesReconcile(t *testing.T) {
	t.Parallel()
	database := dbtest.New(t)
	pool := database.Pool(t)
	step, waiting, asked, paused := stepIn(t, pool, "available"), stepIn(t, pool, "waiting"), stepIn(t, pool, "running"), runIn(t, pool, "paused")
	listener, err := pgx.Connect(t.Context(), database.URL)
	require.NoError(t, err)
	defer listener.Close(t.Context())
	_, err = listener.Exec(t.Context(), "listen weir_dirty; listen done")
	require.NoError(t, err)
	woken := func(actor, sql string, run uuid.UUID) int {
		require.NoError(t, write(t, pool, actor, sql, run))
		_, err := pool.Exec(t.Context(), "notify done")
		require.NoError(t, err)
		for count := 0; ; count++ {
			notification, err := listener.WaitForNotification(t.Context())
			require.NoError(t, err)
			if notification.Channel == "done" {
				return count
			}
			require.Equal(t, "weir_dirty", notification.Channel)
			require.Empty(t, notification.Payload)
		}
	}
	require.Equal(t, 1, woken("", setRun("state = 'running'"), paused))
	require.Equal(t, 1, woken("", "update weir.steps set cancel_requested_at = clock_timestamp(), cancel_requested_by = 'me' where run_id = $1", asked))
	require.Equal(t, 0, woken("", set("unnamed = 1"), asked))
	require.Equal(t, 0, woken("token:ci", set("state = 'running', attempt = 1, worker_id = gen_random_uuid(), claimed_at = clock_timestamp()"), step))
	require.Equal(t, 0, woken("token:ci", set("state = 'failed', finished_at = clock_timestamp()"), step))
	require.Equal(t, 1, woken("", set("state = 'cancelled'"), waiting))
}

// What is tried again says in its history how it ended and when it is due.
func TestHistoryOfARetry(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	run := stepIn(t, pool, "running")
	require.NoError(t, write(t, pool, "@worker", set("state = 'retrying', cause = 'attempts_left', last_outcome = 'crashed', run_after = '2026-07-08 10:11:12.131415+02'"), run))
	require.Contains(t, last(t, pool, run), `attempts_left {"outcome": "crashed", "run_after": "2026-07-08T08:11:12.131415Z"}`)
}

// Each change of state is one row with the transaction that made it; a transaction rolled back leaves none.
func TestHistoryIsOfTheTransaction(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	run := stepIn(t, pool, "available")
	before := one[int](t, pool, "select count(*) from weir.transitions")
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	for _, state := range []string{"running", "retrying", "running", "failed"} {
		_, err = tx.Exec(t.Context(), stepMoved, run, state)
		require.NoError(t, err)
	}
	var way string
	require.NoError(t, tx.QueryRow(t.Context(), `
select string_agg(from_state || ' ' || to_state || ' ' || attempt, ', ' order by xid, id) from weir.transitions where xid = pg_current_xact_id()`).Scan(&way))
	require.Equal(t, "available running 1, running retrying 1, retrying running 2, running failed 2", way)
	require.NoError(t, tx.Rollback(t.Context()))
	require.Equal(t, before, one[int](t, pool, "select count(*) from weir.transitions"))
}

// Hints for reconcile: what they are written for, and what not.
func TestDirty(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	for _, test := range []struct {
		from, sql string
		dirty     bool
	}{
		{"running", set("state = 'succeeded', finished_at = clock_timestamp()"), true},
		{"running", set("state = 'succeeded', finished_at = clock_timestamp(), settled = true"), false}, // settled with all that follows from it
		{"pending", set("state = 'skipped', finished_at = clock_timestamp()"), true},
		{"running", set("state = 'retrying', run_after = clock_timestamp()"), true},
		{"pending", set("state = 'available'"), true},
		{"pending", set("state = 'available', river_job_id = 1"), false},
		{"pending", set("state = 'waiting', waiting_for = 'signal'"), false},
		{"available", set("state = 'running', attempt = 1, worker_id = gen_random_uuid(), claimed_at = clock_timestamp()"), false},
		{"available", set("river_job_id = 1"), false},
		{"running", set("cancel_requested_at = clock_timestamp(), cancel_requested_by = 'me'"), true},
		{"failed", set("settled = true"), false},
	} {
		require.Equal(t, test.dirty, dirtied(t, pool, stepIn(t, pool, test.from), test.sql, 1), test.sql)
	}
	for _, test := range []struct {
		from, sql string
		dirty     bool
	}{
		{"paused", setRun("state = 'running'"), true},
		{"paused", setRun("state = 'cancelled', finished_at = clock_timestamp()"), true},
		{"running", setRun("state = 'paused'"), false},
		{"running", setRun("state = 'succeeded', finished_at = clock_timestamp()"), false},
		{"running", setRun("steps_failed = 1"), false},
		{"running", setRun("cancel_requested_at = clock_timestamp()"), false}, // asked for before
	} {
		require.Equal(t, test.dirty, dirtied(t, pool, runIn(t, pool, test.from), test.sql, nil), test.sql)
	}
	require.True(t, dirtied(t, pool, stepIn(t, pool, "pending"), setRun("cancel_requested_at = clock_timestamp(), cancel_requested_by = 'me'"), nil))
}

// dirtied runs a statement about a run and tells whether it left a hint for a step, or for the run (nil). It never leaves
// another one.
func dirtied(t *testing.T, pool *pgxpool.Pool, run uuid.UUID, sql string, step any) bool {
	t.Helper()
	_, err := pool.Exec(t.Context(), "delete from weir.dirty")
	require.NoError(t, err)
	require.NoError(t, write(t, pool, "somebody", sql, run))
	var hints, ours int
	require.NoError(t, pool.QueryRow(t.Context(), `
select count(*), count(*) filter (where run_id = $1 and step is not distinct from $2 and shard = $3) from weir.dirty`, run, step, int(run[15])%16).Scan(&hints, &ours))
	require.Equal(t, hints, ours)
	return ours == 1
}

// The plan of the trigger is made at the first call of a session and kept. Made for one row, it must do for 10,000.
func TestHistoryIsNotQuadratic(t *testing.T) {
	t.Parallel()
	database := dbtest.New(t)
	pool := database.Pool(t)
	run := stepIn(t, pool, "available")
	require.NoError(t, write(t, pool, "somebody", `
insert into weir.steps (run_id, step, key, kind, state) select $1, i, 'k' || i, 'noop', 'available' from generate_series(2, 10001) i`, run))

	joins := planned(t, database.URL, run)
	require.NotEmpty(t, joins)
	for _, plan := range joins {
		require.NotContains(t, plan, "{NESTLOOP")
		require.Regexp(t, `\{(HASH|MERGE)JOIN`, plan)
	}
	require.Equal(t, 10000, one[int](t, pool, "select count(*) from weir.transitions where run_id = $1 and step > 1", run))

	// Without the setting it would be nested loops: the test can fail.
	_, err := pool.Exec(t.Context(), "alter function weir.record_steps() reset enable_nestloop")
	require.NoError(t, err)
	run = stepIn(t, pool, "available")
	require.NoError(t, write(t, pool, "somebody", "insert into weir.steps (run_id, step, key, kind, state) values ($1, 2, 'k2', 'noop', 'available')", run))
	require.Contains(t, strings.Join(planned(t, database.URL, run), ""), "{NESTLOOP")
}

// planned moves one step and then all others of a run, in one session, and returns the plans that join the old and the
// new rows.
func planned(t *testing.T, url string, run uuid.UUID) []string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	var plans []string
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
		if strings.Contains(notice.Detail, "{NAMEDTUPLESTORESCAN") {
			plans = append(plans, notice.Detail)
		}
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), "set debug_print_plan = on; set client_min_messages = log; set weir.actor = 'somebody'")
	require.NoError(t, err)
	for _, which := range []string{"step = 1", "step > 1"} {
		_, err = conn.Exec(t.Context(), "update weir.steps set state = 'cancelled', finished_at = clock_timestamp() where run_id = $1 and "+which, run)
		require.NoError(t, err)
	}
	return plans
}
