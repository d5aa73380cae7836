package queries

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// TestQueueListUsesIndexes: what has been worked costs the list of queues nothing, nor do the rows of what waits.
func TestQueueListUsesIndexes(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	_, err := pool.Exec(t.Context(), `
		set session_replication_role = replica;
		insert into weir.runs (id, name, steps_total, steps_open) select gen_random_uuid(), 'p', 5, 5 from generate_series(1, 4000);
		insert into weir.steps (run_id, step, key, kind, state, worker_id, claimed_at, attempt, finished_at)
		select id, s, 's' || s, 'noop', case when running then 'running' else 'succeeded' end::weir.step_state, gen_random_uuid(), now(), 1,
			case when not running then now() end
		from (select id, row_number() over () % 10 = 0 as running from weir.runs) r, generate_series(1, 5) s;
		insert into weir.river_job (args, kind, max_attempts, queue, priority, state, finalized_at)
		select '{}', 'noop', 1, 'q' || i / 20 % 5, 1 + i / 100 % 4, case when i % 20 = 0 then 'available' else 'completed' end::weir.river_job_state, case when i % 20 <> 0 then now() end
		from generate_series(1, 20000) i;
		analyze weir.steps, weir.river_job`)
	require.NoError(t, err)
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		conn, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), "set plan_cache_mode = "+mode)
		require.NoError(t, err)
		var plans []struct{ Plan planNode }
		require.NoError(t, json.Unmarshal(explain(t, conn, queueList, []any{"q1"}), &plans))
		for _, node := range plans[0].Plan.nodes() {
			if node.Relation == "steps" || node.Relation == "river_job" {
				require.NotEqual(t, "Seq Scan", node.Type, "%s: %s", mode, node.Relation)
			}
		}
		require.Contains(t, plans[0].Plan.indexes(), "river_job_prioritized_fetching_index")
		require.Contains(t, plans[0].Plan.indexes(), "steps_running")
		conn.Release()
	}
	rows, err := New(pool).QueueList(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, rows, 6, "five where something waits, and default, where something runs")
	var available int64
	for _, row := range rows {
		available += row.Available
	}
	require.EqualValues(t, 1000, available)
}
