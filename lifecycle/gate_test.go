package lifecycle

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func (b *bundle) countRunning() int {
	b.t.Helper()
	return scan[int](b, `select count(*) from weir.steps where state = 'running'`)
}

// M10: max_parallel.
func TestMaxParallelM10(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var steps strings.Builder
	for i := range 20 {
		fmt.Fprintf(&steps, "  - {key: s%d, kind: noop}\n", i)
	}
	run := b.submitYAML("name: x\nmax_parallel: 3\nsteps:\n" + steps.String())
	other := b.submitYAML("name: other\nsteps: [{key: a, kind: noop}]")
	ran := 0
	for {
		attempts := b.claimed()
		if len(attempts) == 0 {
			break
		}
		require.LessOrEqual(t, scan[int](b, `select count(*) from weir.steps where state = 'running' and run_id = $1`, run), 3)
		ran += len(attempts)
		for _, a := range attempts[:1+len(attempts)/2] {
			b.finish(a, OutcomeSucceeded)
		}
		for _, a := range attempts[1+len(attempts)/2:] {
			b.finish(a, OutcomeFailed)
		}
	}
	require.Equal(t, 21, ran)
	require.Equal(t, RunFailed, b.runState(run))
	require.True(t, b.runState(other).Final())
	require.Zero(t, scan[int](b, `select count(*) from weir.slots`)+scan[int](b, `select count(*) from weir.limits`), "nothing is left of it")
	b.clean()
}

func limitedBy(key string, more string) string {
	return fmt.Sprintf("name: x\nsteps:\n  - {key: a, kind: noop, concurrency: {key: %s, limit: 2%s}}", key, more)
}

// O9: a key is bounded, others start at once, nothing is claimed twice.
func TestConcurrencyOfStepsO9(t *testing.T) {
	t.Parallel()
	replicas := cluster(t, 3)
	b := replicas[0]
	var runs []uuid.UUID
	for range 30 {
		runs = append(runs, b.submitYAML(limitedBy("slow", "")))
	}
	other := b.submitYAML(limitedBy("quick", ""))
	attempts := b.claimed()
	require.Len(t, attempts, 3, "two of the one, one of the other")
	require.Equal(t, StepRunning, b.stepState(other, 1))
	for len(attempts) > 0 {
		var wg sync.WaitGroup
		for i, a := range attempts {
			wg.Go(func() { replicas[i%3].finish(a, OutcomeSucceeded) })
		}
		wg.Wait()
		attempts = b.claimed()
		require.LessOrEqual(t, b.countRunning(), 2)
	}
	for _, run := range runs {
		require.Equal(t, RunSucceeded, b.runState(run))
	}
	b.clean()
}

func TestConcurrencyIsInOrderOfPriorityAndAsking(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one := "name: %s\nsteps:\n  - {key: %s, kind: noop, priority: %d, concurrency: {key: k, limit: 1}}"
	for i, priority := range []int{2, 2, 3, 1, 2} {
		b.submitYAML(fmt.Sprintf(one, "x", fmt.Sprint("s", i), priority))
		b.pass()
	}
	require.Equal(t, []string{"s0", "s3", "s1", "s4", "s2"}, b.drive(nil))
	b.clean()
}

func TestConcurrencyOfRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := "name: x\ninput: {team: red}\nconcurrency: {key: 'team/${{ input.team }}', limit: 1}\nsteps: [{key: a, kind: noop}, {key: b, kind: noop, needs: [a]}]"
	first, second, third := b.submitYAML(text), b.submitYAML(text), b.submitYAML(text)
	a := b.claimed()
	require.Len(t, a, 1)
	require.Equal(t, first, a[0].Run)
	require.NoError(t, b.RunCancel(t.Context(), second, CancelRequest{Actor: "local"}))
	b.finish(a[0], OutcomeFailed)
	require.Equal(t, []string{"a", "b"}, b.drive(nil))
	b.is(first, "a failed, b skipped; failed")
	b.is(second, "a cancelled, b cancelled; cancelled")
	b.is(third, "a succeeded, b succeeded; succeeded")
}

func TestConcurrencyOfAPausedRunIsGivenBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := b.submitYAML(limitedBy("k", "")), b.submitYAML(limitedBy("k", ""))
	third := b.submitYAML(limitedBy("k", ""))
	b.pass()
	require.NoError(t, b.RunPause(t.Context(), first, "local"))
	require.Len(t, b.claimed(), 2, "the third takes its slot")
	require.NoError(t, b.RunResume(t.Context(), first, "local"))
	require.Empty(t, b.claimed())
	require.Equal(t, StepAvailable, b.stepState(first, 1))
	for _, run := range []uuid.UUID{second, third} {
		a := scan[int](b, `select attempt from weir.steps where run_id = $1`, run)
		b.finish(&Attempt{Run: run, Step: 1, Attempt: a, Worker: b.worker}, OutcomeSucceeded)
	}
	require.Equal(t, []string{"a"}, b.drive(nil))
	b.is(first, "a succeeded; succeeded")
}

