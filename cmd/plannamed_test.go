package cmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const loadPlan = `
name: load/daily
description: loads a day
input: {day: 1, table: sales}
steps:
  - {key: load, kind: noop, with: {output: '${{ input.day }}'}}
`

func TestNamedPlanCommands(t *testing.T) {
	t.Parallel()
	a := asked{server: served(t), run: "none"}
	require.Equal(t, "load/daily@1\n", a.answer(t, "plan", "push", planIn(t, loadPlan)))
	require.Equal(t, "load/daily@1\n", a.answer(t, "plan", "push", planIn(t, loadPlan), "-q"))
	other := strings.Replace(loadPlan, "sales", "orders", 1)
	require.Equal(t, "load/daily@2\n", a.answer(t, "plan", "push", planIn(t, other)))
	require.Equal(t, "NAME  VERSION  PUT  BY  DESCRIPTION\nload/daily  2  MOMENT  local  loads a day\n", a.still(a.answer(t, "plan", "list")))
	require.Equal(t, "load/daily\n", a.answer(t, "plan", "list", "-q"))
	require.Equal(t, "load/daily@2\nload/daily@1\n", a.answer(t, "plan", "history", "load/daily", "-q"))
	require.JSONEq(t, a.raw(t, "/v1/plans"), a.answer(t, "plan", "list", "-o", "json"))
	require.JSONEq(t, a.raw(t, "/v1/plans/load%2Fdaily?version=1"), a.answer(t, "plan", "show", "load/daily@1", "-o", "json"))
	shown := a.answer(t, "plan", "show", "load/daily@1")
	require.Equal(t, "load/daily@3\n", a.answer(t, "plan", "push", planIn(t, shown)), "what is shown can be put")
	diff := a.answer(t, "plan", "diff", "load/daily", "1", "2")
	require.Contains(t, diff, "--- load/daily@1\n+++ load/daily@2\n")
	require.Contains(t, diff, "\n-  table: sales\n+  table: orders\n")
	require.Empty(t, a.answer(t, "plan", "diff", "load/daily", "1", "3"))

	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"plan", "show", "nothing"}, exitError, "weir: there is no plan with this name\ntry: weir plan list --server " + a.server + "\n"},
		{[]string{"plan", "show", "load/daily@7"}, exitError, "weir: the plan has no such version"},
		{[]string{"plan", "show", "Load"}, exitUsage, "NAME@VERSION"},
		{[]string{"plan", "history", "nothing"}, exitError, "there is no plan"},
		{[]string{"plan", "diff", "load/daily", "-1"}, exitUsage, "weir:"},
		{[]string{"plan", "push", planIn(t, "name: a\nsteps: []\n")}, exitUsage, "steps: has no steps"},
	} {
		code, stdout, stderr := runs(t, append(c.args, "--server", a.server)...)
		require.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		require.Empty(t, stdout)
		require.Contains(t, stderr, c.want)
	}
}

func TestSubmitNamed(t *testing.T) {
	t.Parallel()
	a := asked{server: served(t), run: "none"}
	a.answer(t, "plan", "push", planIn(t, loadPlan))
	a.answer(t, "plan", "push", planIn(t, strings.Replace(loadPlan, "sales", "orders", 1)))
	input := filepath.Join(t.TempDir(), "input.yaml")
	require.NoError(t, os.WriteFile(input, []byte("{table: returns, more: [1]}"), 0o600))
	var run struct {
		Name    string
		Version int `json:"plan_version"`
		Input   json.RawMessage
		Labels  map[string]string
	}
	id := a.answer(t, "submit", "--plan", "load/daily@1", "--input-file", input, "--input", "day=7", "--label", "team=data")
	a.json(t, &run, "run", strings.TrimSpace(id))
	require.Equal(t, 1, run.Version)
	require.JSONEq(t, `{"day": 7, "table": "returns", "more": [1]}`, string(run.Input))
	require.Equal(t, map[string]string{"team": "data"}, run.Labels)
	a.json(t, &run, "submit", "--plan", "load/daily")
	require.Equal(t, 2, run.Version)
	require.Regexp(t, `^[0-9a-f-]{36}\n$`, a.answer(t, "submit", "--plan", "load/daily"))

	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--plan", "nothing"}, exitError, "weir: there is no plan with this name\ntry: weir plan list --server " + a.server + "\n"},
		{[]string{"--plan", "load/daily", planIn(t, loadPlan)}, exitUsage, "one of them"},
		{[]string{}, exitUsage, "one of them"},
		{[]string{planIn(t, loadPlan), "--label", "a=b"}, exitUsage, "--label goes with --plan"},
		{[]string{"--plan", "load/daily", "--label", "a"}, exitUsage, "--label is KEY=VALUE"},
		{[]string{"--plan", "load/daily", "--label", "A=b"}, exitUsage, "labels.A"},
		{[]string{"--plan", "load/daily", "--input", "a"}, exitUsage, "--input is KEY=VALUE"},
	} {
		code, stdout, stderr := runs(t, append(append([]string{"submit"}, c.args...), "--server", a.server)...)
		require.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		require.Empty(t, stdout)
		require.Contains(t, stderr, c.want)
	}
}
