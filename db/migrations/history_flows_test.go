package migrations_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

const (
	// limitedBorn makes run $1 with one step that needs slots, born as $2, and the run needs some too.
	limitedBorn = `
with a_run as (insert into weir.runs (id, name, steps_total, steps_open, limited) values ($1, 'fixture', 1, 1, true))
insert into weir.steps (run_id, step, key, kind, state, waiting_for, limited) values ($1, 1, 'only', 'noop', $2::weir.step_state, case when $2::text = 'waiting' then 'children' end, true)`
	// limitedRunBorn makes run $1 with all of its steps ended, born as $2.
	limitedRunBorn = `
insert into weir.runs (id, name, steps_total, steps_open, state, limited) values ($1, 'fixture', 1, 0, $2::weir.run_state, true)`
)

// hints runs a statement about a run and returns the hints it leaves, "SHARD RUN STEP" with names for what the test knows.
func hints(t *testing.T, pool *pgxpool.Pool, sql string, run uuid.UUID, names map[uuid.UUID]string) []string {
	t.Helper()
	_, err := pool.Exec(t.Context(), "delete from weir.dirty")
	require.NoError(t, err)
	require.NoError(t, write(t, pool, "somebody", sql, run))
	rows, err := pool.Query(t.Context(), "select shard, run_id, step from weir.dirty order by shard, step")
	require.NoError(t, err)
	found := []string{}
	var shard int
	var of uuid.UUID
	var step *int
	_, err = pgx.ForEachRow(rows, []any{&shard, &of, &step}, func() error {
		where, what := fmt.Sprint("shard ", shard), "run"
		switch shard {
		case 16:
			where = "gate"
		case int(of[15]) % 16:
			where = "own"
		}
		if step != nil {
			what = fmt.Sprint("step ", *step)
		}
		found = append(found, where+": "+names[of]+" "+what)
		return nil
	})
	require.NoError(t, err)
	return found
}

// What holds slots is shown to the gate when it stops running or ends, and what holds none never is (TestDirty).
func TestDirtyOfWhatIsLimited(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	own, gate := "own: it step 1", "gate: it step 1"
	for _, test := range []struct {
		from, sql string
		hints     []string
	}{
		{"running", set("state = 'succeeded', finished_at = clock_timestamp()"), []string{own, gate}},
		{"running", set("state = 'failed', finished_at = clock_timestamp(), settled = true"), []string{gate}},
		{"running", set("state = 'retrying', run_after = clock_timestamp()"), []string{own, gate}},
		{"running", set("state = 'waiting', waiting_for = 'decision'"), []string{gate}},
		{"waiting", set("state = 'succeeded', waiting_for = null, finished_at = clock_timestamp()"), []string{own, gate}},
		{"pending", set("state = 'cancelled', finished_at = clock_timestamp()"), []string{own, gate}},
		{"pending", set("state = 'available', river_job_id = 1"), []string{}},
		{"available", set("state = 'running', attempt = 1, worker_id = gen_random_uuid(), claimed_at = clock_timestamp()"), []string{}},
		{"running", set("cancel_requested_at = clock_timestamp(), cancel_requested_by = 'me'"), []string{own}},
		{"failed", set("settled = true"), []string{}},
	} {
		run := in(t, pool, limitedBorn, stepMoved, stepWays()[test.from])
		require.Equal(t, test.from, one[string](t, pool, "select state::text from weir.steps where run_id = $1", run))
		require.Equal(t, test.hints, hints(t, pool, test.sql, run, map[uuid.UUID]string{run: "it"}), "%s: %s", test.from, test.sql)
	}
	for _, test := range []struct {
		from, sql string
		hints     []string
	}{
		{"running", setRun("state = 'succeeded', finished_at = clock_timestamp()"), []string{"gate: it run"}},
		{"running", setRun("state = 'paused'"), []string{"gate: it run"}},
		{"paused", setRun("state = 'running'"), []string{"own: it run", "gate: it run"}},
		{"running", setRun("steps_failed = 1"), []string{}},
	} {
		run := in(t, pool, limitedRunBorn, runMoved, runWays()[test.from])
		require.Equal(t, test.hints, hints(t, pool, test.sql, run, map[uuid.UUID]string{run: "it"}), "%s: %s", test.from, test.sql)
	}
}

// The end of a child run is shown to the step that waits for it, and nothing else of it is.
func TestDirtyOfAChildRun(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	for state, dirty := range map[string]bool{"succeeded": true, "failed": true, "cancelled": true, "paused": false} {
		parent, child := stepIn(t, pool, "waiting"), uuid.New()
		require.NoError(t, write(t, pool, "somebody", `
insert into weir.runs (id, name, steps_total, steps_open, parent_run, parent_step, cancel_requested_at, cancel_requested_by)
select $1, 'child', 1, 0, run_id, step, clock_timestamp(), 'me' from weir.steps where run_id = '`+parent.String()+`'`, child))
		want := []string{}
		if dirty {
			want = append(want, "own: parent step 1")
		}
		sql := setRun("state = '" + state + "', finished_at = case when '" + state + "' <> 'paused' then clock_timestamp() end")
		require.Equal(t, want, hints(t, pool, sql, child, map[uuid.UUID]string{parent: "parent", child: "child"}), state)
	}
}

// on_failure: cancel strikes a run once, and reconcile is told then.
func TestDirtyOfAFailingRun(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	run := stepIn(t, pool, "running")
	strike := func() []string {
		return hints(t, pool, setRun("failing_at = clock_timestamp()"), run, map[uuid.UUID]string{run: "it"})
	}
	require.Equal(t, []string{"own: it run"}, strike())
	require.Empty(t, strike(), "struck before")
}

// What waits for a decision says in its history how its last attempt ended.
func TestHistoryOfADecisionToBeMade(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	run := stepIn(t, pool, "running")
	require.NoError(t, write(t, pool, "somebody", set("state = 'waiting', cause = 'failure_policy', waiting_for = 'decision', last_outcome = 'crashed'"), run))
	require.Equal(t, `step 1 attempt 1 running waiting by somebody failure_policy {"outcome": "crashed"}`, last(t, pool, run))
}
