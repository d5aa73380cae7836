package lifecycle

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStepsAreFoundByTheirPrimaryKey looks at a table of many small runs, whose statistics say that a run has one step:
// an index that leads to all steps of a run seems as good then, and is not for the one run of 10,000.
func TestStepsAreFoundByTheirPrimaryKey(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	g.sql("insert into weir.runs (id, name, steps_total, steps_open) select gen_random_uuid(), 'small', 1, 1 from generate_series(1, 5000)")
	g.sql("insert into weir.steps (run_id, step, key, kind) select id, 1, 'a', 'noop' from weir.runs")
	_, err := g.pool.Exec(t.Context(), "vacuum analyze weir.steps")
	require.NoError(t, err)
	rows, err := g.pool.Query(t.Context(), `explain update weir.steps s set unnamed = 0
		from (select unnest(array_agg(id)) as run_id, unnest(array_agg(1)) as step from weir.runs) a where s.run_id = a.run_id and s.step = a.step`)
	require.NoError(t, err)
	var plan strings.Builder
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		plan.WriteString(line + "\n")
	}
	require.NoError(t, rows.Err())
	require.NotContains(t, plan.String(), "step_key_is_unique_in_its_run")
}
