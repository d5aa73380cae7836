package lifecycle

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// reason is the only reason that there is, or the first one of a code.
func (b *bundle) reason(run uuid.UUID, key string, code ReasonCode) Reason {
	b.t.Helper()
	why, err := b.StepWhy(b.t.Context(), run, key)
	require.NoError(b.t, err)
	for _, reason := range why.Reasons {
		if reason.Code == code {
			return reason
		}
	}
	require.Fail(b.t, "no such reason", "%s: %v", code, why.Reasons)
	return Reason{}
}

func TestWhyConcurrency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var runs []uuid.UUID
	for range 4 {
		runs = append(runs, b.submitYAML("name: x\nsteps: [{key: a, kind: noop, concurrency: {key: db, limit: 2}}]"))
		b.pass()
	}
	require.Equal(t, []ReasonCode{ReasonConcurrency}, b.reasons(runs[3], "a"))
	reason := b.reason(runs[3], "a", ReasonConcurrency)
	require.Equal(t, "it waits for a slot of db, as number 2 in line: 2 of 2 are taken", reason.Message)
	holders := reason.Detail["holders"].([]map[string]any)
	require.Len(t, holders, 2)
	for i, holder := range holders {
		require.NotNil(t, holder["at"])
		require.Equal(t, runs[i], holder["run"])
		require.Equal(t, "a", holder["step"])
	}
	delete(reason.Detail, "holders")
	require.Equal(t, map[string]any{"key": "db", "limit": 2, "used": 2, "more": false, "position": 2}, reason.Detail)

	_, err := b.QueueList(t.Context())
	require.NoError(t, err)
	b.exec(`insert into weir.river_queue (name, paused_at, updated_at) values ('default', now(), now())`)
	require.Equal(t, []ReasonCode{ReasonConcurrency, ReasonQueuePaused}, b.reasons(runs[3], "a"))
	b.exec(`delete from weir.river_queue`)

	_, err = b.LimitSet(t.Context(), "db", 4, "local")
	require.NoError(t, err)
	b.pass()
	require.Equal(t, []ReasonCode{ReasonNoLiveWorker}, b.reasons(runs[3], "a"), "raised, it lets what waits go")
}

func TestWhyConcurrencyOfARun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const text = "name: x\nconcurrency: {key: db, limit: 1}\nsteps: [{key: a, kind: noop}, {key: b, kind: noop, needs: [a]}]"
	first, second := b.submitYAML(text), b.submitYAML(text)
	b.pass()
	require.Equal(t, []ReasonCode{ReasonConcurrency}, b.reasons(second, "a"))
	require.Equal(t, []ReasonCode{ReasonConcurrency, ReasonNeedsUnfinished}, b.reasons(second, "b"))
	reason := b.reason(second, "a", ReasonConcurrency)
	require.Equal(t, "its run waits for a slot of db, as number 1 in line: 1 of 1 are taken", reason.Message)
	holder := reason.Detail["holders"].([]map[string]any)[0]
	require.Equal(t, first, holder["run"])
	require.Nil(t, holder["step"])
}

func TestWhyMaxParallel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\nmax_parallel: 1\nsteps: [{key: a, kind: noop}, {key: b, kind: noop}, {key: c, kind: noop}]")
	b.claimed()
	reason := b.reason(run, "c", ReasonMaxParallel)
	require.Equal(t, "at most 1 of the steps of the run run at once: it is number 2 in line", reason.Message)
	require.Equal(t, map[string]any{
		"of": "run", "max_parallel": 1, "more": false, "position": 2, "running": []map[string]any{{"step": "a", "state": reason.Detail["running"].([]map[string]any)[0]["state"]}},
	}, reason.Detail)

	fanned := b.submitYAML("name: x\ninput: {list: [1, 2, 3]}\nsteps: [{key: f, kind: noop, for_each: '${{ input.list }}', max_parallel: 2}]")
	b.pass()
	each := b.reason(fanned, "f[2]", ReasonMaxParallel)
	require.Equal(t, "for_each", each.Detail["of"])
	require.Len(t, each.Detail["running"], 2)
	children := b.reason(fanned, "f", ReasonNeedsUnfinished)
	require.Equal(t, "it waits for its children: 0 of 3 have ended", children.Message)
	require.Len(t, children.Detail["needs"], 3)
	require.Equal(t, "f[1]", children.Detail["needs"].([]map[string]any)[1]["step"])
}

