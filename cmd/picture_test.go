package cmd

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	client "github.com/weirqueue/weir/openapi/client/go"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// before is so many seconds before noon.
func before(seconds float64) *time.Time {
	at := noon.Add(-time.Duration(seconds * float64(time.Second)))
	return &at
}

func step(key, state string, change func(*node), needs ...string) node {
	n := node{Step: client.Step{Key: key, State: client.StepState(state), Needs: needs, MaxAttempts: 1, Attempt: 1}}
	if change != nil {
		change(&n)
	}
	return n
}

// example is a run with a step in every state.
func example() picture {
	half := 50.0
	soon := noon.Add(1500 * time.Millisecond)
	signal := client.StepWaitingFor("signal")
	return picture{
		run: client.Run{
			Name: "nightly/etl", State: "running", CreatedAt: *before(75),
			Steps: client.RunSteps{Total: 13, Succeeded: 1, Running: 3, Failed: 1, TimedOut: 1, Skipped: 1, Cancelled: 1},
		},
		steps: []node{
			step("fetch", "succeeded", func(n *node) { n.StartedAt, n.FinishedAt = before(75), before(72.5) }),
			step("left", "running", func(n *node) { n.StartedAt, n.line = before(3), "reading \x1b[31mrows\x1b[0m\tof a" }, "fetch"),
			step("right", "running", func(n *node) {
				n.StartedAt, n.Attempt, n.line = before(0.25), 2, "not shown"
				n.Progress = &client.StepProgress{Percent: &half, Message: "half\x1b[2J way"}
			}, "fetch"),
			step("join", "pending", nil, "left", "right"),
			step("last", "pending", nil, "join"),
			step("queued", "available", nil),
			step("again", "retrying", func(n *node) { n.RunAfter, n.Error = &soon, &client.StepError{Message: "\nno luck\nat all"} }),
			step("signal", "waiting", func(n *node) { n.WaitingFor = &signal }),
			step("broken", "failed", func(n *node) {
				n.StartedAt, n.FinishedAt, n.AllowFailure, n.Error = before(10), before(9), true, &client.StepError{Message: "exited with code 1"}
			}),
			step("slow", "timed_out", func(n *node) { n.StartedAt, n.FinishedAt = before(70), before(5) }),
			step("after", "skipped", func(n *node) { n.Cause = "upstream_failed" }, "slow"),
			step("unwanted", "cancelled", func(n *node) { n.Cause = "cancel_requested" }),
			step("leaving", "running", func(n *node) { n.StartedAt, n.CancelRequestedAt = before(8000), before(1) }),
		},
		now: noon, width: 80, height: 40,
	}
}

func TestPictureShowsEveryState(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.TrimPrefix(`
nightly/etl  running  5 of 13 steps  1m15s
  ✓ fetch       succeeded  2.5s
    ● left      running    3.0s  reading rows of a
    ● right     running    try 2  250ms  50% half way
      ○ join    pending
        ○ last  pending
  ○ queued      available
  ◌ again       retrying   again in 1.5s  no luck
  ◌ signal      waiting    for signal
  ✗ broken      failed     1.0s  exited with code 1  (allowed)
  ✗ slow        timed_out  1m05s
    - after     skipped    upstream failed
  - unwanted    cancelled  cancel requested
  ● leaving     running    2h13m  cancelling
`, "\n"), strings.Join(example().lines(), "\n")+"\n")
}

func TestPictureLeavesOutWhatWeighsLeast(t *testing.T) {
	t.Parallel()
	p := example()
	p.height = 8
	require.Equal(t, strings.TrimPrefix(`
nightly/etl  running  5 of 13 steps  1m15s
    ● left   running    3.0s  reading rows of a
    ● right  running    try 2  250ms  50% half way
  ◌ again    retrying   again in 1.5s  no luck
  ✗ broken   failed     1.0s  exited with code 1  (allowed)
  ✗ slow     timed_out  1m05s
  ● leaving  running    2h13m  cancelling
  … and 7 more steps
`, "\n"), strings.Join(p.lines(), "\n")+"\n")
}

