package db_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
)

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		version, minBinary int
		need               db.Need
		what, hint         string
	}{
		"as new as the binary":      {version: 4, minBinary: 4, need: db.Need{Version: 4, Embedded: 4}},
		"newer, and compatible":     {version: 6, minBinary: 4, need: db.Need{Version: 4, Embedded: 4}},
		"older, and enough":         {version: 3, minBinary: 1, need: db.Need{Version: 3, Embedded: 5}},
		"older than the binary can": {version: 2, minBinary: 1, need: db.Need{Version: 3, Embedded: 5}, what: "at schema version 2, and this binary needs at least 3", hint: "weir migrate up"},
		"newer than the binary can": {version: 7, minBinary: 6, need: db.Need{Version: 3, Embedded: 5}, what: "knows schema version 5, and the database, at version 7, accepts only binaries that know 6 or later", hint: "deploy a newer weir"},
		"River's tables too old":    {version: 4, minBinary: 4, need: db.Need{Version: 4, Embedded: 4, River: 1000}, what: "and this binary needs at least 1000", hint: "weir migrate up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.Pool(t)
			_, err := pool.Exec(t.Context(), "update weir.schema_info set version = $1, min_binary = $2", test.version, test.minBinary)
			require.NoError(t, err)

			err = db.CheckSchema(t.Context(), pool, test.need)

			if test.what == "" {
				require.NoError(t, err)
				return
			}
			var mismatch *db.SchemaError
			require.ErrorAs(t, err, &mismatch)
			require.Contains(t, mismatch.Error(), test.what)
			require.Contains(t, mismatch.Try(), test.hint)
			require.Equal(t, test.version, mismatch.Have.Version)
			require.Equal(t, test.need, mismatch.Need)
			require.NotErrorIs(t, err, db.ErrNotMigrated)
		})
	}
}

func TestSchemaVersion(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	schema, err := db.SchemaVersion(t.Context(), pool)
	require.NoError(t, err)
	require.Positive(t, schema.Version)
	require.Positive(t, schema.MinBinary)
	require.Positive(t, schema.River)
	require.NotEqual(t, uuid.Nil, schema.Epoch)
	require.False(t, schema.MigratedAt.IsZero())
}

func TestSchemaOfADatabaseThatIsNotMigrated(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]string{
		"nothing there":      "select 1",
		"an empty schema":    "create schema weir",
		"an empty info":      "create schema weir; create table weir.schema_info (version int, min_binary int, epoch uuid, migrated_at timestamptz); create table weir.river_migration (version int, line text)",
		"River's only":       "create schema weir; create table weir.river_migration (version int, line text)",
		"ours without River": "create schema weir; create table weir.schema_info (version int)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.Empty(t).Pool(t)
			_, err := pool.Exec(t.Context(), prepare, pgx.QueryExecModeSimpleProtocol)
			require.NoError(t, err)
			need := db.Need{Version: 1, Embedded: 1}
			err = db.CheckSchema(t.Context(), pool, need)
			require.ErrorIs(t, err, db.ErrNotMigrated)
			var mismatch *db.SchemaError
			require.ErrorAs(t, err, &mismatch)
			require.Equal(t, "weir migrate up", mismatch.Try())
			require.Equal(t, need, mismatch.Need)
		})
	}
}
