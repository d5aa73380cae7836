package lifecycle

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// garden is an engine on a database of its own, with steps planted by SQL.
type garden struct {
	t        testing.TB
	pool     *pgxpool.Pool
	e        *Engine
	observed *observed
}

func newGarden(t testing.TB) *garden {
	t.Helper()
	pool := dbtest.Pool(t)
	o := &observed{expired: map[string]int{}, repaired: map[string]int{}}
	e := New(Config{Pool: pool, Replica: uuid.Must(uuid.NewV7()), Observer: o, Logger: slog.New(slog.DiscardHandler)})
	return &garden{t: t, pool: pool, e: e, observed: o}
}

// observed counts what an engine decides by itself.
type observed struct {
	Unobserved

	mu                sync.Mutex
	expired, repaired map[string]int
}

func (o *observed) Expired(why Cause, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expired[string(why)] += n
}

func (o *observed) Repaired(repair string, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.repaired[repair] += n
}

// sql runs a statement as somebody who says who they are.
func (g *garden) sql(sql string, args ...any) {
	g.t.Helper()
	ctx := g.t.Context()
	tx, err := g.pool.Begin(ctx)
	require.NoError(g.t, err)
	defer func() { _ = tx.Rollback(ctx) }()
	_, err = tx.Exec(ctx, "select set_config('weir.actor', 'local', true)")
	require.NoError(g.t, err)
	_, err = tx.Exec(ctx, sql, args...)
	require.NoError(g.t, err)
	require.NoError(g.t, tx.Commit(ctx))
}

// ask reads one row.
func ask[T any](g *garden, sql string, args ...any) T {
	g.t.Helper()
	var v T
	require.NoError(g.t, g.pool.QueryRow(g.t.Context(), sql, args...).Scan(&v))
	return v
}

// worker registers a worker.
func (g *garden) worker() uuid.UUID {
	g.t.Helper()
	id := uuid.Must(uuid.NewV7())
	require.NoError(g.t, g.e.WorkerRegister(g.t.Context(), Worker{ID: id, Name: "w", Kinds: []string{"noop"}, Queues: map[string]int{"default": 8}}))
	return id
}

// available plants a run of one step that is dispatched. set is more of its columns: "max_attempts = 3".
func (g *garden) available(set string) (Hold, int64) {
	g.t.Helper()
	run := uuid.Must(uuid.NewV7())
	g.sql("insert into weir.runs (id, name, steps_total, steps_open) values ($1, 'planted', 1, 1)", run)
	token := ask[int64](g, "insert into weir.river_job (args, kind, max_attempts) values (jsonb_build_object('run', $1::uuid, 'step', 1), 'noop', 1) returning id", run)
	g.sql("insert into weir.steps (run_id, step, key, kind, state, river_job_id) values ($1, 1, 'a', 'noop', 'available', $2)", run, token)
	if set != "" {
		g.sql("update weir.steps set "+set+" where run_id = $1", run)
	}
	return Hold{Run: run, Step: 1, Attempt: 1}, token
}

// running plants a run of one step that the worker has held for a minute.
func (g *garden) running(worker uuid.UUID, set string) Hold {
	g.t.Helper()
	h, token := g.available(set)
	g.sql(`update weir.steps set state = 'running', cause = 'claimed', attempt = 1, worker_id = $2, claimed_at = clock_timestamp() - interval '1 minute',
		started_at = clock_timestamp() - interval '1 minute', deadline_at = clock_timestamp() - interval '1 minute' + timeout where run_id = $1`, h.Run, worker)
	g.fetched(token, worker, time.Minute)
	return h
}

// fetched has the worker fetch a River job so long ago.
func (g *garden) fetched(token int64, worker uuid.UUID, ago time.Duration) {
	g.t.Helper()
	g.sql("update weir.river_job set state = 'running', attempt = 1, attempted_by = array[$2], attempted_at = clock_timestamp() - $3::interval where id = $1", token, worker.String(), ago)
}

// steady makes the pulse one that has beaten for an hour.
func (g *garden) steady() {
	g.t.Helper()
	g.sql("update weir.pulse set beat_at = clock_timestamp(), steady_since = clock_timestamp() - interval '1 hour'")
}

// silent lets the lease of a worker have run out a second ago.
func (g *garden) silent(worker uuid.UUID) {
	g.t.Helper()
	g.sql("update weir.workers set seen_at = clock_timestamp() - interval '16 seconds', lease_until = clock_timestamp() - interval '1 second' where id = $1", worker)
}

// expire does one second's expiry, under a steady pulse.
func (g *garden) expire() {
	g.t.Helper()
	g.steady()
	require.NoError(g.t, g.e.expire(g.t.Context()))
}

// stepIs is what there is to say about the step of a planted run.
type stepIs struct {
	State, Cause, Outcome, Actor, Error string
	Attempt, Failures                   int
	Token                               bool
}

func (g *garden) step(h Hold) stepIs {
	g.t.Helper()
	var s stepIs
	err := g.pool.QueryRow(g.t.Context(), `
		select s.state, s.cause, coalesce(s.last_outcome::text, ''), s.attempt, s.failures, s.river_job_id is not null,
			coalesce((select t.actor from weir.transitions t where t.run_id = s.run_id and t.step = s.step order by t.xid desc, t.id desc limit 1), ''),
			coalesce((select o.error_code from weir.outputs o where o.run_id = s.run_id and o.step = s.step and o.attempt = s.attempt), '')
		from weir.steps s where s.run_id = $1 and s.step = $2`, h.Run, h.Step).
		Scan(&s.State, &s.Cause, &s.Outcome, &s.Attempt, &s.Failures, &s.Token, &s.Actor, &s.Error)
	require.NoError(g.t, err)
	return s
}

// isRunning is a step that nobody has touched since it was planted running.
func (g *garden) isRunning(h Hold) {
	g.t.Helper()
	s := g.step(h)
	require.Equal(g.t, "running", s.State)
	require.True(g.t, s.Token)
}

// hinted is how many dirty rows name the step.
func (g *garden) hinted(h Hold) int {
	g.t.Helper()
	return ask[int](g, "select count(*) from weir.dirty where run_id = $1 and step = $2 and shard = weir.shard_of(run_id)", h.Run, h.Step)
}
