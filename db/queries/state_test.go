package queries

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// TestStateUsesIndexes: the picture of everything costs as much as is open, whatever has ended.
func TestStateUsesIndexes(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	_, err := pool.Exec(t.Context(), `
		set session_replication_role = replica;
		insert into weir.runs (id, name, steps_total, steps_open, state, finished_at)
		select gen_random_uuid(), 'p', 5, case when i % 20 = 0 then 5 else 0 end, case when i % 20 = 0 then 'running' else 'succeeded' end::weir.run_state, case when i % 20 <> 0 then now() end
		from generate_series(1, 4000) i;
		insert into weir.steps (run_id, step, key, kind, state, worker_id, claimed_at, attempt, finished_at, run_after, waiting_for)
		select r.id, s, 's' || s, 'noop', v.state, gen_random_uuid(), now(), 1, case when v.state = 'succeeded' then now() end, now(), case when v.state = 'waiting' then 'signal' end
		from weir.runs r, generate_series(1, 5) s, lateral (
			select case when r.state = 'succeeded' then 'succeeded' else (array['pending', 'available', 'running', 'retrying', 'waiting'])[s] end::weir.step_state as state
		) v;
		insert into weir.transitions (run_id, step, attempt, from_state, to_state, actor, cause) select run_id, step, 1, 'before', state::text, 'test', 'claimed' from weir.steps;
		insert into weir.outputs (run_id, step, attempt, output) select run_id, step, 1, '1' from weir.steps;
		set session_replication_role = origin;
		analyze`)
	require.NoError(t, err)
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "set enable_seqscan = on; set plan_cache_mode = force_generic_plan")
	require.NoError(t, err)
	for sql, test := range map[string]struct {
		args    []any
		indexes []string // among others
	}{
		stateReplicas:     {[]any{10}, []string{"steps_running"}},
		stateRunsOpen:     {nil, []string{"runs_by_state"}},
		stateStepsOpen:    {nil, []string{"runs_by_state", "steps_pkey"}},
		stateTracked:      {[]any{100}, []string{"runs_by_state"}},
		stateRunning:      {[]any{100}, []string{"steps_running", "runs_pkey"}},
		stateRunningCount: {nil, []string{"steps_running"}},
		stateHeld:         {[]any{"waiting", 100}, []string{"steps_held", "runs_pkey", "transitions_of_run"}},
		stateHeldCount:    {[]any{"retrying"}, []string{"steps_held"}},
	} {
		text := explain(t, conn, sql, test.args)
		var plans []struct{ Plan planNode }
		require.NoError(t, json.Unmarshal(text, &plans))
		for _, node := range plans[0].Plan.nodes() {
			if node.Type == "Seq Scan" {
				require.Equal(t, "workers", node.Relation, "%s\n%s", sql, text) // it has a handful of rows
			}
		}
		require.Subset(t, plans[0].Plan.indexes(), test.indexes, "%s\n%s", sql, text)
	}
}
