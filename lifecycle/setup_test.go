package lifecycle

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/lifecycle/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bundle is an Engine on a database of its own, with a worker whose lease lasts.
type bundle struct {
	*Engine

	t      *testing.T
	pool   *pgxpool.Pool
	worker uuid.UUID
}

func setup(t *testing.T, change ...func(*Config)) *bundle {
	t.Helper()
	pool := dbtest.Pool(t)
	c := Config{Pool: pool, Replica: uuid.New()}
	for _, f := range change {
		f(&c)
	}
	b := &bundle{Engine: New(c), t: t, pool: pool, worker: c.Replica}
	b.addWorker(b.worker)
	b.exec(`insert into weir.kinds (kind) values ('noop') on conflict do nothing`)
	return b
}

func (b *bundle) addWorker(id uuid.UUID) {
	b.t.Helper()
	b.exec(`insert into weir.workers (id, name, lease_until) values ($1, 'test', clock_timestamp() + interval '1 hour')`, id)
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.pool.Exec(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
}

// scan reads one value.
func scan[T any](b *bundle, sql string, args ...any) T {
	b.t.Helper()
	var v T
	require.NoError(b.t, b.pool.QueryRow(b.t.Context(), sql, args...).Scan(&v))
	return v
}

// run runs the Engine's loops until the test ends.
func (b *bundle) run() {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		require.NoError(b.t, <-done)
	})
}

// step is a step of a plan of noops.
func step(key string, needs ...string) plan.Step {
	return plan.Step{
		Key: key, Kind: "noop", With: json.RawMessage("{}"), Needs: needs, RunIf: "all_succeeded", Timeout: 10 * time.Minute,
		Grace: 10 * time.Second, Queue: "default", Priority: 2, RunsOn: "replica",
		Retry: plan.Retry{MaxAttempts: 1, Backoff: "exponential", Initial: time.Second, Max: 5 * time.Minute, Jitter: 0.1},
	}
}

// planOf makes a plan of steps.
func planOf(steps ...plan.Step) *plan.Plan {
	ordinals := make(map[string]int, len(steps))
	for i := range steps {
		ordinals[steps[i].Key] = i + 1
	}
	for i := range steps {
		steps[i].NeedOrdinals = nil
		for _, need := range steps[i].Needs {
			steps[i].NeedOrdinals = append(steps[i].NeedOrdinals, ordinals[need])
		}
	}
	return &plan.Plan{Name: "test", Input: json.RawMessage("{}"), OnFailure: "continue", Steps: steps}
}

func (b *bundle) submit(p *plan.Plan) uuid.UUID {
	b.t.Helper()
	s, err := b.Submit(b.t.Context(), Submission{Plan: p, Actor: "local"})
	require.NoError(b.t, err)
	return s.ID
}

// tokenOf is the dispatch token of a step, once it has one.
func (b *bundle) tokenOf(run uuid.UUID, ordinal int) int64 {
	b.t.Helper()
	var token *int64
	require.Eventually(b.t, func() bool {
		token = scan[*int64](b, `select river_job_id from weir.steps where run_id = $1 and step = $2`, run, ordinal)
		return token != nil
	}, 30*time.Second, time.Millisecond, "the step is dispatched")
	return *token
}

// start claims a step as River's fetch and the supervisor would.
func (b *bundle) start(run uuid.UUID, ordinal int) *Attempt {
	b.t.Helper()
	a, err := b.StepStart(b.t.Context(), StartRequest{Run: run, Step: ordinal, Token: b.tokenOf(run, ordinal), Worker: b.worker})
	require.NoError(b.t, err)
	require.Equal(b.t, ResultStarted, a.Result)
	return a.Attempt
}

func reportOf(a *Attempt, outcome Outcome) Report {
	r := Report{ID: uuid.New(), Run: a.Run, Step: a.Step, Attempt: a.Attempt, Worker: a.Worker, Outcome: outcome, Cause: CauseReported}
	if outcome == OutcomeFailed || outcome == OutcomeCrashed || outcome == OutcomeTimedOut {
		r.Error = &ReportError{Code: "failed", Message: "it failed", Retryable: true}
	}
	return r
}

func (b *bundle) finish(a *Attempt, outcome Outcome) {
	b.t.Helper()
	answer, err := b.StepFinish(b.t.Context(), reportOf(a, outcome))
	require.NoError(b.t, err)
	require.Equal(b.t, ResultRecorded, answer.Result)
}

func (b *bundle) stepState(run uuid.UUID, ordinal int) StepState {
	b.t.Helper()
	return StepState(scan[string](b, `select state::text from weir.steps where run_id = $1 and step = $2`, run, ordinal))
}

func (b *bundle) runState(run uuid.UUID) RunState {
	b.t.Helper()
	return RunState(scan[string](b, `select state::text from weir.runs where id = $1`, run))
}

// pass makes passes until nothing is dirty.
func (b *bundle) pass() {
	b.t.Helper()
	for {
		served, left, err := b.passOnce(b.t.Context())
		require.NoError(b.t, err)
		if served == 0 && left == 0 {
			return
		}
	}
}
