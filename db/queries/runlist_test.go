package queries

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// planNode is a node of EXPLAIN's answer.
type planNode struct {
	Type     string     `json:"Node Type"`
	Index    string     `json:"Index Name"`
	Relation string     `json:"Relation Name"`
	Plans    []planNode `json:"Plans"`
}

// nodes lists a node and everything below it.
func (n planNode) nodes() []planNode {
	all := []planNode{n}
	for _, child := range n.Plans {
		all = append(all, child.nodes()...)
	}
	return all
}

// indexes lists the indexes that a node and everything below it use.
func (n planNode) indexes() []string {
	var used []string
	for _, node := range n.nodes() {
		if node.Index != "" {
			used = append(used, node.Index)
		}
	}
	return used
}

// manyRuns fills the table as a cluster of some age would: most runs are final, some have labels.
func manyRuns(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := dbtest.Pool(t)
	_, err := pool.Exec(t.Context(), `
		set session_replication_role = replica;
		insert into weir.runs (id, name, state, steps_total, steps_open, created_at, finished_at, labels)
		select gen_random_uuid(), 'plan-' || i % 50, case when final then 'succeeded' else 'running' end::weir.run_state, 1, (not final)::int,
			timestamptz '2026-05-04T12:00:00Z' + i * interval '1 second', case when final then now() end,
			case when i % 5000 = 1 then '{"team": "rare"}' when i % 10 = 0 then jsonb_build_object('team', 'team-' || i % 7, 'env', 'prod') else '{}' end
		from (select i, i % 100 <> 0 as final from generate_series(1, 20000) i) i;
		set session_replication_role = origin;
		analyze weir.runs`)
	require.NoError(t, err)
	return pool
}

// explain gives the plan of a prepared statement, for which plan_cache_mode counts.
func explain(t *testing.T, conn *pgxpool.Conn, sql string, args []any) []byte {
	t.Helper()
	if _, name, ok := strings.Cut(sql, "name: "); ok { // comments end with their line
		_, sql, _ = strings.Cut(name, "\n")
	}
	_, err := conn.Exec(t.Context(), "prepare list as "+sql)
	require.NoError(t, err, sql)
	places := make([]string, len(args))
	for i := range args {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	call := "list(" + strings.Join(places, ", ") + ")"
	if len(args) == 0 {
		call = "list"
	}
	var text []byte
	err = conn.QueryRow(t.Context(), "explain (format json) execute "+call,
		append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...).Scan(&text)
	require.NoError(t, err, sql)
	_, err = conn.Exec(t.Context(), "deallocate list")
	require.NoError(t, err)
	return text
}

// TestRunListUsesAnIndex explains every combination of filters, planned for these arguments and planned for any: none
// reads the whole table.
func TestRunListUsesAnIndex(t *testing.T) {
	t.Parallel()
	pool := manyRuns(t)
	running := WeirRunStateRunning
	day := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	after, before := day.Add(13*time.Hour), day.Add(15*time.Hour)
	filters := []func(*RunListParams){
		func(p *RunListParams) { p.State = &running },
		func(p *RunListParams) { p.Name = "plan-7" },
		func(p *RunListParams) { p.Labels = map[string]string{"team": "team-3", "env": "prod"} },
		func(p *RunListParams) { p.CreatedAfter = &after },
		func(p *RunListParams) { p.CreatedBefore = &before },
		func(p *RunListParams) { p.After = &RunListCursor{CreatedAt: day.Add(14 * time.Hour), ID: uuid.Nil} },
	}
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		conn, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), "set enable_seqscan = on; set plan_cache_mode = "+mode)
		require.NoError(t, err)
		combinations := 0
		for set := range 1 << len(filters) {
			params := RunListParams{Max: 51}
			for i, filter := range filters {
				if set&(1<<i) != 0 {
					filter(&params)
				}
			}
			sql, args, err := params.compose(runListSelect, runListOrder)
			require.NoError(t, err)
			text := explain(t, conn, sql, args)
			var plans []struct{ Plan planNode }
			require.NoError(t, json.Unmarshal(text, &plans))
			for _, node := range plans[0].Plan.nodes() {
				require.NotEqual(t, "Seq Scan", node.Type, "%s\n%s\n%s", mode, sql, text)
			}
			require.NotEmpty(t, plans[0].Plan.indexes(), "%s\n%s\n%s", mode, sql, text)
			combinations++
		}
		require.Equal(t, 64, combinations)
		conn.Release()
	}
}

