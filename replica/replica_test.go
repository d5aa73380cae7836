package replica

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/jobs"
	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// running is a replica that runs until the end of the test.
type running struct {
	pool  *pgxpool.Pool // of the test
	stop  context.CancelFunc
	hurry context.CancelFunc
	ended chan error
	err   error
}

// runReplica runs a replica on a database. change may alter its configuration.
func runReplica(t *testing.T, pool *pgxpool.Pool, change func(*Config)) *running {
	t.Helper()
	reg := jobs.NewRegistry()
	err := jobs.RegisterBuiltin(reg, jobs.BuiltinConfig{EnableExec: true, Environ: os.Environ(), WorkspaceDir: t.TempDir()})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	hurry, hurried := context.WithCancel(context.WithoutCancel(t.Context()))
	ready := make(chan net.Addr, 1)
	cfg := Config{
		Database: db.Config{URL: pool.Config().ConnString()}, Registry: reg, Listen: "127.0.0.1:0",
		Queues: map[string]int{"default": 20, "exec": 4}, Hurry: hurry.Done(), Ready: func(a net.Addr) { ready <- a },
	}
	if change != nil {
		change(&cfg)
	}
	r := &running{pool: pool, stop: stop, hurry: hurried, ended: make(chan error, 1)}
	go func() { r.ended <- Run(ctx, cfg); close(r.ended) }()
	t.Cleanup(func() {
		stop()
		hurried()
		require.NoError(t, r.wait(t))
	})
	select {
	case <-ready:
	case err := <-r.ended:
		require.NoError(t, err)
		require.Fail(t, "the replica has ended")
	case <-time.After(patience):
		require.Fail(t, "the replica does not come up")
	}
	return r
}

// wait waits for the end of the replica.
func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err, first := <-r.ended:
		if first {
			r.err = err
		}
		return r.err
	case <-time.After(patience):
		require.Fail(t, "the replica does not end")
		return nil
	}
}

// submit submits a plan from outside of every replica.
func submit(t *testing.T, pool *pgxpool.Pool, source string) uuid.UUID {
	t.Helper()
	p, err := plan.Parse([]byte(source))
	require.NoError(t, err)
	submitted, err := lifecycle.New(lifecycle.Config{Pool: pool, Replica: newID()}).Submit(t.Context(), lifecycle.Submission{Plan: p, Actor: "local"})
	require.NoError(t, err)
	return submitted.ID
}

// succeeds waits until a run has succeeded.
func succeeds(t *testing.T, pool *pgxpool.Pool, run uuid.UUID) {
	t.Helper()
	reader := lifecycle.NewReader(pool)
	var states map[uuid.UUID]lifecycle.RunState
	require.Eventually(t, func() bool {
		var err error
		states, err = reader.RunStates(t.Context(), []uuid.UUID{run})
		require.NoError(t, err)
		return states[run] == lifecycle.RunSucceeded
	}, patience, 2*time.Millisecond, "%v", states)
}

// stepBecomes waits until a step is in a state, and answers it.
func stepBecomes(t *testing.T, pool *pgxpool.Pool, run uuid.UUID, key string, want lifecycle.StepState) *lifecycle.StepView {
	t.Helper()
	reader := lifecycle.NewReader(pool)
	var step *lifecycle.StepView
	require.Eventually(t, func() bool {
		var err error
		step, err = reader.StepGet(t.Context(), run, key)
		require.NoError(t, err)
		return step.State == want
	}, patience, 2*time.Millisecond)
	return step
}

// nothingIsBroken asks the database itself.
func nothingIsBroken(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	var violations int
	require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from weir.violations").Scan(&violations))
	require.Zero(t, violations)
}

