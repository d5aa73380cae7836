package migrations_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// guard is a statement about run $1 that a trigger refuses, in one state of the step or the run.
type guard struct{ state, sql, constraint string }

// set is an update of the step, setRun of the run.
func set(what string) string    { return "update weir.steps set " + what + " where run_id = $1" }
func setRun(what string) string { return "update weir.runs set " + what + " where id = $1" }

func stepGuards() []guard {
	const (
		attempt  = "step_attempt_grows_by_one_on_the_way_to_running"
		claim    = "step_claim_changes_only_on_the_way_to_running"
		times    = "step_times_stay_in_the_same_state"
		final    = "step_final_keeps_everything"
		identity = "step_identity_never_changes"
		claims   = "state = 'running', worker_id = gen_random_uuid(), claimed_at = clock_timestamp()"
	)
	guards := []guard{
		{"running", set("attempt = attempt + 1"), attempt},
		{"running", set("attempt = 0"), attempt},
		{"available", set(claims), attempt},
		{"available", set(claims + ", attempt = attempt + 2"), attempt},
		{"retrying", set(claims), attempt},
		{"retrying", set("attempt = attempt - 1"), attempt},
		{"failed", set("attempt = attempt + 1"), attempt},
		{"running", set("state = 'failed', finished_at = clock_timestamp(), attempt = attempt + 1"), attempt},
		{"running", set("worker_id = gen_random_uuid()"), claim},
		{"running", set("claimed_at = clock_timestamp()"), claim},
		{"running", set("state = 'failed', finished_at = clock_timestamp(), worker_id = gen_random_uuid()"), claim},
		{"running", set("state = 'retrying', run_after = clock_timestamp(), worker_id = null"), claim},
		{"failed", set("worker_id = null"), claim},
		{"running", set("started_at = clock_timestamp()"), times},
		{"running", set("started_at = null"), times},
		{"running", set("deadline_at = clock_timestamp()"), times},
		{"failed", set("finished_at = clock_timestamp()"), times},
		{"failed", set("deadline_at = clock_timestamp()"), times},
		{"failed", set("settled = true, cause = 'killed'"), final},
		{"succeeded", set("has_output = true"), final},
		{"pending", "insert into weir.steps (run_id, step, key, kind, attempt) values ($1, 2, 'other', 'noop', 1)", "step_is_born_unclaimed"},
		{"pending", "insert into weir.steps (run_id, step, key, kind, state, worker_id) values ($1, 2, 'other', 'noop', 'available', gen_random_uuid())", "step_is_born_unclaimed"},
		{"pending", "truncate weir.steps", "steps_are_not_truncated"},
		{"failed", "truncate weir.steps", "steps_are_not_truncated"},
	}
	for _, column := range []string{
		"cause = 'manual'", "failures = 1", "allow_failure = true", "priority = 1", "run_if = 'any_failed'", "max_attempts = 7", "last_outcome = 'lost'",
		"run_after = clock_timestamp()", "cancel_requested_at = clock_timestamp(), cancel_requested_by = 'me'", "cancel_reason = 'why not'", "timeout = '1s'",
		"grace = '1s'", "stall_after = '1s'", "report = gen_random_uuid()", "queue = 'other'", "retry = '{}'",
		"cancel_requested_at = clock_timestamp(), cancel_requested_by = 'me', cancel_cause = 'superseded'",
	} {
		guards = append(guards, guard{"failed", set(column), final})
	}
	for _, column := range []string{
		"run_id = gen_random_uuid()", "step = 2", "key = 'other'", "kind = 'sleep'", "runs_on = 'remote'", "created_at = clock_timestamp()",
		"limited = true", "expects = 'time'", "parent = 7, item = 0",
	} {
		guards = append(guards, guard{"pending", set(column), identity}, guard{"running", set(column), identity}, guard{"failed", set(column), identity})
	}
	guards = append(guards, guard{"succeeded", set("reused_from = gen_random_uuid()"), identity})
	for _, state := range []string{"running", "retrying", "succeeded", "failed", "crashed", "timed_out", "lost", "cancelled", "skipped"} {
		guards = append(guards, guard{"pending", `
insert into weir.steps (run_id, step, key, kind, state, attempt, worker_id, claimed_at, run_after, finished_at)
select $1, 2, 'other', 'noop', state, 1, gen_random_uuid(), clock_timestamp(), clock_timestamp(), case when state >= 'succeeded' then clock_timestamp() end
from (select '` + state + `'::weir.step_state as state) s`, "step_is_born_pending_available_or_waiting"})
	}
	for _, state := range []string{"pending", "available", "running", "retrying", "waiting"} {
		guards = append(guards, guard{state, "delete from weir.steps where run_id = $1", "step_open_is_not_deleted"})
	}
	return guards
}

