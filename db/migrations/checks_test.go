package migrations_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
)

// check is a row that a CHECK refuses: columns and values beside those that every row needs.
type check struct{ constraint, columns, values string }

func stepChecks() []check {
	return []check{
		{"step_key_is_well_formed", "key", "''"},
		{"step_key_is_well_formed", "key", "'a b'"},
		{"step_key_is_well_formed", "key", "'.a'"},
		{"step_key_is_well_formed", "key", "repeat('a', 129)"},
		{"step_key_is_well_formed", "key", "'a[x]'"},
		{"step_kind_is_well_formed", "kind", "'Noop'"},
		{"step_kind_is_well_formed", "kind", "repeat('a', 64)"},
		{"step_queue_is_well_formed", "queue", "'a/b'"},
		{"step_ordinal_counts_from_one", "step", "0"},
		{"step_finished_at_iff_final", "finished_at", "clock_timestamp()"},
		{"step_finished_at_iff_final", "state, reused_from", "'succeeded', gen_random_uuid()"},
		{"step_running_has_worker_claim_and_attempt", "state, claimed_at, attempt", "'running', clock_timestamp(), 1"},
		{"step_running_has_worker_claim_and_attempt", "state, worker_id, attempt", "'running', gen_random_uuid(), 1"},
		{"step_running_has_worker_claim_and_attempt", "state, worker_id, claimed_at", "'running', gen_random_uuid(), clock_timestamp()"},
		{"step_retrying_has_run_after", "state", "'retrying'"},
		{"step_waiting_says_for_what", "state", "'waiting'"},
		{"step_waiting_says_for_what", "waiting_for", "'signal'"},
		{"step_waits_for_something_known", "state, waiting_for", "'waiting', 'godot'"},
		{"step_dispatch_token_only_while_claimable_or_running", "river_job_id", "1"},
		{"step_dispatch_token_only_while_claimable_or_running", "river_job_id, state, finished_at", "1, 'failed', clock_timestamp()"},
		{"step_output_only_when_succeeded", "has_output", "true"},
		{"step_output_only_when_succeeded", "has_output, state, finished_at", "true, 'failed', clock_timestamp()"},
		{"step_reused_only_when_succeeded", "reused_from", "gen_random_uuid()"},
		{"step_settled_only_when_final", "settled", "true"},
		{"step_never_failed_more_often_than_claimed", "failures", "1"},
		{"step_never_failed_more_often_than_claimed", "attempt", "-1"},
		{"step_needs_counts_are_possible", "needs_open", "1"},
		{"step_needs_counts_are_possible", "needs_open, needs_total", "-1, 1"},
		{"step_needs_counts_are_possible", "needs_total, needs_open, needs_failed", "2, 1, 2"},
		{"step_needs_counts_are_possible", "needs_total, needs_neutral, needs_allowed", "2, 3, -1"},
		{"step_needs_nothing_open_once_it_left_pending", "needs_total, needs_open, state", "1, 1, 'available'"},
		{"step_priority_in_range", "priority", "0"},
		{"step_priority_in_range", "priority", "5"},
		{"step_max_attempts_in_range", "max_attempts", "0"},
		{"step_max_attempts_in_range", "max_attempts", "1001"},
		{"step_durations_are_positive", "timeout", "'0'"},
		{"step_durations_are_positive", "grace", "'-1s'"},
		{"step_durations_are_positive", "stall_after", "'0'"},
		{"step_runs_on_is_known", "runs_on", "'moon'"},
		{"step_last_outcome_is_an_outcome", "last_outcome", "'running'"},
		{"step_cancel_request_is_whole", "cancel_requested_at", "clock_timestamp()"},
		{"step_cancel_request_is_whole", "cancel_requested_by", "'me'"},
		{"step_retry_is_an_object", "retry", "'[]'"},
		{"step_expects_something_known", "expects", "'godot'"},
		{"step_expects_something_known", "expects", "'decision'"},
		{"step_item_iff_child", "parent", "1"},
		{"step_item_iff_child", "item", "0"},
		{"step_cancel_cause_only_on_request", "cancel_cause", "'superseded'"},
	}
}

