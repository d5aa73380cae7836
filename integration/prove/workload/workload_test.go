//go:build linux

package workload_test

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/integration/prove/ledger"
	"github.com/weirqueue/weir/integration/prove/workload"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// A cluster that nothing happens to does all of the workload, and what it did is in the ledger.
func TestWorkload(t *testing.T) {
	t.Parallel()
	c := cluster.New(t, cluster.Config{
		Binary: cluster.BinaryOf(t, cluster.Build{Package: "github.com/weirqueue/weir/integration/prove/worker"}),
		Flags:  append([]string{"--lease", "5s", "--heartbeat", "1s"}, workload.Flags()...),
	})
	servers := []string{c.Serve().Server, c.Serve().Server}
	w, err := workload.New(workload.Config{
		Seed: 42, Database: c.URL, Servers: func() []string { return servers }, Command: cluster.BinaryOf(t, cluster.Build{Package: "github.com/weirqueue/weir/integration/prove/command"}),
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	require.NoError(t, err)
	t.Cleanup(w.Close)

	began := time.Now()
	during, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	require.NoError(t, w.Run(during))
	settling, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	require.NoError(t, w.Settle(settling))
	took := time.Since(began)

	acked := map[uuid.UUID]bool{}
	for _, ack := range w.Acks() {
		acked[ack.Run] = true
	}
	require.NotEmpty(t, acked)
	for run := range acked {
		require.True(t, c.RunState(run).Final(), "run %s", run)
	}
	c.NoViolations()

	entries, err := ledger.Read(c.Dir)
	require.NoError(t, err)
	type attempt struct {
		Run     uuid.UUID
		Step    string
		Attempt int
	}
	starts := map[attempt]int{}
	for _, e := range entries {
		if e.What == ledger.Start {
			starts[attempt{e.Run, e.Step, e.Attempt}]++
		}
	}
	for a, n := range starts {
		require.Equal(t, 1, n, "%v ran more than once", a)
	}
	// What was claimed has begun, except what had no chance to: an expression led nowhere, the claim was handed back since
	// its River job was cancelled just then, or the attempt was stopped before its command was there.
	type claim struct {
		attempt

		Kind, Code string
		Stopped    bool
	}
	rows, err := c.Pool.Query(t.Context(), `
select t.run_id, s.key, t.attempt, s.kind, coalesce(o.error_code, ''), exists (
  select from weir.transitions e where e.run_id = t.run_id and e.step = t.step and e.attempt = t.attempt and e.from_state = 'running'
    and (e.cause = 'handed_back' or s.kind = 'exec' and e.to_state in ('cancelled', 'timed_out')))
from weir.transitions t join weir.steps s on s.run_id = t.run_id and s.step = t.step
left join weir.outputs o on o.run_id = t.run_id and o.step = t.step and o.attempt = t.attempt
where t.to_state = 'running' and s.kind in ('work', 'exec')`)
	require.NoError(t, err)
	claims, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (claim, error) {
		var c claim
		return c, row.Scan(&c.Run, &c.Step, &c.Attempt, &c.Kind, &c.Code, &c.Stopped)
	})
	require.NoError(t, err)
	missing := 0
	for _, claim := range claims {
		n, began := starts[claim.attempt], claim.Code != "expression_missing"
		delete(starts, claim.attempt)
		if n == 0 && claim.Stopped {
			continue
		}
		require.Equal(t, began, n == 1, "%+v began %d times", claim, n)
		if !began {
			missing++
		}
	}
	require.Empty(t, starts, "they ran, and nobody knows")
	require.Less(t, missing, len(claims)/10, "attempts whose expressions lead nowhere")

	counts := w.Counts()
	for _, what := range []string{
		"submit: alone", "submit: batch", "submit: by key", "submit: by name", "submit: faulty", "submit: conflict", "submit: again at once", "submit: again later",
		"rerun", "signal", "approval", "decision", "pause", "resume", "cancel", "river: ",
	} {
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(counts)), func(c string) bool { return strings.HasPrefix(c, what) }), "no %s among %v", what, counts)
	}
	steps := cluster.Value[int](c, `select count(*)::int from weir.steps`)
	t.Logf("%d runs acknowledged, %d runs, %d steps, %d executions in %s: %.0f steps/s", len(acked), cluster.Value[int](c, `select count(*)::int from weir.runs`), steps, len(claims), took, float64(steps)/took.Seconds())
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%6d %s", counts[what], what)
	}
}
