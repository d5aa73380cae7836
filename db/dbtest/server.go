package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db"
)

// server is a PostgreSQL server on which we may create databases.
type server struct {
	// admin leads to a database of it that is not one of the tests'.
	admin string
	// hold is a connection that tells a server of our own that it is still needed: it lasts as long as
	// this process. Nil for servers that are not ours.
	hold *pgx.Conn
	// keep tells the server that somebody will want to look at a database after the tests.
	keep func() error

	mu    sync.Mutex
	notes []string
}

// lines returns, once, what there is to say about how the server was found.
func (s *server) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.notes
	s.notes = nil
	return lines
}

// url leads to another database of the server.
func (s *server) url(database string) string {
	target, err := url.Parse(s.admin)
	if err != nil {
		return s.admin // it was parsed before
	}
	target.Path = "/" + database
	return target.String()
}

// exec runs one statement on a connection of its own, so that no test waits for another's.
func (s *server) exec(ctx context.Context, sql string) error {
	return s.with(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql)
		return err
	})
}

// with runs work on a connection of its own to the admin database.
func (s *server) with(ctx context.Context, work func(*pgx.Conn) error) error {
	conn, err := db.Connect(ctx, db.Config{URL: s.admin, AppName: "weir dbtest"})
	if err != nil {
		return err
	}
	err = work(conn)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// checkServer makes sure that the server is one that Weir works with, and that we may create databases on it.
func checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var createDB bool
	err := conn.QueryRow(ctx, `
select current_setting('server_version_num')::int / 10000, rolsuper or rolcreatedb
from pg_roles where rolname = current_user`).Scan(&version, &createDB)
	switch {
	case err != nil:
		return fmt.Errorf("ask the server for its version: %w", err)
	case version < 14:
		return fmt.Errorf("it is PostgreSQL %d, and Weir needs 14 or later", version)
	case !createDB:
		return errors.New("its user may not create databases: alter role … createdb")
	}
	return nil
}
