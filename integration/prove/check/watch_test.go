//go:build linux

package check

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// eventually waits until something is so.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	require.Eventually(t, is, time.Minute, 20*time.Millisecond)
}

// running makes runs of one step by hand.
type running struct {
	t    *testing.T
	pool *pgxpool.Pool
}

func (r running) exec(sql string, args ...any) {
	r.t.Helper()
	_, err := r.pool.Exec(r.t.Context(), sql, args...)
	require.NoError(r.t, err)
}

func (r running) born() uuid.UUID {
	r.t.Helper()
	id := uuid.Must(uuid.NewV7())
	r.exec(`insert into weir.runs (id, name, steps_total, steps_open) values ($1, 'watched', 1, 1)`, id)
	r.exec(`insert into weir.steps (run_id, step, key, kind, state) values ($1, 1, 'a', 'noop', 'available')`, id)
	return id
}

// hold has so many hold a limit.
func (r running) hold(key string, n int) {
	r.t.Helper()
	for range n {
		r.exec(`insert into weir.slots (run_id, step, holds, held_at) values ($1, 1, array[$2], clock_timestamp())`, uuid.New(), key)
	}
}

const cancelSQL = `update weir.steps set state = 'cancelled' where run_id = $1`

// TestWatcherMissesNothing has transactions end in another order than that in which they began, and cuts the watcher's
// connection.
func TestWatcherMissesNothing(t *testing.T) {
	t.Parallel()
	database := dbtest.New(t)
	r := running{t, database.Pool(t)}
	w := NewWatcher(database.URL, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(cancel)
	seen := func(run uuid.UUID) bool {
		for _, m := range w.Moves() {
			if m.Run == run {
				return true
			}
		}
		return false
	}

	first := r.born()
	r.exec(cancelSQL, first)
	eventually(t, func() bool { return seen(first) })

	// One that began before the others ends after them.
	slow, quick := r.born(), r.born()
	tx, err := r.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = tx.Exec(t.Context(), cancelSQL, slow)
	require.NoError(t, err)
	r.exec(cancelSQL, quick)
	for i, key := range []string{"a", "b"} { // a whole look has been made since
		r.hold(key, 1)
		eventually(t, func() bool { return len(w.Samples()) == i+1 })
	}
	require.False(t, seen(quick), "what is behind a transaction that is still open has time")
	var cut bool
	require.NoError(t, r.pool.QueryRow(t.Context(), `
select bool_and(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'watcher' and datname = current_database()`).Scan(&cut))
	require.True(t, cut)
	require.NoError(t, tx.Commit(t.Context()))
	eventually(t, func() bool { return seen(slow) && seen(quick) })

	// What happens just before its end is seen too.
	last := r.born()
	r.exec(cancelSQL, last)
	cancel()
	require.NoError(t, <-done)
	var runs []uuid.UUID
	for _, m := range w.Moves() {
		runs = append(runs, m.Run)
		require.Equal(t, Move{ID: m.ID, Run: m.Run, Step: "a", Ordinal: 1, From: "available", To: "cancelled", Cause: "manual", Actor: m.Actor, Seen: m.Seen}, m)
	}
	require.Equal(t, []uuid.UUID{first, slow, quick, last}, runs, "each once, in the order of the history")
	require.Len(t, w.Snapshots(), 4)
	for i, s := range w.Snapshots() {
		require.Equal(t, runs[i], s.Run)
		require.Contains(t, string(s.Row), `"state": "cancelled"`)
	}
}

// TestWatcherSamples counts who holds limits, and keeps the most.
func TestWatcherSamples(t *testing.T) {
	t.Parallel()
	database := dbtest.New(t)
	r := running{t, database.Pool(t)}
	w := NewWatcher(database.URL, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(cancel)

	most := func(n int) func() bool {
		return func() bool {
			samples := w.Samples()
			return len(samples) == 1 && samples[0].Key == "limit/2/queue/a" && samples[0].Held == n
		}
	}
	r.hold("limit/2/queue/a", 1)
	eventually(t, most(1))
	r.hold("limit/2/queue/a", 2)
	r.exec(`insert into weir.limits (key, used, administered, administered_at, administered_by) values ('limit/2/queue/a', 3, 5, clock_timestamp(), 'local')`)
	eventually(t, most(3))
	eventually(t, func() bool { return w.Samples()[0].Administered == 5 })
	r.exec(`delete from weir.slots`)
	run := r.born()
	r.exec(cancelSQL, run)
	eventually(t, func() bool { return len(w.Moves()) == 1 })
	require.True(t, most(3)(), "the most that was seen")
	cancel()
	require.NoError(t, <-done)
}