func TestConcurrencyOfARetryIsGivenBackMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.submitYAML("name: x\nsteps:\n  - {key: a, kind: noop, retry: {max_attempts: 2, initial: 1h, max: 1h}, concurrency: {key: k, limit: 1}}")
	second := b.submitYAML("name: x\nsteps:\n  - {key: b, kind: noop, concurrency: {key: k, limit: 1}}")
	b.finish(b.claimed()[0], OutcomeFailed)
	attempts := b.claimed()
	require.Len(t, attempts, 1)
	require.Equal(t, second, attempts[0].Run)
	b.exec(`update weir.steps set run_after = clock_timestamp() where run_id = $1`, first)
	b.due()
	require.Empty(t, b.claimed(), "it stands in line again")
	b.finish(attempts[0], OutcomeSucceeded)
	require.Equal(t, []string{"a"}, b.drive(nil))
	b.is(first, "a succeeded; succeeded")
}

func TestConcurrencyCancelNewest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := limitedBy("k", ", strategy: cancel_newest")
	runs := []uuid.UUID{b.submitYAML(text), b.submitYAML(text), b.submitYAML(text)}
	b.pass()
	require.Len(t, b.drive(nil), 2)
	b.is(runs[2], "a cancelled; failed")
	require.Equal(t, "superseded", b.causeOf(runs[2], "a"))
}

func TestConcurrencyCancelNewestSparesRetries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.submitYAML("name: x\nsteps:\n  - {key: a, kind: noop, retry: {max_attempts: 2, initial: 1h, max: 1h}, concurrency: {key: k, limit: 1, strategy: cancel_newest}}")
	b.finish(b.claimed()[0], OutcomeFailed)
	b.submitYAML("name: x\nsteps:\n  - {key: b, kind: noop, concurrency: {key: k, limit: 1, strategy: cancel_newest}}")
	held := b.claimed()[0]
	require.Equal(t, "b", held.Key)
	b.exec(`update weir.steps set run_after = clock_timestamp() where run_id = $1`, first)
	b.due()
	b.finish(held, OutcomeSucceeded)
	require.Equal(t, []string{"a"}, b.drive(nil), "it was there before")
	b.is(first, "a succeeded; succeeded")
}

func TestConcurrencyCancelOldest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := "name: x\nconcurrency: {key: k, limit: 1, strategy: cancel_oldest}\nsteps: [{key: a, kind: noop}]"
	first := b.submitYAML(text)
	held := b.claimed()
	second := b.submitYAML(text)
	b.pass()
	third := b.submitYAML(text)
	b.pass()
	b.is(second, "a cancelled; cancelled")
	require.Empty(t, b.claimed(), "the third starts when the work of the first has stopped")
	b.finish(held[0], OutcomeCancelled)
	require.Equal(t, []string{"a"}, b.drive(nil))
	b.is(first, "a cancelled; cancelled")
	b.is(third, "a succeeded; succeeded")
	require.Equal(t, "superseded", scan[string](b, `select cause::text from weir.runs where id = $1`, first))
}

func TestConcurrencyAdministered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`insert into weir.limits (key, administered, administered_at, administered_by) values ('k', 1, now(), 'local')`)
	for range 4 {
		b.submitYAML(limitedBy("k", ""))
	}
	a := b.claimed()
	require.Len(t, a, 1)
	b.exec(`update weir.limits set administered = 3 where key = 'k'`)
	b.exec(`insert into weir.dirty (shard, run_id, step) select 16, run_id, step from weir.slots where waiting_on = 'k' order by seq limit 1`)
	more := b.claimed()
	require.Len(t, more, 2)
	b.exec(`update weir.limits set administered = 1 where key = 'k'`)
	b.finish(a[0], OutcomeSucceeded)
	b.finish(more[0], OutcomeSucceeded)
	require.Empty(t, b.claimed(), "one is still running")
	b.finish(more[1], OutcomeSucceeded)
	require.Len(t, b.drive(nil), 1)
	require.Equal(t, 1, scan[int](b, `select administered from weir.limits where key = 'k'`), "what was set stays")
	b.clean()
}

