package migrations_test

import (
	"fmt"
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

// corruption is what a bug or a person with all rights could do to a healthy run, and the rows that name it.
type corruption struct {
	sql  string
	want []string // "rule step: message", the message as a regular expression
}

func corruptions() []corruption {
	return []corruption{
		{"update weir.runs set steps_total = 5 where id = $1", []string{"run_counts_its_steps -: steps_total is 5, and it has 4 steps"}},
		{"update weir.runs set steps_open = 1 where id = $1", []string{"run_counts_its_open_steps -: steps_open is 1, and 2 of its steps are not settled"}},
		{"update weir.runs set steps_failed = 1 where id = $1", []string{"run_counts_its_failed_steps -: steps_failed is 1, and 0 of its settled steps count as failures"}},
		{
			"with s as (update weir.steps set allow_failure = false where run_id = $1 and step = 2) update weir.steps set needs_allowed = 0, needs_failed = 1 where run_id = $1 and step = 4",
			[]string{"run_counts_its_failed_steps -: steps_failed is 0, and 1 of its settled steps count as failures"},
		},
		{
			"update weir.runs set state = 'failed', finished_at = clock_timestamp(), steps_open = 0 where id = $1",
			[]string{
				"final_run_has_no_open_step -: the run is failed, and 2 of its steps are not final", "run_counts_its_open_steps -: .*",
				"run_is_in_the_state_that_its_history_says -: it is failed, and its history says running",
			},
		},
		{"update weir.runs set state = 'paused' where id = $1", []string{"run_is_in_the_state_that_its_history_says -: it is paused, .*"}},
		{
			"insert into weir.needs (run_id, need, step) values ($1, 4, 3)",
			[]string{
				"needs_have_no_circle 3: step 3 needs step 4, which needs it", "needs_have_no_circle 4: step 4 needs step 3, which needs it",
				"step_counts_its_dependants 4: dependants is 0, and 1 steps need it", "step_counts_its_needs 3: .*",
			},
		},
		{
			"insert into weir.needs (run_id, need, step) values ($1, 3, 9)",
			[]string{"needs_lead_to_steps 9: step 9 needs step 3, and the first does not exist", "step_counts_its_dependants 3: dependants is 1, and 2 steps need it"},
		},
		{
			"insert into weir.needs (run_id, need, step) values ($1, 9, 4)",
			[]string{"needs_lead_to_steps 4: step 4 needs step 9, and the second does not exist", "step_counts_its_needs 4: .*"},
		},
		{"delete from weir.needs where run_id = $1 and need = 2", []string{"step_counts_its_dependants 2: .*", "step_counts_its_needs 4: .*"}},
		{
			"update weir.steps set needs_open = 0 where run_id = $1 and step = 4",
			[]string{`step_counts_its_needs 4: total, open, failed, allowed, neutral are \(2,0,0,1,0\), and its edges say \(2,1,0,1,0\)`},
		},
		{"update weir.steps set needs_allowed = 0, needs_neutral = 1 where run_id = $1 and step = 4", []string{"step_counts_its_needs 4: .*"}},
		{"update weir.needs set counted = true where run_id = $1 and need = 3", []string{"step_counts_its_needs 4: .*"}},
		{"update weir.steps set dependants = 0 where run_id = $1 and step = 1", []string{"step_counts_its_dependants 1: dependants is 0, and 2 steps need it"}},
		{
			`with r as (update weir.runs set steps_open = 3 where id = $1), s as (update weir.steps set needs_open = 2, needs_allowed = 0 where run_id = $1 and step = 4)
			update weir.steps set settled = false, finished_at = clock_timestamp() - interval '2 minutes' where run_id = $1 and step = 2`,
			[]string{"final_step_is_settled 2: it is failed since .*, and its end is not counted"},
		},
		{
			"update weir.steps set state = 'retrying', run_after = clock_timestamp(), river_job_id = null where run_id = $1 and step = 3",
			[]string{"step_is_in_the_state_that_its_history_says 3: it is retrying, and its history says running"},
		},
		{
			"update weir.steps set state = 'skipped', finished_at = clock_timestamp() where run_id = $1 and step = 4",
			[]string{"step_is_in_the_state_that_its_history_says 4: it is skipped, and its history says that it was born, and no more"},
		},
		{"update weir.transitions set from_state = 'lost' where run_id = $1 and step = 3 and to_state = 'running'", []string{"history_of_a_step_has_no_gap 3: .*", "history_of_a_step_is_legal 3: .*"}},
		{"update weir.transitions set from_state = 'retrying' where run_id = $1 and step = 3 and to_state = 'running'", []string{"history_of_a_step_has_no_gap 3: .*"}},
		{"delete from weir.transitions where run_id = $1 and step = 3 and to_state = 'available'", nil}, // born available, by what is left
		{"update weir.transitions set from_state = 'pending' where run_id = $1 and step = 1 and to_state = 'running'", []string{"history_of_a_step_is_legal 1: .*"}},
		{"insert into weir.transitions (run_id, from_state, to_state, actor, cause) values ($1, 'paused', 'running', 'me', 'manual')", []string{"history_of_a_run_has_no_gap -: .*"}},
		{
			"insert into weir.transitions (run_id, from_state, to_state, actor, cause) values ($1, 'running', 'lost', 'me', 'manual'), ($1, 'lost', 'running', 'me', 'manual')",
			[]string{"history_of_a_run_is_legal -: .*"},
		},
		{"update weir.steps set attempt = 2 where run_id = $1 and step = 3", []string{"attempt_counts_the_claims 3: attempt is 2, and its history has 1 claims"}},
		{"delete from weir.outputs where run_id = $1 and step = 1", []string{"output_is_there_when_it_says_so 1: has_output is true, and it has no output"}},
		{"update weir.outputs set output = '1' where run_id = $1 and step = 2", []string{"output_is_there_when_it_says_so 2: it has an output, and has_output is false"}},
		{"insert into weir.outputs (run_id, step, attempt, output) values ($1, 1, 7, '1')", []string{"output_is_there_when_it_says_so 1: an attempt that was not its last one has an output"}},
		{"delete from weir.workers where id = $1", []string{"running_step_has_a_live_worker 3: its worker .* does not exist"}},
		{"update weir.workers set lease_until = clock_timestamp() - interval '2 minutes' where id = $1", []string{"running_step_has_a_live_worker 3: the lease of its worker .* ran out at .*"}},
		{"delete from weir.river_job where args ->> 'run' = $1::text and args ->> 'step' = '3'", []string{"dispatch_token_names_its_own_job 3: its River job .* does not exist"}},
		{"update weir.river_job set args = '{}' where args ->> 'run' = $1::text and args ->> 'step' = '3'", []string{"dispatch_token_names_its_own_job 3: its River job .* is of kind noop for {}"}},
		{"update weir.river_job set kind = 'exec' where args ->> 'run' = $1::text and args ->> 'step' = '3'", []string{"dispatch_token_names_its_own_job 3: its River job .* is of kind exec for .*"}},
		{"update weir.steps s set river_job_id = j.id from weir.river_job j where s.run_id = $1 and s.step = 3 and j.args ->> 'run' = $1::text and j.args ->> 'step' = '1'", []string{"dispatch_token_names_its_own_job 3: .*"}},
		{"delete from weir.runs where id = $1", []string{"step_belongs_to_a_run 3: it is running, and its run does not exist"}},
		{"insert into weir.dirty (shard, run_id, step, at) values (0, $1, 3, clock_timestamp() - interval '2 minutes')", []string{"hints_are_served_within_a_minute -: 1 hints in weir.dirty, the oldest of .*"}},
		{
			"insert into weir.stops (run_id, step, attempt, worker_id, cause, grace, give_up_at) values ($1, 1, 1, $1, 'deadline', '1s', clock_timestamp() - interval '2 minutes')",
			[]string{"stops_are_of_running_attempts 1: attempt 1 was to be stopped until .*, and is not the running one"},
		},
		{"update weir.steps set limited = true where run_id = $1 and step = 3", []string{"limited_step_runs_with_its_slots 3: it runs, and holds no slot of its limits"}},
		{
			`with s as (update weir.steps set finished_at = clock_timestamp() - interval '2 minutes' where run_id = $1 and step = 2)
			insert into weir.slots (run_id, step, waiting_on) values ($1, 2, 'k')`,
			[]string{"slots_are_of_what_is_open 2: what asked for it at .* has ended"},
		},
		{
			"insert into weir.families (run_id, step, total, expanded, ended) values ($1, 1, 1, 1, 1)",
			[]string{"fan_out_counts_its_children 1: 1 ended and 0 failed, and its settled children are 0 and 0"},
		},
	}
}

// violations are the rows about a run, as "rule step: message", sorted.
func violations(t *testing.T, pool *pgxpool.Pool, run uuid.UUID) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), "select format('%s %s: %s', rule, coalesce(step::text, '-'), message) from weir.violations where run_id = $1", run)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	slices.Sort(found)
	return found
}

