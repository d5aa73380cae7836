package lifecycle

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// yaml reads a plan. It is a plan of noops: kind: noop need not be said.
func (b *bundle) yaml(text string) *plan.Plan {
	b.t.Helper()
	p, err := plan.Parse([]byte(text))
	require.NoError(b.t, err)
	return p
}

func (b *bundle) submitYAML(text string) uuid.UUID {
	b.t.Helper()
	return b.submit(b.yaml(text))
}

// due has what the clock brings about happen, and everything that follows.
func (b *bundle) due() {
	b.t.Helper()
	b.pass()
	require.NoError(b.t, b.dueOnce(b.t.Context()))
	b.pass()
}

// claimed starts every step that is dispatched, of all runs.
func (b *bundle) claimed() []*Attempt {
	b.t.Helper()
	b.pass()
	rows, err := b.pool.Query(b.t.Context(), `select run_id, step, river_job_id from weir.steps where state in ('available', 'retrying') and river_job_id is not null order by run_id, step`)
	require.NoError(b.t, err)
	var asked []StartRequest
	for rows.Next() {
		r := StartRequest{Worker: b.worker}
		require.NoError(b.t, rows.Scan(&r.Run, &r.Step, &r.Token))
		asked = append(asked, r)
	}
	require.NoError(b.t, rows.Err())
	var out []*Attempt
	for _, r := range asked {
		a, err := b.StepStart(b.t.Context(), r)
		require.NoError(b.t, err)
		require.Equal(b.t, ResultStarted, a.Result)
		out = append(out, a.Attempt)
	}
	return out
}

// drive claims and finishes steps until none is dispatched, as outcomes says (by key; else succeeded). It answers the keys of
// what it ran, in order.
func (b *bundle) drive(outcomes map[string]Outcome) (ran []string) {
	b.t.Helper()
	for {
		attempts := b.claimed()
		if len(attempts) == 0 {
			return ran
		}
		for _, a := range attempts {
			ran = append(ran, a.Key)
			outcome, ok := outcomes[a.Key]
			if !ok {
				outcome = OutcomeSucceeded
			}
			r := reportOf(a, outcome)
			if outcome == OutcomeSucceeded {
				r.Output = json.RawMessage(fmt.Sprintf(`{"of": %q}`, a.Key))
			}
			answer, err := b.StepFinish(b.t.Context(), r)
			require.NoError(b.t, err)
			require.Equal(b.t, ResultRecorded, answer.Result)
		}
	}
}

// is asserts the states of all steps of a run, in the order of the plan, and of the run: "a succeeded, b failed; failed".
func (b *bundle) is(run uuid.UUID, want string) {
	b.t.Helper()
	got := scan[string](b, `select (select string_agg(s.key || ' ' || s.state, ', ' order by s.step) from weir.steps s where s.run_id = r.id) || '; ' || r.state from weir.runs r where r.id = $1`, run)
	require.Equal(b.t, want, got)
	b.clean()
}

// clean asserts that no invariant is broken and that the counts of limits are those of the slots.
func (b *bundle) clean() {
	b.t.Helper()
	require.Empty(b.t, scan[string](b, `select coalesce(string_agg(rule || ': ' || message, '; '), '') from weir.violations`))
	require.Zero(b.t, scan[int](b, `select count(*) from weir.limits l where used <> (select count(*) from weir.slots s where l.key = any(s.holds))`), "limits are counted")
}

func (b *bundle) causeOf(run uuid.UUID, key string) string {
	b.t.Helper()
	return scan[string](b, `select cause::text from weir.steps where run_id = $1 and key = $2`, run, key)
}

func (b *bundle) outputOf(run uuid.UUID, key string) string {
	b.t.Helper()
	return scan[string](b, `select coalesce(o.output::text, '') from weir.steps s left join weir.outputs o on o.run_id = s.run_id and o.step = s.step and o.attempt = s.attempt where s.run_id = $1 and s.key = $2`, run, key)
}