func runChecks() []check {
	return []check{
		{"run_name_is_well_formed", "name", "'Build'"},
		{"run_name_is_well_formed", "name", "''"},
		{"run_finished_at_iff_final", "finished_at", "clock_timestamp()"},
		{"run_finished_at_iff_final", "state, steps_open", "'failed', 0"},
		{"run_is_final_only_when_all_its_steps_are", "state, finished_at", "'failed', clock_timestamp()"},
		{"run_is_cancelled_only_on_request", "state, finished_at, steps_open", "'cancelled', clock_timestamp(), 0"},
		{"run_succeeded_without_failed_steps", "state, finished_at, steps_open, steps_failed", "'succeeded', clock_timestamp(), 0, 1"},
		{"run_counts_are_possible", "steps_total, steps_open", "0, 0"},
		{"run_counts_are_possible", "steps_open", "2"},
		{"run_counts_are_possible", "steps_open", "-1"},
		{"run_counts_are_possible", "steps_failed", "2"},
		{"run_on_failure_is_known", "on_failure", "'explode'"},
		{"run_max_parallel_is_positive", "max_parallel", "0"},
		{"run_labels_are_an_object", "labels", "'[]'"},
		{"run_idempotency_is_whole", "idempotency_key", "'k'"},
		{"run_idempotency_is_whole", "idempotency_scope, idempotency_digest", "'s', 'd'"},
		{"run_cancel_request_is_whole", "cancel_requested_at", "clock_timestamp()"},
		{"run_cancel_request_is_whole", "cancel_requested_by", "'me'"},
		{"run_cancel_cause_only_on_request", "cancel_cause", "'run_timeout'"},
		{"run_timeout_is_positive", "timeout", "'0s'"},
		{"run_depth_in_range", "depth", "9"},
		{"run_depth_in_range", "depth", "-1"},
		{"run_parent_is_whole", "parent_run", "gen_random_uuid()"},
		{"run_parent_is_whole", "parent_step", "1"},
	}
}

// otherChecks are whole statements.
func otherChecks() map[string]string {
	const step = "gen_random_uuid(), 1"
	return map[string]string{
		"need_is_another_step":                   "insert into weir.needs (run_id, need, step) values (gen_random_uuid(), 1, 1)",
		"run_input_is_an_object":                 "insert into weir.run_inputs (run_id, input) values (gen_random_uuid(), '[]')",
		"step_with_is_an_object":                 `insert into weir.step_inputs (run_id, step, "with") values (` + step + `, '1')`,
		"output_row_says_something":              "insert into weir.outputs (run_id, step, attempt) values (" + step + ", 1)",
		"output_error_is_whole":                  "insert into weir.outputs (run_id, step, attempt, error_code) values (" + step + ", 1, 'oops')",
		"late_report_is_at_most_64_kb":           "insert into weir.late_reports (run_id, step, attempt, report, outcome, result, payload) select " + step + ", 1, gen_random_uuid(), 'failed', 'too_late', jsonb_agg(md5(i::text)) from generate_series(1, 5000) i",
		"log_stream_is_known":                    "insert into weir.logs (run_id, step, attempt, seq, stream, text) values (" + step + ", 1, 1, 'stdin', '')",
		"progress_percent_in_range":              "insert into weir.progress (run_id, step, attempt, percent) values (" + step + ", 1, 101)",
		"worker_type_is_known":                   "insert into weir.workers (id, name, type, lease_until) values (gen_random_uuid(), 'w', 'human', clock_timestamp())",
		"worker_notify_is_known":                 "insert into weir.workers (id, name, notify, lease_until) values (gen_random_uuid(), 'w', 'guess', clock_timestamp())",
		"kind_is_well_formed":                    "insert into weir.kinds (kind) values ('No-Op')",
		"pulse_has_one_row":                      "insert into weir.pulse (one) values (false)",
		"schema_info_has_one_row":                "insert into weir.schema_info (one, version, min_binary) values (false, 1, 1)",
		"legal_transition_is_of_a_step_or_a_run": "insert into weir.legal_transitions (entity, from_state, to_state, meaning) values ('plan', 'a', 'b', 'c')",
		"transition_changes_the_state":           "insert into weir.transitions (run_id, from_state, to_state, actor, cause) values (gen_random_uuid(), 'running', 'running', 'me', 'manual')",
	}
}

