package cmd

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/db/migrations"
)

// migrationsOf asks for the status of a database.
func migrationsOf(t *testing.T, url string) migrationStatus {
	t.Helper()
	code, stdout, stderr := runs(t, "migrate", "status", "--database-url", url, "-o", "json")
	require.Equal(t, exitDone, code, stderr)
	var status migrationStatus
	require.NoError(t, json.Unmarshal([]byte(stdout), &status))
	return status
}

func TestMigrateUpAndDown(t *testing.T) {
	t.Parallel()
	url := dbtest.Empty(t).URL
	status := migrationsOf(t, url)
	require.Zero(t, status.Schema)
	require.Nil(t, status.Migrations[0].AppliedAt)

	code, stdout, stderr := runs(t, "WEIR_DATABASE_URL="+url, "migrate", "up")
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, "applied 00001_weir.sql")
	status = migrationsOf(t, url)
	require.Equal(t, migrations.Latest(), status.Schema)
	require.NotNil(t, status.Migrations[0].AppliedAt)
	code, stdout, _ = runs(t, "migrate", "up", "--database-url", url)
	require.Equal(t, exitDone, code)
	require.Contains(t, stdout, "nothing to do")

	// Nothing is destroyed unless somebody says so.
	code, stdout, stderr = runs(t, "migrate", "down", "--to", "0", "--database-url", url)
	require.Equal(t, exitError, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "destroys what its tables hold")
	require.Contains(t, stderr, "weir: nothing was changed")
	require.Contains(t, stderr, "\ntry: weir migrate down --to 0 --yes")
	require.Equal(t, migrations.Latest(), migrationsOf(t, url).Schema)
	code, _, stderr = runs(t, "migrate", "down", "--database-url", url, "--yes")
	require.Equal(t, exitUsage, code, "how far has to be said")
	require.Contains(t, stderr, "--to")

	code, stdout, stderr = runs(t, "migrate", "down", "--to", "0", "--yes", "--database-url", url)
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, "taken back 00001_weir.sql")
	require.Zero(t, migrationsOf(t, url).Schema)
}

func TestMigrateUpTenAtOnce(t *testing.T) {
	t.Parallel()
	url := dbtest.Empty(t).URL
	var wg sync.WaitGroup
	for range 10 {
		c := start(t, "migrate", "up", "--database-url", url)
		wg.Go(func() { <-c.done })
		t.Cleanup(func() { require.Equal(t, exitDone, c.code, c.stderr) })
	}
	wg.Wait()
	require.Equal(t, migrations.Latest(), migrationsOf(t, url).Schema)
}

func TestMigrateRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
		what string
	}{
		"no command":      {[]string{"migrate"}, exitUsage, "expected one of"},
		"no database":     {[]string{"migrate", "up"}, exitError, "no database URL is given"},
		"nobody there":    {[]string{"migrate", "status", "--database-url", "postgres://127.0.0.1:1/weir"}, exitError, "nothing listens at 127.0.0.1:1"},
		"below nothing":   {[]string{"migrate", "down", "--to=-1", "--database-url", "postgres://127.0.0.1:1/weir"}, exitUsage, "--to is a version"},
		"above the whole": {[]string{"migrate", "down", "--to", "7777", "--yes", "--database-url", dbtest.URL(t)}, exitError, "--to 7777 is above it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := runs(t, c.args...)
			require.Equal(t, c.code, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, "weir: ")
			require.Contains(t, stderr, c.what)
			require.Contains(t, stderr, "\ntry: ")
		})
	}
}