// Each corruption is named, and nothing else is.
func TestViolationsNameEachCorruption(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	beating(t, pool)
	named := make(map[string]bool)
	name := regexp.MustCompile(`^[a-z_]+`)
	for _, c := range corruptions() {
		run := healthy(t, pool)
		require.Empty(t, violations(t, pool, run))
		plant(t, pool, c.sql, run)
		found := violations(t, pool, run)
		require.Len(t, found, len(c.want), "%s: %v", c.sql, found)
		for i, want := range c.want {
			require.Regexp(t, "^"+want+"$", found[i], c.sql)
			named[name.FindString(want)] = true
		}
	}
	require.Equal(t, []string{"open_run_can_go_on -: all that is open waits for each other: k1, k2, k3"}, violations(t, pool, circle(t, pool)))
	named["open_run_can_go_on"] = true
	plant(t, pool, "insert into weir.limits (key, used) select 'k', 1 from weir.runs where id = $1", healthy(t, pool))
	require.Equal(t, "used of limit k is 1, and 0 hold a slot of it", one[string](t, pool, "select message from weir.violations where rule = 'limits_count_their_slots'"))
	named["limits_count_their_slots"] = true

	rule := regexp.MustCompile(`(?:SELECT |\()'([a-z_]+)'::text`)
	var all []string
	for _, match := range rule.FindAllStringSubmatch(one[string](t, pool, "select pg_get_viewdef('weir.violations_of_runs'::regclass) || pg_get_viewdef('weir.violations_of_limits'::regclass)"), -1) {
		all = append(all, match[1])
	}
	slices.Sort(all)
	require.Equal(t, slices.Sorted(maps.Keys(named)), slices.Compact(all), "every rule is tried")
}

