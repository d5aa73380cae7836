package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/weirqueue/weir/db"
)

// lockTimeout is how long one statement of a migration waits for a table that is in use. Whoever wants the
// table after it waits too, so better give up and be run again.
const lockTimeout = 10 * time.Second

// session is one migration of a database, under the lock from open to close.
type session struct {
	lock   *pgx.Conn
	pool   *pgxpool.Pool
	sqlDB  *sql.DB
	goose  *goose.Provider
	river  *rivermigrate.Migrator[pgx.Tx]
	logger *slog.Logger
}

// open connects, refuses a pooler, takes the lock and makes sure that the schema is there.
func open(ctx context.Context, url string, fsys fs.FS, logger *slog.Logger) (*session, error) {
	if logger == nil {
		logger = discard()
	}
	config := db.Config{
		URL:              url,
		AppName:          "weir migrate",
		MaxConns:         2,
		StatementTimeout: -1,
		LockTimeout:      lockTimeout,
		Logger:           logger,
	}
	conn, err := db.Connect(ctx, config)
	if err != nil {
		return nil, err
	}
	s := &session{lock: conn, logger: logger}
	if err := s.prepare(ctx, config, fsys); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

// prepare does all of open that can fail after the first connection.
func (s *session) prepare(ctx context.Context, config db.Config, fsys fs.FS) error {
	if err := db.CheckDirect(ctx, s.lock); err != nil {
		return err
	}
	if err := lock(ctx, s.lock, s.logger); err != nil {
		return err
	}
	if _, err := s.lock.Exec(ctx, "create schema if not exists "+schema); err != nil {
		return fmt.Errorf("create schema %s: %w", schema, err)
	}
	pool, err := db.Open(ctx, config)
	if err != nil {
		return err
	}
	s.pool = pool
	s.sqlDB = stdlib.OpenDBFromPool(pool)
	s.goose, err = goose.NewProvider(goose.DialectPostgres, s.sqlDB, fsys,
		goose.WithTableName(schema+".goose_version"),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(discard()))
	if err != nil {
		return fmt.Errorf("prepare the migrations: %w", err)
	}
	s.river, err = rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: schema, Logger: discard()})
	if err != nil {
		return fmt.Errorf("prepare River's migrations: %w", err)
	}
	return nil
}

// held fails if the connection that holds the lock is gone, and the lock with it.
func (s *session) held(ctx context.Context) error {
	if err := s.lock.Ping(ctx); err != nil {
		return fmt.Errorf("hold the migration lock: %w", err)
	}
	return nil
}

// close gives the lock back by ending its session.
func (s *session) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var err error
	if s.sqlDB != nil {
		err = s.sqlDB.Close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	return errors.Join(err, s.lock.Close(ctx))
}

// discard is a logger for those who are told too much otherwise.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
