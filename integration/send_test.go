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
)

// post and put send JSON to the API of a replica, which must not refuse it, and give the answer.
func post(t *testing.T, r *cluster.Replica, path, body string) json.RawMessage {
	t.Helper()
	return send(t, http.MethodPost, r.Server+path, body)
}

func put(t *testing.T, r *cluster.Replica, path, body string) json.RawMessage {
	t.Helper()
	return send(t, http.MethodPut, r.Server+path, body)
}

func send(t *testing.T, method, url, body string) json.RawMessage {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Less(t, response.StatusCode, 300, "%s %s: %s", method, url, answer)
	return answer
}