func TestRate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 5 {
		b.submitYAML("name: x\nrate: {key: api, limit: 2, per: 1h}\nsteps: [{key: a, kind: noop}]")
	}
	require.Len(t, b.drive(nil), 2)
	require.Equal(t, 3, scan[int](b, `select count(*) from weir.slots where waiting_on = '~rate/api'`))
	b.due()
	require.Empty(t, b.drive(nil))
	b.exec(`update weir.rates set refilled_at = refilled_at - interval '30 minutes', due_at = clock_timestamp()`)
	b.due()
	require.Len(t, b.drive(nil), 1, "a token in half an hour")
	b.exec(`update weir.rates set refilled_at = refilled_at - interval '10 hours', due_at = clock_timestamp()`)
	b.due()
	require.Len(t, b.drive(nil), 2, "no more than the bucket holds")
	b.clean()
}

// Two keys: what needs both gets both or none.
func TestConcurrencyOfTwoKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	wide := b.submitYAML("name: x\nmax_parallel: 1\nsteps:\n  - {key: a, kind: noop, concurrency: {key: k, limit: 1}}\n  - {key: b, kind: noop}")
	holder := b.submitYAML("name: x\nsteps:\n  - {key: h, kind: noop, concurrency: {key: k, limit: 1}}")
	attempts := b.claimed()
	keys := []string{}
	for _, a := range attempts {
		keys = append(keys, a.Key)
	}
	require.ElementsMatch(t, []string{"a"}, keys, "the first has both; b waits for its run, h for the key")
	b.finish(attempts[0], OutcomeSucceeded)
	require.ElementsMatch(t, []string{"b", "h"}, b.drive(nil))
	b.is(wide, "a succeeded, b succeeded; succeeded")
	b.is(holder, "h succeeded; succeeded")
}

func TestGateAfterLoss(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.submitYAML(limitedBy("k", ""))
	b.submitYAML(limitedBy("k", ""))
	third := b.submitYAML(limitedBy("k", ""))
	require.Len(t, b.claimed(), 2)
	b.exec(`update weir.steps set state = 'lost' where run_id = $1`, first) // by hand, as psql would
	attempts := b.claimed()
	require.Len(t, attempts, 1)
	require.Equal(t, third, attempts[0].Run)
	b.clean()
}

func TestSweepLeavesWhatWaitsAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := &observed{expired: map[string]int{}, repaired: map[string]int{}}
	b.observer = o
	b.submitYAML("name: x\nconcurrency: {key: r, limit: 1}\nsteps: [{key: a, kind: noop}]")
	b.submitYAML("name: x\nconcurrency: {key: r, limit: 1}\nsteps: [{key: a, kind: noop}]")
	b.submitYAML("name: x\ndelay: 1h\nsteps: [{key: a, kind: noop}]")
	for range 3 {
		b.submitYAML(limitedBy("k", ""))
	}
	b.submitYAML("name: x\nsteps: [{key: w, kind: wait}, {key: v, kind: wait, needs: [w]}]")
	b.submitYAML(parentPlan)
	b.submitYAML(fan(", max_parallel: 1"))
	paused := b.submitYAML("name: x\nsteps: [{key: w, kind: noop}, {key: v, kind: wait, needs: [w]}]")
	for _, a := range b.claimed() {
		if a.Run != paused && a.Key == "a" && a.RunName == "x" {
			b.finish(a, OutcomeSucceeded)
		}
	}
	require.NoError(t, b.RunPause(t.Context(), paused, "local"))
	b.finish(&Attempt{Run: paused, Step: 1, Attempt: 1, Worker: b.worker}, OutcomeSucceeded)
	b.claimed()
	b.exec(`update weir.slots set asked_at = asked_at - interval '1 hour'`)
	require.NoError(t, b.sweep(t.Context()))
	require.Empty(t, o.repaired, "nothing is wrong")
	require.Zero(t, scan[int](b, `select count(*) from weir.dirty`))
	b.clean()
}

func TestSweepRepairsLimitsAndFanOuts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML(fan(", max_parallel: 1"))
	b.finish(b.claimed()[0], OutcomeSucceeded)
	a := b.claimed()[0]
	b.exec(`update weir.limits set used = 7`)
	b.exec(`update weir.families set total = 3, ended = 1`)
	require.Equal(t, 2, scan[int](b, `select count(*) from weir.violations`))
	require.NoError(t, b.sweep(t.Context()))
	b.pass()
	b.clean()
	b.finish(a, OutcomeSucceeded)
	b.drive(nil)
	require.Equal(t, RunSucceeded, b.runState(run))
}