// What is on its way, and what nobody is there to do, is no violation.
func TestViolationsAreNotTransient(t *testing.T) {
	t.Parallel()
	for name, plants := range map[string]struct {
		pulse string
		age   string
	}{
		"half a minute old":  {"beat_at = clock_timestamp() + interval '1 day', steady_since = clock_timestamp() - interval '1 day'", "30 seconds"},
		"nobody reconciles":  {"beat_at = clock_timestamp() - interval '1 hour', steady_since = clock_timestamp() - interval '1 day'", "30 minutes"},
		"somebody just came": {"beat_at = clock_timestamp() + interval '1 day', steady_since = clock_timestamp()", "30 minutes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.Pool(t)
			_, err := pool.Exec(t.Context(), "update weir.pulse set "+plants.pulse)
			require.NoError(t, err)
			run := healthy(t, pool)
			for _, sql := range []string{
				`with r as (update weir.runs set steps_open = 3 where id = $1), s as (update weir.steps set needs_open = 2, needs_allowed = 0 where run_id = $1 and step = 4)
				update weir.steps set settled = false, finished_at = clock_timestamp() - interval '%s' where run_id = $1 and step = 2`,
				"update weir.workers set lease_until = clock_timestamp() - interval '%s' where id = $1",
				"insert into weir.dirty (shard, run_id, step, at) values (0, $1, 3, clock_timestamp() - interval '%s')",
				"insert into weir.stops (run_id, step, attempt, worker_id, cause, grace, give_up_at) values ($1, 1, 1, $1, 'deadline', '1s', clock_timestamp() - interval '%s')",
			} {
				plant(t, pool, fmt.Sprintf(sql, plants.age), run)
			}
			require.Empty(t, violations(t, pool, run))
		})
	}
}

// Old runs that have ended are not looked at, open ones always are.
func TestViolationsLookAtOpenAndNewRuns(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	beating(t, pool)
	open, ended := healthy(t, pool), runIn(t, pool, "failed")
	require.NoError(t, write(t, pool, "fixture", `
insert into weir.runs (id, name, steps_total, steps_open) select gen_random_uuid(), 'newer', 1, 1 from generate_series(1, 1000)`))
	plant(t, pool, "update weir.runs set steps_open = 1 where id = $1", open)
	require.NotEmpty(t, violations(t, pool, open))
	require.Empty(t, violations(t, pool, ended), "it has no steps at all, and is old")
}
