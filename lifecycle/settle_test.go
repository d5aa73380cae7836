package lifecycle

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// oracle says how every step and the run end when the workers report these outcomes: section 2.1 of the contract,
// written down once more, step by step and without counters.
func oracle(p *plan.Plan, outcomes []Outcome) ([]StepState, RunState) {
	states, causes := make([]StepState, len(p.Steps)), make([]Cause, len(p.Steps))
	class := func(i int) class { return classOf(states[i], causes[i], p.Steps[i].AllowFailure) }
	run := RunSucceeded
	for i := range p.Steps { // needs come first
		st := &p.Steps[i]
		var failures, alloweds, neutrals int
		for _, need := range st.NeedOrdinals {
			switch class(need - 1) {
			case success:
			case failure:
				failures++
			case allowed:
				alloweds++
			case neutral:
				neutrals++
			}
		}
		switch {
		case st.RunIf == "all_succeeded" && failures > 0:
			states[i], causes[i] = StepSkipped, CauseUpstreamFailed
		case st.RunIf == "all_succeeded" && neutrals > 0, st.RunIf == "any_failed" && failures+alloweds == 0:
			states[i], causes[i] = StepSkipped, CauseRunIf
		default:
			states[i], causes[i] = StepState(outcomes[i]), CauseReported
		}
		if class(i) == failure {
			run = RunFailed
		}
	}
	return states, run
}

// randomPlan draws a plan whose steps need earlier ones.
func randomPlan(t *rapid.T) (*plan.Plan, []Outcome) {
	n := rapid.IntRange(1, 12).Draw(t, "steps")
	steps, outcomes := make([]plan.Step, n), make([]Outcome, n)
	for i := range n {
		steps[i] = step(fmt.Sprint("s", i))
		steps[i].RunIf = rapid.SampledFrom([]string{"all_succeeded", "all_succeeded", "all_finished", "any_failed"}).Draw(t, "run_if")
		steps[i].AllowFailure = rapid.Float64Range(0, 1).Draw(t, "allow") < 0.3
		for j := range i {
			if rapid.IntRange(0, 2).Draw(t, "edge") == 0 {
				steps[i].Needs = append(steps[i].Needs, fmt.Sprint("s", j))
			}
		}
		outcomes[i] = rapid.SampledFrom([]Outcome{OutcomeSucceeded, OutcomeSucceeded, OutcomeFailed, OutcomeCrashed, OutcomeTimedOut}).Draw(t, "outcome")
	}
	return planOf(steps...), outcomes
}

// work starts and finishes steps in a random order until none is available, with reports as the outcomes say.
func (b *bundle) work(run uuid.UUID, outcomes []Outcome, rng *rand.Rand) {
	b.t.Helper()
	for {
		b.pass()
		ready := b.steps(`select step from weir.steps where run_id = $1 and state = 'available'`, run)
		if len(ready) == 0 {
			return
		}
		ordinal := ready[rng.IntN(len(ready))]
		b.finish(b.start(run, ordinal), outcomes[ordinal-1])
	}
}

func (b *bundle) steps(sql string, args ...any) []int {
	b.t.Helper()
	rows, err := b.pool.Query(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
	defer rows.Close()
	var out []int
	for rows.Next() {
		var n int
		require.NoError(b.t, rows.Scan(&n))
		out = append(out, n)
	}
	require.NoError(b.t, rows.Err())
	return out
}

// M4, M6, M7: whatever the DAG, the policies and the order of outcomes, every step and the run end as the contract says.
func TestM7EveryRunEndsAsTheContractSays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rapid.Check(t, func(rt *rapid.T) {
		p, outcomes := randomPlan(rt)
		states, want := oracle(p, outcomes)
		run := b.submit(p)
		b.work(run, outcomes, rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 0)))
		for i, state := range states {
			require.Equal(rt, state, b.stepState(run, i+1), "step %d", i)
		}
		require.Equal(rt, want, b.runState(run))
	})
	require.Zero(t, scan[int](b, `select count(*)::int from weir.dirty`))
}

