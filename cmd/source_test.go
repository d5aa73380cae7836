package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// repository is a git repository with one commit.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, args := range [][]string{
		{"init", "-q"},
		{"-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false", "commit", "-q", "--allow-empty", "-m", "one"},
	} {
		output, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
	return dir
}

func TestSourceComparesBuilds(t *testing.T) {
	t.Parallel()
	dir := repository(t)
	clean, err := readCheckout(t.Context(), dir)
	require.NoError(t, err)
	require.Len(t, clean.revision, 40)
	require.False(t, clean.modified)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "new"), nil, 0o600))
	changed, err := readCheckout(t.Context(), dir)
	require.NoError(t, err)
	require.True(t, changed.modified)

	short := clean.revision[:shortRevision]
	for name, c := range map[string]struct {
		have   checkout
		builds []string
		status string
	}{
		"all of it":             {clean, []string{"(devel)-" + short, "v0.0.0-20260102030405-" + short, "v1.2.3-" + short}, statusOK},
		"another revision":      {clean, []string{"v1.2.3-" + short, "v1.2.3-0123456789ab"}, statusWrong},
		"another and changes":   {changed, []string{"v1.2.3-0123456789ab+dirty"}, statusWrong},
		"an unknown revision":   {clean, []string{"v1.2.3-" + short, "(devel)"}, statusUnusual},
		"a release":             {clean, []string{"v1.2.3"}, statusUnusual},
		"changes in a build":    {clean, []string{"v1.2.3-" + short + "+dirty"}, statusUnusual},
		"changes in a checkout": {changed, []string{"v1.2.3-" + short}, statusUnusual},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var builds []built
			for _, build := range c.builds {
				builds = append(builds, built{"replica r", build})
			}
			f := compareSource(c.have, builds)
			require.Equal(t, c.status, f.Status, "%+v", f)
			require.Equal(t, c.status == statusOK, len(f.Details) == 0, "%+v", f)
		})
	}
}

func TestDoctorComparesWithASource(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	url, dir := pool.Config().ConnString(), repository(t)
	code, found := examined(t, url, "--source", dir)
	require.Equal(t, exitDone, code, found)
	require.Equal(t, statusUnusual, found["source"].Status, "a test binary does not know its revision")
	_, found = examined(t, url)
	require.NotContains(t, found, "source", "nobody has asked")

	_, err := pool.Exec(t.Context(), `
insert into weir.workers (id, name, host, build, lease_until) values (gen_random_uuid(), 'stale', 'host-1', 'v1-0123456789ab', clock_timestamp() + interval '1 hour')`)
	require.NoError(t, err)
	code, found = examined(t, url, "--source", dir)
	require.Equal(t, exitError, code)
	source := found["source"]
	require.Equal(t, statusWrong, source.Status)
	have, err := readCheckout(t.Context(), dir)
	require.NoError(t, err)
	for _, said := range []string{"stale on host-1", "v1-0123456789ab", have.revision[:shortRevision]} {
		require.Contains(t, source.Details[0], said)
	}

	for where, said := range map[string]string{filepath.Join(dir, "nowhere"): "there is no directory", t.TempDir(): "is no git checkout"} {
		code, found = examined(t, url, "--source", where)
		require.Equal(t, exitError, code)
		require.Contains(t, found["source"].Message, said)
	}
}
