package replica

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/jobs"
	"github.com/weirqueue/weir/lifecycle"
)

// starts is a lifecycle that only notes which dispatch tokens come to it.
type starts struct {
	jobs.Lifecycle
	tokens chan int64
}

func (s *starts) StepStart(_ context.Context, r lifecycle.StartRequest) (lifecycle.StartAnswer, error) {
	s.tokens <- r.Token
	return lifecycle.StartAnswer{Result: lifecycle.ResultSuperseded}, nil
}

// next waits for the next token.
func (s *starts) next(t *testing.T) int64 {
	t.Helper()
	select {
	case token := <-s.tokens:
		return token
	case <-time.After(patience):
		require.Fail(t, "no row of River was worked")
		return 0
	}
}

// withRiver runs a River client that never polls, and the listener behind it if it is to hear anything.
func withRiver(t *testing.T, listening bool) (*replica, *starts, *river.Client[pgx.Tx]) {
	t.Helper()
	pool := dbtest.Pool(t)
	reg := jobs.NewRegistry()
	require.NoError(t, jobs.RegisterBuiltin(reg, jobs.BuiltinConfig{}))
	cfg, err := Config{Database: db.Config{URL: "x"}, Registry: reg, PollInterval: -1, Queues: map[string]int{"default": 4}}.withDefaults()
	require.NoError(t, err)
	r := &replica{cfg: cfg, pool: pool}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	if listening {
		r.listener = db.NewListener(db.ListenerConfig{
			URL: pool.Config().ConnString(), Pool: pool, Channels: riverChannels(), Hear: r.hub.Hear,
		})
		done := make(chan error, 1)
		go func() { done <- r.listener.Run(ctx) }()
		t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
		require.Eventually(t, func() bool { return r.listener.Status().Mode == db.ModeListen }, patience, time.Millisecond)
	}
	seen := &starts{tokens: make(chan int64, 16)}
	id := newID()
	sup := jobs.NewSupervisor(jobs.SupervisorConfig{Lifecycle: seen, Registry: reg, Worker: id})
	client, err := r.newRiver(id, sup)
	require.NoError(t, err)
	require.NoError(t, client.Start(ctx))
	t.Cleanup(func() {
		require.NoError(t, client.Stop(ctx))
		require.NoError(t, sup.Drain(ctx))
	})
	return r, seen, client
}

// noop is a row of River as a step of kind noop has it.
type noop struct {
	Run  uuid.UUID `json:"run"`
	Step int       `json:"step"`
}

// Kind implements river.JobArgs.
func (noop) Kind() string { return "noop" }

// insertQuietly makes a row as River does, but tells nobody.
func insertQuietly(t *testing.T, pool *pgxpool.Pool, kind, queue string) (id int64) {
	t.Helper()
	err := pool.QueryRow(t.Context(), `
insert into weir.river_job (args, kind, max_attempts, priority, queue, state)
values (jsonb_build_object('run', gen_random_uuid(), 'step', 1), $1, 1, 2, $2, 'available')
returning id`, kind, queue).Scan(&id)
	require.NoError(t, err)
	return id
}

func TestRiverTopics(t *testing.T) {
	t.Parallel()
	_, seen, client := withRiver(t, true)
	// River's own insert notifies (the first one within the cooldown); its client has no connection that listens, and
	// does not poll.
	inserted, err := client.Insert(t.Context(), noop{Run: newID(), Step: 1}, nil)
	require.NoError(t, err)
	require.Equal(t, inserted.Job.ID, seen.next(t))
	require.Eventually(t, func() bool {
		list, err := client.JobList(t.Context(), river.NewJobListParams().States("completed"))
		return err == nil && len(list.Jobs) == 1
	}, patience, 5*time.Millisecond, "a row ends when there was nothing to start")
}

// nudge lets River hear of new rows in a queue.
func (h *riverHub) nudge(queue string) { h.Hear("weir.river_insert", `{"queue":"`+queue+`"}`) }

func TestRiverFetchesWhatItIsFor(t *testing.T) {
	t.Parallel()
	r, seen, _ := withRiver(t, false)
	id := insertQuietly(t, r.pool, "noop", "default")
	other := insertQuietly(t, r.pool, "noop", "other")
	unknown := insertQuietly(t, r.pool, "unheard-of", "default")
	r.hub.nudge("other")
	r.hub.nudge("default")
	require.Equal(t, id, seen.next(t))
	var left []int64
	rows, err := r.pool.Query(t.Context(), "select id from weir.river_job where state = 'available' order by id")
	require.NoError(t, err)
	left, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(t, err)
	require.Equal(t, []int64{other, unknown}, left, "neither queues that are not worked nor kinds that it does not have")
}

func TestRiverLooksAfterANewConnection(t *testing.T) {
	t.Parallel()
	r, seen, _ := withRiver(t, true)
	require.Eventually(t, func() bool { // the one of the first connection may be under way still
		id := insertQuietly(t, r.pool, "noop", "default")
		_, err := r.pool.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'weir listener'")
		require.NoError(t, err)
		return seen.next(t) == id
	}, patience, time.Millisecond)
}

func TestRiverListenerKeepsEachNotificationOnce(t *testing.T) {
	t.Parallel()
	var hub riverHub
	l := newRiverDriver(nil, &hub, []string{"a", "b"}).GetListener(nil)
	require.NoError(t, l.Connect(t.Context()))
	for range 3 * maxRiverNotifications {
		hub.nudge("a")
	}
	hub.Hear("weir.river_control", `{"action":"cancel","job_id":1,"queue":"a"}`)
	hub.Hear("weir.river_insert", "")
	hub.Hear("other", "x")
	var got []string
	ctx, cancel := context.WithCancel(t.Context())
	for range 3 {
		n, err := l.WaitForNotification(ctx)
		require.NoError(t, err)
		got = append(got, n.Topic+" "+n.Payload)
	}
	require.Equal(t, []string{
		`river_insert {"queue":"a"}`, `river_control {"action":"cancel","job_id":1,"queue":"a"}`, `river_insert {"queue":"b"}`,
	}, got)
	cancel()
	_, err := l.WaitForNotification(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, l.Close(t.Context()))
	hub.nudge("a")
	require.Empty(t, hub.listeners)
}