func TestReplicaRunsAPlan(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	runReplica(t, pool, nil)
	run := submit(t, pool, `
name: e2e
input: {who: world}
steps:
  - {key: a, kind: noop, with: {output: {greeting: "hello ${{ input.who }}"}}}
  - {key: b, kind: exec, needs: [a], with: {command: [sh, -c, 'cat > "$WEIR_OUTPUT"; echo said']}}
  - {key: c, kind: sleep, needs: [a], with: {duration: 1ms}}
  - {key: d, kind: noop, needs: [b, c], with: {output: "${{ needs.b.output }}"}}
`)
	succeeds(t, pool, run)
	step, err := lifecycle.NewReader(pool).StepGet(t.Context(), run, "d")
	require.NoError(t, err)
	require.JSONEq(t, `{"input": {"who": "world"}, "needs": {"a": {"greeting": "hello world"}}}`, string(step.Output))
	logs, err := lifecycle.NewReader(pool).LogList(t.Context(), run, lifecycle.LogFilter{}, lifecycle.PageRequest{})
	require.NoError(t, err)
	require.Len(t, logs.Items, 1)
	require.Equal(t, "said", logs.Items[0].Text)
	nothingIsBroken(t, pool)
}

func TestReplicaRunsAPlanWithoutPolling(t *testing.T) { // M1
	t.Parallel()
	pool := dbtest.Pool(t)
	runReplica(t, pool, func(c *Config) { c.PollInterval = -1 })
	for range 20 {
		run := submit(t, pool, `
name: join
steps:
  - {key: a, kind: noop}
  - {key: b, kind: noop}
  - {key: c, kind: noop}
  - {key: d, kind: noop, needs: [a, b, c]}
`)
		succeeds(t, pool, run)
	}
	nothingIsBroken(t, pool)
}

func TestReplicaLetsAttemptsEnd(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	r := runReplica(t, pool, nil)
	flag := filepath.Join(t.TempDir(), "go")
	run := submit(t, pool, `
name: slow
steps:
  - {key: a, kind: exec, with: {command: [sh, -c, 'while ! test -e `+flag+`; do sleep 0.02; done']}}
`)
	stepBecomes(t, pool, run, "a", lifecycle.StepRunning)
	r.stop()
	require.NoError(t, os.WriteFile(flag, nil, 0o600))
	require.NoError(t, r.wait(t))
	step := stepBecomes(t, pool, run, "a", lifecycle.StepSucceeded)
	require.Equal(t, 1, step.Attempt)
	var left int
	require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from weir.workers where gone_at is null").Scan(&left))
	require.Zero(t, left, "the worker has said goodbye")
	require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from weir.river_job where state = 'running'").Scan(&left))
	require.Zero(t, left, "River has noted the end")
	nothingIsBroken(t, pool)
}

func TestReplicaStopsAttemptsAfterTheGrace(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	r := runReplica(t, pool, func(c *Config) { c.ShutdownGrace = time.Millisecond })
	run := submit(t, pool, `
name: long
steps:
  - {key: a, kind: exec, with: {command: [sleep, "1000"]}}
  - {key: b, kind: sleep, with: {duration: 1h}}
`)
	stepBecomes(t, pool, run, "a", lifecycle.StepRunning)
	stepBecomes(t, pool, run, "b", lifecycle.StepRunning)
	r.stop()
	require.NoError(t, r.wait(t))
	// A handler that returned when it was told to is handed back, and another replica goes on with it.
	step := stepBecomes(t, pool, run, "b", lifecycle.StepRetrying)
	require.Zero(t, step.Failures)
	nothingIsBroken(t, pool)
}

func TestReplicaEndsAtOnceWhenHurried(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	r := runReplica(t, pool, func(c *Config) { c.ShutdownGrace = time.Hour })
	run := submit(t, pool, `
name: long
steps:
  - {key: a, kind: sleep, with: {duration: 1h}}
`)
	stepBecomes(t, pool, run, "a", lifecycle.StepRunning)
	r.stop()
	r.hurry()
	require.NoError(t, r.wait(t))
}

