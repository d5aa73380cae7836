//go:build linux

// Package examples_test runs the plans of this folder.
package examples_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// dev is a cluster with one `weir dev` that was started in the repository, and what its --server is.
func dev(t *testing.T) (c *cluster.Cluster, server string) {
	t.Helper()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	c = cluster.New(t, cluster.Config{})
	return c, c.Dev(c.Command("dev", "--database-url", c.URL, "--listen", "127.0.0.1:0", "--exec-dir", root)).Server
}

// submit submits a plan of this folder and waits for its end.
func submit(t *testing.T, c *cluster.Cluster, server, file string, flags ...string) (code int, run uuid.UUID, said string) {
	t.Helper()
	file, err := filepath.Abs(file)
	require.NoError(t, err)
	p := c.Command(append([]string{"submit", file, "--wait", "--server", server}, flags...)...)
	code = p.Wait()
	id, _, _ := strings.Cut(p.Stdout(), "\n")
	run, err = uuid.Parse(id)
	require.NoError(t, err, p.Stderr())
	return code, run, p.Stderr()
}

// answer is what a command prints.
func answer(t *testing.T, c *cluster.Cluster, args ...string) string {
	t.Helper()
	p := c.Command(args...)
	require.Zero(t, p.Wait(), p.Stderr())
	return p.Stdout()
}

// small makes a run of ci.yaml quick: its packages have few tests, none of which runs the plan again.
func small() []string {
	return []string{
		"--input", "all=./lifecycle/expr", "--input", "plan=./lifecycle/expr", "--input", "jobs=./jobs/netguard", "--input", "api=./jobs/netguard",
	}
}

func TestCI(t *testing.T) {
	t.Parallel()
	c, server := dev(t)
	code, run, said := submit(t, c, server, "ci.yaml", small()...)
	require.Zero(t, code, "%s%s", said, answer(t, c, "logs", run.String(), "--server", server))
	for key, step := range c.Steps(run) {
		require.Equal(t, lifecycle.StepSucceeded, step.State, key)
	}
	require.Contains(t, answer(t, c, "logs", run.String(), "test-plan", "--server", server), "ok  \tgithub.com/weirqueue/weir/lifecycle/expr")
	require.Contains(t, answer(t, c, "logs", run.String(), "report", "--server", server), "test-jobs  succeeded, 1 packages\n")
	require.JSONEq(t, `{"ok": true, "tested": 3, "states": {"format": "succeeded", "build": "succeeded", "vet": "succeeded",
		"test-plan": "succeeded", "test-jobs": "succeeded", "test-api": "succeeded"}}`, output(t, c, server, run, "report"))
	c.NoViolations()
}

// The report is written however the checks ended.
func TestCIReportsFailures(t *testing.T) {
	t.Parallel()
	c, server := dev(t)
	code, run, said := submit(t, c, server, "ci.yaml", append(small(), "--input", "all=./no/such/package")...)
	require.Equal(t, 3, code, said)
	require.Contains(t, said, "build failed: ")
	require.JSONEq(t, `{"ok": false, "tested": 0, "states": {"format": "succeeded", "build": "failed", "vet": "skipped",
		"test-plan": "skipped", "test-jobs": "skipped", "test-api": "skipped"}}`, output(t, c, server, run, "report"))
	c.NoViolations()
}

// output is what a step has put out.
func output(t *testing.T, c *cluster.Cluster, server string, run uuid.UUID, key string) string {
	t.Helper()
	var step struct{ Output json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(answer(t, c, "steps", run.String(), key, "-o", "json", "--server", server)), &step))
	return string(step.Output)
}

// Whoever adds a check to ci.yaml must not forget the report.
func TestCIReportsOnEveryStep(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("ci.yaml")
	require.NoError(t, err)
	p, err := plan.Parse(text)
	require.NoError(t, err)
	report := p.Steps[len(p.Steps)-1]
	require.Equal(t, "report", report.Key)
	for _, step := range p.Steps[:len(p.Steps)-1] {
		require.Contains(t, report.Needs, step.Key)
		require.Contains(t, string(report.With), step.Key+"=${{ needs."+step.Key+".state }}")
	}
}
