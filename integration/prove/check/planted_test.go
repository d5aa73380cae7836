//go:build linux

package check

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/integration/prove/ledger"
)

// planted is a promise that is broken: in the tables, past all guards, or in the evidence.
type planted struct {
	rule string
	sql  string // {flow} is the id of a run, {flow.a} the ordinal of a step
	more func(l *life, e *Evidence)
}

// TestCheck lets a small cluster live, in which nothing is wrong; then it breaks one promise after the other in what is
// known of it, and each is named.
func TestCheck(t *testing.T) {
	t.Parallel()
	l := live(t)
	rep, err := Check(t.Context(), l.Pool, l.Evidence)
	require.NoError(t, err)
	for _, v := range rep.Violations {
		t.Error(v)
	}
	require.False(t, t.Failed())
	require.Equal(t, map[string]int{"lease_expired": 2}, rep.Ended)
	require.Equal(t, map[string]int{"lease_expired": 1, "attempts_left": 1}, rep.Retried)
	require.Equal(t, 2, rep.LateReports)
	require.Greater(t, rep.Executions, 30)
	require.Greater(t, rep.Transitions, 100)
	require.Len(t, l.Moves, rep.Transitions, "the watcher has missed nothing")
	for _, p := range l.Processes() {
		p.Stop()
	}

	dir := t.TempDir()
	require.NoError(t, l.Save(dir))
	loaded, err := Load(dir)
	require.NoError(t, err)
	again, err := Check(t.Context(), l.Pool, loaded)
	require.NoError(t, err)
	require.Equal(t, rep, again, "a verdict can be repeated")

	var named []string
	all := append(plantedInTables(), plantedInEvidence()...)
	for i := range all { //nolint:paralleltest // each holds the tables that the others change
		p := all[i]
		named = append(named, p.rule)
		t.Run(fmt.Sprintf("%s %d", p.rule, i), func(t *testing.T) {
			found := l.plant(t, p)
			for _, v := range found.Violations {
				t.Log(v)
			}
			require.Contains(t, found.Broken, p.rule)
		})
	}
	require.Subset(t, named, names(), "every rule is broken once")
}

// names are those of all rules.
func names() (all []string) {
	for _, r := range rules() {
		all = append(all, r.name)
	}
	return all
}

// plant breaks a promise, in a transaction that is rolled back, and checks.
func (l *life) plant(t *testing.T, p planted) Report {
	t.Helper()
	ctx := t.Context()
	tx, err := l.Pool.Begin(ctx)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	_, err = tx.Exec(ctx, "set local session_replication_role = replica")
	require.NoError(t, err)
	for statement := range strings.SplitSeq(p.sql, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		statement = l.fill(ctx, t, statement)
		tag, err := tx.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
		if !tag.Select() && !strings.HasPrefix(tag.String(), "ALTER") && !strings.HasPrefix(tag.String(), "DROP") {
			require.Positive(t, tag.RowsAffected(), "nothing was planted: %s", statement)
		}
	}
	e := Evidence{
		Ledger: slices.Clone(l.Evidence.Ledger), Acks: slices.Clone(l.Acks), Asked: slices.Clone(l.Asked),
		Snapshots: l.Snapshots, Samples: slices.Clone(l.Samples), Moves: slices.Clone(l.Moves),
	}
	if p.more != nil {
		p.more(l, &e)
	}
	rep, err := checkIn(ctx, tx, e)
	require.NoError(t, err)
	return rep
}

// fill puts ids and ordinals into a statement.
func (l *life) fill(ctx context.Context, t *testing.T, statement string) string {
	t.Helper()
	return regexp.MustCompile(`\{([a-z0-9]+)(?:\.([a-z0-9\[\]]+))?\}`).ReplaceAllStringFunc(statement, func(name string) string {
		run, step, isStep := strings.Cut(strings.Trim(name, "{}"), ".")
		id, ok := l.runs[run]
		require.True(t, ok, name)
		if !isStep {
			return "'" + id.String() + "'"
		}
		var ordinal int
		require.NoError(t, l.Pool.QueryRow(ctx, `select step from weir.steps where run_id = $1 and key = $2`, id, step).Scan(&ordinal), name)
		return strconv.Itoa(ordinal)
	})
}

