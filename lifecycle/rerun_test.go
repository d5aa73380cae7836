package lifecycle

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// play starts and reports what can start of a run until there is nothing more, and answers the keys of what it started in
// order. Steps whose key is in fails fail.
func (b *bundle) play(run uuid.UUID, fails ...string) (started []string) {
	b.t.Helper()
	for {
		b.pass()
		ordinal := scan[int](b, `select coalesce(min(step), 0) from weir.steps where run_id = $1 and state in ('available', 'retrying') and river_job_id is not null`, run)
		if ordinal == 0 {
			return started
		}
		a := b.start(run, ordinal)
		started = append(started, a.Key)
		report := reportOf(a, OutcomeSucceeded)
		report.Output = json.RawMessage(`{"made_by": "` + a.Key + `"}`)
		for _, key := range fails {
			if key == a.Key {
				report = reportOf(a, OutcomeFailed)
			}
		}
		answer, err := b.StepFinish(b.t.Context(), report)
		require.NoError(b.t, err)
		require.Equal(b.t, ResultRecorded, answer.Result)
	}
}

func (b *bundle) rerun(run uuid.UUID, r RerunRequest) uuid.UUID {
	b.t.Helper()
	r.Actor = ops
	made, err := b.RunRerun(b.t.Context(), run, r)
	require.NoError(b.t, err)
	require.False(b.t, made.Replayed)
	b.healthy()
	return made.ID
}

// states are the keys of the steps of a run with their states.
func (b *bundle) states(run uuid.UUID) string {
	b.t.Helper()
	return scan[string](b, `select string_agg(key || ' ' || state, ', ' order by step) from weir.steps where run_id = $1`, run)
}

// mixed is a run that failed: fetch, build and note succeeded, test failed, deploy was skipped, and report ran all the same.
func (b *bundle) mixed() (uuid.UUID, *plan.Plan) {
	b.t.Helper()
	report := step("report", "test")
	report.RunIf = "all_finished"
	undo := step("undo", "fetch")
	undo.RunIf = "any_failed"
	flaky := step("flaky")
	flaky.AllowFailure = true
	p := planOf(step("fetch"), step("build", "fetch"), step("test", "build"), step("deploy", "test"), report, step("note", "fetch"), undo, flaky)
	p.Input = json.RawMessage(`{"day": 1}`)
	p.Labels = map[string]string{"team": "data"}
	p.Description = "what it does"
	p.Steps[0].With = json.RawMessage(`{"w": 1}`)
	p.Steps[2].Retry.Initial, p.Steps[2].StallAfter = 7_000_000_000, 9_000_000_000
	run := b.submit(p)
	require.Equal(b.t, []string{"fetch", "build", "test", "report", "note", "flaky"}, b.play(run, "test", "flaky"))
	require.Equal(b.t, RunFailed, b.runState(run))
	return run, p
}

