package lifecycle

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// M7: whatever happens to runs of any shape, the invariants hold at every moment, and every run ends.
func TestNoViolationsWhateverHappens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`update weir.pulse set beat_at = clock_timestamp() + interval '1 day', steady_since = clock_timestamp() - interval '1 day'`)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 8 {
		b.submit(wildPlan(random))
	}
	var running []*Attempt
	for turn := 0; ; turn++ {
		require.Less(t, turn, 2000, "it ends")
		if turn%5 == 0 {
			b.healthy()
		}
		switch dice := random.IntN(20); {
		case dice == 0 && turn < 100:
			if run, ok := b.any(random, `select id, 0 from weir.runs where state = 'running' and cancel_requested_at is null`); ok {
				require.NoError(t, b.RunCancel(t.Context(), run.Run, CancelRequest{Actor: "local"}))
			}
		case dice == 1 && turn < 100:
			if step, ok := b.any(random, `select run_id, step from weir.steps where state < 'succeeded' and cancel_requested_at is null`); ok {
				key := scan[string](b, `select key from weir.steps where run_id = $1 and step = $2`, step.Run, step.Step)
				require.NoError(t, b.StepCancel(t.Context(), step.Run, key, CancelRequest{Actor: "local"}))
			}
		case dice < 8:
			b.pass()
		case dice < 14 || len(running) == 0:
			if step, ok := b.any(random, `select run_id, step from weir.steps where state in ('available', 'retrying') and river_job_id is not null`); ok {
				token := scan[int64](b, `select river_job_id from weir.steps where run_id = $1 and step = $2`, step.Run, step.Step)
				answer, err := b.StepStart(t.Context(), StartRequest{Run: step.Run, Step: step.Step, Token: token, Worker: b.worker})
				require.NoError(t, err)
				if answer.Result == ResultStarted {
					running = append(running, answer.Attempt)
				}
			} else if len(running) == 0 && b.ended() {
				b.pass()
				b.healthy()
				require.Zero(t, scan[int](b, `select count(*)::int from weir.stuck`))
				return
			}
		default:
			i := random.IntN(len(running))
			report := reportOf(running[i], wildOutcome(random))
			if report.Outcome == OutcomeSucceeded && random.IntN(2) == 0 {
				report.Output = []byte(`{"some": "output"}`)
			}
			_, err := b.StepFinish(t.Context(), report)
			require.NoError(t, err)
			running = append(running[:i], running[i+1:]...)
		}
	}
}

// wildPlan is a plan of up to ten steps, each of which needs some of those before it.
func wildPlan(random *rand.Rand) *plan.Plan {
	steps := make([]plan.Step, 1+random.IntN(10))
	for i := range steps {
		var needs []string
		for j := range i {
			if random.IntN(3) == 0 {
				needs = append(needs, fmt.Sprintf("k%d", j))
			}
		}
		steps[i] = step(fmt.Sprintf("k%d", i), needs...)
		steps[i].RunIf = []string{"all_succeeded", "all_succeeded", "all_finished", "any_failed"}[random.IntN(4)]
		steps[i].AllowFailure = random.IntN(4) == 0
		steps[i].Retry.MaxAttempts = 1 + random.IntN(3)
		steps[i].Retry.Initial, steps[i].Retry.Max = time.Millisecond, time.Millisecond
	}
	return planOf(steps...)
}

func wildOutcome(random *rand.Rand) Outcome {
	return []Outcome{OutcomeSucceeded, OutcomeSucceeded, OutcomeSucceeded, OutcomeFailed, OutcomeCrashed, OutcomeTimedOut, OutcomeHandedBack}[random.IntN(7)]
}

// healthy proves that no invariant is broken.
func (b *bundle) healthy() {
	b.t.Helper()
	rows, err := b.pool.Query(b.t.Context(), `select rule || ': ' || message from weir.violations`)
	require.NoError(b.t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(b.t, err)
	require.Empty(b.t, found)
}

// any picks one of the rows (run, step) that a query finds.
func (b *bundle) any(random *rand.Rand, sql string) (Hold, bool) {
	b.t.Helper()
	rows, err := b.pool.Query(b.t.Context(), sql+` order by 1, 2`)
	require.NoError(b.t, err)
	var found []Hold
	var run uuid.UUID
	var step int
	_, err = pgx.ForEachRow(rows, []any{&run, &step}, func() error {
		found = append(found, Hold{Run: run, Step: step})
		return nil
	})
	require.NoError(b.t, err)
	if len(found) == 0 {
		return Hold{}, false
	}
	return found[random.IntN(len(found))], true
}

// ended is true when no run is open and nothing is left to be looked at.
func (b *bundle) ended() bool {
	b.t.Helper()
	return scan[bool](b, `select not exists (select from weir.runs where state in ('running', 'paused')) and not exists (select from weir.dirty)`)
}
