package db_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
)

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

// hearing is a listener at work.
type hearing struct {
	*db.Listener
	pool *pgxpool.Pool
}

// listen runs a listener on the database until the end of the test. change may alter its configuration.
func listen(t *testing.T, change func(*db.ListenerConfig)) *hearing {
	t.Helper()
	pool := dbtest.Empty(t).Pool(t)
	config := db.ListenerConfig{
		URL:        pool.Config().ConnString(),
		Pool:       pool,
		Channels:   []string{db.ChannelDirty, db.ChannelStop},
		ProbeEvery: 20 * time.Millisecond,
		BackoffMin: time.Millisecond,
		BackoffMax: 20 * time.Millisecond,
	}
	if change != nil {
		change(&config)
	}
	listener := db.NewListener(config)
	ctx, cancel := contextThatEnds(t)
	done := make(chan error, 1)
	go func() { done <- listener.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, db.ModePoll, listener.Status().Mode, "nobody listens after Run")
	})
	return &hearing{Listener: listener, pool: pool}
}

// becomes waits until the status is so.
func (h *hearing) becomes(t *testing.T, mode db.ListenMode) db.ListenStatus {
	t.Helper()
	require.Eventually(t, func() bool { return h.Status().Mode == mode }, patience, time.Millisecond, "%+v", h.Status())
	return h.Status()
}

// notify notifies a channel.
func (h *hearing) notify(t *testing.T, channel string) {
	t.Helper()
	_, err := h.pool.Exec(t.Context(), "select pg_notify($1, '')", channel)
	require.NoError(t, err)
}

// nudged waits for a nudge.
func nudged(t *testing.T, nudges <-chan struct{}) {
	t.Helper()
	select {
	case <-nudges:
	case <-time.After(patience):
		require.Fail(t, "no nudge came")
	}
}

func TestListenerHears(t *testing.T) {
	t.Parallel()
	h := listen(t, nil)
	dirty, cancel := h.Subscribe(db.ChannelDirty)
	defer cancel()
	stop, cancelStop := h.Subscribe(db.ChannelStop)
	defer cancelStop()

	status := h.becomes(t, db.ModeListen)
	require.Positive(t, status.Lag)
	require.Empty(t, status.LastError)
	require.False(t, status.Since.IsZero())
	nudged(t, dirty) // after connecting, for what may have been missed
	nudged(t, stop)

	h.notify(t, db.ChannelDirty)
	nudged(t, dirty)
	// The connection is in order, so what was notified before this has been handed on.
	h.notify(t, db.ChannelStop)
	nudged(t, stop)
	require.Empty(t, dirty, "only the notified channel is nudged")
}

func TestListenerMakesManyNotificationsOneNudge(t *testing.T) {
	t.Parallel()
	h := listen(t, nil)
	h.becomes(t, db.ModeListen)
	dirty, cancel := h.Subscribe(db.ChannelDirty)
	defer cancel()
	stop, cancelStop := h.Subscribe(db.ChannelStop)
	defer cancelStop()
	for range 100 {
		h.notify(t, db.ChannelDirty)
	}
	h.notify(t, db.ChannelStop)
	nudged(t, stop)
	require.Len(t, dirty, 1)
}

func TestListenerTellsManySubscribersUntilTheyCancel(t *testing.T) {
	t.Parallel()
	h := listen(t, nil)
	h.becomes(t, db.ModeListen)
	first, cancelFirst := h.Subscribe(db.ChannelDirty)
	second, cancelSecond := h.Subscribe(db.ChannelDirty)
	defer cancelSecond()
	h.notify(t, db.ChannelDirty)
	nudged(t, first)
	nudged(t, second)
	cancelFirst()
	h.notify(t, db.ChannelDirty)
	nudged(t, second)
	require.Empty(t, first)
	require.Panics(t, func() { h.Subscribe("weir_other") })
}

func TestListenerComesBackAndNudges(t *testing.T) {
	t.Parallel()
	h := listen(t, nil)
	h.becomes(t, db.ModeListen)
	dirty, cancel := h.Subscribe(db.ChannelDirty)
	defer cancel()
	for range 3 {
		before := h.Status().Since
		_, err := h.pool.Exec(t.Context(), `
select pg_terminate_backend(pid) from pg_stat_activity
where application_name = 'weir listener' and datname = current_database()`)
		require.NoError(t, err)
		nudged(t, dirty)
		status := h.becomes(t, db.ModeListen)
		require.NotEqual(t, before, status.Since)
		require.NotEmpty(t, status.LastError)
		h.notify(t, db.ChannelDirty)
		nudged(t, dirty)
	}
}

