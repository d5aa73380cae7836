package lifecycle

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// queryCounter counts queries by their names.
type queryCounter struct {
	mu   sync.Mutex
	seen map[string]int
}

// TraceQueryStart implements pgx.QueryTracer.
func (c *queryCounter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	name, _, _ := strings.Cut(strings.TrimPrefix(data.SQL, "-- name: "), " ")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[name]++
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (*queryCounter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *queryCounter) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[name]
}

// TestIdleListenersCostNoQueries has a thousand listeners: each look is one query for all of them, and none of them reads
// while nothing happens to its run.
func TestIdleListenersCostNoQueries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	config, err := pgxpool.ParseConfig(b.pool.Config().ConnString())
	require.NoError(t, err)
	queries := &queryCounter{seen: map[string]int{}}
	config.ConnConfig.Tracer = queries
	config.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer pool.Close()
	engine := New(Config{Pool: pool, Replica: b.worker})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- engine.follower.run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-done)
	}()
	require.Zero(t, queries.of("HistoryNews"), "nobody follows, and nobody looks")

	busy, idle := b.submit(planOf(step("a"))), b.submit(planOf(step("a")))
	listening, stop := context.WithCancel(t.Context())
	var listeners sync.WaitGroup
	var mu sync.Mutex
	read := 0
	listen := func(f *Follow) {
		defer f.Close()
		for {
			over, err := f.Read(listening, func(Event) error { return nil })
			mu.Lock()
			read++
			mu.Unlock()
			if over || listening.Err() != nil || err != nil {
				return
			}
			select {
			case <-listening.Done():
				return
			case <-f.News():
			}
		}
	}
	const many = 1000
	for range many {
		f, err := engine.RunFollow(t.Context(), idle, "")
		require.NoError(t, err)
		listeners.Go(func() { listen(f) })
	}
	one, err := engine.RunFollow(t.Context(), busy, "")
	require.NoError(t, err)
	reads := func() int {
		mu.Lock()
		defer mu.Unlock()
		return read
	}
	looks := func(n int) {
		t.Helper()
		until := queries.of("HistoryNews") + n
		require.Eventually(t, func() bool { return queries.of("HistoryNews") >= until }, 30*time.Second, time.Millisecond)
	}
	require.Eventually(t, func() bool { return reads() >= many }, 60*time.Second, time.Millisecond, "each reads once in the beginning")
	require.Eventually(t, func() bool { // those who came during a look are told after it
		before := reads()
		looks(2)
		return reads() == before
	}, 60*time.Second, time.Millisecond)
	beforeReads, beforeViews, beforeLogs := reads(), queries.of("TransitionViews"), queries.of("LogNews")
	looks(4)
	require.Equal(t, beforeReads, reads(), "nobody reads")
	require.Equal(t, beforeViews, queries.of("TransitionViews"))
	require.Equal(t, beforeLogs, queries.of("LogNews"), "nothing runs, so that nobody looks for logs")

	b.start(busy, 1)
	var got []Event
	for len(got) == 0 {
		_, err := one.Read(t.Context(), func(e Event) error {
			got = append(got, e)
			return nil
		})
		require.NoError(t, err)
		if len(got) == 0 {
			<-one.News()
		}
	}
	one.Close()
	require.Equal(t, "running", got[0].Transition.To)
	require.Equal(t, beforeReads, reads(), "it is nobody else's run")
	stop()
	listeners.Wait()
	require.True(t, engine.follower.nobody())
}
