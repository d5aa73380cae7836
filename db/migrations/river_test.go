package migrations_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/db/migrations"
)

// River's two GIN indexes go with our migration and come back when it is taken back; nothing of ours is on its tables.
func TestRiversTables(t *testing.T) {
	t.Parallel()
	const (
		gin      = "select count(*) from pg_indexes where schemaname = 'weir' and tablename = 'river_job' and indexdef like '%USING gin%'"
		settings = "select coalesce(array_length(reloptions, 1), 0) from pg_class where oid = 'weir.river_job'::regclass"
		river    = 6 // 00006_river.sql
	)
	database := dbtest.New(t)
	pool := database.Pool(t)
	require.Zero(t, one[int](t, pool, gin))
	require.Equal(t, 3, one[int](t, pool, settings))
	// A refused row would poison River's batches.
	require.Zero(t, one[int](t, pool, `select count(*) from pg_trigger join pg_class c on c.oid = tgrelid where relname like 'river\_%'`))
	require.Zero(t, one[int](t, pool, `
select count(*) from pg_constraint join pg_class c on c.oid in (conrelid, confrelid) where contype = 'f' and relname like 'river\_%'`))

	_, err := migrations.Down(t.Context(), database.URL, river-1, nil)
	require.NoError(t, err)
	require.Equal(t, 2, one[int](t, pool, gin))
	require.Zero(t, one[int](t, pool, settings))
	_, err = migrations.Up(t.Context(), database.URL, nil)
	require.NoError(t, err)
	require.Zero(t, one[int](t, pool, gin))
}
