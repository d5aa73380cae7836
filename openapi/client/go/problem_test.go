package client_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/api"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// TestEveryProblemCode becomes a Problem with that code, which the client knows.
func TestEveryProblemCode(t *testing.T) {
	t.Parallel()
	require.Greater(t, len(api.ProblemCodes()), 20)
	for _, code := range api.ProblemCodes() {
		require.True(t, client.ProblemCode(code).Valid(), code)
		sent := map[string]any{
			"type": "urn:weir:problem:" + code, "title": "What it is", "status": http.StatusConflict, "detail": "it is wrong", "code": code,
			"retryable": false, "request_id": "r1", "allowed": []string{"running"},
			"errors":  []any{map[string]any{"location": "body.steps[0].kind", "code": "unknown_kind", "message": "nobody knows it", "detail": nil}},
			"current": map[string]any{"state": "succeeded", "attempt": 1, "actor": "local", "at": "2026-05-04T00:00:00Z"},
		}
		text, err := json.Marshal(sent)
		require.NoError(t, err)
		_, weir := setup(t, says(http.StatusConflict, string(text), "Content-Type", "application/problem+json"))
		_, err = weir.RunGet(t.Context(), uuid.MustParse(id))
		var problem *client.Problem
		require.ErrorAs(t, err, &problem, code)
		require.Equal(t, client.ProblemCode(code), problem.Code)
		require.Equal(t, "r1", problem.RequestID)
		require.Equal(t, []string{"running"}, *problem.Allowed)
		require.Equal(t, "unknown_kind", problem.Errors[0].Code)
		require.Equal(t, "succeeded", problem.Current.State)
		require.EqualError(t, err, "it is wrong\n  body.steps[0].kind: nobody knows it")
	}
}