// A connection can die without a word, and a listener hears nothing from a dead one for ever.
func TestListenerNoticesSilence(t *testing.T) {
	t.Parallel()
	var direct *way
	h := listen(t, func(config *db.ListenerConfig) {
		direct = newWay(t, config.URL)
		config.URL = direct.url
		config.ProbeTimeout = 100 * time.Millisecond
	})
	h.becomes(t, db.ModeListen)
	direct.fallSilent()
	status := h.becomes(t, db.ModePoll)
	require.Zero(t, status.Lag)
	require.NotEmpty(t, status.LastError)
	direct.speak()
	h.becomes(t, db.ModeListen)
}

func TestListenerSaysThatNotifyDoesNotWork(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *db.ListenerConfig){
		"through a pooler": func(t *testing.T, config *db.ListenerConfig) {
			t.Helper()
			config.URL = dbtest.Pooler(t, config.URL)
		},
		"another database": func(t *testing.T, config *db.ListenerConfig) {
			t.Helper()
			config.URL = dbtest.Empty(t).URL
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := listen(t, func(config *db.ListenerConfig) {
				config.ProbeTimeout = 200 * time.Millisecond
				change(t, config)
			})
			require.Eventually(t, func() bool { return h.Status().LastError != "" }, patience, time.Millisecond)
			require.Equal(t, db.ModePoll, h.Status().Mode)
			require.Contains(t, h.Status().LastError, "notifications do not arrive")
		})
	}
}

func TestListenerWithoutADatabase(t *testing.T) {
	t.Parallel()
	h := listen(t, func(config *db.ListenerConfig) { config.URL = "postgres://weir@" + closedAddress(t) + "/weir" })
	require.Eventually(t, func() bool { return h.Status().LastError != "" }, patience, time.Millisecond)
	require.Equal(t, db.ModePoll, h.Status().Mode)
	require.Contains(t, h.Status().LastError, "connection refused")
}

// With a pool that has no connection left no probe can be sent, which says nothing about hearing.
func TestListenerListensOnWithAnExhaustedPool(t *testing.T) {
	t.Parallel()
	var small *pgxpool.Pool
	h := listen(t, func(config *db.ListenerConfig) {
		var err error
		small, err = db.Open(t.Context(), db.Config{URL: config.URL, MaxConns: 1})
		require.NoError(t, err)
		t.Cleanup(small.Close)
		config.Pool = small
		config.ProbeEvery = time.Millisecond
		config.ProbeTimeout = 50 * time.Millisecond
	})
	h.becomes(t, db.ModeListen)
	dirty, cancel := h.Subscribe(db.ChannelDirty)
	defer cancel()
	conn, err := small.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	since := h.Status().Since
	for range 3 {
		// Each of these waits for a probe to give up: the nudge comes after it.
		h.notify(t, db.ChannelDirty)
		nudged(t, dirty)
	}
	require.Equal(t, since, h.Status().Since)
	require.Equal(t, db.ModeListen, h.Status().Mode)
}

func TestListenerHandsOnPayloads(t *testing.T) {
	t.Parallel()
	type notification struct{ channel, payload string }
	heard := make(chan notification, 16)
	next := func() notification {
		select {
		case n := <-heard:
			return n
		case <-time.After(patience):
			require.Fail(t, "nothing was heard")
			return notification{}
		}
	}
	h := listen(t, func(c *db.ListenerConfig) {
		c.Channels = []string{"weir.other"}
		c.Hear = func(channel, payload string) { heard <- notification{channel, payload} }
	})
	require.Equal(t, notification{"weir.other", ""}, next(), "after a new connection something may have been missed")
	for _, payload := range []string{"first", "second"} {
		_, err := h.pool.Exec(t.Context(), "select pg_notify('weir.other', $1)", payload)
		require.NoError(t, err)
	}
	require.Equal(t, notification{"weir.other", "first"}, next())
	require.Equal(t, notification{"weir.other", "second"}, next())
}
