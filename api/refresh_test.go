package api

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/lifecycle"
)

// refreshing is a database on which full passes are counted, with handlers of engines that never poll.
type refreshing struct {
	*bundle

	listener *db.Listener
}

// passes is when the full passes began.
func (r *refreshing) passes() []time.Time {
	r.t.Helper()
	return scan[[]time.Time](r.bundle, `select coalesce(array_agg(at order by at), '{}') from passes`)
}

// another is an engine that only notifications tell of what others were asked, and its API.
func (r *refreshing) another() (*lifecycle.Engine, http.Handler) {
	r.t.Helper()
	told, forget := r.listener.Subscribe(db.ChannelRefresh)
	r.t.Cleanup(forget)
	engine := lifecycle.New(lifecycle.Config{Pool: r.pool, Replica: uuid.New(), PollInterval: -1, Refresh: told})
	return engine, New(Config{Lifecycle: engine})
}

// loops runs something until the test ends.
func loops(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

// asked asks ten times at once, and answers when the last request was made, and how many came first.
func asked(t *testing.T, handlers ...http.Handler) (last time.Time, first int) {
	t.Helper()
	answers := make([]answer, 10)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = ask(t, handlers[i%len(handlers)], http.MethodPost, "/v1/refresh", "") })
	}
	all.Wait()
	for _, a := range answers {
		require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
		conforms(t, "Refresh", a.body)
		body := a.json(t)
		at, err := time.Parse(time.RFC3339, body["requested_at"].(string))
		require.NoError(t, err)
		if at.After(last) {
			last = at
		}
		if body["coalesced"] == false {
			first++
		}
	}
	return last, first
}

// TestS9TenRefreshes asks ten times at once through two replicas, with polling off: one full pass that begins after the
// last of them serves all.
func TestS9TenRefreshes(t *testing.T) {
	t.Parallel()
	r := &refreshing{bundle: setup(t)}
	r.exec(`
		create table passes (at timestamptz not null);
		create function pass_begins() returns trigger language plpgsql as $$ begin insert into passes values (new.swept_at); return null; end $$;
		create trigger pass_begins after update on weir.pulse for each row when (old.swept_at is distinct from new.swept_at) execute function pass_begins();
		update weir.pulse set swept_at = clock_timestamp();
		delete from passes`)
	r.listener = db.NewListener(db.ListenerConfig{URL: r.pool.Config().ConnString(), Pool: r.pool, Channels: []string{db.ChannelRefresh}})
	loops(t, r.listener.Run)
	require.Eventually(t, func() bool { return r.listener.Status().Mode == db.ModeListen }, eventually, often)
	one, first := r.another()
	two, second := r.another()
	_, idle := r.another() // its loops never run: notifications have to reach the others

	last, leaders := asked(t, first, second)
	require.Equal(t, 1, leaders, "nobody makes passes yet")
	require.Empty(t, r.passes())
	loops(t, one.Run)
	loops(t, two.Run)
	require.Eventually(t, func() bool { return len(r.passes()) == 1 }, eventually, often)
	require.True(t, r.passes()[0].After(last))
	before := 1

	for _, through := range [][]http.Handler{{first, second}, {idle}} {
		last, leaders = asked(t, through...)
		require.Eventually(t, func() bool {
			passes := r.passes()
			return passes[len(passes)-1].After(last)
		}, eventually, often)
		passes := r.passes()
		require.Len(t, passes[before:], leaders, "a pass for each request that none was asked for before")
		require.True(t, leaders == 1 || !passes[len(passes)-2].After(last), "only one begins after the last of them")
		before = len(passes)
	}
	require.Eventually(t, func() bool {
		return scan[bool](r.bundle, `select refreshed_at > swept_at from weir.pulse`)
	}, eventually, often)
}

// TestRefreshRepairs has a full pass that somebody asks for put right what the engine cannot know.
func TestRefreshRepairs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	engine := lifecycle.New(lifecycle.Config{Pool: b.pool, Replica: uuid.New(), PollInterval: -1})
	loops(t, engine.Run)
	handler := New(Config{Lifecycle: engine})
	run := b.submit(onePlan)
	b.exec(`delete from weir.river_job`)
	require.Equal(t, http.StatusAccepted, ask(t, handler, http.MethodPost, "/v1/refresh", "").StatusCode)
	require.Eventually(t, func() bool {
		return scan[string](b, `select state::text from weir.steps where run_id = $1`, run) == "cancelled"
	}, eventually, often, "somebody has deleted its job")
}
