package cmd

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// examined asks the doctor and answers its findings by check.
func examined(t *testing.T, url string, more ...string) (code int, found map[string]finding) {
	t.Helper()
	code, stdout, stderr := runs(t, append([]string{"doctor", "--database-url", url, "-o", "json"}, more...)...)
	var d diagnosis
	require.NoError(t, json.Unmarshal([]byte(stdout), &d), "%s%s", stdout, stderr)
	require.Equal(t, code == exitDone, d.OK)
	found = map[string]finding{}
	for _, f := range d.Checks {
		found[f.Check] = f
	}
	return code, found
}

func TestDoctorFindsNothingWrong(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	code, found := examined(t, url)
	require.Equal(t, exitDone, code, found)
	for _, check := range []string{"schema", "notify", "reconcile", "stuck", "violations"} {
		require.Equal(t, statusOK, found[check].Status, "%+v", found[check])
	}
	require.Equal(t, statusUnusual, found["replicas"].Status, "nobody works")

	code, stdout, stderr := runs(t, "doctor", "--database-url", url)
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, "violations  none")
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ plant, check string }{
		"a silent replica": {`
insert into weir.workers (id, name, seen_at, lease_until)
values (gen_random_uuid(), 'silent', clock_timestamp() - interval '1 minute', clock_timestamp() - interval '45 seconds')`, "replicas"},
		"a newer schema": {"update weir.schema_info set version = 7777, min_binary = 7776", "schema"},
		"a run set aside": {
			"insert into weir.quarantine (run_id, error) values (gen_random_uuid(), 'division by zero')", "reconcile",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.Pool(t)
			_, err := pool.Exec(t.Context(), c.plant)
			require.NoError(t, err)
			code, found := examined(t, pool.Config().ConnString())
			require.Equal(t, exitError, code)
			require.Equal(t, statusWrong, found[c.check].Status, "%+v", found[c.check])
			require.NotEmpty(t, found[c.check].Hint)
		})
	}
}

func TestDoctorOnADatabaseThatIsNotMigrated(t *testing.T) {
	t.Parallel()
	code, found := examined(t, dbtest.Empty(t).URL)
	require.Equal(t, exitError, code)
	require.Equal(t, "weir migrate up", found["schema"].Hint)
	require.NotContains(t, found, "violations")
}

func TestDoctorBehindAPooler(t *testing.T) {
	t.Parallel()
	address := dbtest.Pooler(t, dbtest.URL(t))
	code, found := examined(t, address, "--pgbouncer")
	require.Equal(t, exitError, code)
	require.Equal(t, statusWrong, found["notify"].Status)
	require.Contains(t, found["notify"].Hint, "--direct-database-url")
}

func TestDoctorWithoutADatabase(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := runs(t, "doctor", "--database-url", "postgres://127.0.0.1:1/weir")
	require.Equal(t, exitError, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "nothing listens at 127.0.0.1:1")
	require.Contains(t, stderr, "\ntry: ")
}
