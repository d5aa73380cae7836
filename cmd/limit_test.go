package cmd

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLimitCommands(t *testing.T) {
	t.Parallel()
	a := asked{server: served(t), run: "no run"}
	require.Equal(t, `key  db/main
limit  3, set by local at MOMENT
used  0
waiting  0
`, a.still(a.answer(t, "limit", "set", "db/main", "3")))
	require.Equal(t, `KEY  LIMIT  SET  USED  WAITING
db/main  3  by local  0  0
`, a.still(a.answer(t, "limit", "list")))
	require.Equal(t, "db/main\n", a.answer(t, "limit", "list", "-q"))
	require.JSONEq(t, a.raw(t, "/v1/limits"), a.answer(t, "limit", "list", "-o", "json"))
	require.JSONEq(t, a.raw(t, "/v1/limits/db%2Fmain"), a.answer(t, "limit", "show", "db/main", "-o", "json"))
	require.Contains(t, a.still(a.answer(t, "limit", "unset", "db/main")), "limit  as the next plan says that asks\n")

	for _, c := range []struct {
		args      []string
		code      int
		what, try string
	}{
		{[]string{"limit", "show", "db/main"}, exitError, "there is no such limit now", "weir limit list"},
		{[]string{"limit", "set", "db/main", "0"}, exitUsage, "--limit: expected a number from 1 to 100,000", "--help"},
		{[]string{"limit", "set", "~run", "1"}, exitUsage, "the key of a limit", "--help"},
		{[]string{"limit", "set", "k", "many"}, exitUsage, "many", "weir limit set --help"},
	} {
		code, stdout, stderr := runs(t, append(c.args, "--server", a.server)...)
		require.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		require.Empty(t, stdout)
		require.Contains(t, stderr, c.what)
		require.Contains(t, stderr, c.try)
	}
}