// A step with more dependants than fit into one transaction is told to them a thousand at a time.
func TestWideFanOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 2*passSteps + 300
	steps := []plan.Step{step("root")}
	for i := range n {
		s := step(fmt.Sprint("leaf", i), "root")
		if i%2 == 1 {
			s.RunIf = "any_failed"
		}
		steps = append(steps, s)
	}
	run := b.submit(planOf(steps...))
	b.finish(b.start(run, 1), OutcomeSucceeded)
	require.False(t, scan[bool](b, `select settled from weir.steps where run_id = $1 and step = 1`, run))
	_, _, err := b.passOnce(t.Context())
	require.NoError(t, err)
	require.Equal(t, n-passSteps, scan[int](b, `select count(*)::int from weir.steps where run_id = $1 and state = 'pending'`, run), "one transaction, one thousand")
	b.pass()
	require.True(t, scan[bool](b, `select settled from weir.steps where run_id = $1 and step = 1`, run))
	require.Equal(t, n/2, scan[int](b, `select count(*)::int from weir.steps where run_id = $1 and state = 'available' and river_job_id is not null`, run))
	require.Equal(t, n/2, scan[int](b, `select count(*)::int from weir.steps where run_id = $1 and state = 'skipped' and settled`, run))
	require.Equal(t, n/2, scan[int](b, `select steps_open from weir.runs where id = $1`, run))
}

// A chain of skips is followed beyond the bound of one transaction.
func TestLongChainOfSkips(t *testing.T) {
	t.Parallel()
	b := setup(t)
	steps := []plan.Step{step("s0")}
	for i := range passSteps + 200 {
		steps = append(steps, step(fmt.Sprint("s", i+1), fmt.Sprint("s", i)))
	}
	run := b.submit(planOf(steps...))
	b.finish(b.start(run, 1), OutcomeFailed)
	b.pass()
	require.Equal(t, RunFailed, b.runState(run))
	require.Equal(t, passSteps+200, scan[int](b, `select count(*)::int from weir.steps where run_id = $1 and state = 'skipped' and cause = 'upstream_failed' and settled`, run))
}

// M4: one fails while two succeed. In every order, one by one, in one flush and all at once, one has failed and two have
// succeeded, and their dependant and run know it.
func TestM4ConcurrentOutcomes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	orders := [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	report := map[string]func(reports []Report){
		"one by one": func(reports []Report) {
			for _, r := range reports {
				_, err := b.StepFinish(t.Context(), r)
				require.NoError(t, err)
			}
		},
		"in one flush": func(reports []Report) {
			_, err := b.finishFlush(t.Context(), reports)
			require.NoError(t, err)
		},
		"at once": func(reports []Report) {
			var wg sync.WaitGroup
			for _, r := range reports {
				wg.Go(func() { _, _ = b.finishFlush(t.Context(), []Report{r}) }) // what is not recorded shows below
			}
			wg.Wait()
		},
	}
	outcomes := []Outcome{OutcomeSucceeded, OutcomeFailed, OutcomeSucceeded}
	for name, send := range report {
		for _, order := range orders {
			clean := step("clean", "a", "b", "c")
			clean.RunIf = "any_failed"
			run := b.submit(planOf(step("a"), step("b"), step("c"), step("all", "a", "b", "c"), clean))
			reports := make([]Report, 3)
			for i, n := range order {
				reports[i] = reportOf(b.start(run, n+1), outcomes[n])
			}
			send(reports)
			b.pass()
			require.Equal(t, []StepState{StepSucceeded, StepFailed, StepSucceeded, StepSkipped, StepAvailable}, []StepState{
				b.stepState(run, 1), b.stepState(run, 2), b.stepState(run, 3), b.stepState(run, 4), b.stepState(run, 5),
			}, "%s, %v", name, order)
			require.Equal(t, []int{1, 2}, []int{
				scan[int](b, `select steps_open from weir.runs where id = $1`, run), scan[int](b, `select steps_failed from weir.runs where id = $1`, run),
			}, "%s, %v", name, order)
			b.finish(b.start(run, 5), OutcomeSucceeded)
			require.Equal(t, RunFailed, b.runState(run))
		}
	}
}