func runGuards() []guard {
	const (
		final    = "run_final_keeps_everything"
		identity = "run_identity_never_changes"
	)
	guards := []guard{
		{"succeeded", setRun("finished_at = clock_timestamp()"), "run_finished_at_stays_in_the_same_state"},
		{"running", "delete from weir.runs where id = $1", "run_open_is_not_deleted"},
		{"paused", "delete from weir.runs where id = $1", "run_open_is_not_deleted"},
		{"succeeded", "truncate weir.runs", "runs_are_not_truncated"},
		{"running", setRun("admitted = false"), "run_stays_admitted"},
		{"paused", setRun("admitted = false"), "run_stays_admitted"},
	}
	for _, column := range []string{
		"cause = 'manual'", "max_parallel = 1", "steps_total = 2", "steps_failed = 1", "start_at = clock_timestamp()", "deadline_at = clock_timestamp()",
		"cancel_requested_at = clock_timestamp()", "cancel_requested_by = 'you'", "cancel_reason = 'why not'", "cancel_cause = 'superseded'",
		"admitted = false", "timeout = '1s'", "failing_at = clock_timestamp()",
	} {
		guards = append(guards, guard{"failed", setRun(column), final})
	}
	for _, column := range []string{
		"id = gen_random_uuid()", "name = 'other'", "on_failure = 'cancel'", "created_at = clock_timestamp()", "created_by = 'me'", "key = 'k'", "rerun_of = gen_random_uuid()",
		"idempotency_scope = 's', idempotency_key = 'k', idempotency_digest = 'd'", `labels = '{"a": "b"}'`, "description = 'other'",
		"limited = true", "wants_output = true", "depth = 1", "plan_version = 1", "parent_run = gen_random_uuid(), parent_step = 1",
	} {
		guards = append(guards, guard{"running", setRun(column), identity}, guard{"failed", setRun(column), identity})
	}
	for _, state := range []string{"paused", "succeeded", "failed", "cancelled"} {
		guards = append(guards, guard{"running", `
insert into weir.runs (id, name, steps_total, steps_open, state, finished_at, cancel_requested_at, cancel_requested_by)
select gen_random_uuid(), 'born', 1, 0, state, case when state <> 'paused' then clock_timestamp() end, clock_timestamp(), 'me'
from (select '` + state + `'::weir.run_state as state where $1::uuid is not null) s`, "run_is_born_running"})
	}
	return guards
}

// What a guard refuses, it refuses by name, with something to do instead, and changes nothing.
func TestGuards(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	tried := map[string]int{
		// lifecycle tries the whole matrix, and the others refuse nothing.
		"step_transition_is_legal": 1, "run_transition_is_legal": 1, "by_hand_is_manual": 1, "transitions_are_recorded": 1,
		"step_counts_are_not_made_by_hand": 1, "run_counts_are_not_made_by_hand": 1, "step_settled_stays_settled": 1, "transitions_are_append_only": 1,
		"plans_are_immutable": 1, // tried by TestPlansAreImmutable
	}
	const rows = "select coalesce(string_agg(s::text, ' '), '') || string_agg(distinct r::text, ' ') from weir.runs r left join weir.steps s on s.run_id = r.id where r.id = $1"
	try := func(g guard, run uuid.UUID) {
		before := one[string](t, pool, rows, run)
		args := []any{run}
		if !strings.Contains(g.sql, "$1") {
			args = nil
		}
		refusal := refused(t, write(t, pool, "somebody", g.sql, args...), g.constraint)
		require.NotEmpty(t, refusal.Hint, g.constraint)
		require.NotEmpty(t, refusal.Detail, g.constraint)
		require.Equal(t, "weir", refusal.Schema)
		require.Equal(t, before, one[string](t, pool, rows, run), g.sql)
		tried[g.constraint]++
	}
	for _, g := range stepGuards() {
		try(g, stepIn(t, pool, g.state))
	}
	for _, g := range runGuards() {
		try(g, runIn(t, pool, g.state))
	}
	names := one[[]string](t, pool, "select array_agg(distinct tgname::text) from pg_trigger where not tgisinternal")
	slices.Sort(names)
	require.Equal(t, slices.Sorted(maps.Keys(tried)), names, "every trigger is tried")
}