func TestRunRerunGoesOnFromWhatFailed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old, _ := b.mixed()
	run := b.rerun(old, RerunRequest{})
	require.Equal(t, "fetch succeeded, build succeeded, test available, deploy pending, report pending, note succeeded, undo pending, flaky available", b.states(run))
	require.Equal(t, old, *scan[*uuid.UUID](b, `select reused_from from weir.steps where run_id = $1 and key = 'build'`, run))

	a := b.start(run, 3)
	require.Equal(t, 1, a.Attempt)
	require.JSONEq(t, `{"made_by": "build"}`, string(a.Needs["build"].Output), "the output is carried over")
	require.JSONEq(t, `{"day": 1}`, string(a.Input))
	b.finish(a, OutcomeSucceeded)
	require.Equal(t, []string{"deploy", "report", "flaky"}, b.play(run))
	require.Equal(t, RunSucceeded, b.runState(run))
	require.Equal(t, "skipped run_if", scan[string](b, `select state || ' ' || cause from weir.steps where run_id = $1 and key = 'undo'`, run), "it is decided anew")
	b.healthy()

	view, err := b.RunGet(t.Context(), run)
	require.NoError(t, err)
	before, err := b.RunGet(t.Context(), old)
	require.NoError(t, err)
	require.Equal(t, old, *view.RerunOf)
	require.Equal(t, ops, view.CreatedBy)
	require.Equal(t, before.Labels, view.Labels)
	require.Equal(t, before.Name+before.Description+before.OnFailure, view.Name+view.Description+view.OnFailure)
	require.JSONEq(t, string(before.Input), string(view.Input))

	// Of the plan nothing is lost.
	was, err := b.RunPlan(t.Context(), old)
	require.NoError(t, err)
	is, err := b.RunPlan(t.Context(), run)
	require.NoError(t, err)
	require.Equal(t, was, is)

	again := b.rerun(run, RerunRequest{From: []string{"deploy"}})
	require.Equal(t, "fetch succeeded, build succeeded, test succeeded, deploy available, report succeeded, note succeeded, undo pending, flaky succeeded", b.states(again))
	require.Equal(t, old, *scan[*uuid.UUID](b, `select reused_from from weir.steps where run_id = $1 and key = 'build'`, again), "outputs are read where they were made")
	require.Equal(t, run, *scan[*uuid.UUID](b, `select reused_from from weir.steps where run_id = $1 and key = 'test'`, again))
	step, err := b.StepGet(t.Context(), again, "build")
	require.NoError(t, err)
	require.JSONEq(t, `{"made_by": "build"}`, string(step.Output))
	require.Equal(t, CauseRerun, step.Cause)
	require.Equal(t, []string{"deploy"}, b.play(again))
	require.Equal(t, RunSucceeded, b.runState(again))
	b.healthy()
}

func TestRunRerunOfEverything(t *testing.T) {
	t.Parallel()
	b := setup(t)
	all := []string{"fetch", "build", "test", "deploy", "report", "note", "flaky"}
	failed, p := b.mixed()
	run := b.rerun(failed, RerunRequest{Input: json.RawMessage(`{"day": 2}`)})
	require.Equal(t, all, b.play(run), "the input is another one")
	require.JSONEq(t, `{"day": 2}`, scan[string](b, `select input::text from weir.run_inputs where run_id = $1`, run))
	require.Zero(t, scan[int](b, `select count(reused_from)::int from weir.steps where run_id = $1`, run))

	run = b.rerun(run, RerunRequest{})
	require.Equal(t, all, b.play(run), "there is nothing that would run again by itself")
	require.JSONEq(t, `{"day": 2}`, scan[string](b, `select input::text from weir.run_inputs where run_id = $1`, run))

	run = b.rerun(run, RerunRequest{Input: json.RawMessage(`{}`)})
	require.Zero(t, scan[int](b, `select count(*)::int from weir.run_inputs where run_id = $1`, run))
	require.NoError(t, b.RunCancel(t.Context(), run, who))
	b.pass()
	require.Equal(t, RunCancelled, b.runState(run))
	require.Equal(t, all, b.play(b.rerun(run, RerunRequest{})), "nothing had succeeded")

	run = b.rerun(failed, RerunRequest{Input: json.RawMessage(` {"day":1}`)})
	require.Equal(t, []string{"test", "deploy", "report", "flaky"}, b.play(run), "it is the same input")
	require.Len(t, p.Steps, scan[int](b, `select steps_total from weir.runs where id = $1`, run))

	// Everything had succeeded, and it was cancelled all the same.
	run = b.submit(planOf(step("a")))
	a := b.start(run, 1)
	require.NoError(t, b.RunCancel(t.Context(), run, who))
	b.finish(a, OutcomeSucceeded)
	b.pass()
	require.Equal(t, RunCancelled, b.runState(run))
	require.Equal(t, []string{"a"}, b.play(b.rerun(run, RerunRequest{})))
	b.healthy()
}

func TestRunRerunIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ask := func(run uuid.UUID, r RerunRequest) error { _, err := b.RunRerun(t.Context(), run, r); return err }
	notFound(t, ask(uuid.New(), RerunRequest{}))
	run := b.submit(planOf(step("a")))
	known := refused(t, ask(run, RerunRequest{}))
	require.Equal(t, []string{"cancelled", "failed", "paused", "succeeded"}, known.Allowed)
	require.Equal(t, "running", known.Current.State)
	require.NoError(t, b.RunPause(t.Context(), run, ops))
	require.Equal(t, "paused", refused(t, ask(run, RerunRequest{})).Current.State)
	require.NoError(t, b.RunResume(t.Context(), run, ops))
	b.play(run)

	require.ErrorAs(t, ask(run, RerunRequest{From: []string{"a", "x", "y"}}), &known)
	require.Equal(t, CodeInvalidRequest, known.Code)
	require.Len(t, known.Faults, 2)
	require.Equal(t, "from[2]", known.Faults[1].Path)
	for _, input := range []string{`[]`, `null`, `{`, `{"a": "\u0000"}`} {
		require.ErrorAs(t, ask(run, RerunRequest{Input: json.RawMessage(input)}), &known)
		require.Equal(t, CodeInvalidRequest, known.Code)
		require.Equal(t, "input", known.Faults[0].Path)
	}
	require.ErrorAs(t, ask(run, RerunRequest{Input: json.RawMessage(`{"a": "` + strings.Repeat("x", 1<<20) + `"}`)}), &known)
	require.Equal(t, CodeTooLarge, known.Code)
	require.Equal(t, 1, scan[int](b, `select count(*)::int from weir.runs`))
}

// TestO4RunRerunAgain: the same request is one run, by its id or by its key.
func TestO4RunRerunAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old, _ := b.mixed()
	id := uuid.Must(uuid.NewV7())
	require.Equal(t, id, b.rerun(old, RerunRequest{ID: id}))
	made, err := b.RunRerun(t.Context(), old, RerunRequest{Actor: ops, ID: id})
	require.NoError(t, err)
	require.Equal(t, id, made.ID)

	keyed := RerunRequest{Actor: ops, Scope: "local", IdempotencyKey: "k", Digest: []byte{1}}
	first, err := b.RunRerun(t.Context(), old, keyed)
	require.NoError(t, err)
	require.False(t, first.Replayed)
	second, err := b.RunRerun(t.Context(), old, keyed)
	require.NoError(t, err)
	require.Equal(t, Submitted{ID: first.ID, Replayed: true}, second)
	keyed.Digest = []byte{2}
	_, err = b.RunRerun(t.Context(), old, keyed)
	var known *Error
	require.ErrorAs(t, err, &known)
	require.Equal(t, CodeIdempotencyConflict, known.Code)
	require.Equal(t, 3, scan[int](b, `select count(*)::int from weir.runs`))
	b.healthy()
}

