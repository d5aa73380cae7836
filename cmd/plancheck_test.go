package cmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlanCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		return filepath.Join(dir, name)
	}
	good := file("good.yaml", "name: good\nsteps:\n- {key: a, kind: exec, with: {command: [date]}}\n- {key: b, kind: own.kind, with: {any: thing}, needs: [a]}\n")
	bad := file("bad.json", "{\"name\": \"bad\",\n\"steps\": [{\"key\": \"a\", \"kind\": \"noop\", \"needs\": [\"a\"]},\n{\"key\": \"a\", \"kind\": \"noop\"}]}\n")
	with := file("with.yaml", "name: with\nsteps: [{key: a, kind: exec, with: {comand: [date]}}]\n")

	code, stdout, stderr := runs(t, "plan", "check", good)
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, good+": OK\n", stdout)
	require.Empty(t, stderr)

	code, stdout, stderr = runs(t, "plan", "check", good, bad, with)
	require.Equal(t, exitUsage, code)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	require.Len(t, lines, 5)
	require.Equal(t, good+": OK", lines[0])
	require.True(t, strings.HasPrefix(lines[1], bad+":2: steps[0].needs[0]: "), lines[1])
	require.True(t, strings.HasPrefix(lines[2], bad+":3: steps[1].key: "), lines[2])
	require.Equal(t, with+": steps[0].with.command: is missing", lines[3])
	require.Equal(t, with+": steps[0].with.comand: is not known, did you mean command?", lines[4])
	require.Equal(t, "weir: 4 faults in 3 plans\ntry: weir plan schema\n", stderr)

	code, stdout, _ = runs(t, "plan", "check", good, bad, "-q")
	require.Equal(t, exitUsage, code)
	require.Equal(t, good+"\n", stdout)

	code, stdout, _ = runs(t, "plan", "check", good, bad, "-o", "json")
	require.Equal(t, exitUsage, code)
	var page struct {
		Items []struct {
			File   string
			OK     bool
			Name   *string
			Steps  *int
			Faults []struct {
				Path, Code, Message string
				Line                int
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &page))
	require.True(t, page.Items[0].OK)
	require.Equal(t, 2, *page.Items[0].Steps)
	require.False(t, page.Items[1].OK)
	require.Nil(t, page.Items[1].Name)
	require.Equal(t, "self_need", page.Items[1].Faults[0].Code)
	require.Equal(t, "duplicate_key", page.Items[1].Faults[1].Code)
	require.Equal(t, 3, page.Items[1].Faults[1].Line)

	code, _, stderr = runs(t, "plan", "check", filepath.Join(dir, "none"))
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "none: no such file or directory\ntry: ")
	code, _, stderr = runs(t, "plan", "check")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "try: weir plan check --help")

	var fromStdin, errors output
	code = run(t.Context(), environment{args: []string{"plan", "check", "-"}, stdin: strings.NewReader("{}"), stdout: &fromStdin, stderr: &errors})
	require.Equal(t, exitUsage, code)
	require.Contains(t, fromStdin.String(), "stdin:1: ")
}

// TestPlanCheckOfFlows checks waits and plans inside plans, which no server has to know.
func TestPlanCheckOfFlows(t *testing.T) {
	t.Parallel()
	const text = `name: flows
start_at: 2036-07-01T08:00:00Z
concurrency: {key: "tenant/${{ input.tenant }}", limit: 1}
steps:
- {key: ok, kind: wait, with: {for: approval}}
- {key: sub, kind: plan, needs: [ok], with: {plan: {name: s, steps: [{key: x, kind: noop, with: {output: 1}}]}}}
`
	file := planIn(t, text)
	code, stdout, stderr := runs(t, "plan", "check", file)
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, file+": OK\n", stdout)

	file = planIn(t, strings.NewReplacer("output", "outptu", "for: approval", "for: approve").Replace(text))
	code, stdout, _ = runs(t, "plan", "check", file)
	require.Equal(t, exitUsage, code)
	require.Equal(t, file+":5: steps[0].with.for: must be signal, approval or time, did you mean approval?\n", stdout)
	file = planIn(t, strings.Replace(text, "output", "outptu", 1))
	_, stdout, _ = runs(t, "plan", "check", file)
	require.Equal(t, file+": steps[1].with.plan.steps[0].with.outptu: is not known, did you mean output?\n", stdout)
}

func TestPlanSchema(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := runs(t, "plan", "schema")
	require.Equal(t, exitDone, code, stderr)
	var schema struct {
		Title      string
		Properties map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &schema))
	require.Contains(t, schema.Properties, "steps")
	code, stdout, _ = runs(t, "plan", "schema", "-o", "yaml")
	require.Equal(t, exitDone, code)
	require.Contains(t, stdout, "\ntitle: "+schema.Title+"\n")
}