func TestPictureFits(t *testing.T) {
	t.Parallel()
	for width := minWidth; width <= 120; width++ {
		for height := minHeight; height <= 20; height++ {
			p := example()
			p.width, p.height = width, height
			p.run.Name = strings.Repeat("long/", 30)
			p.steps[4].Key = strings.Repeat("k", 128)
			lines := p.lines()
			require.LessOrEqual(t, len(lines), height)
			if width < 40 {
				continue // the terminal cuts what is left
			}
			for _, line := range lines {
				require.LessOrEqual(t, utf8.RuneCountInString(line), width, "%q", line)
			}
		}
	}
}

func TestPictureIsColouredWithoutBeingWider(t *testing.T) {
	t.Parallel()
	p := example()
	plain := strings.Join(p.lines(), "\n")
	p.colour = true
	coloured := strings.Join(p.lines(), "\n")
	require.Contains(t, coloured, "\x1b[36m●\x1b[0m left")
	require.Contains(t, coloured, "\x1b[31m✗\x1b[0m slow")
	require.Equal(t, manySpace.ReplaceAllString(plain, "$1  "), manySpace.ReplaceAllString(escapes.ReplaceAllString(coloured, ""), "$1  "))
	for line := range strings.SplitSeq(coloured, "\n") {
		require.Equal(t, strings.Count(line, "\x1b["), 2*strings.Count(line, "\x1b[0m"), "every colour ends: %q", line)
	}
}

func TestPictureOfALargeRun(t *testing.T) {
	t.Parallel()
	p := picture{run: client.Run{Name: "big", State: "running", CreatedAt: *before(2), Steps: client.RunSteps{Total: 50000}}, now: noon, width: 80, height: 10}
	require.Equal(t, []string{"big  running  0 of 50000 steps  2.0s"}, p.lines(), "nothing has moved yet")
	p.steps = []node{step("s1", "running", func(n *node) { n.StartedAt = before(1) })}
	require.Equal(t, []string{"big  running  0 of 50000 steps  2.0s", "  ● s1  running  1.0s", "  … and 49999 more steps"}, p.lines())
}

func TestPictureStandsNeedsInACircle(t *testing.T) {
	t.Parallel()
	p := picture{run: client.Run{Name: "odd", State: "running", CreatedAt: *before(2)}, now: noon, width: 80, height: 10}
	p.steps = []node{step("a", "pending", nil, "b"), step("b", "pending", nil, "a"), step("c", "pending", nil, "nobody")}
	require.Len(t, p.lines(), 2, "no server sends that, and nothing hangs")
}

// TestPictureShowsWaitsAndChildren has fan-outs, a wait for a time, and a run that starts later.
func TestPictureShowsWaitsAndChildren(t *testing.T) {
	t.Parallel()
	later := noon.Add(90 * time.Second)
	children, until, approval := client.StepWaitingFor("children"), client.StepWaitingFor("time"), client.StepWaitingFor("approval")
	p := picture{
		run: client.Run{Name: "load", State: "running", CreatedAt: *before(5), StartAt: &later, Steps: client.RunSteps{Total: 8}},
		steps: []node{
			step("each", "waiting", func(n *node) { n.WaitingFor = &children }),
			step("join", "pending", nil, "each"),
			step("pause", "waiting", func(n *node) { n.WaitingFor, n.RunAfter = &until, &later }),
			step("ok", "waiting", func(n *node) { n.WaitingFor, n.DeadlineAt = &approval, &later }),
			step("each[0]", "succeeded", nil),
			step("each[1]", "available", nil),
			step("lone[7]", "available", nil),
			step("each[10]", "available", nil),
		},
		now: noon, width: 80, height: 40,
	}
	require.Equal(t, strings.TrimPrefix(`
load  running  0 of 8 steps  5.0s  starts in 1m30s
  ◌ each        waiting    for children
    ✓ each[0]   succeeded
    ○ each[1]   available
    ○ each[10]  available
    ○ join      pending
  ◌ pause       waiting    for time  until 2026-05-04T12:01:30Z, in 1m30s
  ◌ ok          waiting    for approval  at most 1m30s more
  ○ lone[7]     available
`, "\n"), strings.Join(p.lines(), "\n")+"\n")
	p.run.StartAt = before(1)
	require.NotContains(t, p.headline(), "starts")
}
