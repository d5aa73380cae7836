//go:build linux

package cluster_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
)

// briefly is how long a test looks whether something comes that should not.
const briefly = 300 * time.Millisecond

// database is a cluster without Weir, and a table in its database.
func database(t *testing.T) *cluster.Cluster {
	t.Helper()
	c := cluster.New(t, cluster.Config{Binary: "none"})
	c.Exec("create table kept (how text)")
	return c
}

// TestProxyCutsCommits commits in all the ways there are: those that reach the server are there although the client got
// an error, and the others are not.
func TestProxyCutsCommits(t *testing.T) {
	t.Parallel()
	for name, commit := range map[string]func(context.Context, *pgx.Conn) error{
		"transaction": func(ctx context.Context, conn *pgx.Conn) error {
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "insert into kept values ($1)", "kept")
				require.NoError(t, err, "it is the commit that goes wrong")
				return nil
			})
		},
		"simple": func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "insert into kept values ('kept')")
			return err
		},
		"prepared": func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "-- it is well\nwith c as (insert into kept values ($1) returning 1) select * from c", "kept")
			return err
		},
		"batch": func(ctx context.Context, conn *pgx.Conn) error {
			var batch pgx.Batch
			batch.Queue("select $1::text", "first")
			batch.Queue("insert into kept values ($1)", "kept")
			return conn.SendBatch(ctx, &batch).Close()
		},
		"several": func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.PgConn().Exec(ctx, "begin; insert into kept values ('kept'); commit").ReadAll()
			return err
		},
	} {
		for reached, rows := range map[bool]int{true: 1, false: 0} {
			t.Run(name+map[bool]string{true: " reached", false: " not reached"}[reached], func(t *testing.T) {
				t.Parallel()
				c := database(t)
				proxy := c.Proxy()
				conn := connect(t, proxy.URL)
				proxy.CutCommits(reached)
				// What does not commit passes.
				for _, sql := range []string{
					"select 1", "select how from kept for update", "select 'a' -- insert", "show timezone", "set timezone = 'UTC'",
					"begin", "insert into kept values ('rolled back')", "savepoint s", "rollback to savepoint s", "rollback",
				} {
					exec(t, conn, sql)
				}
				require.Equal(t, 2, query[int](t, conn, "select 1 + $1", 1))
				require.Zero(t, proxy.CommitsCut())

				err := commit(t.Context(), conn)
				require.Error(t, err)
				var said *pgconn.PgError
				require.NotErrorAs(t, err, &said, "it is not the server that says so")
				require.Error(t, conn.Ping(t.Context()), "the connection is cut")
				require.Equal(t, 1, proxy.CommitsCut())
				nobodyElse(t, c)
				require.Equal(t, rows, cluster.Value[int](c, "select count(*)::int from kept where how = 'kept'"))

				// A connection that is made later is cut too; after Heal none.
				require.Error(t, commit(t.Context(), connect(t, strings.Replace(proxy.URL, "sslmode=disable", "sslmode=prefer", 1))))
				require.Equal(t, 2, proxy.CommitsCut())
				conn = connect(t, proxy.URL)
				proxy.Heal()
				require.NoError(t, commit(t.Context(), conn))
				nobodyElse(t, c)
				require.Equal(t, 2*rows+1, cluster.Value[int](c, "select count(*)::int from kept"))
			})
		}
	}
}

// nobodyElse waits until the server has ended all transactions of others.
func nobodyElse(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	c.Until("no other transaction is open", func() bool {
		return cluster.Value[bool](c, `
select not exists (select from pg_stat_activity where datname = current_database() and xact_start is not null and pid <> pg_backend_pid())`)
	})
}