func TestWhyRate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const text = "name: x\nsteps: [{key: a, kind: noop, rate: {key: mail, limit: 1, per: 1h}}]"
	b.submitYAML(text)
	second := b.submitYAML(text)
	b.pass()
	reason := b.reason(second, "a", ReasonConcurrency)
	require.Equal(t, "it waits for the rate of mail, as number 1 in line: 1 may start in 1h", reason.Message)
	at, err := time.Parse(time.RFC3339Nano, reason.Detail["refills_at"].(string))
	require.NoError(t, err)
	ahead := scan[float64](b, `select extract(epoch from $1::timestamptz - clock_timestamp())::float8`, at)
	require.InDelta(t, 3600, ahead, 60, "when the next token is there")
	delete(reason.Detail, "refills_at")
	require.Equal(t, map[string]any{"rate": "mail", "limit": int32(1), "per": "1h", "position": 1}, reason.Detail)
}

func TestWhyStartAt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML("name: x\nstart_at: 2999-01-01T00:00:00Z\nsteps: [{key: a, kind: noop}]")
	for range 2 {
		require.Equal(t, []ReasonCode{ReasonStartAt}, b.reasons(run, "a"))
		b.pass()
	}
	require.Equal(t, "2999-01-01T00:00:00.000000Z", b.reason(run, "a", ReasonStartAt).Detail["start_at"])
}

func TestWhyKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	keyed := func() uuid.UUID {
		s, err := b.Submit(t.Context(), Submission{Plan: planOf(step("a")), Actor: "local", Key: "deploy/web", OnConflict: ConflictQueue})
		require.NoError(t, err)
		return s.ID
	}
	live, next := keyed(), keyed()
	b.pass()
	reason := b.reason(next, "a", ReasonConcurrency)
	require.Equal(t, fmt.Sprintf("its run has a key, and waits for the live run of that key to end, which is %s", live), reason.Message)
	require.Equal(t, "deploy/web", reason.Detail["key"])
	require.Equal(t, live, reason.Detail["live_run"])
	require.NoError(t, b.RunCancel(t.Context(), live, CancelRequest{Actor: "local"}))
	require.Contains(t, b.reason(next, "a", ReasonConcurrency).Message, "is being cancelled")
}

func TestWhyWaiting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submitYAML(`name: x
on_failure: pause
steps:
  - {key: signal, kind: wait, timeout: 1h}
  - {key: approval, kind: wait, with: {for: approval}}
  - {key: time, kind: wait, with: {for: time, until: 2999-01-01T00:00:00Z}}
  - {key: child, kind: plan, with: {plan: {name: y, steps: [{key: a, kind: noop}]}}}
  - {key: failing, kind: noop}
`)
	b.pass()
	require.Equal(t, []ReasonCode{ReasonWaitingSignal}, b.reasons(run, "signal"))
	require.NotNil(t, b.reason(run, "signal", ReasonWaitingSignal).Detail["deadline_at"])
	require.Equal(t, []ReasonCode{ReasonWaitingApproval}, b.reasons(run, "approval"))
	require.Equal(t, "2999-01-01T00:00:00.000000Z", b.reason(run, "time", ReasonStartAt).Detail["until"])
	child := b.reason(run, "child", ReasonNeedsUnfinished)
	require.Equal(t, "it waits for its child run, which is running", child.Message)
	require.Equal(t, scan[uuid.UUID](b, `select id from weir.runs where parent_run = $1`, run), child.Detail["child_run"])

	b.finish(b.start(run, 5), OutcomeFailed)
	require.Equal(t, []ReasonCode{ReasonWaitingDecision}, b.reasons(run, "failing"))
	require.NoError(t, b.RunPause(t.Context(), run, "local"))
	require.Equal(t, []ReasonCode{ReasonRunPaused, ReasonWaitingDecision}, b.reasons(run, "failing"))
}
