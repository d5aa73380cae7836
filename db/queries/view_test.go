package queries

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// TestViewsReadOneRun explains what reads a run, its steps, history and logs: it reads these and nothing else, planned for
// any argument, as the pool has it.
func TestViewsReadOneRun(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	_, err := pool.Exec(t.Context(), `
		set session_replication_role = replica;
		insert into weir.runs (id, name, steps_total, steps_open) select gen_random_uuid(), 'p', 5, 5 from generate_series(1, 2000);
		insert into weir.steps (run_id, step, key, kind, state) select id, s, 's' || s, 'noop', 'available' from weir.runs, generate_series(1, 5) s;
		insert into weir.needs (run_id, need, step) select id, 1, s from weir.runs, generate_series(2, 5) s;
		insert into weir.step_inputs (run_id, step, "with") select run_id, step, '{"a": 1}' from weir.steps;
		insert into weir.run_inputs (run_id, input) select id, '{"a": 1}' from weir.runs;
		insert into weir.outputs (run_id, step, attempt, output) select run_id, step, 1, '1' from weir.steps;
		insert into weir.progress (run_id, step, attempt) select run_id, step, 1 from weir.steps;
		insert into weir.logs (run_id, step, attempt, seq, stream, text) select run_id, step, 1, n, 'log', 't' from weir.steps, generate_series(1, 3) n;
		insert into weir.slots (run_id, step, concurrency_key, waiting_on, held_at, holds)
			select run_id, step, 'k' || step, case when run_id > '08000000-0000-0000-0000-000000000000' then 'k' || step end, case when run_id <= '08000000-0000-0000-0000-000000000000' then now() end, case when run_id <= '08000000-0000-0000-0000-000000000000' then array['k' || step] else '{}' end from weir.steps;
		insert into weir.run_outputs (run_id, output) select id, '1' from weir.runs;
		insert into weir.limits (key, used) select 'k' || n, 1 from generate_series(1, 500) n;
		insert into weir.limits (key, used) select '~run/' || id, 1 from weir.runs;
		insert into weir.items (run_id, parent, item, step, value) select run_id, 1, step, step, '1' from weir.steps;
		insert into weir.late_reports (run_id, step, attempt, report, outcome, result) select run_id, step, 1, gen_random_uuid(), 'failed', 'too_late' from weir.steps;
		insert into weir.transitions (xid, run_id, step, attempt, from_state, to_state, actor, cause)
			select (n * 7)::text::xid8, run_id, step, 1, 'available', 'running', 'test', 'claimed' from weir.steps, generate_series(1, 3) n;
		set session_replication_role = origin;
		analyze`)
	require.NoError(t, err)
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "set enable_seqscan = on; set plan_cache_mode = force_generic_plan")
	require.NoError(t, err)
	run := uuid.New()
	for sql, test := range map[string]struct {
		args    []any
		indexes []string // among others
	}{
		runViews:             {[]any{true, "{" + run.String() + "}"}, []string{"runs_pkey"}},
		stepOrdinal:          {[]any{run, "s1"}, []string{"step_key_is_unique_in_its_run"}},
		stepViews:            {[]any{true, run, 0, false, 51}, []string{"steps_pkey", "needs_of_step"}},
		transitionViews:      {[]any{run, "0", int64(0), 51}, []string{"transitions_of_run"}},
		logViews:             {[]any{run, 1, 5, 0, 0, int64(0), nil, 51}, []string{"logs_pkey"}},
		historyNews:          {[]any{"1000", "{" + run.String() + "}"}, []string{"transitions_pkey"}},
		logNews:              {[]any{"{" + run.String() + "}", "{1}", "{1}", "{0}"}, []string{"logs_pkey"}},
		attemptsBefore:       {[]any{run, "7", int64(1)}, []string{"transitions_of_run"}},
		runOver:              {[]any{"7", int64(1), run}, []string{"runs_pkey", "transitions_of_run"}},
		lateReportViews:      {[]any{int64(100), 51}, []string{"late_reports_pkey", "steps_pkey"}},
		lateReportViewsOfRun: {[]any{51, run, int64(100)}, []string{"late_reports_of_step", "steps_pkey"}},
		attemptsRunningSince: {[]any{run, "7", int64(1)}, []string{"transitions_of_run", "logs_pkey"}},
		stepWhy:              {[]any{run, "s1"}, []string{"step_key_is_unique_in_its_run"}},
		stepWhyNeeds:         {[]any{run, 2, true, 21}, []string{"needs_of_step"}},
		linePlace:            {[]any{"k1", 2, int64(100)}, []string{"slots_line"}},
		slotsOfRun:           {[]any{run, "k1", 21}, []string{"slots_pkey", "steps_pkey"}},
		limitHolders:         {[]any{"k1", 21}, []string{"slots_held", "steps_pkey"}},
		limitView:            {[]any{"k1"}, []string{"limits_pkey", "slots_line"}},
		limitViews:           {[]any{"k1", 51}, []string{"limits_of_plans", "slots_line"}},
		runLive:              {[]any{"k1"}, nil}, // by either index of keys
		childRun:             {[]any{run, 1}, []string{"run_is_the_only_child_of_its_step"}},
		childrenOpen:         {[]any{run, 1, 21}, []string{"items_pkey", "steps_pkey"}},
	} {
		text := explain(t, conn, sql, test.args)
		var plans []struct{ Plan planNode }
		require.NoError(t, json.Unmarshal(text, &plans))
		for _, node := range plans[0].Plan.nodes() {
			if node.Type == "Seq Scan" {
				require.Equal(t, "river_queue", node.Relation, "%s\n%s", sql, text) // it has a handful of rows
			}
		}
		require.Subset(t, plans[0].Plan.indexes(), test.indexes, "%s\n%s", sql, text)
	}
}