// What limits a run and its steps, and what its steps wait for, is copied: it is born as a submit would have it.
func TestRunRerunOfFlows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old, _ := b.mixed()
	const plain = `set session_replication_role = replica;
		update weir.runs set timeout = '1 hour', deadline_at = now(), on_failure = 'pause', max_parallel = 3, wants_output = true, plan_version = 7, key = 'k', start_at = now(), limited = true,
			parent_run = '` + `00000000-0000-0000-0000-000000000001` + `', parent_step = 1, depth = 2;
		insert into weir.policies (run_id, step, output) select id, 0, '{"o": 1}' from weir.runs;
		insert into weir.policies (run_id, step, for_each, max_parallel) select id, 6, '${{ input.list }}', 2 from weir.runs;
		insert into weir.policies (run_id, step, rate_key, rate_limit, rate_per) select id, 8, 'r', 1, '1s' from weir.runs;
		update weir.steps set limited = true where key = 'flaky';
		update weir.steps set expects = 'signal' where key = 'test';
		update weir.steps set expects = 'children' where key = 'note';
		insert into weir.steps (run_id, step, key, kind, state, finished_at, parent, item, settled, reused_from) select id, 9, 'note[0]', 'noop', 'succeeded', now(), 6, 0, true, id from weir.runs;
		update weir.runs set steps_total = 9;
		set session_replication_role = origin`
	b.exec(plain)
	run := b.rerun(old, RerunRequest{From: []string{"build"}})
	require.Equal(t, "fetch succeeded, build available, test pending, deploy pending, report pending, note succeeded, undo pending, flaky available", b.states(run), "children of a fan-out are not copied")
	require.Equal(t, "01:00:00 pause 3 true 7 8 6", scan[string](b, `select concat_ws(' ', timeout, on_failure, max_parallel, wants_output::text, plan_version, steps_total, steps_open) from weir.runs
		where id = $1 and admitted and not limited and key is null and start_at is null and parent_run is null and depth = 0 and deadline_at between clock_timestamp() + '59 minutes' and clock_timestamp() + '1 hour'`, run))
	require.Equal(t, "0 {\"o\": 1}, 6 ${{ input.list }} 2, 8 r 1 00:00:01", scan[string](b, `select string_agg(concat_ws(' ', step, output::text, for_each, max_parallel, rate_key, rate_limit, rate_per), ', ' order by step) from weir.policies where run_id = $1`, run))
	require.Equal(t, "undo own, flaky gate", b.hints(run), "a limited step is for the gate")
	require.Nil(t, scan[*int64](b, `select river_job_id from weir.steps where run_id = $1 and key = 'flaky'`, run))
	require.Equal(t, "signal", scan[string](b, `select expects from weir.steps where run_id = $1 and key = 'test'`, run))

	waits := b.rerun(old, RerunRequest{})
	require.Equal(t, "test own, undo own, flaky gate", b.hints(waits), "what nobody claims is reconcile's to begin")

	b.exec(`update weir.policies set concurrency_key = 'c', concurrency_limit = 1, concurrency_strategy = 'queue' where run_id = $1 and step = 0`, old)
	gated := b.rerun(old, RerunRequest{From: []string{"fetch"}})
	require.Equal(t, "fetch pending, build pending, test pending, deploy pending, report pending, note pending, undo pending, flaky pending", b.states(gated))
	require.Equal(t, "run gate", b.hints(gated))
	require.True(t, scan[bool](b, `select not admitted and limited and deadline_at is null and timeout = '1 hour' from weir.runs where id = $1`, gated))
}

// hints are those of a run that nobody has served.
func (b *bundle) hints(run uuid.UUID) string {
	b.t.Helper()
	return scan[string](b, `select string_agg(coalesce(s.key, 'run') || case d.shard when 16 then ' gate' when weir.shard_of(d.run_id) then ' own' end, ', ' order by d.step)
		from weir.dirty d left join weir.steps s on s.run_id = d.run_id and s.step = d.step where d.run_id = $1`, run)
}

// A chain and a fan of thousands of steps: the work grows with their number, whatever the planner takes them for.
func TestRunRerunOfALargeRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 3000
	steps := []plan.Step{step("root")}
	for i := range n {
		name := "chain" + uuid.NewString()
		if i == 0 {
			steps = append(steps, step(name, "root"))
		} else {
			steps = append(steps, step(name, steps[len(steps)-2].Key))
		}
		steps = append(steps, step("fan"+uuid.NewString(), "root"))
	}
	old := b.submit(planOf(steps...))
	require.NoError(t, b.RunCancel(t.Context(), old, who))
	b.pass()
	require.Equal(t, RunCancelled, b.runState(old))
	err := b.act(t.Context(), func(q *queries.Queries) error {
		_, err := rerun(t.Context(), q, old, RerunRequest{Actor: ops, ID: uuid.New()})
		return err
	})
	require.NoError(t, err)
	require.Equal(t, 2*(2*n+1), scan[int](b, `select count(*)::int from weir.steps`))
	require.Equal(t, 2*2*n, scan[int](b, `select count(*)::int from weir.needs`))
	require.Equal(t, 2*n, scan[int](b, `select dependants - 1 + $1 from weir.steps where key = 'root' and state = 'available'`, n))
}