// TestProxyBlackhole lets a listener hear nothing, and nothing of that.
func TestProxyBlackhole(t *testing.T) {
	t.Parallel()
	c := database(t)
	proxy := c.Proxy()
	listener := connect(t, proxy.URL)
	exec(t, listener, "listen news")
	wait := func(patience time.Duration) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		heard, err := listener.WaitForNotification(ctx)
		if err != nil {
			return "", err
		}
		return heard.Payload, nil
	}
	c.Exec("notify news, 'first'")
	heard, err := wait(time.Minute)
	require.NoError(t, err)
	require.Equal(t, "first", heard)

	proxy.Blackhole()
	c.Exec("notify news, 'second'")
	c.Exec("select pg_terminate_backend($1)", listener.PgConn().PID())
	c.Until("its session has ended", func() bool {
		return cluster.Value[bool](c, "select not exists (select from pg_stat_activity where pid = $1)", listener.PgConn().PID())
	})
	_, err = wait(briefly)
	require.ErrorIs(t, err, context.DeadlineExceeded, "nobody has said that it is over")
	require.False(t, listener.IsClosed())
	ctx, cancel := context.WithTimeout(t.Context(), briefly)
	defer cancel()
	_, err = pgx.Connect(ctx, proxy.URL)
	require.ErrorIs(t, err, context.DeadlineExceeded, "nobody answers")

	proxy.Heal()
	_, err = wait(time.Minute)
	require.Error(t, err)
	require.NotErrorIs(t, err, context.DeadlineExceeded, "now it is known to be over")
	listener = connect(t, proxy.URL)
	exec(t, listener, "listen news")
	c.Exec("notify news, 'third'")
	heard, err = wait(time.Minute)
	require.NoError(t, err)
	require.Equal(t, "third", heard)
}

// TestProxyFreezes keeps a question back until it thaws.
func TestProxyFreezes(t *testing.T) {
	t.Parallel()
	c := database(t)
	proxy := c.Proxy()
	conn := connect(t, proxy.URL)
	proxy.Freeze()
	answered := make(chan error, 2)
	go func() {
		_, err := conn.Exec(context.Background(), "insert into kept values ('late')")
		answered <- err
	}()
	go func() {
		conn, err := pgx.Connect(context.Background(), proxy.URL)
		if err == nil {
			err = conn.Close(context.Background())
		}
		answered <- err
	}()
	select {
	case err := <-answered:
		require.Fail(t, "it is kept back", "%v", err)
	case <-time.After(briefly):
	}
	require.Zero(t, cluster.Value[int](c, "select count(*)::int from kept"))
	proxy.Thaw()
	require.NoError(t, <-answered)
	require.NoError(t, <-answered)
	require.Equal(t, 1, cluster.Value[int](c, "select count(*)::int from kept"))
	proxy.Thaw() // again: nothing
}

// TestProxyIsLate delays both directions.
func TestProxyIsLate(t *testing.T) {
	t.Parallel()
	proxy := database(t).Proxy()
	conn := connect(t, proxy.URL)
	proxy.Latency(100*time.Millisecond, 10*time.Millisecond)
	since := time.Now()
	exec(t, conn, "select 1")
	require.GreaterOrEqual(t, time.Since(since), 200*time.Millisecond)

	// What is on its way is delivered at once when it heals.
	proxy.Latency(time.Hour, 0)
	answered := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "select 2")
		answered <- err
	}()
	select {
	case err := <-answered:
		require.Fail(t, "it is late", "%v", err)
	case <-time.After(briefly):
	}
	proxy.Heal()
	require.NoError(t, <-answered)
}

// TestProxyCuts resets connections, also those that are kept back; new ones are well.
func TestProxyCuts(t *testing.T) {
	t.Parallel()
	proxy := database(t).Proxy()
	idle, frozen := connect(t, proxy.URL), connect(t, proxy.URL)
	proxy.Cut()
	err := idle.Ping(t.Context())
	require.ErrorContains(t, err, "connection reset by peer")
	require.Error(t, frozen.Ping(t.Context()))
	frozen = connect(t, proxy.URL)
	proxy.Freeze()
	answered := make(chan error, 1)
	go func() { answered <- frozen.Ping(context.Background()) }()
	proxy.Cut()
	require.Error(t, <-answered)
	proxy.Thaw()
	require.NoError(t, connect(t, proxy.URL).Ping(t.Context()))
}

// TestProxyWithoutServer goes on while its server is away, and finds another one.
func TestProxyWithoutServer(t *testing.T) {
	t.Parallel()
	answer := func(text string) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
	}
	first, second := answer("first"), answer("second")
	defer second.Close()
	proxy := database(t).ProxyTo(strings.TrimPrefix(first.URL, "http://"))
	get := func() (string, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+proxy.Address, nil)
		require.NoError(t, err)
		response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		var text strings.Builder
		_, err = io.Copy(&text, response.Body)
		return text.String(), err
	}
	text, err := get()
	require.NoError(t, err)
	require.Equal(t, "first", text)
	first.Close()
	_, err = get()
	require.Error(t, err)
	proxy.Redirect(strings.TrimPrefix(second.URL, "http://"))
	text, err = get()
	require.NoError(t, err)
	require.Equal(t, "second", text)
}
