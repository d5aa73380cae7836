package migrations_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// node is a node of a plan that was carried out.
type node struct {
	Type    string  `json:"Node Type"`
	Rows    float64 `json:"Actual Rows"`
	Loops   float64 `json:"Actual Loops"`
	Removed float64 `json:"Rows Removed by Filter"`
	Joined  float64 `json:"Rows Removed by Join Filter"`
	Plans   []node  `json:"Plans"`
}

// most is the largest number of rows that one node has seen.
func (n node) most() float64 {
	rows := (n.Rows + n.Removed + n.Joined) * n.Loops
	for _, child := range n.Plans {
		rows = max(rows, child.most())
	}
	return rows
}

// The views that are asked again and again do work in proportion to the runs and steps that they look at, also when the
// planner has no statistics yet and takes the tables for empty.
func TestViewsAreNotQuadratic(t *testing.T) {
	t.Parallel()
	const runs, steps = 500, 2000
	pool := dbtest.Pool(t)
	beating(t, pool)
	for _, sql := range []string{
		"create table made as select gen_random_uuid() as id from generate_series(1, 500)",
		"insert into weir.runs (id, name, steps_total, steps_open) select id, 'many', 1, 1 from made",
		"insert into weir.steps (run_id, step, key, kind, state) select id, 1, 'only', 'noop', 'available' from made",
		"insert into weir.runs (id, name, steps_total, steps_open) values ('018f0000-0000-7000-8000-000000000000', 'large', 2000, 2000)",
		`insert into weir.steps (run_id, step, key, kind, state, needs_total, needs_open, dependants)
		select '018f0000-0000-7000-8000-000000000000', i, 'k' || i, 'noop', case when i = 1 then 'available' else 'pending' end::weir.step_state,
			least(i - 1, 1), least(i - 1, 1), least(2000 - i, 1) from generate_series(1, 2000) i`,
		"insert into weir.needs (run_id, need, step) select '018f0000-0000-7000-8000-000000000000', i, i + 1 from generate_series(1, 1999) i",
	} {
		_, err := pool.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	require.Zero(t, one[int](t, pool, "select count(*) from weir.violations"))
	for _, view := range []string{"violations", "stuck", "running"} {
		var plans []struct{ Plan node }
		require.NoError(t, json.Unmarshal(one[[]byte](t, pool, "explain (analyze, timing off, format json) select * from weir."+view), &plans))
		require.Less(t, plans[0].Plan.most(), float64(20*(runs+steps)), view)
	}
}
