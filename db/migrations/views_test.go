package migrations_test

import (
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

func TestOverview(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	run := healthy(t, pool)
	const row = `
select concat_ws(' ', name, state, steps_total, pending, available, running, retrying, waiting, succeeded, failed, cancelled, skipped, took > '0', coalesce(problem, '-'))
from weir.overview where run_id = $1`
	require.Equal(t, "healthy running 4 1 0 1 0 0 1 1 0 0 t -", one[string](t, pool, row, run), "two was allowed to fail")
	for _, sql := range []string{
		healthyEnd("3", "crashed", "false"),
		"insert into weir.outputs (run_id, step, attempt, error_code, error_message) values ($1, 3, 1, 'panic', 'nil map')",
	} {
		require.NoError(t, write(t, pool, "fixture", sql, run))
	}
	require.Equal(t, "healthy running 4 1 0 0 0 0 1 2 0 0 t three crashed: nil map", one[string](t, pool, row, run))
}

func TestRunning(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	run := healthy(t, pool)
	const row = `
select concat_ws(' ', name, step, key, kind, attempt, worker, host, running_for > '0', coalesce(percent::text, '-'), coalesce(message, '-'), coalesce(stopped_for::text, '-'))
from weir.running where run_id = $1`
	require.Equal(t, "healthy 3 three noop 1 worker host t - - -", one[string](t, pool, row, run))
	for _, sql := range []string{
		"insert into weir.progress (run_id, step, attempt, percent, message) values ($1, 3, 1, 50, 'half')",
		"insert into weir.stops (run_id, step, attempt, worker_id, cause, grace, give_up_at) values ($1, 3, 1, $1, 'cancel_requested', '1s', clock_timestamp())",
	} {
		require.NoError(t, write(t, pool, "fixture", sql, run))
	}
	require.Equal(t, "healthy 3 three noop 1 worker host t 50 half cancel_requested", one[string](t, pool, row, run))
	require.NoError(t, write(t, pool, "fixture", healthyEnd("3", "succeeded", "false"), run))
	require.Zero(t, one[int](t, pool, "select count(*) from weir.running"))
}

// delay is something that keeps a healthy run from moving, and the rows that say so.
type delay struct {
	sql  string
	want []string // "step state: reason", the reason as a regular expression
}

// ago makes a timestamp long enough in the past, and freed lets step three be claimed, since long ago.
const (
	ago   = "clock_timestamp() - interval '1 minute'"
	freed = "with t as (update weir.transitions set at = " + ago + " where run_id = $1), s as (update weir.steps set created_at = " + ago + " where run_id = $1 and step <> 3) " +
		"update weir.steps set created_at = " + ago + ", state = 'available', run_after = null"
)

func delays() []delay {
	const three, pendingFour = " where run_id = $1 and step = 3", " where run_id = $1 and step = 4"
	return []delay{
		{"update weir.steps set settled = false, finished_at = " + ago + " where run_id = $1 and step = 2", []string{"2 failed: it has ended, and its end is not counted into its dependants and its run"}},
		{"update weir.runs set cancel_requested_at = " + ago + ", cancel_requested_by = 'me' where id = $1", []string{"4 pending: its cancellation was asked for, no worker holds it, and it is not cancelled"}},
		{"update weir.steps set cancel_requested_at = " + ago + ", cancel_requested_by = 'me'" + pendingFour, []string{"4 pending: its cancellation was asked for, no worker holds it, and it is not cancelled"}},
		{"delete from weir.workers where id = $1", []string{"3 running: its worker is not registered any more"}},
		{"update weir.workers set lease_until = " + ago + " where id = $1", []string{`3 running: the lease of its worker \(worker on host\) has run out, and the step is not taken from it`}},
		{"update weir.workers set gone_at = " + ago + " where id = $1", []string{"3 running: the lease of its worker .*"}},
		{"update weir.steps set deadline_at = " + ago + " - interval '1 minute'" + three, []string{"3 running: it is over its deadline and its grace, and nobody has ended it"}},
		{"with d as (update weir.steps set finished_at = " + ago + " where run_id = $1 and step = 2) update weir.steps set created_at = " + ago + ", needs_failed = 1, needs_allowed = 0" + pendingFour, []string{"4 pending: a step that it needs has failed, and it is not skipped"}},
		{"with d as (update weir.steps set finished_at = " + ago + " where run_id = $1 and step = 2) update weir.steps set created_at = " + ago + ", needs_open = 0" + pendingFour, []string{"4 pending: everything that it needs has ended, and it is neither available nor skipped"}},
		{freed + ", river_job_id = null" + three, []string{"3 available: it may start, and is not dispatched"}},
		{"with r as (update weir.runs set state = 'paused' where id = $1) update weir.steps set created_at = " + ago + ", state = 'available', river_job_id = null" + three, nil},
		{freed + ", river_job_id = 123456789" + three, []string{"3 available: its River job 123456789 is gone"}},
		{jobThen("state = 'discarded', finalized_at = " + ago), []string{"3 available: its River job .* is discarded and has not started it"}},
		{jobThen("state = 'running', attempted_at = " + ago), []string{"3 available: its River job .* was fetched at .* and has not started it"}},
		{jobThen("state = 'running', attempted_at = clock_timestamp()"), nil},
		{jobThen("state = 'available'"), nil},
		{"with k as (update weir.workers set kinds = '{sleep}' where id = $1), " + jobThen("state = 'available'")[len("with "):], []string{"3 available: no live worker has the kind noop"}},
		{"with k as (update weir.workers set queues = '{\"exec\": 1}' where id = $1), " + jobThen("state = 'available'")[len("with "):], []string{"3 available: no live worker with the kind noop works the queue default"}},
		{"with q as (insert into weir.river_queue (name, paused_at) values ('default', clock_timestamp())), " + jobThen("state = 'available'")[len("with "):], []string{"3 available: the queue default is paused in River"}},
		{"update weir.steps set state = 'retrying', created_at = " + ago + ", run_after = " + ago + ", river_job_id = null" + three, nil}, // moved just now, says its history
		{"with t as (update weir.transitions set at = " + ago + " where run_id = $1) update weir.steps set state = 'retrying', created_at = " + ago + ", run_after = " + ago + ", river_job_id = null" + three, []string{"3 retrying: it may start, and is not dispatched"}},
		{"with t as (update weir.transitions set at = " + ago + " where run_id = $1) update weir.steps set state = 'retrying', created_at = " + ago + ", run_after = clock_timestamp() + interval '1 hour', river_job_id = null" + three, nil},
		{"insert into weir.quarantine (run_id, error) values ($1, 'division by zero')", []string{"- running: reconcile fails on this run, 1 times so far, and tries again at .*: division by zero"}},
		{"insert into weir.dirty (shard, run_id, at) values (0, $1, " + ago + "), (0, $1, " + ago + ")", []string{"- running: reconcile has not looked at what has changed: it is behind, or fails"}},
		{"with s as (update weir.steps set state = 'cancelled', settled = true, has_output = false, finished_at = " + ago + ", river_job_id = null where run_id = $1) update weir.runs set steps_open = 0 where id = $1", []string{"- running: all of its steps have ended, and it has not"}},
	}
}

// jobThen lets step three be claimed and changes its River job.
func jobThen(change string) string {
	return "with j as (update weir.river_job set " + change + " where args ->> 'run' = $1::uuid::text and args ->> 'step' = '3'), " + freed[len("with "):] + " where run_id = $1 and step = 3"
}

// stuck are the rows about a run, as "step state: reason", sorted.
func stuck(t *testing.T, pool *pgxpool.Pool, run uuid.UUID) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), "select format('%s %s: %s', coalesce(step::text, '-'), state, reason) from weir.stuck where run_id = $1", run)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	slices.Sort(found)
	return found
}

