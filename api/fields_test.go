package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryFieldHasItsValue reads rows in which everything is set, and compares the whole of the answers.
func TestEveryFieldHasItsValue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const run, other, worker = "0198a8a0-1c2d-7e3f-8a4b-000000000001", "0198a8a0-1c2d-7e3f-8a4b-000000000002", "0198a8a0-1c2d-7e3f-8a4b-000000000003"
	at := func(second int) string { return fmt.Sprintf("2026-05-04T12:00:%02d.123456Z", second) }
	b.exec(fmt.Sprintf(`
		set session_replication_role = replica;
		insert into weir.runs (id, name, description, state, cause, on_failure, max_parallel, steps_total, steps_open, created_at, created_by, start_at,
			deadline_at, finished_at, cancel_requested_at, cancel_requested_by, key, idempotency_scope, idempotency_key, idempotency_digest, rerun_of, labels,
			timeout, plan_version, parent_run, parent_step, wants_output)
		values ('%[1]s', 'n', 'd', 'cancelled', 'cancel_requested', 'pause', 7, 13, 0, '%[4]s', 'token:me', '%[5]s',
			'%[6]s', '%[7]s', '%[8]s', 'local', 'k', 's', 'i', '\x00', '%[2]s', '{"a": "b"}',
			'1 day 90s', 3, '%[2]s', 4, true);
		insert into weir.run_outputs (run_id, output) values ('%[1]s', '{"o": [null]}');
		insert into weir.run_inputs (run_id, input) values ('%[1]s', '{"x": [1, null]}');
		insert into weir.steps (run_id, step, key, kind, state, cause, run_if, allow_failure, attempt, failures, max_attempts, queue, priority, runs_on, timeout,
			stall_after, created_at, run_after, started_at, deadline_at, worker_id, waiting_for, reused_from, cancel_requested_at, cancel_requested_by)
		values ('%[1]s', 1, 'a', 'noop', 'waiting', 'attempts_spent', 'any_failed', true, 5, 4, 6, 'q', 3, 'remote', '90s',
			'1 day', '%[4]s', '%[5]s', '%[6]s', '%[7]s', '%[3]s', 'decision', null, '%[8]s', 'local');
		insert into weir.steps (run_id, step, key, kind) values ('%[2]s', 4, 'sub', 'plan');
		insert into weir.steps (run_id, step, key, kind, state, cause, attempt, finished_at, created_at, reused_from, has_output)
		values ('%[1]s', 2, 'b', 'noop', 'succeeded', 'rerun', 1, '%[5]s', '%[4]s', '%[2]s', true);
		insert into weir.steps (run_id, step, key, kind, state, finished_at, worker_id, claimed_at, attempt, run_after)
			select '%[1]s', 2 + n, 'x' || n, 'noop', state, case when state >= 'succeeded' then now() end, '%[3]s', now(), 1, now()
			from unnest(enum_range(null::weir.step_state)) with ordinality s (state, n) where state not in ('waiting', 'succeeded');
		insert into weir.needs (run_id, need, step) values ('%[1]s', 2, 1);
		insert into weir.step_inputs (run_id, step, "with") values ('%[1]s', 1, '{"w": "${{ x }}"}');
		insert into weir.outputs (run_id, step, attempt, output_error, error_code, error_message, error_retryable, error_detail)
			values ('%[1]s', 1, 5, '{"code": "too_large", "bytes": 20971520}', 'c', 'm', true, '{"exit_code": 3}'), ('%[1]s', 1, 4, null, 'older', 'm', true, null);
		insert into weir.outputs (run_id, step, attempt, output) values ('%[1]s', 2, 1, 'null');
		insert into weir.progress (run_id, step, attempt, percent, message, at) values ('%[1]s', 1, 5, 12.5, 'p', '%[4]s'), ('%[1]s', 2, 0, 1, 'older', '%[4]s');
		insert into weir.transitions (xid, run_id, step, attempt, at, from_state, to_state, actor, cause, detail)
			values ('3', '%[1]s', 1, 5, '%[4]s', 'running', 'waiting', 'worker:w', 'attempts_spent', '{"outcome": "failed"}');
		insert into weir.logs (run_id, step, attempt, seq, at, stream, level, text, truncated) values ('%[1]s', 1, 5, 9, '%[4]s', 'log', 'warn', 'text', true);
		set session_replication_role = origin`, run, other, worker, at(1), at(2), at(3), at(4), at(5)))

	require.JSONEq(t, fmt.Sprintf(`{"id": %q, "name": "n", "description": "d", "state": "cancelled", "cause": "cancel_requested", "labels": {"a": "b"},
		"input": {"x": [1, null]}, "priority": null, "key": "k", "on_failure": "pause", "max_parallel": 7, "timeout": "1d1m30s",
		"parent": {"run": %[2]q, "step": "sub"}, "plan_version": 3, "output": {"o": [null]}, "output_error": null, "rerun_of": %[2]q, "idempotency_key": "i",
		"created_at": %[3]q, "created_by": "token:me", "start_at": %q, "deadline_at": %q, "finished_at": %q, "cancel_requested_at": %q,
		"steps": {"total": 12, "pending": 1, "available": 1, "running": 1, "retrying": 1, "waiting": 1, "succeeded": 1, "failed": 1, "crashed": 1,
			"timed_out": 1, "lost": 1, "cancelled": 1, "skipped": 1}}`, run, other, at(1), at(2), at(3), at(4), at(5)), b.text("/v1/runs/"+run))
	require.JSONEq(t, fmt.Sprintf(`{"run": %q, "key": "a", "kind": "noop", "state": "waiting", "cause": "attempts_spent", "needs": ["b"], "run_if": "any_failed",
		"allow_failure": true, "attempt": 5, "failures": 4, "max_attempts": 6, "queue": "q", "priority": 3, "runs_on": "remote", "timeout": "1m30s",
		"stall_after": "1d", "created_at": %q, "run_after": %q, "started_at": %q, "deadline_at": %q, "finished_at": null, "worker": %q,
		"waiting_for": "decision", "reused_from": null, "parent": null, "item": null, "child_run": null, "cancel_requested_at": %q, "progress": {"percent": 12.5, "message": "p", "at": %[2]q},
		"with": {"w": "${{ x }}"}, "output": null, "output_error": {"code": "too_large", "bytes": 20971520},
		"error": {"code": "c", "message": "m", "retryable": true, "detail": {"exit_code": 3}}}`,
		run, at(1), at(2), at(3), at(4), worker, at(5)), b.text("/v1/runs/"+run+"/steps/a"))

	second := b.get("/v1/runs/" + run + "/steps/b")
	require.Equal(t, other, second["reused_from"])
	require.Equal(t, at(2), second["finished_at"])
	require.Equal(t, map[string]any{}, second["with"])
	require.Nil(t, second["progress"], "that of another attempt")
	require.Nil(t, second["error"])

	history := b.get("/v1/runs/" + run + "/transitions")["items"].([]any)
	require.Len(t, history, 1)
	transition := history[0].(map[string]any)
	delete(transition, "id")
	sameJSON(t, fmt.Sprintf(`{"at": %q, "run": %q, "step": "a", "attempt": 5, "from": "running", "to": "waiting", "actor": "worker:w",
		"cause": "attempts_spent", "detail": {"outcome": "failed"}}`, at(1), run), transition)
	line := b.get("/v1/runs/" + run + "/logs")["items"].([]any)[0].(map[string]any)
	delete(line, "id")
	sameJSON(t, fmt.Sprintf(`{"at": %q, "run": %q, "step": "a", "attempt": 5, "seq": 9, "stream": "log", "level": "warn", "text": "text", "truncated": true}`,
		at(1), run), line)
	sameJSON(t, `[{"code": "cancel_requested", "detail": {"at": "`+at(5)+`", "by": "local"}, "message": "its cancellation was asked for: nothing starts any more"},
		{"code": "waiting_decision", "detail": {"last_outcome": null}, "message": "its attempts are used up: it waits for somebody's decision"}]`,
		b.get("/v1/runs/" + run + "/steps/a/why")["reasons"])
}