// Each CHECK refuses what it is there for, by name, and no CHECK is left out here.
func TestChecks(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	tried := make(map[string]bool)
	insert := func(table string, needed map[string]string, c check) {
		columns, values := c.columns, c.values
		for _, column := range slices.Sorted(maps.Keys(needed)) {
			if !slices.Contains(strings.Split(c.columns, ", "), column) {
				columns += ", " + column
				values += ", " + needed[column]
			}
		}
		refused(t, write(t, pool, "somebody", "insert into "+table+" ("+columns+") values ("+values+")"), c.constraint)
		tried[c.constraint] = true
	}
	for _, c := range stepChecks() {
		insert("weir.steps", map[string]string{"run_id": "gen_random_uuid()", "step": "1", "key": "'k'", "kind": "'noop'"}, c)
	}
	for _, c := range runChecks() {
		insert("weir.runs", map[string]string{"id": "gen_random_uuid()", "name": "'n'", "steps_total": "1", "steps_open": "1"}, c)
	}
	for _, table := range slices.Concat(flowTables(), planTables(), bulkTables(), tokenTables()) {
		for _, c := range table.checks {
			insert(table.name, table.needed, c)
		}
	}
	for constraint, sql := range otherChecks() {
		refused(t, write(t, pool, "somebody", sql), constraint)
		tried[constraint] = true
	}
	all := one[[]string](t, pool, `
select array_agg(conname::text) from pg_constraint join pg_class c on c.oid = conrelid
where relnamespace = 'weir'::regnamespace and contype = 'c' and relname !~ '^(river|goose)_'`)
	slices.Sort(all)
	require.Equal(t, slices.Sorted(maps.Keys(tried)), all, "every CHECK is tried")
}

// What must be unique is.
func TestKeysAreUnique(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	run := stepIn(t, pool, "pending")
	const keyed = "insert into weir.runs (id, name, steps_total, steps_open, idempotency_scope, idempotency_key, idempotency_digest) values ($1, 'n', 1, 1, 'me', 'k', 'd')"
	require.NoError(t, write(t, pool, "somebody", keyed, uuid.New()))
	const live = "insert into weir.runs (id, name, steps_total, steps_open, key) values (gen_random_uuid(), 'n', 1, 1, 'k')"
	require.NoError(t, write(t, pool, "somebody", live))
	require.NoError(t, write(t, pool, "somebody", "insert into weir.runs (id, name, steps_total, steps_open, key, admitted) values (gen_random_uuid(), 'n', 1, 1, 'k', false)"), "one that is held back is not live")
	const child = "insert into weir.runs (id, name, steps_total, steps_open, parent_run, parent_step) values (gen_random_uuid(), 'n', 1, 1, $1, 1)"
	require.NoError(t, write(t, pool, "somebody", child, run))
	for constraint, err := range map[string]error{
		"step_key_is_unique_in_its_run":     write(t, pool, "somebody", "insert into weir.steps (run_id, step, key, kind) values ($1, 2, 'only', 'noop')", run),
		"steps_pkey":                        write(t, pool, "somebody", "insert into weir.steps (run_id, step, key, kind) values ($1, 1, 'other', 'noop')", run),
		"run_idempotency_key_is_used_once":  write(t, pool, "somebody", keyed, uuid.New()),
		"run_key_has_one_live_run":          write(t, pool, "somebody", live),
		"run_is_the_only_child_of_its_step": write(t, pool, "somebody", child, run),
	} {
		refusal, ok := db.AsError(err)
		require.True(t, ok, "%v", err)
		require.Equal(t, db.UniqueViolation, refusal.SQLState)
		require.Equal(t, constraint, refusal.Constraint)
	}
}