// later writes the last transition of a step again, so that it stands behind everything else.
func later(run, step string) string {
	return fmt.Sprintf(`
with gone as (
  delete from weir.transitions t where t.id = (select max(x.id) from weir.transitions x where x.run_id = {%[1]s} and x.step = {%[1]s.%[2]s}) returning t.*
)
insert into weir.transitions (run_id, step, attempt, from_state, to_state, actor, cause, detail)
select run_id, step, attempt, from_state, to_state, actor, cause, detail from gone`, run, step)
}

func plantedInTables() []planted {
	const (
		flow = ` where run_id = {flow} and key = `
		lost = ` where run_id = {lost} and key = `
		of   = ` where run_id = {flow} and step = `
	)
	return []planted{
		{rule: "acked-run-missing", sql: `delete from weir.runs where id = {decided}`},
		{rule: "acked-run-not-final", sql: `update weir.runs set state = 'running', finished_at = null where id = {decided}`},
		{rule: "ack-names-another-run", sql: `update weir.runs set idempotency_key = 'another' where id = {decided}`},
		{rule: "run-exists-twice", sql: `drop index weir.run_idempotency_key_is_used_once;
			update weir.runs set idempotency_key = 'key-flow' where id = {decided}`},
		{rule: "run-exists-twice", sql: `alter table weir.runs drop constraint runs_pkey;
			drop index weir.run_idempotency_key_is_used_once;
			insert into weir.runs select * from weir.runs where id = {decided}`},
		{rule: "run-was-not-asked-for", sql: `update weir.runs set rerun_of = null where id = {rerun}`},
		{rule: "run-was-not-asked-for", sql: `update weir.runs set parent_run = {decided} where id = {inner}`},
		{rule: "seen-transition-missing", sql: `delete from weir.transitions where run_id = {flow} and step is null`},
		{rule: "seen-transition-missing", sql: `update weir.transitions set actor = 'local' where run_id = {flow} and step is null`},
		{rule: "final-row-missing", sql: `delete from weir.steps` + flow + `'a'`},
		{rule: "final-row-missing", sql: `delete from weir.runs where id = {flow}`},
		{rule: "final-row-changed", sql: `update weir.steps set max_attempts = 7` + flow + `'a'`},
		{rule: "final-row-changed", sql: `update weir.steps set priority = 1 where run_id = {rerun} and key = 'a'`},
		{rule: "final-row-changed", sql: `update weir.runs set name = 'another' where id = {flow}`},
		{rule: "final-row-changed", sql: `update weir.outputs set output = '1'` + of + `{flow.a}`},
		{rule: "final-row-changed", sql: `update weir.steps set state = 'retrying', finished_at = null, settled = false, run_after = clock_timestamp(), has_output = false` + flow + `'a'`},

		{rule: "legal-transitions-differ", sql: `insert into weir.legal_transitions values ('step', 'succeeded', 'running', 'back from the dead')`},
		{rule: "legal-transitions-differ", sql: `delete from weir.legal_transitions where entity = 'run' and from_state = 'paused' and to_state = 'cancelled'`},
		{rule: "born-illegally", sql: `update weir.transitions set from_state = 'retrying'` + of + `{flow.a} and to_state = 'running'`},
		{rule: "born-illegally", sql: `update weir.transitions set from_state = 'paused' where run_id = {flow} and step is null`},
		{rule: "born-illegally", sql: `delete from weir.transitions` + of + `{flow.a}`},
		{rule: "born-illegally", sql: `update weir.steps set reused_from = {lost}` + flow + `'a'`},
		{rule: "transition-illegal", sql: `update weir.transitions set from_state = 'lost'` + of + `{flow.a} and to_state = 'succeeded'`},
		{rule: "transition-illegal", sql: `update weir.transitions set from_state = 'succeeded' where run_id = {flow} and step is null`},
		{rule: "history-has-a-gap", sql: `delete from weir.transitions` + of + `{flow.again} and to_state = 'retrying'`},
		{rule: "history-of-nothing", sql: `update weir.transitions set step = 99` + of + `{flow.a}`},
		{rule: "history-of-nothing", sql: `delete from weir.runs where id = {flow}`},
		{rule: "history-of-nothing", sql: `insert into weir.needs (run_id, need, step) values ({flow}, 98, 99)`},
		{rule: "attempt-does-not-grow-by-one", sql: `update weir.transitions set attempt = 3` + of + `{flow.again} and attempt = 2`},
		{rule: "attempt-does-not-grow-by-one", sql: `update weir.transitions set attempt = 2` + of + `{flow.again} and to_state = 'retrying'`},
		{rule: "actor-unknown", sql: `update weir.transitions set actor = 'somebody'` + of + `{flow.a} and to_state = 'running'`},
		{rule: "actor-unknown", sql: `update weir.transitions set actor = 'worker:'` + of + `{flow.a} and to_state = 'running'`},
		{rule: "cause-unknown", sql: `alter type weir.cause rename value 'panic' to 'bad_luck'`},
		{rule: "retry-unexplained", sql: `update weir.transitions set cause = 'reported'` + of + `{flow.again} and to_state = 'retrying'`},
		{rule: "retry-unexplained", sql: `update weir.transitions set detail = '{"outcome": "lost"}'` + of + `{flow.again} and to_state = 'retrying'`},
		{rule: "retry-unexplained", sql: `update weir.steps set max_attempts = 1` + flow + `'again'`},
		{rule: "retry-unexplained", sql: `update weir.steps set retry = retry - 'on'` + lost + `'lost'`},
		{rule: "retry-unexplained", sql: `update weir.transitions set from_state = 'waiting'` + of + `{flow.again} and to_state = 'retrying'`},
		{rule: "state-differs-from-history", sql: `update weir.steps set state = 'failed', has_output = false` + flow + `'a'`},
		{rule: "state-differs-from-history", sql: `alter table weir.runs drop constraint run_succeeded_without_failed_steps;
			update weir.runs set state = 'succeeded' where id = {flow}`},
		{rule: "cause-differs-from-history", sql: `update weir.steps set cause = 'signal'` + flow + `'a'`},
		{rule: "cause-differs-from-history", sql: `update weir.runs set cause = 'signal' where id = {flow}`},
		{rule: "attempt-differs-from-history", sql: `update weir.steps set attempt = 3` + flow + `'again'`},
		{rule: "failures-differ-from-history", sql: `update weir.steps set failures = 2` + flow + `'again'`},
		{rule: "failures-differ-from-history", sql: `update weir.steps set failures = 0` + lost + `'gone'`},
		{rule: "finished-at-without-an-end", sql: `alter table weir.steps drop constraint step_finished_at_iff_final;
			update weir.steps set finished_at = null` + flow + `'a'`},
		{rule: "finished-at-without-an-end", sql: `alter table weir.runs drop constraint run_finished_at_iff_final;
			update weir.runs set finished_at = null where id = {flow}`},

		{rule: "step-went-before-its-needs", sql: later("flow", "a")},
		{rule: "step-went-before-its-needs", sql: `update weir.transitions set from_state = 'available'` + of + `{flow.both} and to_state = 'running';
			delete from weir.transitions` + of + `{flow.both} and to_state = 'available'`},
		{rule: "step-went-before-its-needs", sql: `update weir.steps set state = 'running', finished_at = null, settled = false, has_output = false` + flow + `'a'`},
		{rule: "step-ran-wrongly", sql: `update weir.steps set state = 'failed', has_output = false` + flow + `'again'`},
		{rule: "step-ran-wrongly", sql: `update weir.steps set run_if = 'any_failed'` + flow + `'both'`},
		{rule: "step-skipped-wrongly", sql: `update weir.steps set state = 'succeeded'` + flow + `'bad'`},
		{rule: "step-skipped-wrongly", sql: `update weir.steps set run_if = 'all_finished'` + flow + `'upstream'`},
		{rule: "step-skipped-wrongly", sql: `update weir.steps set run_if = 'all_succeeded'` + flow + `'quiet'`},
		{rule: "step-cancelled-unasked", sql: `alter table weir.runs drop constraint run_is_cancelled_only_on_request;
			update weir.runs set cancel_requested_at = null, cancel_requested_by = null where id = {cancelled}`},
		{rule: "run-ended-before-its-steps", sql: later("flow", "tidy")},
		{rule: "run-ended-before-its-steps", sql: `update weir.steps set state = 'running', finished_at = null, settled = false, has_output = false` + flow + `'tidy'`},
		{rule: "run-ended-wrongly", sql: `alter table weir.runs drop constraint run_succeeded_without_failed_steps;
			update weir.runs set state = 'succeeded' where id = {flow}`},
		{rule: "run-ended-wrongly", sql: `update weir.runs set state = 'failed' where id = {cancelled}`},
		{rule: "run-ended-wrongly", sql: `update weir.steps set state = 'failed', has_output = false where run_id = {decided} and key = 'a'`},
		{rule: "fan-out-ended-wrongly", sql: `update weir.steps set state = 'failed', has_output = false` + flow + `'each[1]'`},
		{rule: "fan-out-ended-wrongly", sql: `update weir.families set total = 5, items = '[]'` + of + `{flow.each}`},
		{rule: "fan-out-ended-wrongly", sql: later("flow", "each[1]")},
		{rule: "fan-out-ended-wrongly", sql: `update weir.steps set state = 'failed', has_output = false` + flow + `'each'`},
		{rule: "child-run-ended-differently", sql: `update weir.runs set state = 'failed' where id = {inner}`},
		{rule: "child-run-ended-differently", sql: `delete from weir.runs where id = {inner}`},

		{rule: "execution-without-claim", sql: `delete from weir.transitions` + of + `{flow.a} and to_state = 'running'`},
		{rule: "execution-without-claim", sql: `delete from weir.runs where id = {flow}`},
		{rule: "execution-without-claim", sql: `delete from weir.steps` + flow + `'tidy'`},
		{rule: "outcome-differs-from-execution", sql: `update weir.transitions set to_state = 'failed'` + of + `{flow.a} and to_state = 'succeeded'`},
		{rule: "outcome-differs-from-execution", sql: `update weir.transitions set cause = 'handed_back', to_state = 'retrying'` + of + `{flow.a} and to_state = 'succeeded'`},
		{rule: "outcome-differs-from-execution", sql: `update weir.transitions set to_state = 'succeeded'` + of + `{flow.bad} and to_state = 'failed'`},
		{rule: "outcome-differs-from-execution", sql: `update weir.transitions set to_state = 'succeeded'` + of + `{flow.panics} and to_state = 'crashed'`},
		{rule: "outcome-differs-from-execution", sql: `update weir.transitions set to_state = 'succeeded' where run_id = {cancelled} and from_state = 'running' and step is not null`},

		{rule: "late-report-missing", sql: `delete from weir.late_reports where run_id = {lost} and step = {lost.gone}`},
		{rule: "late-report-not-late", sql: `update weir.late_reports set attempt = 9 where run_id = {lost}`},
		{rule: "late-report-not-late", sql: `update weir.late_reports set step = 99 where run_id = {lost}`},
		{rule: "late-report-not-late", sql: `insert into weir.late_reports (run_id, step, attempt, worker_id, report, outcome, result)
			select run_id, step, attempt, worker_id, report, 'failed', 'too_late' from weir.steps` + flow + `'a'`},
		{rule: "late-report-not-late", sql: `insert into weir.late_reports (run_id, step, attempt, worker_id, report, outcome, result)
			select run_id, step, attempt, worker_id, gen_random_uuid(), 'failed', 'too_late' from weir.steps` + flow + `'a'`},
		{rule: "late-reports-over-ten", sql: `insert into weir.late_reports (run_id, step, attempt, worker_id, report, outcome, result)
			select run_id, step, attempt, worker_id, gen_random_uuid(), outcome, result from weir.late_reports, generate_series(1, 10) where run_id = {lost} and step = {lost.gone}`},

		{rule: "run-counts-wrong", sql: `update weir.runs set steps_total = steps_total + 1 where id = {flow}`},
		{rule: "run-counts-wrong", sql: `alter table weir.runs drop constraint run_is_final_only_when_all_its_steps_are;
			update weir.runs set steps_open = 1 where id = {flow}`},
		{rule: "run-counts-wrong", sql: `update weir.runs set steps_failed = 0 where id = {flow}`},
		{rule: "run-counts-wrong", sql: `update weir.steps set settled = false` + flow + `'a'`},
		{rule: "needs-counts-wrong", sql: `update weir.steps set needs_total = needs_total + 1` + flow + `'both'`},
		{rule: "needs-counts-wrong", sql: `update weir.steps set needs_failed = 0` + flow + `'tidy'`},
		{rule: "needs-counts-wrong", sql: `update weir.steps set needs_allowed = 0` + flow + `'forgiven'`},
		{rule: "dependants-count-wrong", sql: `update weir.steps set dependants = 7` + flow + `'a'`},
		{rule: "fan-out-counts-wrong", sql: `update weir.families set failed = 1` + of + `{flow.each}`},
		{rule: "fan-out-counts-wrong", sql: `delete from weir.items where run_id = {flow} and item = 2`},
		{rule: "fan-out-counts-wrong", sql: `update weir.items set step = 1 where run_id = {flow} and item = 2`},
		{rule: "limit-counts-wrong", sql: `insert into weir.limits (key, used) values ('limit/9/queue/planted', 1)`},
		{rule: "limit-counts-wrong", sql: `insert into weir.slots (run_id, step, holds, held_at) values ({flow}, 0, '{limit/9/queue/planted}', clock_timestamp())`},
		{rule: "slot-left-behind", sql: `insert into weir.slots (run_id, step, held_at) values ({flow}, {flow.a}, clock_timestamp())`},
		{rule: "token-left-behind", sql: `alter table weir.steps drop constraint step_dispatch_token_only_while_claimable_or_running;
			update weir.steps set river_job_id = 4711` + flow + `'a'`},
		{rule: "river-job-left-behind", sql: `insert into weir.river_job (args, kind, max_attempts) values (jsonb_build_object('run', {flow}, 'step', {flow.a}), 'work', 1)`},
		{rule: "hint-left-behind", sql: `insert into weir.dirty (shard, run_id) values (weir.shard_of({flow}), {flow})`},
		{rule: "run-in-quarantine", sql: `insert into weir.quarantine (run_id, error) values ({flow}, 'planted');
			insert into weir.dirty (shard, run_id) values (weir.shard_of({flow}), {flow})`},
		{rule: "run-in-quarantine", sql: `insert into weir.quarantine (run_id, error) values ({decided}, 'planted');
			update weir.runs set state = 'running', finished_at = null where id = {decided}`},
		{rule: "invariant-broken", sql: `update weir.steps set dependants = 7` + flow + `'a'`},
	}
}

