package db_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
)

func TestTransientBySQLState(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"08000": true, "08003": true, "08006": true, "40001": true, "40P01": true,
		"57P01": true, "57P02": true, "57P03": true, "53300": true, "53100": true, "25006": true,
		"23514": false, "23505": false, "55P03": false, "57014": false, "42P01": false, "28P01": false, "3D000": false,
	} {
		err := fmt.Errorf("move the step: %w", &pgconn.PgError{Code: code})
		require.Equal(t, want, db.IsTransient(err), code)
		require.Equal(t, code == "55P03", db.IsLockTimeout(err), code)
		require.False(t, db.OutcomeUnknown(err), "%s: the server said no", code)
	}
}

// Each case brings about a real error and says how it is to be seen.
func TestErrorsOfConnections(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fail                            func(t *testing.T, pool *pgxpool.Pool) error
		transient, lockTimeout, unknown bool
	}{
		"refused by a rule": {
			fail: func(t *testing.T, pool *pgxpool.Pool) error {
				t.Helper()
				_, err := pool.Exec(t.Context(), "do $$ begin raise check_violation; end $$")
				return err
			},
		},
		"no rows": {
			fail: func(t *testing.T, pool *pgxpool.Pool) error {
				t.Helper()
				return pool.QueryRow(t.Context(), "select 1 where false").Scan(new(int))
			},
		},
		"nobody there": {
			fail: func(t *testing.T, _ *pgxpool.Pool) error {
				t.Helper()
				_, err := pgx.Connect(t.Context(), "postgres://weir@"+closedAddress(t)+"/weir")
				return err
			},
			transient: true,
		},
		"missing database": {
			fail: func(t *testing.T, pool *pgxpool.Pool) error {
				t.Helper()
				config := pool.Config().ConnConfig
				config.Database = "nosuch"
				_, err := pgx.ConnectConfig(t.Context(), config)
				return err
			},
		},
		"closed pool": {
			fail: func(t *testing.T, pool *pgxpool.Pool) error {
				t.Helper()
				pool.Close()
				return pool.Ping(t.Context())
			},
		},
		"closed connection": {
			fail: func(t *testing.T, pool *pgxpool.Pool) error {
				t.Helper()
				conn, err := pgx.ConnectConfig(t.Context(), pool.Config().ConnConfig)
				require.NoError(t, err)
				require.NoError(t, conn.Close(t.Context()))
				return conn.Ping(t.Context())
			},
			transient: true, unknown: true, // the same error as that of a commit that was cut, below
		},
		"terminated while it works": {
			fail:      terminated,
			transient: true, unknown: true,
		},
		"cut while it commits": {
			fail: func(t *testing.T, pool *pgxpool.Pool) error {
				t.Helper()
				way := newWay(t, pool.Config().ConnConfig.ConnString())
				conn, err := pgx.Connect(t.Context(), way.url)
				require.NoError(t, err)
				tx, err := conn.Begin(t.Context())
				require.NoError(t, err)
				_, err = tx.Exec(t.Context(), "create table t ()")
				require.NoError(t, err)
				way.cut()
				return tx.Commit(t.Context())
			},
			transient: true, unknown: true,
		},
		"lock held by somebody": {
			fail: func(t *testing.T, pool *pgxpool.Pool) error {
				t.Helper()
				holder, err := pool.Begin(t.Context())
				require.NoError(t, err)
				defer func() { require.NoError(t, holder.Rollback(t.Context())) }()
				_, err = holder.Exec(t.Context(), "select pg_advisory_xact_lock(1)")
				require.NoError(t, err)
				_, err = pool.Exec(t.Context(), "begin; set local lock_timeout = 1; select pg_advisory_xact_lock(1); commit", pgx.QueryExecModeSimpleProtocol)
				return err
			},
			lockTimeout: true,
		},
		"statement timeout": {
			fail: func(t *testing.T, pool *pgxpool.Pool) error {
				t.Helper()
				_, err := pool.Exec(t.Context(), "begin; set local statement_timeout = 1; select pg_sleep(60); commit", pgx.QueryExecModeSimpleProtocol)
				return err
			},
		},
		"commit of a failed transaction": {
			fail: func(t *testing.T, pool *pgxpool.Pool) error {
				t.Helper()
				tx, err := pool.Begin(t.Context())
				require.NoError(t, err)
				_, err = tx.Exec(t.Context(), "select 1/0")
				require.Error(t, err)
				return tx.Commit(t.Context())
			},
		},
		"context ended before": {
			fail: func(t *testing.T, pool *pgxpool.Pool) error {
				t.Helper()
				conn, err := pool.Acquire(t.Context())
				require.NoError(t, err)
				defer conn.Release()
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_, err = conn.Exec(ctx, "select 1")
				return err
			},
		},
		"context ended while it works": {
			fail: func(t *testing.T, pool *pgxpool.Pool) error {
				t.Helper()
				ctx, cancel := context.WithCancel(t.Context())
				go cancelWhenAsleep(t, pool, cancel)
				_, err := pool.Exec(ctx, "select pg_sleep(60)")
				return err
			},
			unknown: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.fail(t, dbtest.Empty(t).Pool(t))
			require.Error(t, err)
			err = fmt.Errorf("wrapped: %w", err)
			require.Equal(t, test.transient, db.IsTransient(err), "transient: %v", err)
			require.Equal(t, test.lockTimeout, db.IsLockTimeout(err), "lock timeout: %v", err)
			require.Equal(t, test.unknown, db.OutcomeUnknown(err), "outcome unknown: %v", err)
		})
	}
	require.False(t, db.IsTransient(nil))
	require.False(t, db.OutcomeUnknown(nil))
}

// terminated is the error of a statement whose backend is ended by somebody else.
func terminated(t *testing.T, pool *pgxpool.Pool) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := pool.Exec(t.Context(), "select pg_sleep(60)")
		ended <- err
	}()
	whenAsleep(t, pool)
	_, err := pool.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()")
	require.NoError(t, err)
	return <-ended
}

// cancelWhenAsleep cancels as soon as a statement of the pool's database sleeps.
func cancelWhenAsleep(t *testing.T, pool *pgxpool.Pool, cancel context.CancelFunc) {
	t.Helper()
	whenAsleep(t, pool)
	cancel()
}

// whenAsleep returns as soon as a statement of the pool's database sleeps.
func whenAsleep(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for t.Context().Err() == nil {
		var asleep bool
		err := pool.QueryRow(t.Context(), `
select exists (select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database())`).Scan(&asleep)
		if err != nil || asleep {
			return
		}
	}
}
