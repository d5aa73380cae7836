package api

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// stepIn makes a run whose step with the key s is in a state, in the way that steps come into it.
func (b *bundle) stepIn(state lifecycle.StepState) uuid.UUID {
	b.t.Helper()
	finished := func(outcome lifecycle.Outcome) func() uuid.UUID {
		return func() uuid.UUID {
			run := b.submit(`{"name": "m", "steps": [{"key": "s", "kind": "noop"}]}`)
			b.finish(b.started(run), outcome)
			return run
		}
	}
	ways := map[lifecycle.StepState]func() uuid.UUID{
		lifecycle.StepPending: func() uuid.UUID {
			return b.submit(`{"name": "m", "steps": [{"key": "a", "kind": "noop"}, {"key": "s", "kind": "noop", "needs": ["a"]}]}`)
		},
		lifecycle.StepAvailable: func() uuid.UUID { return b.submit(`{"name": "m", "steps": [{"key": "s", "kind": "noop"}]}`) },
		lifecycle.StepRunning: func() uuid.UUID {
			run := b.submit(`{"name": "m", "steps": [{"key": "s", "kind": "noop"}]}`)
			b.started(run)
			return run
		},
		lifecycle.StepRetrying: func() uuid.UUID {
			run := b.submit(`{"name": "m", "steps": [{"key": "s", "kind": "noop", "retry": {"max_attempts": 2, "initial": "1h", "max": "2h"}}]}`)
			b.finish(b.started(run), lifecycle.OutcomeFailed)
			return run
		},
		lifecycle.StepWaiting:   func() uuid.UUID { return b.submit(`{"name": "m", "steps": [{"key": "s", "kind": "wait"}]}`) },
		lifecycle.StepSucceeded: finished(lifecycle.OutcomeSucceeded),
		lifecycle.StepFailed:    finished(lifecycle.OutcomeFailed),
		lifecycle.StepCrashed:   finished(lifecycle.OutcomeCrashed),
		lifecycle.StepTimedOut:  finished(lifecycle.OutcomeTimedOut),
		lifecycle.StepLost: func() uuid.UUID {
			run := b.submit(`{"name": "m", "steps": [{"key": "s", "kind": "noop"}]}`)
			b.started(run)
			b.exec(`update weir.steps set state = 'lost', cause = 'lease_expired', finished_at = clock_timestamp(), river_job_id = null where run_id = $1`, run)
			return run
		},
		lifecycle.StepCancelled: func() uuid.UUID {
			run := b.submit(`{"name": "m", "steps": [{"key": "s", "kind": "noop"}]}`)
			require.Equal(b.t, http.StatusAccepted, b.ask(http.MethodPost, "/v1/runs/"+run.String()+"/cancel", "").StatusCode)
			return run
		},
		lifecycle.StepSkipped: func() uuid.UUID {
			run := b.submit(`{"name": "m", "steps": [{"key": "a", "kind": "noop"}, {"key": "s", "kind": "noop", "needs": ["a"]}]}`)
			b.finish(b.started(run), lifecycle.OutcomeFailed)
			return run
		},
	}
	run := ways[state]()
	open := slices.Contains([]lifecycle.StepState{lifecycle.StepPending, lifecycle.StepAvailable, lifecycle.StepRunning, lifecycle.StepRetrying, lifecycle.StepWaiting}, state)
	require.Eventually(b.t, func() bool {
		return scan[bool](b, `select s.state::text = $2 and (s.settled or $3) and (r.finished_at is not null or $3)
			from weir.steps s join weir.runs r on r.id = s.run_id where s.run_id = $1 and s.key = 's'`, run, string(state), open)
	}, eventually, often, "%s", state)
	return run
}

// started starts the first step of a run, as soon as it was dispatched.
func (b *bundle) started(run uuid.UUID) *lifecycle.Attempt {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		return scan[bool](b, `select river_job_id is not null from weir.steps where run_id = $1 and step = 1`, run)
	}, eventually, often)
	return b.start(run)
}

// legal are the states that the database lets something in a state go to.
func (b *bundle) legal(entity, from string) []string {
	b.t.Helper()
	return scan[[]string](b, `select coalesce(array_agg(to_state order by to_state), '{}') from weir.legal_transitions where entity = $1 and from_state = $2`, entity, from)
}

// TestO2EveryActionInEveryState does through the API whatever can be done to a step and to a run, in each of their
// states: what is legal happens, everything else is a 409 that lists what would be, and changes nothing.
func TestO2EveryActionInEveryState(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.engine()
	steps := []struct{ path, body string }{
		{"/steps/s/cancel", ""},
		{"/steps/s/decision", `{"decision": "retry"}`},
		{"/steps/s/decision", `{"decision": "skip"}`},
		{"/steps/s/decision", `{"decision": "accept"}`},
		{"/steps/s/decision", `{"decision": "fail"}`},
		{"/steps/s/signal", `{"payload": 1}`},
		{"/cancel", ""},
		{"/pause", ""},
		{"/resume", ""},
	}
	refused, done := 0, 0
	for _, state := range lifecycle.StepStates() {
		for _, action := range steps {
			run := b.stepIn(state)
			ofRun := action.path == "/cancel" || action.path == "/pause" || action.path == "/resume"
			entity, read := "step", `select to_jsonb(s) - array['needs_open', 'river_job_id'] from weir.steps s where run_id = $1 and key = 's'`
			if ofRun {
				entity, read = "run", `select to_jsonb(r) from weir.runs r where id = $1`
			}
			before := scan[map[string]any](b, read, run)
			from := before["state"].(string)
			about := string(state) + " " + action.path + " " + action.body
			a := b.ask(http.MethodPost, "/v1/runs/"+run.String()+action.path, action.body)
			if a.StatusCode == http.StatusConflict {
				p := problem(t, a, http.StatusConflict, "illegal_transition")
				require.Equal(t, b.legal(entity, from), texts(p["allowed"]), about)
				require.Equal(t, from, p["current"].(map[string]any)["state"], about)
				require.Equal(t, before, scan[map[string]any](b, read, run), about)
				refused++
				continue
			}
			require.Less(t, a.StatusCode, 300, "%s: %s", about, a.body)
			to := scan[string](b, `select state::text from (`+read+`) x(row), jsonb_to_record(row) as y(state text)`, run)
			if to != from {
				require.Contains(t, b.legal(entity, from), to, about)
			}
			final := len(b.legal(entity, from)) == 0
			require.False(t, final, "%s is final, and still: %s", about, a.body)
			done++
		}
	}
	require.Equal(t, len(steps)*len(lifecycle.StepStates()), refused+done)
	require.NotZero(t, done)
	require.Equal(t, 0, scan[int](b, `select count(*) from weir.violations`))
}

func texts(list any) []string {
	items, _ := list.([]any)
	all := make([]string, len(items))
	for i, item := range items {
		all[i] = item.(string)
	}
	return all
}
