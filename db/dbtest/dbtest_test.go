package dbtest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/migrations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// observed is a test whose end is played, and whose log is kept.
type observed struct {
	testing.TB
	failed   bool
	cleanups []func()
	log      strings.Builder
}

func (o *observed) Cleanup(f func()) { o.cleanups = append(o.cleanups, f) }
func (o *observed) Failed() bool     { return o.failed }
func (o *observed) Logf(format string, args ...any) {
	o.log.WriteString(strings.TrimSpace(format))
	for _, arg := range args {
		if text, ok := arg.(string); ok {
			o.log.WriteString(" " + text)
		}
	}
}

// end does what the end of a test does.
func (o *observed) end() {
	for _, v := range slices.Backward(o.cleanups) {
		v()
	}
}

// exists asks the server whether it has the database.
func exists(t *testing.T, name string) bool {
	t.Helper()
	s, err := theServer()
	require.NoError(t, err)
	conn, err := db.Connect(t.Context(), db.Config{URL: s.admin})
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var found bool
	require.NoError(t, conn.QueryRow(t.Context(), "select exists (select from pg_database where datname = $1)", name).Scan(&found))
	return found
}

func TestEveryTestHasItsOwnMigratedDatabase(t *testing.T) {
	t.Parallel()
	first, second := New(t), New(t)
	require.NotEqual(t, first.Name, second.Name)
	for _, database := range []*DB{first, second} {
		pool := database.Pool(t)
		require.NoError(t, db.CheckSchema(t.Context(), pool, migrations.Need()))
		_, err := pool.Exec(t.Context(), "create table mine ()")
		require.NoError(t, err)
	}
	require.Contains(t, URL(t), "/"+databasePrefix)
}

func TestEmptyHasNothing(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, db.CheckSchema(t.Context(), Empty(t).Pool(t), migrations.Need()), db.ErrNotMigrated)
}

func TestDatabaseOfAPassedTestIsDropped(t *testing.T) {
	t.Parallel()
	test := &observed{TB: t}
	database := New(test)
	conn, err := db.Connect(t.Context(), db.Config{URL: database.URL}) // one that the test forgot
	require.NoError(t, err)
	defer conn.Close(t.Context())
	require.True(t, exists(t, database.Name))
	test.end()
	require.False(t, exists(t, database.Name))
	require.NotContains(t, test.log.String(), database.Name)
}

func TestDatabaseOfAFailedTestIsKept(t *testing.T) {
	t.Parallel()
	test := &observed{TB: t}
	database := New(test)
	test.failed = true
	test.end()
	require.True(t, exists(t, database.Name))
	require.Contains(t, test.log.String(), database.URL)
	test.failed = false
	test.end()
	require.False(t, exists(t, database.Name))
}

func TestDatabaseName(t *testing.T) {
	t.Parallel()
	name := databaseName("TestRuns/one_With Ümlaut/" + strings.Repeat("long", 30))
	require.Regexp(t, `^weir_test_runs_one_with_mlaut_[a-z_]+_[0-9a-f]{10}$`, name)
	require.LessOrEqual(t, len(name), 63)
	first, second := databaseName("Test"), databaseName("Test")
	require.NotEqual(t, first, second)
}

// Templates of other migrations come and go; one that somebody drops is made again.
func TestTemplates(t *testing.T) {
	t.Parallel()
	s, err := theServer()
	require.NoError(t, err)
	name := databaseName(t.Name())
	require.NoError(t, s.clone(t.Context(), name, "0000fortests0000"))
	require.True(t, exists(t, templatePrefix+"0000fortests0000"))
	require.NoError(t, s.exec(t.Context(), "drop database "+name))
	require.NoError(t, s.exec(t.Context(), "alter database "+templatePrefix+"0000fortests0000 with is_template false"))
	require.NoError(t, s.exec(t.Context(), "drop database "+templatePrefix+"0000fortests0000"))
}

func TestPoolerHandsOutServerConnectionsByTransaction(t *testing.T) {
	t.Parallel()
	through := Pooler(t, Empty(t).URL)
	config := db.Config{URL: through}
	first, err := db.Connect(t.Context(), config)
	require.NoError(t, err)
	defer first.Close(context.Background())
	second, err := db.Connect(t.Context(), config)
	require.NoError(t, err)
	defer second.Close(context.Background())
	pid := func(q db.Querier) (pid int) {
		require.NoError(t, q.QueryRow(t.Context(), "select pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid))
		return pid
	}
	require.Equal(t, pid(first), pid(second), "one after the other: the same")
	tx, err := first.Begin(t.Context())
	require.NoError(t, err)
	held := pid(tx)
	require.Equal(t, held, pid(tx))
	require.NotEqual(t, held, pid(second), "at the same time: another")
	require.NoError(t, tx.Commit(t.Context()))
}