// Who does not say who they are makes no counts, and ends no run by them.
func TestCountsAreNotMadeByHand(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	run := healthy(t, pool)
	const isNow = "select string_agg(s::text, ' ' order by step) || string_agg(distinct r::text, ' ') from weir.runs r join weir.steps s on s.run_id = r.id where r.id = $1"
	before := one[string](t, pool, isNow, run)
	for _, g := range []guard{
		{"", setRun("steps_open = 0"), "run_counts_are_not_made_by_hand"},
		{"", setRun("steps_failed = 1"), "run_counts_are_not_made_by_hand"},
		{"", setRun("steps_total = 5"), "run_counts_are_not_made_by_hand"},
		{"", setRun("steps_open = 0, state = 'succeeded'"), "run_is_final_only_when_all_its_steps_are"},
		{"", setRun("steps_open = 0, state = 'failed', finished_at = clock_timestamp()"), "run_is_final_only_when_all_its_steps_are"},
		{"", setRun("steps_open = 0, state = 'cancelled', cancel_requested_at = now(), cancel_requested_by = 'me'"), "run_is_final_only_when_all_its_steps_are"},
		{"", set("needs_open = 0") + " and step = 4", "step_counts_are_not_made_by_hand"},
		{"", set("needs_failed = needs_failed + 1") + " and step = 4", "step_counts_are_not_made_by_hand"},
		{"", set("dependants = 0") + " and step = 1", "step_counts_are_not_made_by_hand"},
	} {
		refusal := refused(t, write(t, pool, "", g.sql, run), g.constraint)
		require.NotEmpty(t, refusal.Hint)
		require.NotEmpty(t, refusal.Detail)
		require.Equal(t, before, one[string](t, pool, isNow, run), g.sql)
	}
	require.NoError(t, write(t, pool, "reconcile:me", set("needs_open = 0")+" and step = 4", run))
	require.NoError(t, write(t, pool, "reconcile:me", setRun("steps_open = 1"), run))
	require.NoError(t, write(t, pool, "", set("state = 'available', needs_open = 0")+" and step = 4", run), "to let a step start is legal")
}

// A run that is held back is let in by who counts the limits, not by hand.
func TestRunsAreAdmittedByReconcile(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	run := uuid.New()
	require.NoError(t, write(t, pool, "somebody", "insert into weir.runs (id, name, steps_total, steps_open, admitted) values ($1, 'held', 1, 1, false)", run))
	refusal := refused(t, write(t, pool, "", setRun("admitted = true"), run), "run_stays_admitted")
	require.Contains(t, refusal.Hint, "weir limit set")
	require.False(t, one[bool](t, pool, "select admitted from weir.runs where id = $1", run))
	require.NoError(t, write(t, pool, "reconcile:me", setRun("admitted = true"), run))
	require.True(t, one[bool](t, pool, "select admitted from weir.runs where id = $1", run))
}

func TestSettledStaysSettled(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	run := stepIn(t, pool, "failed")
	require.NoError(t, write(t, pool, "somebody", set("settled = true"), run))
	refused(t, write(t, pool, "somebody", set("settled = false"), run), "step_settled_stays_settled")
	require.True(t, one[bool](t, pool, "select settled from weir.steps where run_id = $1", run))
}

