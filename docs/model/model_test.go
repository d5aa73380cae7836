// Package model_test has spin search the model of reconcile.
package model_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// check is one search of the model.
type check struct {
	name    string
	defines string // for spin
	live    bool   // also every infinite run in which nobody is kept waiting for ever
	refuted bool   // spin has to find a counterexample
}

// Two triggers and the one that a pass makes, instead of three and one.
const few = "-DFEW "

// Nobody dies or fails: what is broken is found all the same, and sooner.
const noFaults = "-DDEATHS=0 -DFAILURES=0 "

// The protocol as it is, in its full size.
var whole = []check{
	{name: "poll", defines: "-DPOLL"},
	{name: "notify", defines: "-DNOTIFY"},
	{name: "nudge", defines: "-DNUDGE"},
	{name: "poll live", defines: few + "-DPOLL", live: true},
	{name: "notify live", defines: few + "-DNOTIFY", live: true},
	{name: "nudge live", defines: few + "-DNUDGE", live: true},
}

// The same in a second or two, for everybody who tests everything.
var short = []check{
	{name: "poll", defines: few + "-DPOLL"},
	{name: "notify", defines: few + "-DNOTIFY"},
	{name: "nudge", defines: few + "-DNUDGE"},
	{name: "poll live", defines: few + "-DPOLL -DDEATHS=1", live: true},
}

// Broken on purpose.
var broken = []check{
	{name: "flag", defines: few + "-DPOLL -DDEATHS=0 -DBROKEN_FLAG", refuted: true},
	{name: "clear", defines: few + noFaults + "-DPOLL -DBROKEN_CLEAR", refuted: true},
	{name: "unlock", defines: "-DNOTIFY -DFAILURES=0 -DBROKEN_UNLOCK", refuted: true},
	{name: "retry, notify", defines: few + noFaults + "-DNOTIFY -DBROKEN_RETRY", refuted: true},
	{name: "retry, nudge", defines: few + noFaults + "-DNUDGE -DBROKEN_RETRY", refuted: true},
	{name: "mark, notify", defines: few + noFaults + "-DNOTIFY -DBROKEN_MARK", refuted: true},
	{name: "mark, poll", defines: few + noFaults + "-DPOLL -DBROKEN_MARK", live: true, refuted: true},
	{name: "snapshot", defines: few + noFaults + "-DPOLL -DBROKEN_SNAPSHOT", refuted: true},
	// Broken, but polling makes up for it: it is only late.
	{name: "unlock, poll", defines: few + noFaults + "-DPOLL -DBROKEN_UNLOCK", live: true},
	{name: "retry, poll", defines: few + noFaults + "-DPOLL -DBROKEN_RETRY", live: true},
}

// What has to happen in the model, or it shows nothing.
var reached = []check{
	{name: "reach busy", defines: few + "-DPOLL -DREACH_BUSY", refuted: true},
	{name: "reach passed over", defines: few + "-DPOLL -DREACH_PASSED_OVER", refuted: true},
	{name: "reach part", defines: few + "-DPOLL -DREACH_PART", refuted: true},
	{name: "reach stale", defines: few + "-DPOLL -DREACH_STALE", refuted: true},
	{name: "reach late", defines: few + "-DPOLL -DREACH_LATE", refuted: true},
	{name: "reach follow", defines: few + "-DPOLL -DREACH_FOLLOW", refuted: true},
	{name: "reach unanswered", defines: few + "-DPOLL -DREACH_UNANSWERED", refuted: true},
	{name: "reach failure", defines: few + "-DPOLL -DREACH_FAILURE", refuted: true},
	{name: "reach death", defines: few + "-DPOLL -DREACH_DEATH", refuted: true},
	{name: "reach finish", defines: few + "-DPOLL -DREACH_FINISH", refuted: true},
	{name: "reach served", defines: few + "-DPOLL -DREACH_SERVED", refuted: true},
	{name: "reach last", defines: few + "-DPOLL -DREACH_LAST", refuted: true},
}

// No trigger is ever left unserved, and in each broken variant spin finds one that is.
func TestModel(t *testing.T) {
	t.Parallel()
	full := os.Getenv("WEIR_TEST_SPIN") != "" // set where it has to work
	for _, tool := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			require.False(t, full, "%s is not installed", tool)
			t.Skipf("%s is not installed", tool)
		}
	}
	checks := slices.Concat(short, broken)
	if full {
		checks = slices.Concat(whole, broken, reached)
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

// longest is how many lines a counterexample may have, so that somebody reads it.
const longest = 20

func (c check) run(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	source, err := os.ReadFile("reconcile.pml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "reconcile.pml"), source, 0o600))

	defines := strings.Fields(c.defines)
	compile := []string{"-w", "-O2", "-DMEMLIM=3500", "-o", "pan", "pan.c"}
	search := []string{"-m1000000"}
	switch {
	case c.live:
		defines = append(defines, "-DLIVE")
		compile = append(compile, "-DNFAIR=3") // room for so many processes
		search = append(search, "-a", "-f")
	case c.refuted:
		compile = append(compile, "-DSAFETY", "-DBFS") // the shortest counterexample
	default:
		compile = append(compile, "-DSAFETY")
	}
	command(t, dir, "spin", append(append([]string{"-a"}, defines...), "reconcile.pml")...)
	command(t, dir, "gcc", compile...)
	out := command(t, dir, "./pan", search...)

	figures := regexp.MustCompile(`depth reached \d+|\d+ states, stored|[\d.]+\ttotal actual memory usage|elapsed time [\d.]+ seconds`)
	t.Log(strings.Join(figures.FindAllString(out, -1), ", "))
	if c.refuted {
		require.Regexp(t, `errors: [1-9]`, out, "spin has found no counterexample")
		c.counterexample(t, dir, defines)
		return
	}
	require.Contains(t, out, "errors: 0", "%s", c.story(t, dir, defines))
	require.Contains(t, out, "Full statespace search")
	require.NotContains(t, out, "max search depth too small")
	require.NotContains(t, out, "Search not completed")
	if !strings.Contains(c.defines, "BROKEN") && !strings.Contains(c.defines, few) {
		unreached := regexp.MustCompile(`(?m)^\s+reconcile\.pml:\d+, state \d+, "(.*)"$`).FindAllStringSubmatch(out, -1)
		for _, u := range unreached {
			require.Equal(t, "-end-", u[1], "a statement of the model is never executed:\n%s", out)
		}
	}
}

// counterexample logs the story that spin has found.
func (c check) counterexample(t *testing.T, dir string, defines []string) {
	t.Helper()
	story := c.story(t, dir, defines)
	t.Log("\n" + story)
	require.NotEmpty(t, story)
	if !c.live { // those are not the shortest
		require.LessOrEqual(t, strings.Count(story, "\n"), longest)
	}
}

// story is what happens in the counterexample in dir, a line for each event; empty if there is none.
func (c check) story(t *testing.T, dir string, defines []string) string {
	t.Helper()
	trail := filepath.Join(dir, "reconcile.pml.trail")
	if _, err := os.Stat(trail); err != nil {
		return ""
	}
	out := command(t, dir, "spin", append(append([]string{"-t", "-T", "-k", trail}, defines...), "reconcile.pml")...)
	var story strings.Builder
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		for _, begin := range []string{"replica ", "trigger ", "a Finish ", "the transaction ", "<<<<<START OF CYCLE"} {
			if strings.HasPrefix(line, begin) {
				story.WriteString(line + "\n")
			}
		}
	}
	return story.String()
}

// command runs a program in dir and answers what it said.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", name, strings.Join(args, " "), out)
	return string(out)
}