// entries changes those entries of the ledger that are of a step of a run; empty: of any. What answers false is left out.
func entries(run, step string, change func(e *ledger.Entry) bool) func(*life, *Evidence) {
	return func(l *life, all *Evidence) {
		var left []ledger.Entry
		for _, e := range all.Ledger {
			if of := e.Run == l.runs[run] && (step == "" || e.Step == step); !of || change(&e) {
				left = append(left, e)
			}
		}
		all.Ledger = left
	}
}

// ended moves the end of an attempt.
func ended(run, step string, n int, by time.Duration) func(*life, *Evidence) {
	return entries(run, step, func(e *ledger.Entry) bool {
		if e.What == ledger.End && e.Attempt == n {
			e.At += by
		}
		return true
	})
}

func noted(run, step, note string) func(*life, *Evidence) {
	return entries(run, step, func(e *ledger.Entry) bool {
		if e.What == ledger.End {
			e.Note = note
		}
		return true
	})
}

// began lets everything that a run executed have begun when the machine was started.
func began(runs ...string) func(*life, *Evidence) {
	return func(l *life, all *Evidence) {
		for _, run := range runs {
			entries(run, "", func(e *ledger.Entry) bool {
				if e.What == ledger.Start {
					e.At = 1
				}
				return true
			})(l, all)
		}
	}
}

