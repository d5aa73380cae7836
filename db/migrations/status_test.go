package migrations_test

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/db/migrations"
)

const (
	// patience is how long a test waits for what has to come, and tick how often it looks.
	patience = 30 * time.Second
	tick     = 5 * time.Millisecond
)

func TestStatusOfAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	database := dbtest.Empty(t)
	state, err := migrations.Status(t.Context(), database.URL)
	require.NoError(t, err)
	require.Equal(t, db.Schema{}, state.Have)
	require.Equal(t, migrations.Need(), state.Need)
	require.Equal(t, migrations.Latest(), state.Pending())
	var exists bool
	require.NoError(t, database.Pool(t).QueryRow(t.Context(), "select to_regnamespace('weir') is not null").Scan(&exists))
	require.False(t, exists, "looking changes nothing")
}

func TestStatusOfAMigratedDatabase(t *testing.T) {
	t.Parallel()
	state, err := migrations.Status(t.Context(), dbtest.URL(t))
	require.NoError(t, err)
	require.Equal(t, migrations.Latest(), state.Have.Version)
	require.Equal(t, migrations.LatestRiver(), state.Have.River)
	require.Zero(t, state.Pending())
	require.Len(t, state.Migrations, migrations.Latest())
	for _, migration := range state.Migrations {
		require.False(t, migration.AppliedAt.IsZero(), migration.Name)
	}
}

func TestStatusOfAHalfMigratedDatabase(t *testing.T) {
	t.Parallel()
	database := dbtest.Empty(t)
	files := fstest.MapFS{"00001_info.sql": {Data: []byte(info)}}
	_, err := migrations.UpFS(t.Context(), database.URL, files, nil)
	require.NoError(t, err)
	files["00002_more.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nselect 1;\n")}
	state, err := migrations.StatusFS(t.Context(), database.URL, files)
	require.NoError(t, err)
	require.Equal(t, 1, state.Pending())
	require.Equal(t, "00002_more.sql", state.Migrations[1].Name)
	require.True(t, state.Migrations[1].AppliedAt.IsZero())
	require.False(t, state.Migrations[0].AppliedAt.IsZero())
}

func TestNeedIsNotMoreThanWhatIsBroughtAlong(t *testing.T) {
	t.Parallel()
	need := migrations.Need()
	require.Positive(t, need.Version)
	require.LessOrEqual(t, need.Version, need.Embedded)
	require.Len(t, migrations.Fingerprint(), 16)
}