func TestReplicaGoesOnUnderANewIDWhenItIsForgotten(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	runReplica(t, pool, func(c *Config) { c.Heartbeat, c.Lease = 20*time.Millisecond, time.Second })
	var before, after uuid.UUID
	require.NoError(t, pool.QueryRow(t.Context(), "select id from weir.workers").Scan(&before))
	_, err := pool.Exec(t.Context(), "delete from weir.workers")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return pool.QueryRow(t.Context(), "select id from weir.workers").Scan(&after) == nil
	}, patience, 5*time.Millisecond)
	require.NotEqual(t, before, after)
	run := submit(t, pool, "{name: after, steps: [{key: a, kind: noop}]}")
	succeeds(t, pool, run)
}

func TestReplicaShowsHowItIsNotified(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	runReplica(t, pool, func(c *Config) { c.NoWork = true })
	var mode string
	var queues string
	require.Eventually(t, func() bool {
		require.NoError(t, pool.QueryRow(t.Context(), "select notify, queues::text from weir.workers").Scan(&mode, &queues))
		return mode == "listen"
	}, patience, 5*time.Millisecond)
	require.Equal(t, "{}", queues, "it works on nothing")
}

func TestReplicasShareTheWork(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	for range 3 {
		runReplica(t, pool, func(c *Config) { c.Queues = map[string]int{"default": 2, "exec": 0} })
	}
	// Five that last until all have started need three replicas with two slots each.
	dir := t.TempDir()
	run := submit(t, pool, `
name: shared
defaults: {queue: default}
steps:
  - {key: a, kind: exec, with: &w {command: [sh, -c, 'touch `+dir+`/$WEIR_STEP; until test $(ls `+dir+` | wc -l) = 5; do sleep 0.02; done']}}
  - {key: b, kind: exec, with: *w}
  - {key: c, kind: exec, with: *w}
  - {key: d, kind: exec, with: *w}
  - {key: e, kind: exec, with: *w}
`)
	succeeds(t, pool, run)
	var workers int
	require.NoError(t, pool.QueryRow(t.Context(), "select count(distinct worker_id) from weir.steps").Scan(&workers))
	require.Equal(t, 3, workers)
	nothingIsBroken(t, pool)
}

func TestReplicaOutlivesItsConnections(t *testing.T) { // W3
	t.Parallel()
	pool := dbtest.Pool(t)
	runReplica(t, pool, nil)
	run := submit(t, pool, `
name: through
steps:
  - {key: a, kind: sleep, with: {duration: 300ms}}
  - {key: b, kind: noop, needs: [a]}
`)
	stepBecomes(t, pool, run, "a", lifecycle.StepRunning)
	_, err := pool.Exec(t.Context(), `
select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
	require.NoError(t, err)
	require.Eventually(t, func() bool { // the test's own pool has lost connections, too
		states, err := lifecycle.NewReader(pool).RunStates(t.Context(), []uuid.UUID{run})
		return err == nil && states[run] == lifecycle.RunSucceeded
	}, patience, 5*time.Millisecond)
	succeeds(t, pool, submit(t, pool, "{name: after, steps: [{key: a, kind: noop}]}"))
	step := stepBecomes(t, pool, run, "a", lifecycle.StepSucceeded)
	require.Equal(t, 1, step.Attempt)
	nothingIsBroken(t, pool)
}

func TestReplicaBehindAPooler(t *testing.T) { // W7
	t.Parallel()
	for name, direct := range map[string]bool{"with a direct URL": true, "without one": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.Pool(t)
			url := pool.Config().ConnString()
			runReplica(t, pool, func(c *Config) {
				c.Database = db.Config{URL: dbtest.Pooler(t, url), PgBouncer: true}
				if direct {
					c.Database.DirectURL = url
				}
			})
			run := submit(t, pool, "{name: pooled, steps: [{key: a, kind: noop}, {key: b, kind: noop, needs: [a]}]}")
			succeeds(t, pool, run)
			want := "poll"
			if direct {
				want = "listen"
			}
			var mode string
			require.Eventually(t, func() bool {
				require.NoError(t, pool.QueryRow(t.Context(), "select notify from weir.workers").Scan(&mode))
				return mode == want
			}, patience, 5*time.Millisecond)
			nothingIsBroken(t, pool)
		})
	}
}
