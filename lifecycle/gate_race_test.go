package lifecycle

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/queries"
)

// heldPass is an Engine whose next pass stands still before it commits.
type heldPass struct {
	*bundle

	armed       atomic.Bool
	there, goOn chan struct{}
	passed      chan error
}

func setupHeldPass(t *testing.T) *heldPass {
	t.Helper()
	h := &heldPass{there: make(chan struct{}), goOn: make(chan struct{}), passed: make(chan error, 1)}
	h.bundle = setup(t, func(c *Config) {
		c.pauses = &pauses{hold: func(point string) {
			if point == pauseBeforeUnlock && h.armed.CompareAndSwap(true, false) {
				close(h.there)
				<-h.goOn
			}
		}}
	})
	return h
}

// begin makes the pass, and returns when it stands still.
func (h *heldPass) begin() {
	h.t.Helper()
	h.armed.Store(true)
	go func() {
		_, _, err := h.passOnce(h.t.Context())
		h.passed <- err
	}()
	<-h.there
}

func (h *heldPass) commit() {
	h.t.Helper()
	close(h.goOn)
	require.NoError(h.t, <-h.passed)
}

// A step becomes due again while the gate gives its slot to the next one.
func TestSlotIsNotGivenAwayWhileItsStepIsDispatched(t *testing.T) {
	t.Parallel()
	h := setupHeldPass(t)
	other := New(Config{Pool: h.pool, Replica: uuid.New()})
	one := "name: x\nsteps:\n  - {key: %s, kind: noop, retry: {max_attempts: 2, initial: 1h, max: 1h}, concurrency: {key: k, limit: 1}}"
	first := h.submitYAML(fmt.Sprintf(one, "a"))
	h.submitYAML(fmt.Sprintf(one, "b"))
	h.finish(h.claimed()[0], OutcomeFailed)
	h.exec(`delete from weir.dirty where shard <> 16`) // another pass has served them

	h.begin()
	h.exec(`update weir.steps set run_after = clock_timestamp() where run_id = $1`, first)
	h.exec(`insert into weir.dirty (shard, run_id, step) select weir.shard_of($1), $1, 1`, first)
	_, _, err := other.passOnce(t.Context())
	require.NoError(t, err)
	h.commit()
	attempts := h.claimed()
	require.Len(t, attempts, 1, "one at a time")
	require.Equal(t, "b", attempts[0].Key)
	h.finish(attempts[0], OutcomeSucceeded)
	require.Equal(t, []string{"a"}, h.drive(nil))
	h.clean()
}

// The same of steps that no worker claims: their run is resumed.
func TestSlotIsNotGivenAwayWhileItsStepBegins(t *testing.T) {
	t.Parallel()
	h := setupHeldPass(t)
	other := New(Config{Pool: h.pool, Replica: uuid.New()})
	run := h.submitYAML("name: x\ninput: {l: [1, 2]}\nsteps:\n  - {key: f, kind: plan, for_each: '${{ input.l }}', max_parallel: 1, with: {plan: {name: y, steps: [{key: c, kind: noop}]}}}")
	for h.one(`select count(*) from weir.dirty where shard = 16`) == 0 {
		_, _, err := h.passOnce(t.Context())
		require.NoError(t, err)
	}
	tx, err := h.pool.Begin(t.Context()) // somebody else has the shard of the run: the gate lets the step through, and no more
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `select pg_advisory_xact_lock(2003134834, weir.shard_of($1))`, run)
	require.NoError(t, err)
	_, _, err = h.passOnce(t.Context())
	require.NoError(t, err)
	require.NoError(t, tx.Rollback(t.Context()))
	require.Equal(t, 1, h.one(`select count(*) from weir.slots where waiting_on is null`))
	h.is(run, "f waiting, f[0] pending, f[1] pending; running")
	require.NoError(t, h.RunPause(t.Context(), run, "local"))
	h.exec(`delete from weir.dirty`)
	h.exec(`insert into weir.dirty (shard, run_id, step) values (16, $1, 2)`, run)

	h.begin()
	require.NoError(t, other.RunResume(t.Context(), run, "local"))
	_, _, err = other.passOnce(t.Context())
	require.NoError(t, err)
	h.commit()
	require.Len(t, h.claimed(), 1, "one at a time")
	require.Equal(t, 1, h.one(`select count(*) from weir.runs where parent_run is not null`))
	h.clean()
}

