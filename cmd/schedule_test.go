package cmd

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestScheduleCommands(t *testing.T) {
	t.Parallel()
	a := asked{server: served(t), run: "none"}
	a.answer(t, "plan", "push", planIn(t, loadPlan))
	set := []string{"schedule", "set", "nightly", "--plan", "load/daily", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--input", "day=2"}
	require.Equal(t, "schedule nightly runs load/daily next at MOMENT\n", a.still(a.answer(t, set...)))
	require.Equal(t, "nightly\n", a.answer(t, append(set, "-q")...))
	require.Equal(t, "NAME  PLAN  CRON  TIMEZONE  NEXT  LAST  PROBLEM\nnightly  load/daily  30 2 * * *  Europe/Berlin  MOMENT  -  -\n",
		a.still(a.answer(t, "schedule", "list")))
	require.JSONEq(t, a.raw(t, "/v1/schedules"), a.answer(t, "schedule", "list", "-o", "json"))
	require.JSONEq(t, a.raw(t, "/v1/schedules/nightly"), a.answer(t, "schedule", "show", "nightly", "-o", "json"))
	require.Equal(t, `name  nightly
plan  load/daily
input  {"day":2}
cron  30 2 * * * (Europe/Berlin)
overlap  skip
missed  once, within 1d
next  MOMENT
created  MOMENT by local
updated  MOMENT by local
`, a.still(a.answer(t, "schedule", "show", "nightly")))
	require.Equal(t, "SLOT  DUE\nMOMENT  MOMENT\nMOMENT  MOMENT\n", a.still(a.answer(t, "schedule", "next", "nightly", "-n", "2")))
	require.JSONEq(t, a.raw(t, "/v1/schedules/nightly/next"), a.answer(t, "schedule", "next", "nightly", "-o", "json"))
	require.Equal(t, "schedule nightly is paused\n", a.answer(t, "schedule", "pause", "nightly"))
	require.Contains(t, a.still(a.answer(t, "schedule", "show", "nightly")), "next  paused since MOMENT\n")
	require.Equal(t, "schedule nightly is paused\n", a.answer(t, set...), "it stays as it is")

	var run struct {
		State  string
		Labels map[string]string
	}
	code, stdout, stderr := runs(t, "schedule", "trigger", "nightly", "--wait", "-o", "json", "--server", a.server)
	require.Equal(t, exitDone, code, stderr)
	require.NoError(t, json.Unmarshal([]byte(stdout), &run))
	require.Equal(t, "succeeded", run.State)
	require.Equal(t, map[string]string{"weir/schedule": "nightly"}, run.Labels)
	first := a.answer(t, "schedule", "trigger", "nightly", "--idempotency-key", "k")
	require.Regexp(t, `^[0-9a-f-]{36}\n$`, first)
	require.Equal(t, first, a.answer(t, "schedule", "trigger", "nightly", "--idempotency-key", "k"))

	require.Contains(t, a.answer(t, append(set, "--no-paused")...), "next at")
	require.Equal(t, "schedule nightly is paused\n", a.answer(t, append(set, "--paused")...))
	require.Contains(t, a.answer(t, "schedule", "resume", "nightly"), "next at")
	require.Equal(t, "schedule nightly is gone\n", a.answer(t, "schedule", "delete", "nightly"))

	a.answer(t, "schedule", "set", "often", "--plan", "load/daily@1", "--cron", "@every 1s", "--overlap", "allow")
	require.Eventually(t, func() bool {
		var runs struct{ Items []struct{ State string } }
		a.json(t, &runs, "runs", "--label", "weir/schedule=often", "--state", "succeeded")
		return len(runs.Items) >= 2
	}, patience, 50*time.Millisecond)
	require.Contains(t, a.still(a.answer(t, "schedule", "show", "often")), "last  MOMENT made run ")

	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"show", "nightly"}, exitError, "weir: there is no schedule with this name\ntry: weir schedule list --server " + a.server + "\n"},
		{[]string{"trigger", "nightly"}, exitError, "there is no schedule with this name"},
		{[]string{"next", "often", "-n", "0"}, exitUsage, "-n is 1 to 100"},
		{[]string{"set", "x", "--plan", "nothing", "--cron", "@daily"}, exitUsage, "weir: --plan: there is no plan with this name: put it first"},
		{[]string{"set", "x", "--plan", "load/daily", "--cron", "99 * * * *"}, exitUsage, "--cron: has no good minute"},
		{[]string{"set", "x", "--plan", "load/daily", "--cron", "@daily", "--timezone", "Mars"}, exitUsage, "--timezone: is not a time zone"},
		{[]string{"set", "x", "--plan", "load/daily", "--cron", "@daily", "--window", "1w"}, exitUsage, "--window: must be a duration"},
		{[]string{"set", "x", "--plan", "load/daily", "--cron", "@daily", "--overlap", "explode"}, exitUsage, "--overlap"},
		{[]string{"set", "x", "--cron", "@daily"}, exitUsage, "--plan"},
	} {
		code, stdout, stderr := runs(t, append(append([]string{"schedule"}, c.args...), "--server", a.server)...)
		require.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		require.Empty(t, stdout)
		require.Contains(t, stderr, c.want)
	}
}
