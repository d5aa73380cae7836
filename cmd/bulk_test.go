package cmd

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBulkCommands(t *testing.T) {
	t.Parallel()
	a := asked{server: served(t)}
	a.answer(t, "queue", "pause", "default")
	for _, team := range []string{"data", "data", "web"} {
		submitted(t, a.server, "name: p\nlabels: {team: "+team+"}\nsteps: [{key: a, kind: noop}]")
	}
	require.Equal(t, "would cancel 2 runs\n", a.answer(t, "cancel", "--all", "--state", "running", "--name", "p", "--label", "team=data", "--dry-run"))
	require.Equal(t, "3\n", a.answer(t, "cancel", "--dry-run", "-q"), "to count is safe")
	require.JSONEq(t, `{"count": 2}`, a.answer(t, "cancel", "--label", "team=data", "--dry-run", "-o", "json"))

	said := a.answer(t, "cancel", "--label", "team=data", "--reason", "why")
	match := regexp.MustCompile(`^bulk (\S+): cancel 2 runs in the background\ntry: weir bulk show (\S+)\n$`).FindStringSubmatch(said)
	require.Len(t, match, 3, said)
	id := match[1]
	require.Equal(t, id, match[2])
	require.Equal(t, "bulk "+id+" is done: cancel done to 2 of 2 runs\n", a.answer(t, "bulk", "show", id, "--wait"))
	a.run = id
	require.Equal(t, `id  RUN
action  cancel
runs  team=data
state  done
done  2 of 2
reason  why
created  MOMENT by local
took  SPAN
`, a.still(a.answer(t, "bulk", "show", id)))
	require.JSONEq(t, a.raw(t, "/v1/bulks/"+id), a.answer(t, "bulk", "show", id, "-o", "json"))
	require.Contains(t, a.answer(t, "cancel", "--all", "--wait"), "is done: cancel done to 1 of 1 run\n")
	require.Len(t, strings.Fields(a.answer(t, "bulk", "list", "-q")), 2)
	require.Equal(t, []string{id}, strings.Fields(a.answer(t, "bulk", "list", "-q"))[1:])
	require.Contains(t, a.still(a.answer(t, "bulk", "list")), "RUN  cancel  done  2  0  2  MOMENT  SPAN  team=data\n")

	for _, c := range []struct {
		args      []string
		code      int
		what, try string
	}{
		{[]string{"cancel"}, exitUsage, "which run?", "weir cancel --all --dry-run"},
		{[]string{"cancel", id, "--all"}, exitUsage, "an ID is one run", "weir cancel --help"},
		{[]string{"cancel", id, "--wait"}, exitUsage, "--wait is for many", "weir run ID --wait"},
		{[]string{"cancel", "--state", "over"}, exitUsage, "--state is running", "--state running"},
		{[]string{"cancel", "--state", "failed"}, exitUsage, "cancel is for runs that are running or paused", "--help"},
		{[]string{"cancel", "--label", "x"}, exitUsage, "--label is KEY=VALUE", "--label team=data"},
		{[]string{"cancel", "--label", "x=1", "--label", "x=2"}, exitUsage, "two values", "--label"},
		{[]string{"cancel", "--created-after", "yesterday"}, exitUsage, "--created-after is a time", "--created-after 2026"},
		{[]string{"cancel", "--name", "\x01"}, exitDone, "", ""},
		{[]string{"bulk", "show", "7"}, exitUsage, "the id of a bulk is", "weir bulk show --help"},
		{[]string{"bulk", "show", "01980000-0000-7000-8000-000000000000"}, exitError, "there is no such operation", "weir bulk list"},
		{[]string{"bulk", "cancel", id}, exitError, "the operation has ended (done since", "weir bulk show " + id},
	} {
		code, _, stderr := runs(t, append(c.args, "--server", a.server)...)
		require.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		require.Contains(t, stderr, c.what)
		require.Contains(t, stderr, c.try)
	}
}