// TestRunListChoosesTheIndex: a filter that little comes through is served by its own index, also in plans for any
// argument, as the pool has them made.
func TestRunListChoosesTheIndex(t *testing.T) {
	t.Parallel()
	pool := manyRuns(t)
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "set enable_seqscan = on; set plan_cache_mode = force_generic_plan")
	require.NoError(t, err)
	running := WeirRunStateRunning
	early := time.Date(2026, 5, 4, 12, 0, 10, 0, time.UTC)
	for index, params := range map[string]RunListParams{
		"runs_by_state": {State: &running},
		"runs_by_name":  {Name: "plan-7"},
		"runs_by_label": {Labels: map[string]string{"team": "rare"}},
		"runs_newest":   {CreatedBefore: &early},
	} {
		params.Max = 51
		sql, args, err := params.compose(runListSelect, runListOrder)
		require.NoError(t, err)
		var plans []struct{ Plan planNode }
		require.NoError(t, json.Unmarshal(explain(t, conn, sql, args), &plans))
		require.Equal(t, []string{index}, plans[0].Plan.indexes(), sql)
	}
}

// TestRunListFinds compares the composed query with a plain one.
func TestRunListFinds(t *testing.T) {
	t.Parallel()
	pool := manyRuns(t)
	at := time.Date(2026, 5, 4, 13, 0, 0, 0, time.UTC)
	got, err := New(pool).RunList(t.Context(), RunListParams{
		Name: "plan-0", Labels: map[string]string{"env": "prod"}, CreatedAfter: &at, CreatedBefore: new(at.Add(time.Hour)), Max: 1000,
	})
	require.NoError(t, err)
	rows, err := pool.Query(t.Context(), `select id from weir.runs where name = 'plan-0' and labels ->> 'env' = 'prod'
		and created_at >= $1 and created_at < $1 + interval '1 hour' order by created_at desc, id desc`, at)
	require.NoError(t, err)
	defer rows.Close()
	var want []uuid.UUID
	for rows.Next() {
		var id uuid.UUID
		require.NoError(t, rows.Scan(&id))
		want = append(want, id)
	}
	require.NoError(t, rows.Err())
	require.NotEmpty(t, want)
	require.Equal(t, want, got)
}

// TestRunListComposes counts the arguments: each part has its own numbers.
func TestRunListComposes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	state := WeirRunStatePaused
	sql, args, err := RunListParams{
		State: &state, Name: "n", Labels: map[string]string{"a": "$1"}, CreatedAfter: &now, CreatedBefore: &now,
		After: &RunListCursor{}, Max: 3,
	}.compose(runListSelect, runListOrder)
	require.NoError(t, err)
	require.Len(t, args, 8)
	for i := range args {
		require.Equal(t, 1, strings.Count(sql, fmt.Sprintf("$%d", i+1)), sql)
	}
}

// TestBulkListsUseAnIndex: what an operation on many runs reads, with the state that each of them asks for.
func TestBulkListsUseAnIndex(t *testing.T) {
	t.Parallel()
	pool := manyRuns(t)
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "set enable_seqscan = on; set plan_cache_mode = force_generic_plan")
	require.NoError(t, err)
	running := WeirRunStateRunning
	before := time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC)
	for name, params := range map[string]RunListParams{
		"all":    {State: &running},
		"name":   {State: &running, Name: "plan-7"},
		"labels": {State: &running, Labels: map[string]string{"team": "rare"}},
	} {
		params.NotCancelling, params.NotChildren, params.CreatedBefore = true, true, &before
		params.After, params.Max = &RunListCursor{CreatedAt: before, ID: uuid.Nil}, 100
		for what, order := range map[string]string{runPlacesSelect: runListOrder, runCountSelect: ""} {
			sql, args, err := params.compose(what, order)
			require.NoError(t, err)
			var plans []struct{ Plan planNode }
			require.NoError(t, json.Unmarshal(explain(t, conn, sql, args), &plans))
			for _, node := range plans[0].Plan.nodes() {
				require.NotEqual(t, "Seq Scan", node.Type, "%s\n%s", name, sql)
			}
			require.NotEmpty(t, plans[0].Plan.indexes(), "%s\n%s", name, sql)
		}
	}
	places, err := New(conn).RunPlaces(t.Context(), RunListParams{State: &running, Max: 7})
	require.NoError(t, err)
	ids, err := New(conn).RunList(t.Context(), RunListParams{State: &running, Max: 7})
	require.NoError(t, err)
	for i, place := range places {
		require.Equal(t, ids[i], place.ID)
	}
	count, err := New(conn).RunCount(t.Context(), RunListParams{State: &running, Max: 7})
	require.NoError(t, err)
	require.EqualValues(t, 200, count)
}
