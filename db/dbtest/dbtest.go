package dbtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/migrations"
)

const (
	// startWithin bounds finding and starting a server, a download or a pulled image included.
	startWithin = 5 * time.Minute
	// createWithin bounds making and dropping one database.
	createWithin = time.Minute
)

// theServer is this process's way to the server that all test processes share. It cannot belong to a test,
// since no test is the first or the last to need it.
var theServer = sync.OnceValues(func() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	return find(ctx, environment())
})

// DB is the database of one test.
type DB struct {
	// Name is the database's.
	Name string
	// URL leads to it as a user who may do everything in it.
	URL string
}

// New makes a migrated database for the test and drops it at its end, unless the test has failed. It may be
// called more than once in a test, and by many tests at the same time.
func New(t testing.TB) *DB {
	t.Helper()
	return create(t, func(ctx context.Context, s *server, name string) error {
		return s.clone(ctx, name, migrations.Fingerprint())
	})
}

// Empty makes a database that is not migrated, with nothing in it, not even schema weir.
func Empty(t testing.TB) *DB {
	t.Helper()
	return create(t, func(ctx context.Context, s *server, name string) error {
		return s.exec(ctx, "create database "+quote(name)+" template template0")
	})
}

// URL makes a migrated database for the test, as [New] does, and returns the URL that leads to it.
func URL(t testing.TB) string {
	t.Helper()
	return New(t).URL
}

// Pool makes a migrated database for the test, as [New] does, and opens a pool on it, as [DB.Pool] does.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return New(t).Pool(t)
}

// Pool opens a pool of [db.DefaultMaxConns] connections on the database and closes it at the end of the
// test. What the test has acquired from it must be released by then.
func (d *DB) Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), createWithin)
	defer cancel()
	pool, err := db.Open(ctx, db.Config{URL: d.URL, AppName: "test " + d.Name})
	if err != nil {
		t.Fatalf("open the test database: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// create makes a database by way of fill, and drops it at the end of the test.
func create(t testing.TB, fill func(ctx context.Context, s *server, name string) error) *DB {
	t.Helper()
	s, err := theServer()
	if err != nil {
		t.Fatalf("find a PostgreSQL server for the tests: %v", err)
	}
	for _, line := range s.lines() {
		t.Log(line)
	}
	ctx, cancel := context.WithTimeout(context.Background(), createWithin)
	defer cancel()
	name := databaseName(t.Name())
	if err := fill(ctx, s, name); err != nil {
		t.Fatalf("make a test database: %v", err)
	}
	database := &DB{Name: name, URL: s.url(name)}
	t.Cleanup(func() { s.discard(t, database) })
	return database
}

// discard drops the database of a test that passed, and tells where the one of a failed test is.
func (s *server) discard(t testing.TB, database *DB) {
	t.Helper()
	if t.Failed() {
		err := s.keep()
		t.Logf("the test's database is kept: psql '%s'%s", database.URL, note(err))
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), createWithin)
	defer cancel()
	if err := s.exec(ctx, "drop database if exists "+quote(database.Name)+" with (force)"); err != nil {
		t.Errorf("drop the test's database: %v", err)
	}
}

// note is what is said if a database could not be marked as kept.
func note(err error) string {
	if err == nil {
		return ""
	}
	return " (only until the server is idle: " + err.Error() + ")"
}

// databasePrefix is what the names of all test databases start with.
const databasePrefix = "weir_test_"

// databaseName is a new name that tells which test it belongs to.
func databaseName(test string) string {
	slug := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(test), "_")
	slug = strings.Trim(strings.TrimPrefix(slug, "test"), "_")
	random := make([]byte, 5)
	_, _ = rand.Read(random) // never fails
	// A name of PostgreSQL has 63 bytes.
	return databasePrefix + slug[:min(len(slug), 40)] + "_" + hex.EncodeToString(random)
}

// quote makes an identifier of a name that has no quotes in it.
func quote(name string) string { return `"` + name + `"` }

// errNoServer is returned when every source was passed over.
var errNoServer = errors.New("there is none; install PostgreSQL (14 to 18) or Docker, or set WEIR_TEST_DATABASE_URL")
