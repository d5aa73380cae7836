package lifecycle_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// Whatever plans say, and whatever happens: runs end as the model says, no invariant is broken, no limit was exceeded, and
// nothing started while its run was paused. `just model` looks longer. What fails here once and then not again was a race:
// the first report of it says most.
func TestModel(t *testing.T) {
	t.Parallel()
	checks(t, "20")
	var w *world
	rapid.Check(t, func(rt *rapid.T) {
		if w == nil {
			w = newWorld(t, 2, 3)
		}
		this := w
		w = nil // unless all is well: what is left of a failure is in nobody's way
		all := rapid.SliceOfN(rapid.Custom(draw), 1, 5).Draw(rt, "runs")
		if problems := this.try(all); len(problems) > 0 {
			text := strings.Join(problems, "\n")
			for _, d := range all {
				text += fmt.Sprintf("\nplan: %s\nscript: %s", d.text, indented(d.script))
			}
			rt.Fatal(text)
		}
		w = this
	})
}

// try plays runs and says what is not as it must be.
func (w *world) try(all []drawn) (problems []string) {
	w.t.Helper()
	var since time.Time
	require.NoError(w.t, w.pool.QueryRow(w.t.Context(), "select clock_timestamp()").Scan(&since))
	runs, err := w.play(all)
	if err != nil {
		return []string{err.Error(), w.open()}
	}
	again, err := w.doAgain(all, runs)
	if err != nil {
		return []string{err.Error(), w.open()}
	}
	for i, run := range runs {
		p, err := plan.ParseJSON([]byte(all[i].text))
		require.NoError(w.t, err)
		seen := w.see(run)
		for _, what := range judge(all[i].script, p, "", seen, nil) {
			problems = append(problems, fmt.Sprintf("run %s: %s", run, what))
		}
		if again[i] == uuid.Nil {
			continue
		}
		for _, what := range judgeAgain(w.places[again[i]].script, p, seen, w.see(again[i])) {
			problems = append(problems, fmt.Sprintf("run %s, which does %s again: %s", again[i], run, what))
		}
	}
	problems = append(problems, w.violations()...)
	return append(problems, w.replay(since)...)
}

// checks says how many checks rapid makes where the command line does not.
func checks(t *testing.T, n string) {
	t.Helper()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		require.NoError(t, flag.Set("rapid.checks", n))
	}
}

// The model tells other ends from those that it allows: what is played is not what the script says.
func TestModelTellsOtherEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 1)
	const text = `{"name": "x", "input": {"list": [0, 1, 2]}, "steps": [
		{"key": "k0", "kind": "noop"}, {"key": "k1", "kind": "noop", "needs": ["k0"]}, {"key": "k2", "kind": "noop", "needs": ["k1"], "run_if": "any_failed"},
		{"key": "k3", "kind": "noop", "for_each": "${{ needs.k0.output.list }}", "needs": ["k0"]}]}`
	failing := &script{Ends: map[string][]ending{"k1": {{Outcome: lifecycle.OutcomeFailed}}}, Lists: map[string]int{"k0": 2}}
	runs, err := w.play([]drawn{{text, failing}})
	require.NoError(t, err)
	p, err := plan.ParseJSON([]byte(text))
	require.NoError(t, err)
	seen := w.see(runs[0])
	require.Empty(t, judge(failing, p, "", seen, nil))
	require.Equal(t, []string{
		"k1: it is failed (reported), must be [succeeded (reported)]",
		"k3: it has 2 children for 1 items",
	}, judge(&script{Lists: map[string]int{"k0": 1}}, p, "", seen, nil))
	seen.state = string(lifecycle.RunSucceeded)
	require.Equal(t, []string{": the run is succeeded (steps_final), must be [failed (steps_final)]"}, judge(failing, p, "", seen, nil))
}

// The replay of a history finds what is one too many, and what starts in a pause.
func TestReplayFindsWhatMustNotBe(t *testing.T) {
	t.Parallel()
	one, two := 1, 2
	key := "k"
	run, other := uuid.New(), uuid.New()
	step := func(run uuid.UUID, step *int, from, to string) moved {
		return moved{Run: run, Step: step, From: from, To: to, Key: fmt.Sprint("s", *step), MaxParallel: &two, StepKey: &key, StepLimit: &one}
	}
	c := newReplayed()
	for _, m := range []moved{
		step(run, &one, "available", "running"), step(run, &one, "running", "retrying"), step(other, &one, "available", "running"),
		step(other, &one, "running", "succeeded"), step(run, &one, "retrying", "running"),
	} {
		c.count(m)
	}
	require.Empty(t, c.problems)
	c.count(step(run, &two, "available", "running"))
	require.Len(t, c.problems, 1)
	require.Contains(t, c.problems[0], "2 steps of key k were running, at most 1 may: step s2")
	c.count(moved{Run: other, From: "running", To: "paused"})
	c.count(step(run, &two, "running", "failed"))
	c.count(step(run, &one, "running", "failed"))
	c.count(step(other, &two, "available", "running"))
	require.Len(t, c.problems, 2)
	require.Contains(t, c.problems[1], "started while it was paused")
}
