package db_test

import (
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
)

// with changes one thing of a URL.
func with(t *testing.T, raw string, change func(*url.URL)) string {
	t.Helper()
	parsed, err := url.Parse(raw)
	require.NoError(t, err)
	change(parsed)
	return parsed.String()
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := dbtest.Empty(t).URL
	silent := silentServer(t)
	for name, test := range map[string]struct {
		url   string
		what  string
		hint  string
		state string
	}{
		"nothing given": {url: "", what: "no database URL", hint: "--database-url"},
		"no URL at all": {url: "weir", what: "cannot be read", hint: "postgres://"},
		"bad sslmode":   {url: with(t, good, func(u *url.URL) { u.RawQuery = "sslmode=perhaps" }), what: "sslmode is invalid", hint: "postgres://"},
		"bare slash in the password": {
			url: "postgres://weir:s3cret/more@127.0.0.1/weir", what: "cannot be read", hint: "%2F",
		},
		"bare percent in the password": {
			url: "postgres://weir:s3cret%zz@127.0.0.1/weir", what: "cannot be read", hint: "%25",
		},
		"bad key=value": {url: "host=127.0.0.1 password=s3cret port=x", what: "cannot be read", hint: "postgres://"},
		"nobody there": {
			url: "postgres://weir:s3cret@" + closedAddress(t) + "/weir", what: "connection refused", hint: "pg_isready -h 127.0.0.1",
		},
		"no answer": {
			url: "postgres://weir:s3cret@" + silent + "/weir?connect_timeout=1&sslmode=disable", what: "does not answer within 1s", hint: "firewall",
		},
		"no socket": {url: "postgres:///weir?host=/nowhere", what: "no PostgreSQL socket at /nowhere", hint: "pg_isready -h /nowhere"},
		"wrong password": {
			url:  with(t, good, func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "s3cret") }),
			what: "refuses the password of user", hint: "psql 'postgres://", state: "28P01",
		},
		"missing database": {
			url:  with(t, good, func(u *url.URL) { u.Path = "/nosuch" }),
			what: `there is no database "nosuch"`, hint: "createdb -h ", state: "3D000",
		},
		"no TLS there": {
			url:  with(t, good, func(u *url.URL) { u.RawQuery = "sslmode=require" }),
			what: "speaks no TLS", hint: "sslmode=disable",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := db.Open(t.Context(), db.Config{URL: test.url})
			var refused *db.ConnectError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, refused.Error(), test.what)
			require.Contains(t, refused.Try(), test.hint)
			require.Equal(t, test.state, refused.SQLState)
			require.NotContains(t, fmt.Sprint(refused.Error(), refused.Try()), "s3cret")
			require.NotContains(t, refused.Error(), "\n")
		})
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := contextThatEnds(t)
	cancel()
	_, err := db.Open(ctx, db.Config{URL: "postgres://weir@" + silentServer(t) + "/weir?sslmode=disable"})
	require.ErrorIs(t, err, ctx.Err())
	var refused *db.ConnectError
	require.NotErrorAs(t, err, &refused)
}

func TestOpenSetsTimeouts(t *testing.T) {
	t.Parallel()
	raw := dbtest.Empty(t).URL
	for name, test := range map[string]struct {
		config db.Config
		want   map[string]string
	}{
		"defaults": {
			config: db.Config{URL: raw},
			want: map[string]string{
				"statement_timeout": "30s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "30s",
				"application_name": "weir", "timezone": "UTC",
			},
		},
		"given": {
			config: db.Config{URL: raw, StatementTimeout: time.Minute, LockTimeout: 250 * time.Millisecond, IdleInTxTimeout: -1, AppName: "test"},
			want: map[string]string{
				"statement_timeout": "1min", "lock_timeout": "250ms", "idle_in_transaction_session_timeout": "0", "application_name": "test",
			},
		},
		"the URL wins": {
			config: db.Config{URL: raw + "&statement_timeout=7s&application_name=mine"},
			want:   map[string]string{"statement_timeout": "7s", "lock_timeout": "5s", "application_name": "mine"},
		},
		"PgBouncer gets none": {
			config: db.Config{URL: dbtest.Pooler(t, raw), PgBouncer: true},
			want:   map[string]string{"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, err := db.Open(t.Context(), test.config)
			require.NoError(t, err)
			defer pool.Close()
			for setting, want := range test.want {
				var got string
				require.NoError(t, pool.QueryRow(t.Context(), "select current_setting($1)", setting).Scan(&got))
				require.Equal(t, want, got, setting)
			}
		})
	}
}

func TestOpenThroughAPoolerThatWasNotMentioned(t *testing.T) {
	t.Parallel()
	_, err := db.Open(t.Context(), db.Config{URL: dbtest.Pooler(t, dbtest.Empty(t).URL)})
	var refused *db.ConnectError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Error(), "connection pooler")
	require.Contains(t, refused.Try(), "--pgbouncer")
}

// Every statement may run on another server connection, so none may rely on what an earlier one prepared.
func TestOpenThroughAPooler(t *testing.T) {
	t.Parallel()
	pool, err := db.Open(t.Context(), db.Config{URL: dbtest.Pooler(t, dbtest.Empty(t).URL), PgBouncer: true})
	require.NoError(t, err)
	defer pool.Close()
	for range 3 {
		hold, err := pool.Begin(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, hold.Rollback(t.Context())) }()
		var sum int
		for range 2 {
			require.NoError(t, hold.QueryRow(t.Context(), "select $1::int + 1", 41).Scan(&sum))
			require.Equal(t, 42, sum)
			require.NoError(t, pool.QueryRow(t.Context(), "select $1::int + 1", 41).Scan(&sum))
			require.Equal(t, 42, sum)
		}
	}
}

func TestOpenSizesThePool(t *testing.T) {
	t.Parallel()
	raw := dbtest.Empty(t).URL
	for want, config := range map[int32]db.Config{
		12: {URL: raw},
		3:  {URL: raw, MaxConns: 3},
		5:  {URL: raw + "&pool_max_conns=5"},
	} {
		pool, err := db.Open(t.Context(), config)
		require.NoError(t, err)
		require.Equal(t, want, pool.Config().MaxConns)
		pool.Close()
	}
}

func TestTimesAreReadInUTC(t *testing.T) {
	t.Parallel()
	pool := dbtest.Empty(t).Pool(t)
	var one time.Time
	var many []time.Time
	require.NoError(t, pool.QueryRow(t.Context(),
		"select '2026-01-02 03:04:05.678901+05'::timestamptz, array['2026-01-02 03:04:05+05'::timestamptz]").Scan(&one, &many))
	require.Equal(t, time.Date(2026, 1, 1, 22, 4, 5, 678901000, time.UTC), one)
	require.Equal(t, []time.Time{time.Date(2026, 1, 1, 22, 4, 5, 0, time.UTC)}, many)
}

// closedAddress is a port where nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// silentServer takes connections and says nothing.
func silentServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	return listener.Addr().String()
}