func (b *bundle) one(sql string) int {
	b.t.Helper()
	return scan[int](b, sql)
}

// A run was paused while the gate let it in, and is resumed before the gate looks again: it has its slots and is let in now.
func TestRunThatHasItsSlotsAndWasNotLetIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\nconcurrency: {key: k, limit: 1}\nsteps: [{key: a, kind: noop}]")
	b.exec(`insert into weir.limits (key, used, declared) values ('k', 1, 1)`)
	b.exec(`insert into weir.slots (run_id, step, concurrency_key, holds, held_at) values ($1, 0, 'k', '{k}', clock_timestamp())`, run)
	require.Equal(t, []string{"a"}, b.drive(nil))
	b.is(run, "a succeeded; succeeded")
	require.Zero(t, b.one(`select count(*) from weir.slots`))
}

// What starts later asks when it does: the strategies count from then, and so does its place in line.
func TestConcurrencyOfWhatStartsLater(t *testing.T) {
	t.Parallel()
	for strategy, want := range map[string][2]string{
		"queue":         {"a running; running", "a pending; running"},
		"cancel_newest": {"a running; running", "a cancelled; cancelled"},
		"cancel_oldest": {"a cancelled; cancelled", "a running; running"},
	} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			text := "name: x\n%sconcurrency: {key: k, limit: 1, strategy: " + strategy + "}\nsteps: [{key: a, kind: noop}]"
			later := b.submitYAML(fmt.Sprintf(text, "delay: 1h\n"))
			b.due()
			first := b.submitYAML(fmt.Sprintf(text, ""))
			held := b.claimed()
			require.Len(t, held, 1)
			b.is(later, "a pending; running")
			b.exec(`update weir.runs set start_at = clock_timestamp() where id = $1`, later)
			b.exec(`update weir.slots set due_at = clock_timestamp() where run_id = $1`, later)
			b.due()
			if strategy == "cancel_oldest" {
				b.finish(held[0], OutcomeCancelled)
				require.Len(t, b.claimed(), 1)
			}
			b.is(first, want[0])
			b.is(later, want[1])
		})
	}
}

func TestRerunOfALimitedRunFromItsMiddle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\nconcurrency: {key: k, limit: 1}\nsteps: [{key: a, kind: noop}, {key: b, kind: noop, needs: [a]}]")
	b.drive(map[string]Outcome{"b": OutcomeFailed})
	b.is(run, "a succeeded, b failed; failed")
	again, err := b.RunRerun(t.Context(), run, RerunRequest{Actor: "local"})
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, b.drive(nil))
	b.is(again.ID, "a succeeded, b succeeded; succeeded")
}

func TestRunTimeoutOfAPausedChildRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\ntimeout: 1h\nsteps: [{key: p, kind: plan, with: {plan: {name: y, steps: [{key: a, kind: noop}]}}}]")
	b.pass()
	child := scan[uuid.UUID](b, `select id from weir.runs where parent_run = $1`, run)
	require.NoError(t, b.RunPause(t.Context(), child, "local"))
	b.exec(`update weir.runs set deadline_at = clock_timestamp() where id = $1`, run)
	b.due()
	b.is(child, "a cancelled; failed")
	b.is(run, "p timed_out; failed")
}