func sampled(key string, held, running int) func(*life, *Evidence) {
	return func(l *life, e *Evidence) {
		key = strings.ReplaceAll(key, "{flow}", l.runs["flow"].String())
		key = strings.ReplaceAll(key, "{flow.each}", strconv.Itoa(cluster.Value[int](l.Cluster, `select step from weir.steps where run_id = $1 and key = 'each'`, l.runs["flow"])))
		e.Samples = append(e.Samples, Sample{Key: key, Held: held, Running: running})
	}
}

func plantedInEvidence() []planted {
	added := func(what, run, step string, n int) func(*life, *Evidence) {
		return func(l *life, e *Evidence) {
			id, ok := l.runs[run]
			if !ok {
				id = uuid.Max
			}
			e.Ledger = append(e.Ledger, ledger.Entry{At: 1, What: what, Run: id, Step: step, Attempt: n})
		}
	}
	return []planted{
		{rule: "acked-run-missing", more: func(_ *life, e *Evidence) { e.Acks = append(e.Acks, Ack{Run: uuid.Max}) }},
		{rule: "ack-names-another-run", more: func(l *life, e *Evidence) { e.Acks = append(e.Acks, Ack{Run: l.runs["lost"], Key: "key-flow"}) }},
		{rule: "key-was-acked-with-two-runs", more: func(l *life, e *Evidence) { e.Acks = append(e.Acks, Ack{Run: l.runs["lost"], Key: "key-flow"}) }},
		{rule: "run-was-not-asked-for", more: func(l *life, e *Evidence) {
			e.Acks = slices.DeleteFunc(e.Acks, func(a Ack) bool { return a.Run == l.runs["flow"] })
			e.Asked = []string{"another"}
		}},
		{rule: "execution-without-claim", more: added(ledger.Start, "flow", "a", 2)},
		{rule: "execution-without-claim", more: added(ledger.Start, "flow", "nothing", 1)},
		{rule: "execution-without-claim", more: added(ledger.Start, "nothing", "a", 1)},
		{rule: "attempt-executed-twice", more: added(ledger.Start, "flow", "a", 1)},
		{rule: "attempt-executed-twice", more: added(ledger.End, "flow", "a", 1)},
		{rule: "executions-overlap", more: ended("flow", "again", 1, time.Hour)},
		{rule: "execution-began-before-its-needs-ended", more: ended("flow", "a", 1, time.Hour)},
		{rule: "execution-began-before-its-needs-ended", more: ended("flow", "each[2]", 1, time.Hour)},
		{rule: "execution-began-before-its-needs-ended", more: ended("inner", "in", 1, time.Hour)},
		{rule: "execution-began-before-its-needs-ended", more: ended("flow", "bad", 1, time.Hour)},
		{rule: "reported-before-it-ended", more: ended("flow", "tidy", 1, time.Hour)},
		{rule: "outcome-differs-from-execution", more: noted("flow", "a", "failed after all")},
		{rule: "outcome-differs-from-execution", more: noted("flow", "a", "context: it was stopped")},
		{rule: "outcome-differs-from-execution", more: noted("flow", "a", "panic")},
		{rule: "outcome-differs-from-execution", more: noted("flow", "bad", "ok")},
		{rule: "outcome-differs-from-execution", more: noted("flow", "bad", "panicked")},
		{rule: "success-without-execution", more: entries("flow", "a", func(*ledger.Entry) bool { return false })},
		{rule: "success-without-execution", more: entries("flow", "command", func(e *ledger.Entry) bool { return e.What != ledger.End })},
		{rule: "limit-exceeded", more: sampled("limit/2/queue/runs", 3, 0)},
		{rule: "limit-exceeded", more: sampled("limit/1/queue/steps", 1, 2)},
		{rule: "limit-exceeded", more: sampled("~run/{flow}", 4, 0)},
		{rule: "limit-exceeded", more: sampled("~each/{flow}/{flow.each}", 0, 3)},
		{rule: "limit-exceeded", more: sampled("~key/any", 2, 0)},
		{rule: "limit-exceeded-by-executions", more: began("limited0", "limited1", "limited2", "limited3")},
		{rule: "max-parallel-exceeded-by-executions", more: began("flow")},
		{rule: "hint-missing", more: func(l *life, e *Evidence) {
			e.Forgotten = append(e.Forgotten, Forgotten{Run: l.runs["flow"], Why: "planted"})
		}},
		{rule: "late-report-missing", more: added(ledger.Late, "flow", "a", 1)},
	}
}
