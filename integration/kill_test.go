//go:build linux

package integration_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// seeded returns a source of chance that can be had again: WEIR_INTEGRATION_SEED is the seed, or a new one is logged.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("WEIR_INTEGRATION_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "WEIR_INTEGRATION_SEED is a number")
	}
	t.Logf("WEIR_INTEGRATION_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestO8KillOneReplica kills one of three replicas with -9, five times, and starts another one in its place. The first
// time it surely holds a command that ignores TERM; after that chance decides when it dies, and delays see to it that
// this is often between a commit and what follows from it, or inside a pass of reconcile.
// No command of it lives on, what it held ends as the plan says, and nothing runs twice at once.
func TestO8KillOneReplica(t *testing.T) {
	t.Parallel()
	chance := seeded(t)
	c := cluster.New(t, cluster.Config{Flags: append(quick(), "--queue", "exec=4")})
	serve := func() *cluster.Replica { return c.ServeFaulty("*=50ms") }
	replicas := []*cluster.Replica{serve(), serve(), serve()}
	lost := 0
	for round := range 5 {
		k := &killing{Cluster: c, round: round}
		victim := replicas[chance.IntN(len(replicas))]
		if round == 0 {
			k.submit(replicas[0], "until", "go")
			c.Until("all commands have started", func() bool { return len(k.started()) == 12 })
			victim = k.holder(replicas)
		} else {
			k.submit(replicas[0], "for", fmt.Sprintf("0.%d", 1+chance.IntN(9)))
			c.Until("something has started", func() bool { return len(k.started()) > 0 })
			c.Pass(time.Duration(chance.IntN(1500)) * time.Millisecond)
		}
		require.NotEmpty(t, victim.Left(), "processes are found by their mark")
		victim.Kill()
		victim.NothingLeft()
		c.Touch("go")
		replicas[slices.Index(replicas, victim)] = serve()
		lost += k.ends(t)
	}
	require.Positive(t, lost, "the first victim held something")
	c.NeverTwice()
	c.NoViolations()
}

// killing is one round: two runs of the same steps, of which one has its lost steps tried again.
type killing struct {
	*cluster.Cluster

	round       int
	once, again uuid.UUID
}

func (k *killing) submit(r *cluster.Replica, do ...string) {
	body := fmt.Sprintf(`
steps:
  - {key: a, kind: exec, with: &w %s}
  - {key: b, kind: exec, with: *w}
  - {key: c, kind: exec, with: *w}
  - {key: d, kind: exec, with: *w}
  - {key: e, kind: exec, with: *w}
  - {key: stubborn, kind: exec, with: %s}
  - {key: nap, kind: sleep, with: {duration: 300ms}}
  - {key: join, kind: exec, needs: [a, b, c, d, e, stubborn, nap], with: %s}
  - {key: report, kind: noop, needs: [join], run_if: all_finished}
`, k.Work(do...), k.Work("stubborn", "go"), k.Work("for", "0.01"))
	k.once = k.Submit(r, fmt.Sprintf("name: once-%d\n", k.round)+body)
	k.again = k.Submit(r, fmt.Sprintf("name: again-%d\ndefaults: {retry: {on: [lost], max_attempts: 5, initial: 10ms}}\n", k.round)+body)
}

func (k *killing) runs() []uuid.UUID { return []uuid.UUID{k.once, k.again} }

// started are the commands of this round that have started.
func (k *killing) started() []cluster.Entry {
	return slices.DeleteFunc(k.Ledger(), func(e cluster.Entry) bool {
		return e.What != "start" || !slices.Contains(k.runs(), e.Run)
	})
}

// holder is a replica that runs the stubborn command of a run.
func (k *killing) holder(replicas []*cluster.Replica) *cluster.Replica {
	for _, r := range replicas {
		if k.Noted(cluster.Entry{What: "start", Run: k.again, Step: "stubborn", Replica: r.Name}) {
			return r
		}
	}
	return replicas[0]
}

// ends waits for the end of both runs, and says how many attempts were lost.
func (k *killing) ends(t *testing.T) (lost int) {
	t.Helper()
	once, again := k.RunEnds(k.once), k.RunEnds(k.again)

	byKey := k.Steps(k.once)
	for key, s := range byKey {
		switch {
		case s.State == lifecycle.StepLost:
			lost++
			require.Equal(t, lifecycle.CauseLeaseExpired, s.Cause, key)
		case key == "join" && s.State == lifecycle.StepSkipped:
			require.Equal(t, lifecycle.CauseUpstreamFailed, s.Cause)
		default:
			require.Equal(t, lifecycle.StepSucceeded, s.State, key)
		}
		require.LessOrEqual(t, s.Attempt, 1, "it is not tried again")
	}
	want := lifecycle.RunSucceeded
	if lost > 0 {
		want = lifecycle.RunFailed
	}
	require.Equal(t, want, once, "what is lost and not to be tried again fails its run")

	require.Equal(t, lifecycle.RunSucceeded, again)
	for key, s := range k.Steps(k.again) {
		require.Equal(t, lifecycle.StepSucceeded, s.State, key)
		require.Equal(t, s.Failures+1, s.Attempt, key)
		lost += s.Failures
	}
	return lost
}