// What the guards must not be in the way of.
func TestGuardsLetBookkeepingThrough(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	for _, allowed := range []struct{ state, sql string }{
		{"pending", set("needs_total = 2, needs_open = 1, needs_failed = 1")},
		{"pending", set("priority = 1, queue = 'other', max_attempts = 3")},
		{"available", set("river_job_id = 1")},
		{"available", set("cancel_requested_at = clock_timestamp(), cancel_requested_by = 'me'")},
		{"running", set("unnamed = 1")},
		{"running", set("attempt = attempt, worker_id = worker_id, started_at = started_at, finished_at = null")},
		{"running", set("state = 'succeeded', finished_at = clock_timestamp(), settled = true, has_output = true, report = gen_random_uuid()")},
		{"failed", set("settled = true, needs_total = 1, dependants = 1")},
		{"failed", "delete from weir.steps where run_id = $1"},
		{"pending", `
insert into weir.steps (run_id, step, key, kind, state, attempt, finished_at, has_output, settled, reused_from)
values ($1, 2, 'reused', 'noop', 'succeeded', 3, clock_timestamp(), true, true, gen_random_uuid())`},
	} {
		require.NoError(t, write(t, pool, "somebody", allowed.sql, stepIn(t, pool, allowed.state)), allowed.sql)
	}
	for _, allowed := range []struct{ state, sql string }{
		{"running", setRun("steps_total = 5, steps_open = 2, steps_failed = 1, max_parallel = 1, deadline_at = clock_timestamp()")},
		{"cancelled", "delete from weir.runs where id = $1"},
	} {
		require.NoError(t, write(t, pool, "somebody", allowed.sql, runIn(t, pool, allowed.state)), allowed.sql)
	}
}

// A remote worker claims first and confirms later: only then its attempt starts.
func TestGuardsLetARemoteWorkerConfirmItsClaim(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	run := uuid.New()
	require.NoError(t, write(t, pool, "somebody", "insert into weir.runs (id, name, steps_total, steps_open) values ($1, 'remote', 1, 1)", run))
	require.NoError(t, write(t, pool, "somebody", "insert into weir.steps (run_id, step, key, kind, runs_on, state) values ($1, 1, 'only', 'noop', 'remote', 'available')", run))
	require.NoError(t, write(t, pool, "@worker", set("state = 'running', attempt = 1, worker_id = gen_random_uuid(), claimed_at = clock_timestamp()"), run))
	require.NoError(t, write(t, pool, "@worker", set("started_at = clock_timestamp(), deadline_at = clock_timestamp() + interval '1 minute'"), run))
	refused(t, write(t, pool, "@worker", set("started_at = clock_timestamp()"), run), "step_times_stay_in_the_same_state")
	refused(t, write(t, pool, "@worker", set("deadline_at = clock_timestamp() + interval '1 hour'"), run), "step_times_stay_in_the_same_state")
}

// History takes nothing back, whoever asks: the owner, with rows or without, row by row or all at once.
func TestTransitionsAreAppendOnly(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	run := stepIn(t, pool, "failed")
	require.Equal(t, one[string](t, pool, "select current_user::text"),
		one[string](t, pool, "select pg_get_userbyid(relowner)::text from pg_class where oid = 'weir.transitions'::regclass"), "this is the owner")
	const history = "select string_agg(t::text, ' ' order by id) from weir.transitions t where run_id = $1"
	before := one[string](t, pool, history, run)
	require.NotEmpty(t, before)
	for _, sql := range []string{
		"update weir.transitions set actor = 'nobody'",
		"update weir.transitions set actor = 'nobody' where false",
		"delete from weir.transitions",
		"delete from weir.transitions where id = 1",
		"truncate weir.transitions",
		"truncate weir.transitions cascade",
		"insert into weir.transitions (xid, id, run_id, from_state, to_state, actor, cause) overriding system value select xid, id, run_id, from_state, to_state, actor, cause from weir.transitions on conflict (xid, id) do update set actor = 'nobody'",
	} {
		refusal := refused(t, write(t, pool, "somebody", sql), "transitions_are_append_only")
		require.Contains(t, refusal.Hint, "History is what happened", sql)
	}
	require.Equal(t, before, one[string](t, pool, history, run))
}
