package client_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// TestO4DecisionWhoseAnswerIsLost sends it again, and takes what was made of the step for an answer.
func TestO4DecisionWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	run := uuid.MustParse(id)
	accept := client.Decision{Decision: client.DecisionDecisionAccept}
	is := func(step string) func(http.ResponseWriter) { return says(http.StatusOK, step) }
	for name, c := range map[string]struct {
		answers []func(http.ResponseWriter)
		call    func(*client.Weir) (client.Answer[client.Step], error)
		works   bool
	}{
		"decided": {
			[]func(http.ResponseWriter){breaks, says(409, conflict), is(`{"state": "succeeded", "cause": "decision"}`)},
			func(w *client.Weir) (client.Answer[client.Step], error) {
				return w.StepDecision(t.Context(), run, "a", accept)
			}, true,
		},
		"decided otherwise": {
			[]func(http.ResponseWriter){breaks, says(409, conflict), is(`{"state": "skipped", "cause": "decision"}`)},
			func(w *client.Weir) (client.Answer[client.Step], error) {
				return w.StepDecision(t.Context(), run, "a", accept)
			}, false,
		},
		"refused": {
			[]func(http.ResponseWriter){says(409, conflict), is(`{"state": "succeeded", "cause": "decision"}`)},
			func(w *client.Weir) (client.Answer[client.Step], error) {
				return w.StepDecision(t.Context(), run, "a", accept)
			}, false,
		},
		"signalled": {
			[]func(http.ResponseWriter){says(503, unavailable), says(409, conflict), is(`{"state": "succeeded", "cause": "signal", "output": {"b": 1, "a": [2]}}`)},
			func(w *client.Weir) (client.Answer[client.Step], error) {
				return w.StepSignal(t.Context(), run, "a", json.RawMessage(`{"a":[2],"b":1}`))
			}, true,
		},
		"signalled by another": {
			[]func(http.ResponseWriter){breaks, says(409, conflict), is(`{"state": "succeeded", "cause": "signal", "output": 2}`)},
			func(w *client.Weir) (client.Answer[client.Step], error) {
				return w.StepSignal(t.Context(), run, "a", nil)
			}, false,
		},
		"signalled with nothing": {
			[]func(http.ResponseWriter){breaks, says(409, conflict), is(`{"state": "succeeded", "cause": "signal", "output": null}`)},
			func(w *client.Weir) (client.Answer[client.Step], error) {
				return w.StepSignal(t.Context(), run, "a", nil)
			}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, weir := setup(t, c.answers...)
			step, err := c.call(weir)
			if c.works {
				require.NoError(t, err)
				require.NotEmpty(t, step.Value.Cause)
				return
			}
			var problem *client.Problem
			require.ErrorAs(t, err, &problem)
			require.Equal(t, client.ProblemCodeIllegalTransition, problem.Code)
		})
	}
}

// TestO4RerunAndByKeyAreRepeatable: both bring an Idempotency-Key, the same with every try.
func TestO4RerunAndByKeyAreRepeatable(t *testing.T) {
	t.Parallel()
	for _, call := range []func(*client.Weir, string) error{
		func(w *client.Weir, key string) error {
			_, err := w.RunRerun(t.Context(), uuid.MustParse(id), client.Rerun{}, key)
			return err
		},
		func(w *client.Weir, key string) error {
			_, err := w.RunByKey(t.Context(), "k", client.RunBykeyParamsOnConflictReplace, json.RawMessage(`{}`), key)
			return err
		},
	} {
		for _, key := range []string{"", "mine"} {
			server, weir := setup(t, breaks, says(http.StatusCreated, `{"id": "`+id+`"}`))
			require.NoError(t, call(weir, key))
			require.Len(t, server.keys, 2)
			require.Equal(t, server.keys[0], server.keys[1])
			require.NotEmpty(t, server.keys[0])
			if key != "" {
				require.Equal(t, key, server.keys[0])
			}
		}
	}
}
