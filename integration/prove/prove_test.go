//go:build linux

package main

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/prove/check"
	"github.com/weirqueue/weir/integration/prove/ledger"
)

func TestScheduleIsTheSeeds(t *testing.T) {
	t.Parallel()
	one := schedule(7, 10*time.Minute, 4, nil)
	require.Equal(t, one, schedule(7, 10*time.Minute, 4, nil))
	require.Equal(t, digest(one), digest(schedule(7, 10*time.Minute, 4, nil)))
	require.NotEqual(t, digest(one), digest(schedule(8, 10*time.Minute, 4, nil)))
	require.GreaterOrEqual(t, len(one), 200, "ten minutes, four replicas")
	for _, k := range kinds() {
		require.True(t, slices.ContainsFunc(one, func(f fault) bool { return f.Kind == k.name && (f.Replica < 0) == k.server }), k.name)
	}
	for who := -1; who < 4; who++ {
		over := time.Duration(0)
		for _, f := range one {
			if f.Replica == who {
				require.Greater(t, f.At, over, "one after the other")
				over = f.At + f.Lasts
			}
		}
		require.LessOrEqual(t, over, 10*time.Minute)
	}
	for _, f := range schedule(7, 10*time.Minute, 4, []string{"clock", "disk"}) {
		require.NotContains(t, []string{clockForward, clockBack, diskFull}, f.Kind)
	}
}

func TestRecoveries(t *testing.T) {
	t.Parallel()
	start := func(at time.Duration) ledger.Entry { return ledger.Entry{At: at, What: ledger.Start} }
	entries := []ledger.Entry{start(100 * time.Second), start(40 * time.Second), {At: 41 * time.Second, What: ledger.End}, start(60 * time.Second)}
	took := recoveries([]played{
		{fault: fault{Kind: restartFast, Replica: -1}, Began: 50 * time.Second, Ended: 55 * time.Second},
		{fault: fault{Kind: kill}, Began: 52 * time.Second, Ended: 52 * time.Second},
		{fault: fault{Kind: kill}, Began: 99 * time.Second, Ended: 99 * time.Second},
		{fault: fault{Kind: freeze}, Began: 101 * time.Second, Ended: 108 * time.Second},
	}, entries)
	require.Equal(t, map[string]spread{restartFast: {5 * time.Second}, kill: {time.Second}}, took)
}

func TestLostThoughAlive(t *testing.T) {
	t.Parallel()
	run := uuid.New()
	entries := []ledger.Entry{
		{At: 1 * time.Second, What: ledger.Start, Run: run, Step: "a", Attempt: 1, Replica: "01"},
		{At: 1 * time.Second, What: ledger.Start, Run: run, Step: "b", Attempt: 1, Replica: "02"},
	}
	lost := func(step, cause string) check.Move {
		return check.Move{Run: run, Step: step, Attempt: 1, From: "running", To: "lost", Cause: cause, Seen: 30 * time.Second}
	}
	moves := []check.Move{lost("a", leaseExpired), lost("b", forgotten), {Run: run, Step: "a", Attempt: 1, From: "running", To: "failed", Cause: "reported", Seen: 9 * time.Second}}
	seats := map[string]int{"01": 0, "02": 1}
	steps := func(all ...played) (list []string) {
		for _, v := range lostThoughAlive(all, seats, entries, moves) {
			require.Equal(t, "lost-though-alive", v.Rule)
			list = append(list, v.Step)
		}
		return list
	}
	require.Equal(t, []string{"a", "b"}, steps())
	require.Equal(t, []string{"a", "b"}, steps(played{fault: fault{Kind: outage, Replica: -1}, Began: 10 * time.Second, Ended: 20 * time.Second}))
	require.Equal(t, []string{"b"}, steps(played{fault: fault{Kind: kill}, Began: 10 * time.Second, Process: "01"}))
	require.Equal(t, []string{"a"}, steps(played{fault: fault{Kind: silence, Replica: 1}, Began: 18 * time.Second, Ended: 25 * time.Second}))
	require.Equal(t, []string{"a", "b"}, steps(played{fault: fault{Kind: silence, Replica: 1}, Began: 1 * time.Second, Ended: 2 * time.Second}))
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--minutes", "0"}, {"--replicas", "0"}, {"--replicas", "21"}, {"--rate", "0"}, {"--minute", "1"}, {"--seed", "-1"}} {
		var out, errs bytes.Buffer
		require.Equal(t, 2, run(args, &out, &errs), args)
		require.Contains(t, errs.String(), "prove: ", args)
	}
	var one, two, errs bytes.Buffer
	require.Zero(t, run([]string{"--schedule", "--seed", "3", "--minutes", "1"}, &one, &errs))
	require.Zero(t, run([]string{"--schedule", "--seed", "3", "--minutes", "1"}, &two, &errs))
	require.NotEmpty(t, one.String())
	require.Equal(t, one.String(), two.String())
}