// TestRunsOfAParentThatIsGone reads what else a run can say of its parent and its output.
func TestRunsOfAParentThatIsGone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const run, parent = "0198a8a0-1c2d-7e3f-8a4b-000000000001", "0198a8a0-1c2d-7e3f-8a4b-000000000002"
	b.exec(fmt.Sprintf(`
		set session_replication_role = replica;
		insert into weir.runs (id, name, steps_total, steps_open, parent_run, parent_step) values ('%[1]s', 'n', 1, 1, '%[2]s', 4);
		insert into weir.run_outputs (run_id, output_error) values ('%[1]s', '{"code": "expression_missing", "message": "m"}');
		set session_replication_role = origin`, run, parent))
	got := b.get("/v1/runs/" + run)
	require.Equal(t, map[string]any{"run": parent, "step": nil}, got["parent"])
	require.Nil(t, got["output"])
	require.Equal(t, map[string]any{"code": "expression_missing", "message": "m"}, got["output_error"])
	require.Nil(t, got["timeout"])
	require.Nil(t, got["plan_version"])
}

// text is the body of a GET that works.
func (b *bundle) text(path string) string {
	b.t.Helper()
	a := b.ask(http.MethodGet, path, "")
	require.Equal(b.t, http.StatusOK, a.StatusCode, "%s", a.body)
	return string(a.body)
}

// sameJSON compares a value with a JSON text.
func sameJSON(t *testing.T, want string, value any) {
	t.Helper()
	got, err := json.Marshal(value)
	require.NoError(t, err)
	require.JSONEq(t, want, string(got))
}
