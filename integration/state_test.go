//go:build linux

package integration_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// picture is what these tests look at of /v1/state.
type picture struct {
	Version struct {
		Schema int `json:"schema"`
	} `json:"version"`
	Skew     bool `json:"skew"`
	Replicas []struct {
		Schema int `json:"schema"`
	} `json:"replicas"`
	Tracked struct {
		Total int `json:"total"`
	} `json:"tracked"`
	Degraded []struct {
		Section string  `json:"section"`
		Reason  string  `json:"reason"`
		AsOf    *string `json:"as_of"`
	} `json:"degraded"`
}

// asks sends a request to a replica, whatever it answers.
func asks(t *testing.T, r *cluster.Replica, method, path, body string) (status int, answer []byte, header http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.Server+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, answer, response.Header
}

// stateOf is what a replica shows of everything.
func stateOf(t *testing.T, r *cluster.Replica) picture {
	t.Helper()
	status, answer, _ := asks(t, r, http.MethodGet, "/v1/state", "")
	require.Equal(t, http.StatusOK, status, "%s", answer)
	var state picture
	require.NoError(t, json.Unmarshal(answer, &state))
	return state
}

// problemOf is a problem that a replica answers with.
func problemOf(t *testing.T, r *cluster.Replica, method, path, body string) (status int, code, detail string, retryable bool) {
	t.Helper()
	status, answer, header := asks(t, r, method, path, body)
	var problem struct {
		Code      string `json:"code"`
		Detail    string `json:"detail"`
		Retryable bool   `json:"retryable"`
	}
	require.NoError(t, json.Unmarshal(answer, &problem), "%d %s", status, answer)
	require.Equal(t, problem.Retryable, header.Get("Retry-After") != "")
	return status, problem.Code, problem.Detail, problem.Retryable
}

// TestOutageThroughTheAPI stops PostgreSQL under a replica that runs: it lives, says that it is not ready and why, shows what it
// knew, and takes nothing that it could not keep. Once the database is back all is well, without a restart.
func TestOutageThroughTheAPI(t *testing.T) {
	t.Parallel()
	server := cluster.NewServer(t)
	c := cluster.New(t, cluster.Config{URL: server.URL})
	r := c.Serve()
	c.Submit(r, "{name: waits, steps: [{key: a, kind: wait}]}")
	c.Until("all is shown", func() bool {
		state := stateOf(t, r)
		return len(state.Degraded) == 0 && state.Tracked.Total == 1
	})
	server.Stop()
	c.Until("the replica has noticed", func() bool { return len(stateOf(t, r).Degraded) > 0 })

	status, answer, _ := asks(t, r, http.MethodGet, "/healthz", "")
	require.Equal(t, http.StatusOK, status, "%s", answer)
	status, code, detail, retryable := problemOf(t, r, http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "database_unavailable", code)
	require.Contains(t, detail, "the database")
	require.True(t, retryable)
	status, code, _, retryable = problemOf(t, r, http.MethodPost, "/v1/runs", `{"name": "away", "steps": [{"key": "a", "kind": "noop"}]}`)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "database_unavailable", code)
	require.True(t, retryable)
	c.Until("every section that is read shows what it knew", func() bool { return len(stateOf(t, r).Degraded) >= 8 })
	state := stateOf(t, r)
	require.Equal(t, 1, state.Tracked.Total, "as it was")
	for _, section := range state.Degraded {
		require.NotEqual(t, "version", section.Section)
		require.NotNil(t, section.AsOf, section.Section)
		require.Contains(t, []string{"failed", "timed out"}, section.Reason)
	}

	server.Start()
	c.Pool.Reset()
	c.Until("it is ready again", func() bool {
		status, _, _ := asks(t, r, http.MethodGet, "/readyz", "")
		return status == http.StatusOK
	})
	c.Until("all is shown again", func() bool { return len(stateOf(t, r).Degraded) == 0 })
	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(c.Submit(r, "{name: after, steps: [{key: a, kind: noop}]}")))
	require.False(t, r.Ended())
	r.Stop()
	c.NoViolations()
}