// M6: on_failure in all three forms.
func TestOnFailureM6(t *testing.T) {
	t.Parallel()
	const steps = `
steps:
  - {key: a, kind: noop}
  - {key: b, kind: noop, needs: [a]}
  - {key: c, kind: noop}
  - {key: d, kind: noop, needs: [c]}
  - {key: cleanup, kind: noop, needs: [b, d], run_if: all_finished}
`
	t.Run("continue", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		run := b.submitYAML("name: m6" + steps)
		b.drive(map[string]Outcome{"a": OutcomeFailed})
		b.is(run, "a failed, b skipped, c succeeded, d succeeded, cleanup succeeded; failed")
		require.Equal(t, "upstream_failed", b.causeOf(run, "b"))
	})
	t.Run("cancel spares what runs after a failure", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		run := b.submitYAML("name: m6\non_failure: cancel" + steps)
		attempts := b.claimed()
		require.Len(t, attempts, 2)
		b.finish(attempts[0], OutcomeFailed)
		b.pass()
		require.Equal(t, "failure_policy", scan[string](b, `select cause::text from weir.stops where run_id = $1`, run), "c is asked to stop")
		b.finish(attempts[1], OutcomeCancelled)
		require.Equal(t, []string{"cleanup"}, b.drive(nil))
		b.is(run, "a failed, b skipped, c cancelled, d cancelled, cleanup succeeded; failed")
		require.Equal(t, "failure_policy", b.causeOf(run, "c"))
		require.Equal(t, "failure_policy", b.causeOf(run, "d"))
	})
	t.Run("pause", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		run := b.submitYAML("name: m6\non_failure: pause" + steps)
		b.drive(map[string]Outcome{"a": OutcomeFailed})
		b.is(run, "a waiting, b pending, c succeeded, d succeeded, cleanup pending; running")
		require.Equal(t, "decision", scan[string](b, `select waiting_for from weir.steps where run_id = $1 and key = 'a'`, run))
		require.NoError(t, b.StepDecision(t.Context(), run, "a", DecisionRequest{Actor: "local", Decision: "retry"}))
		b.drive(nil)
		b.is(run, "a succeeded, b succeeded, c succeeded, d succeeded, cleanup succeeded; succeeded")
	})
}

func TestOnFailurePauseOfALostStep(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\non_failure: pause\nsteps: [{key: a, kind: noop}]")
	a := b.claimed()[0]
	require.NoError(t, b.inTx(t.Context(), func(_ pgx.Tx, q *queries.Queries) error {
		_, err := b.decide(t.Context(), q, leaseExpired(b.worker), []Hold{{Run: run, Step: a.Step, Attempt: a.Attempt}})
		return err
	}))
	b.is(run, "a waiting; running")
	require.Equal(t, "lost", scan[string](b, `select last_outcome::text from weir.steps where run_id = $1`, run))
}

func TestRunTimeout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\ntimeout: 1h\nsteps: [{key: a, kind: noop}, {key: b, kind: noop, needs: [a]}, {key: c, kind: noop, needs: [b], run_if: all_finished}]")
	a := b.claimed()[0]
	b.exec(`update weir.runs set state = 'paused' where id = $1`, run)
	b.exec(`update weir.runs set deadline_at = clock_timestamp() where id = $1`, run)
	b.due()
	require.Equal(t, "run_timeout", scan[string](b, `select cause::text from weir.stops where run_id = $1`, run))
	b.finish(a, OutcomeCancelled)
	b.due()
	b.is(run, "a timed_out, b cancelled, c cancelled; failed")
	require.Equal(t, "run_timeout", scan[string](b, `select cause::text from weir.runs where id = $1`, run))
	require.Equal(t, "run_timeout", b.causeOf(run, "a"))
	require.Equal(t, "paused", scan[string](b, `select string_agg(from_state, '' order by id) from weir.transitions where run_id = $1 and step is null and to_state = 'running'`, run), "it was resumed first")
}

func TestStartAt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\ndelay: 1h\ntimeout: 1h\nsteps: [{key: a, kind: noop}]")
	b.due()
	b.is(run, "a pending; running")
	require.Nil(t, scan[*time.Time](b, `select deadline_at from weir.runs where id = $1`, run), "its timeout counts from its start")
	b.exec(`update weir.runs set start_at = clock_timestamp() where id = $1`, run)
	b.exec(`update weir.slots set due_at = clock_timestamp() where run_id = $1`, run)
	b.due()
	require.NotNil(t, scan[*time.Time](b, `select deadline_at from weir.runs where id = $1`, run))
	require.Equal(t, "start_at", b.causeOf(run, "a"))
	require.Equal(t, []string{"a"}, b.drive(nil))
	b.is(run, "a succeeded; succeeded")
	require.Zero(t, scan[int](b, `select count(*) from weir.slots`))
}

func TestStartAtOfThePast(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\nstart_at: 2020-01-01T00:00:00Z\nsteps: [{key: a, kind: noop}]")
	require.Equal(t, []string{"a"}, b.drive(nil))
	b.is(run, "a succeeded; succeeded")
}
