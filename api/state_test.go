package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// stateOfAll is a state whose sections answer at once, with what a test may plant into them.
func stateOfAll(t *testing.T) (*server, *bundle) {
	t.Helper()
	b := setup(t, func(c *Config) { c.StateWithin = 20 * time.Second })
	s := b.handler.(*server)
	for _, section := range s.sections {
		section.fresh = -1
	}
	return s, b
}

// degraded are the degraded sections of a state, by name.
func degraded(t *testing.T, state map[string]any) map[string]map[string]any {
	t.Helper()
	sections := map[string]map[string]any{}
	for _, entry := range state["degraded"].([]any) {
		detail := entry.(map[string]any)
		sections[detail["section"].(string)] = detail
	}
	return sections
}

// state is an answer that there is, as the document says it is.
func (b *bundle) state() map[string]any {
	b.t.Helper()
	a := b.ask(http.MethodGet, "/v1/state", "")
	require.Equal(b.t, http.StatusOK, a.StatusCode, "%s", a.body)
	conforms(b.t, "State", a.body)
	return a.json(b.t)
}

func TestState(t *testing.T) {
	t.Parallel()
	_, b := stateOfAll(t)
	b.engine()
	running := b.submit(onePlan)
	attempt := b.start(running)
	b.submit(`{"name": "approval", "steps": [{"key": "a", "kind": "wait", "with": {"for": "approval"}}]}`)
	again := b.submit(`{"name": "again", "steps": [{"key": "a", "kind": "noop", "retry": {"max_attempts": 3, "initial": "1h"}}]}`)
	b.finish(b.start(again), "failed", func(r *lifecycle.Report) {
		r.Error = &lifecycle.ReportError{Code: "exit_code", Message: strings.Repeat("x", 1000), Retryable: true}
	})
	var state map[string]any
	require.Eventually(t, func() bool {
		state = b.state()
		counts := state["counts"].(map[string]any)["steps"].(map[string]any)
		return counts["waiting"] == 1.0 && counts["retrying"] == 1.0
	}, eventually, often)
	state = b.state() // sections are not of one moment
	require.Empty(t, state["degraded"])
	require.Equal(t, false, state["skew"])
	require.Empty(t, state["workers"])
	one := func(section string) map[string]any {
		items := state[section].(map[string]any)
		require.InDelta(t, 1, items["total"], 0, section)
		return items["items"].([]any)[0].(map[string]any)
	}
	item := one("running")
	require.Equal(t, running.String(), item["run"])
	require.Equal(t, "a", item["step"])
	require.Equal(t, b.worker.String(), item["worker"])
	require.NotNil(t, item["since"])
	item = one("retrying")
	require.Equal(t, again.String(), item["run"])
	require.NotNil(t, item["since"])
	require.NotNil(t, item["run_after"])
	require.Len(t, item["error"].(map[string]any)["message"], 500)
	require.Equal(t, "approval", one("waiting")["name"])
	require.NotNil(t, one("waiting")["since"])
	require.InDelta(t, 3, state["tracked"].(map[string]any)["total"], 0)
	require.InDelta(t, 1, state["replicas"].([]any)[0].(map[string]any)["running"], 0)

	b.exec(`insert into weir.workers (id, name, build, lease_until) values (gen_random_uuid(), 'other', 'v9', clock_timestamp() + interval '1 hour')`)
	require.Equal(t, true, b.state()["skew"], "another build")
	b.exec(`update weir.workers set build = ''`)
	require.Equal(t, false, b.state()["skew"])
	b.exec(`update weir.workers set schema_version = (select version - 1 from weir.schema_info) where name = 'other'`)
	require.Equal(t, true, b.state()["skew"], "one brings an older schema than the database's")
	b.finish(attempt, "succeeded")
}

// TestS4EachSectionBreaks has each section in turn fail, hang and panic: the others are whole, and its last good value
// stands in its place.
func TestS4EachSectionBreaks(t *testing.T) {
	t.Parallel()
	s, b := stateOfAll(t)
	b.submit(onePlan)
	good := b.state()
	require.Empty(t, good["degraded"])
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	for _, broken := range s.sections {
		gather := broken.gather
		for reason, plant := range map[string]func(context.Context) (any, error){
			"failed":    func(context.Context) (any, error) { return nil, errors.New("secret") },
			"panicked":  func(context.Context) (any, error) { panic("secret") },
			"timed out": func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() },
		} {
			broken.gather, broken.wait, broken.within = plant, time.Minute, time.Minute
			if reason == "timed out" {
				broken.wait, broken.within = time.Millisecond, time.Millisecond
			}
			a := b.ask(http.MethodGet, "/v1/state", "")
			require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
			conforms(t, "State", a.body)
			require.NotContains(t, string(a.body), "secret")
			state := a.json(t)
			list := degraded(t, state)
			require.Len(t, list, 1, "%s: %v", broken.name, list)
			require.Equal(t, reason, list[broken.name]["reason"], broken.name)
			require.NotNil(t, list[broken.name]["as_of"], broken.name)
			require.Equal(t, good[broken.name], state[broken.name], "the last good value")
			for name, value := range good {
				require.Equal(t, value == nil, state[name] == nil, "%s, while %s %s", name, broken.name, reason)
			}
			require.Eventually(t, func() bool { // what was given up has ended as well
				broken.mu.Lock()
				defer broken.mu.Unlock()
				return broken.flight == nil
			}, eventually, often)
		}
		broken.gather, broken.wait, broken.within = gather, time.Minute, time.Minute
		require.Empty(t, b.state()["degraded"], "it is whole again")
		good = b.state()
	}
	// Last, one that does not even hear that its time is over: it keeps one goroutine, however often it is asked for.
	hangs := s.sections[3]
	var calls atomic.Int32
	hangs.wait, hangs.within = time.Millisecond, time.Millisecond
	hangs.gather = func(context.Context) (any, error) { calls.Add(1); <-over; return nil, errors.New("over") }
	b.state()
	for range 50 {
		require.Equal(t, "timed out", degraded(t, b.state())[hangs.name]["reason"])
	}
	require.Equal(t, int32(1), calls.Load())
}

// TestS4NothingIsKnown is a replica that has never read anything.
func TestS4NothingIsKnown(t *testing.T) {
	t.Parallel()
	s := New(Config{Lifecycle: broken{}}).(*server)
	problem(t, ask(t, s, http.MethodGet, "/v1/state", ""), http.StatusServiceUnavailable, "database_unavailable")
	// One section is enough.
	for _, section := range s.sections {
		if section.name == "workers" {
			section.gather = func(context.Context) (any, error) { return []lifecycle.WorkerView{}, nil }
		}
	}
	a := ask(t, s, http.MethodGet, "/v1/state", "")
	require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
	conforms(t, "State", a.body)
	state := a.json(t)
	require.Nil(t, state["queues"])
	require.Nil(t, state["skew"])
	require.Nil(t, degraded(t, state)["queues"]["as_of"])
}

// TestStateIsShared answers with what was read less than half a second ago.
func TestStateIsShared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, section := range b.handler.(*server).sections {
		section.fresh = time.Hour
	}
	first := b.state()
	b.submit(onePlan)
	require.Equal(t, first["tracked"], b.state()["tracked"])
	require.False(t, bytes.Contains(b.log.Bytes(), []byte("could not be gathered")))
}