// What should have moved is named with the reason, and what waits as it should is not.
func TestStuckSaysWhy(t *testing.T) {
	t.Parallel()
	reasons := make(map[string]bool)
	literal := regexp.MustCompile(`'((?:its|it|the|a|no|reconcile|all|everything) [^']+)'::text`)
	for _, d := range slices.Concat(delays(), flowDelays()) {
		pool := dbtest.Pool(t)
		beating(t, pool)
		run := healthy(t, pool)
		require.Empty(t, stuck(t, pool, run))
		plant(t, pool, d.sql, run)
		found := stuck(t, pool, run)
		require.Len(t, found, len(d.want), "%s: %v", d.sql, found)
		for i, want := range d.want {
			require.Regexp(t, "^"+want+"$", found[i], d.sql)
			reasons[found[i]] = true
		}
	}
	pool := dbtest.Pool(t)
	for _, match := range literal.FindAllStringSubmatch(one[string](t, pool, "select pg_get_viewdef('weir.stuck'::regclass)"), -1) {
		pattern := regexp.MustCompile(regexp.MustCompile(`%s`).ReplaceAllString(regexp.QuoteMeta(match[1]), ".*"))
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(reasons)), pattern.MatchString), "never seen: %s", match[1])
	}
}

// A replica that is missing altogether is said once, for all runs.
func TestStuckWithoutAnybody(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	_, err := pool.Exec(t.Context(), "update weir.pulse set beat_at = "+ago)
	require.NoError(t, err)
	require.Zero(t, one[int](t, pool, "select count(*) from weir.stuck"), "there is nothing to do")
	healthy(t, pool)
	require.Equal(t, "nobody reconciles: start a replica (weir serve)", one[string](t, pool, "select reason from weir.stuck where run_id is null"))
}
