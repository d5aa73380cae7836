package lifecycle

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWideRunsAmongSmallOnes looks at tables of many small runs, whose statistics say that a run has one step and one
// edge: an index that leads to everything of a run seems as good then, and is not for the one run of 10,000.
func TestWideRunsAmongSmallOnes(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	g.sql("insert into weir.runs (id, name, steps_total, steps_open) select gen_random_uuid(), 'small', 2, 2 from generate_series(1, 5000)")
	g.sql("insert into weir.steps (run_id, step, key, kind) select id, 1, 'a', 'noop' from weir.runs")
	g.sql("insert into weir.needs (run_id, need, step) select id, 1, 2 from weir.runs")
	_, err := g.pool.Exec(t.Context(), "vacuum analyze weir.steps, weir.needs")
	require.NoError(t, err)
	const asked = "(select unnest(array_agg(id)) as run_id, unnest(array_agg(1)) as step from weir.runs) a"
	for sql, index := range map[string]string{
		"update weir.steps s set unnamed = 0 from " + asked + " where s.run_id = a.run_id and s.step = a.step": "steps_pkey",
		"select n.counted from " + asked + " join weir.needs n on n.run_id = a.run_id and n.need = a.step":     "needs_pkey",
		"select n.counted from " + asked + " join weir.needs n on n.run_id = a.run_id and n.step = a.step":     "needs_of_step",
	} {
		require.Contains(t, g.explain(sql), "using "+index+" ", sql)
	}
}

// explain is the plan of a statement, as text.
func (g *garden) explain(sql string) string {
	g.t.Helper()
	rows, err := g.pool.Query(g.t.Context(), "explain "+sql)
	require.NoError(g.t, err)
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var line string
		require.NoError(g.t, rows.Scan(&line))
		plan.WriteString(line + "\n")
	}
	require.NoError(g.t, rows.Err())
	return plan.String()
}

// A long queue of steps that are to be tried again and wait for a worker is not read each time that something is due.
func TestDueStepsAmongManyThatAreDispatched(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	g.sql("insert into weir.runs (id, name, steps_total, steps_open) select gen_random_uuid(), 'failing', 1, 1 from generate_series(1, 2000)")
	g.sql("insert into weir.steps (run_id, step, key, kind, state, river_job_id) select id, 1, 'a', 'noop', 'available', 7 from weir.runs")
	g.sql("update weir.steps set state = 'running', attempt = 1, worker_id = run_id, claimed_at = now()")
	g.sql("update weir.steps set state = 'retrying', run_after = now()")
	_, err := g.pool.Exec(t.Context(), "vacuum analyze weir.steps")
	require.NoError(t, err)
	plan := g.explain(`select s.run_id, s.step from weir.steps s
		where s.state = 'retrying' and s.run_after <= clock_timestamp() and s.river_job_id is null order by s.run_after limit 300`)
	require.Contains(t, plan, "using steps_retrying ")
	require.NotContains(t, plan, "river_job_id", "the index has no others")
}
