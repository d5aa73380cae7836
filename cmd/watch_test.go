package cmd

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// lagging is a server whose run has ended, and whose history becomes visible late and in an odd order: a step's end
// after that of the run. Each page but those in between has one transition, and the last one repeats none.
func lagging(t *testing.T, id string, asked *atomic.Int64) (url string) {
	t.Helper()
	history := []string{
		"", `"step": "a", "from": "available", "to": "running"`, "", `"step": null, "from": "running", "to": "succeeded"`, "", "",
		`"step": "a", "from": "running", "to": "succeeded"`,
	}
	answer := func(w http.ResponseWriter, body string) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, body)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/runs/{run}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, `{"id": "`+id+`", "name": "x", "state": "succeeded", "created_at": "2026-05-04T12:00:00.000000Z",
			"finished_at": "2026-05-04T12:00:01.000000Z", "steps": {"total": 1, "succeeded": 1}}`)
	})
	last := ""
	mux.HandleFunc("GET /v1/runs/{run}/transitions", func(w http.ResponseWriter, r *http.Request) {
		at := int(asked.Add(1)) - 1
		if r.URL.Query().Get("cursor") != last || at >= len(history) {
			http.Error(w, "another cursor, or one look too many", http.StatusTeapot)
			return
		}
		items := ""
		if history[at] != "" {
			last = fmt.Sprintf("t%d", at)
			items = fmt.Sprintf(`{"id": "%s", "at": "2026-05-04T12:00:00.000000Z", "run": "%s", "cause": "manual", %s}`, last, id, history[at])
		}
		answer(w, `{"items": [`+items+`], "next": null}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestWatchSeesAllOfAHistoryThatComesLate(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	var asked atomic.Int64
	code, stdout, stderr := runs(t, "run", id, "--wait", "--server", lagging(t, id, &asked))
	require.Equal(t, exitDone, code, stderr)
	require.EqualValues(t, 7, asked.Load())
	require.Equal(t, []string{"a available→running", "- running→succeeded", "a running→succeeded"}, strings.Split(strings.TrimSuffix(
		strings.ReplaceAll(strings.ReplaceAll(stdout, "2026-05-04T12:00:00.000Z ", ""), " manual", ""), "\n"), "\n"))
}
