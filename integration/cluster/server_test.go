//go:build linux

package cluster_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
)

// TestServerEnds ends a server in every way: what was committed is there afterwards, at the same place.
func TestServerEnds(t *testing.T) {
	t.Parallel()
	server := cluster.NewServer(t)
	exec(t, connect(t, server.URL), "create table kept (how text)")
	for _, end := range []struct {
		how  string
		does func()
		log  string
	}{
		{"fast", server.Stop, "received fast shutdown request"},
		{"immediate", server.StopImmediately, "received immediate shutdown request"},
		{"crash", server.Crash, "database system was not properly shut down"},
	} {
		conn := connect(t, server.URL)
		exec(t, conn, "insert into kept values ('"+end.how+"')")
		require.False(t, server.Ended())
		require.NoError(t, server.TryStart(), "it runs")
		end.does()
		require.True(t, server.Ended())
		require.Error(t, conn.Ping(t.Context()))
		_, err := pgx.Connect(t.Context(), server.URL)
		require.Error(t, err)
		end.does() // again: nothing
		server.Start()
		require.Contains(t, read(t, server.LogFile()), end.log)
	}
	require.Equal(t, "fast immediate crash", query[string](t, connect(t, server.URL), "select string_agg(how, ' ') from kept"))
}

// TestServerClock moves the clock of a server there and back while connections are open.
func TestServerClock(t *testing.T) {
	t.Parallel()
	server := serverWith(t, cluster.ServerConfig{Clock: true})
	holder, waiter, third := connect(t, server.URL), connect(t, server.URL), connect(t, server.URL)
	right := func(offset time.Duration) {
		for _, conn := range []*pgx.Conn{holder, third, connect(t, server.URL)} {
			now := query[time.Time](t, conn, "select clock_timestamp()")
			require.WithinDuration(t, time.Now().Add(offset), now, 10*time.Minute)
		}
	}
	right(0)

	// What PostgreSQL measures goes on as if nothing had happened.
	exec(t, holder, "select pg_advisory_lock(1)")
	measured := make(chan json.RawMessage, 1)
	go func() {
		var plan json.RawMessage
		_ = waiter.QueryRow(context.Background(), "explain (analyze, format json) select pg_advisory_lock(1)").Scan(&plan)
		measured <- plan
	}()
	require.Eventually(t, func() bool {
		return query[bool](t, third, "select exists (select from pg_locks where locktype = 'advisory' and not granted)")
	}, time.Minute, time.Millisecond)
	server.SetClock(time.Hour)
	right(time.Hour)
	exec(t, holder, "select pg_advisory_unlock(1)")
	var plan []struct {
		Took float64 `json:"Execution Time"` // ms
	}
	require.NoError(t, json.Unmarshal(<-measured, &plan))
	require.Positive(t, plan[0].Took)
	require.Less(t, plan[0].Took, 30*60e3)

	server.SetClock(-90 * time.Minute)
	right(-90 * time.Minute)
	server.Crash()
	server.Start()
	holder, third = connect(t, server.URL), connect(t, server.URL)
	right(-90 * time.Minute)
	server.SetClock(0)
	right(0)
}

// TestServerDisk fills the disk of a server until it cannot write any more.
func TestServerDisk(t *testing.T) {
	t.Parallel()
	server := serverWith(t, cluster.ServerConfig{Disk: 256 << 20})
	conn := connect(t, server.URL)
	exec(t, conn, "create table kept (text text)")
	fill := func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), "insert into kept select repeat('x', 1000) from generate_series(1, 1000)")
		return err
	}
	require.NoError(t, fill(conn))
	server.FillDisk()
	var full *pgconn.PgError
	require.ErrorAs(t, fill(conn), &full)
	require.Equal(t, "53100", full.Code)
	server.FreeDisk()
	require.NoError(t, server.TryStart())
	require.NoError(t, fill(connect(t, server.URL)))
	server.FillDisk()
	server.Stop()
	require.Error(t, server.TryStart(), "it does not even start")
	server.FreeDisk()
	require.NoError(t, server.TryStart())
	require.Equal(t, 2000, query[int](t, connect(t, server.URL), "select count(*)::int from kept"))
}

// TestServerLeavesNothing looks for what servers leave behind.
func TestServerLeavesNothing(t *testing.T) {
	t.Parallel()
	config := cluster.ServerConfig{Clock: true, Disk: 256 << 20}
	var dir, shared string
	t.Run("server", func(t *testing.T) {
		server := serverWith(t, config)
		dir = filepath.Dir(filepath.Dir(server.LogFile()))
		require.Contains(t, read(t, "/proc/mounts"), dir)
		server.FillDisk()
		server.Crash()
		left, err := os.ReadFile(filepath.Join(filepath.Dir(server.LogFile()), "data", "postmaster.pid"))
		require.NoError(t, err)
		pid, _, _ := strings.Cut(string(left), "\n")
		faked, err := filepath.Glob("/dev/shm/*faketime_*_" + pid)
		require.NoError(t, err)
		require.Empty(t, faked)
		shared = " " + strings.Fields(strings.Split(string(left), "\n")[6])[1] + " "
		require.Contains(t, read(t, "/proc/sysvipc/shm"), shared)
	})
	require.NotContains(t, read(t, "/proc/sysvipc/shm"), shared)
	require.NoDirExists(t, dir)
	require.NotContains(t, read(t, "/proc/mounts"), dir)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// serverWith starts a server of the kind, if this machine can have one.
func serverWith(t *testing.T, config cluster.ServerConfig) *cluster.Server {
	t.Helper()
	if why := config.Unavailable(); why != "" {
		t.Skip(why)
	}
	return cluster.NewServerWith(t, config)
}

// connect connects until the end of the test.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

// query returns the one answer to a query.
func query[V any](t *testing.T, conn *pgx.Conn, sql string, args ...any) V {
	t.Helper()
	var v V
	require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&v))
	return v
}
