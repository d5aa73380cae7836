package migrations_test

import (
	"context"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/db/migrations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// objects counts what is in schema weir.
const objects = `
select (select count(*) from pg_class where relnamespace = n.oid)
     + (select count(*) from pg_type where typnamespace = n.oid)
     + (select count(*) from pg_proc where pronamespace = n.oid)
from pg_namespace n where nspname = 'weir'`

func TestUpDownUp(t *testing.T) {
	t.Parallel()
	database := dbtest.Empty(t)
	pool := database.Pool(t)

	up, err := migrations.Up(t.Context(), database.URL, nil)
	require.NoError(t, err)
	require.Equal(t, migrations.Latest(), up.Version, "schema_info says the version of the newest migration")
	require.Equal(t, migrations.LatestRiver(), up.River)
	require.NoError(t, db.CheckSchema(t.Context(), pool, migrations.Need()))
	before := catalog(t, database)

	again, err := migrations.Up(t.Context(), database.URL, nil)
	require.NoError(t, err)
	require.Empty(t, again.Changed)
	require.Equal(t, up.Version, again.Version)

	down, err := migrations.Down(t.Context(), database.URL, 0, nil)
	require.NoError(t, err)
	require.Len(t, down.Changed, len(up.Changed))
	var left int
	require.NoError(t, pool.QueryRow(t.Context(), objects).Scan(&left))
	require.Zero(t, left, "schema weir is there and empty")
	require.ErrorIs(t, db.CheckSchema(t.Context(), pool, migrations.Need()), db.ErrNotMigrated)

	down, err = migrations.Down(t.Context(), database.URL, 0, nil)
	require.NoError(t, err)
	require.Empty(t, down.Changed)

	_, err = migrations.Up(t.Context(), database.URL, nil)
	require.NoError(t, err)
	require.Equal(t, before, catalog(t, database), "the same schema as the first time")
}

// Ten replicas that start at once: one migrates, the others wait, and all of them find the same.
func TestUpByTenAtOnce(t *testing.T) {
	t.Parallel()
	const replicas = 10
	one := dbtest.Empty(t)
	for name, url := range map[string]func(t *testing.T) string{
		"on one database":    func(*testing.T) string { return one.URL },
		"on a database each": func(t *testing.T) string { t.Helper(); return dbtest.Empty(t).URL },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var group sync.WaitGroup
			results := make([]migrations.Result, replicas)
			errs := make([]error, replicas)
			for i := range replicas {
				target := url(t)
				group.Go(func() { results[i], errs[i] = migrations.Up(t.Context(), target, nil) })
			}
			group.Wait()
			all := migrations.LatestRiver() + migrations.Latest()
			changed := 0
			for i := range replicas {
				require.NoError(t, errs[i])
				require.Equal(t, migrations.Latest(), results[i].Version)
				require.Contains(t, []int{0, all}, len(results[i].Changed), "nobody does a part")
				changed += len(results[i].Changed)
			}
			if name == "on one database" {
				require.Equal(t, all, changed, "each migration was applied once")
			} else {
				require.Equal(t, replicas*all, changed)
			}
		})
	}
}

func TestUpWaitsForTheLockOnlyAsLongAsItsContext(t *testing.T) {
	t.Parallel()
	database := dbtest.Empty(t)
	holder, err := db.Connect(t.Context(), db.Config{URL: database.URL})
	require.NoError(t, err)
	defer holder.Close(t.Context())
	_, err = holder.Exec(t.Context(), "select pg_advisory_lock($1)", migrations.LockKey)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := migrations.Up(ctx, database.URL, nil)
		done <- err
	}()
	// It is connected, and asks for the lock.
	require.Eventually(t, func() bool {
		var asking bool
		err := holder.QueryRow(t.Context(), `
select exists (select from pg_stat_activity where datname = current_database() and query like '%pg_try_advisory_lock%' and pid <> pg_backend_pid())`).Scan(&asking)
		return err == nil && asking
	}, patience, tick)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	var exists bool
	require.NoError(t, holder.QueryRow(t.Context(), "select to_regnamespace('weir') is not null").Scan(&exists))
	require.False(t, exists, "nothing was done without the lock")
}

func TestUpRefusesAPooler(t *testing.T) {
	t.Parallel()
	database := dbtest.Empty(t)
	_, err := migrations.Up(t.Context(), dbtest.Pooler(t, database.URL), nil)
	var refused *db.ConnectError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Error(), "pooler")
	require.Contains(t, refused.Try(), "--direct-database-url")
	_, err = migrations.Up(t.Context(), database.URL, nil)
	require.NoError(t, err)
}

func TestUpSaysWhatIsWrongWithTheURL(t *testing.T) {
	t.Parallel()
	_, err := migrations.Up(t.Context(), "postgres://weir@127.0.0.1:1/weir", nil)
	var refused *db.ConnectError
	require.ErrorAs(t, err, &refused)
}

// info is a migration that makes what every schema has.
const info = `-- +goose Up
create table weir.schema_info (version int, min_binary int, epoch uuid default gen_random_uuid(), migrated_at timestamptz default now());
insert into weir.schema_info values (1, 1);
-- +goose Down
drop table weir.schema_info;
`

// A migration that fails leaves nothing, those before it stay, and the next try goes on from there.
func TestUpAfterAFailure(t *testing.T) {
	t.Parallel()
	database := dbtest.Empty(t)
	files := fstest.MapFS{
		"00001_info.sql": {Data: []byte(info)},
		"00002_bad.sql":  {Data: []byte("-- +goose Up\ncreate table weir.half ();\nselect 1 / 0;\n")},
	}
	result, err := migrations.UpFS(t.Context(), database.URL, files, nil)
	refusal, ok := db.AsError(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "22012", refusal.SQLState)
	require.Equal(t, "00001_info.sql", result.Changed[len(result.Changed)-1])
	var half bool
	require.NoError(t, database.Pool(t).QueryRow(t.Context(), "select to_regclass('weir.half') is not null").Scan(&half))
	require.False(t, half)

	files["00002_bad.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\ncreate table weir.half ();\n-- +goose Down\ndrop table weir.half;\n")}
	result, err = migrations.UpFS(t.Context(), database.URL, files, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"00002_bad.sql"}, result.Changed)

	result, err = migrations.DownFS(t.Context(), database.URL, 1, files, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"00002_bad.sql"}, result.Changed)
	require.Equal(t, 1, result.Version)
	require.Equal(t, migrations.LatestRiver(), result.River, "only Down to 0 touches River's tables")
}

func TestDownToNoVersion(t *testing.T) {
	t.Parallel()
	_, err := migrations.Down(t.Context(), dbtest.URL(t), -1, nil)
	require.ErrorContains(t, err, "there is no version -1")
}