// A run is paused between the gate's look at its step and the dispatch of it: the step gives its slot back.
func TestSlotOfAStepWhoseRunIsPausedMeanwhileIsGivenBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one := "name: x\nsteps:\n  - {key: a, kind: noop, concurrency: {key: k, limit: 1}}"
	run := b.submitYAML(one)
	other := New(Config{Pool: b.pool, Replica: uuid.New()})
	require.NoError(t, b.inTx(t.Context(), func(_ pgx.Tx, q *queries.Queries) error {
		p := b.newPass(q, []hint{{shard: gateShard, run: run, step: 1}})
		g := &gate{p: p, limits: map[string]*limit{}, rates: map[string]*rate{}, lines: map[string]bool{}, granted: map[node]bool{}}
		looked, err := g.look(t.Context(), p.gate)
		require.NoError(t, err)
		require.NoError(t, other.RunPause(t.Context(), run, "local"))
		require.NoError(t, g.sort(t.Context(), looked))
		g.apply(looked[0]) // as a round does right after it has looked
		require.NoError(t, g.write(t.Context()))
		require.NoError(t, g.leave(t.Context()))
		p.gate = nil
		return p.do(t.Context())
	}))
	b.exec(`delete from weir.dirty where shard = 16`)
	b.pass()
	require.Zero(t, b.one(`select count(*) from weir.slots`))
	b.clean()
	require.NoError(t, b.RunResume(t.Context(), run, "local"))
	require.Equal(t, []string{"a"}, b.drive(nil))
}

// A run of an older version of a plan ends: the rate that the newer one says stays.
func TestRateIsWhatThePlanSaysThatAskedLast(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one := "name: x\nrate: {key: api, limit: %d, per: 1h}\nsteps: [{key: a, kind: noop}]"
	b.submitYAML(fmt.Sprintf(one, 100))
	old := b.claimed()
	b.submitYAML(fmt.Sprintf(one, 2))
	require.Len(t, b.drive(nil), 1)
	require.Equal(t, 2, b.one(`select rate_limit from weir.rates`))
	b.finish(old[0], OutcomeSucceeded)
	b.pass()
	require.Equal(t, 2, b.one(`select rate_limit from weir.rates`))
}

// A pause that takes several transactions: what one of them took back is not dispatched before the next.
func TestWhatAPauseTakesBackStaysSo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\nmax_parallel: 1\nsteps: [{key: a, kind: noop}, {key: b, kind: noop}]")
	b.pass()
	taken, err := b.q.RunTakeBack(t.Context(), queries.RunTakeBackParams{RunID: run, Most: 10})
	require.NoError(t, err)
	require.EqualValues(t, 1, taken)
	b.pass()
	require.Zero(t, b.one(`select count(*) from weir.steps where river_job_id is not null`))
	require.NoError(t, b.RunPause(t.Context(), run, "local"))
	b.pass()
	require.Zero(t, b.one(`select count(*) from weir.slots where waiting_on is null`), "the gate has its slot back")
	require.NoError(t, b.RunResume(t.Context(), run, "local"))
	require.Len(t, b.drive(nil), 2)
	b.clean()
}

// The gate looks at the slot of a step that is to be dispatched, or to begin, and fails: the step is not forgotten.
func TestStepIsNotForgottenWhenTheGateFails(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"is dispatched": "name: x\nsteps: [{key: a, kind: noop, concurrency: {key: k, limit: 1}}]",
		"begins":        "name: x\nsteps: [{key: a, kind: plan, with: {plan: {name: y, steps: [{key: c, kind: noop}]}}, concurrency: {key: k, limit: 1}}]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			run := b.submitYAML(text)
			b.exec(`delete from weir.dirty`)
			b.exec(`insert into weir.limits (key, used, declared) values ('k', 1, 1)`)
			b.exec(`insert into weir.slots (run_id, step, concurrency_key, holds, held_at) values ($1, 1, 'k', '{k}', clock_timestamp())`, run)
			b.exec(`insert into weir.dirty (shard, run_id, step) select weir.shard_of($1), $1, 1`, run)

			gate, err := b.pool.Begin(t.Context())
			require.NoError(t, err)
			_, err = gate.Exec(t.Context(), `select from weir.slots where run_id = $1 for update`, run)
			require.NoError(t, err)
			_, _, err = b.passOnce(t.Context())
			require.NoError(t, err)
			require.NoError(t, gate.Rollback(t.Context()))

			require.Equal(t, 1, b.one(`select count(*) from weir.dirty where shard = 16`), "it is looked at again")
			b.drive(nil)
			b.is(run, "a succeeded; succeeded")
			b.clean()
		})
	}
}
