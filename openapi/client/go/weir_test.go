package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// scripted is a server that gives one answer after another; the last one for ever.
type scripted struct {
	mu      sync.Mutex
	answers []func(http.ResponseWriter)
	keys    []string // the Idempotency-Keys that came
	calls   int
}

// ServeHTTP implements http.Handler.
func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
	next := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	next(w)
}

// count is how many calls came.
func (s *scripted) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// says is an answer in JSON.
func says(status int, body string, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		if status >= 400 {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}
}

// breaks is no answer: the connection is closed.
func breaks(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

const (
	id          = "0198a8a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b"
	unavailable = `{"code": "database_unavailable", "status": 503, "retryable": true, "detail": "away", "errors": []}`
	conflict    = `{"code": "illegal_transition", "status": 409, "retryable": false, "detail": "the run is final", "allowed": [], "errors": []}`
)

func setup(t *testing.T, answers ...func(http.ResponseWriter)) (*scripted, *client.Weir) {
	t.Helper()
	s := &scripted{answers: answers}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	weir, err := client.New(client.Config{Server: server.URL, Backoff: time.Microsecond})
	require.NoError(t, err)
	return s, weir
}

// TestSubmitIsRepeatedWithOneKey: a broken connection and a database that is away are met by the same call again.
func TestSubmitIsRepeatedWithOneKey(t *testing.T) {
	t.Parallel()
	s, weir := setup(t, breaks, says(503, unavailable), says(200, `{"id": "`+id+`", "name": "p"}`, "Weir-Idempotent-Replay", "true"))
	answer, err := weir.RunSubmit(t.Context(), json.RawMessage(`{}`), "")
	require.NoError(t, err)
	require.Equal(t, "p", answer.Value.Name)
	require.True(t, answer.Replayed)
	require.JSONEq(t, `{"id": "`+id+`", "name": "p"}`, string(answer.JSON), "the JSON is what came")
	require.Len(t, s.keys, 3)
	require.NotEmpty(t, s.keys[0])
	require.Equal(t, s.keys[0], s.keys[1])
	require.Equal(t, s.keys[0], s.keys[2])

	_, err = weir.RunSubmit(t.Context(), json.RawMessage(`{}`), "mine")
	require.NoError(t, err)
	require.Equal(t, "mine", s.keys[3])
}

func TestProblemsAreErrors(t *testing.T) {
	t.Parallel()
	s, weir := setup(t, says(409, conflict))
	_, err := weir.RunCancel(t.Context(), uuid.MustParse(id), "")
	var problem *client.Problem
	require.ErrorAs(t, err, &problem)
	require.Equal(t, client.ProblemCode("illegal_transition"), problem.Code)
	require.EqualError(t, err, "the run is final")
	require.Equal(t, 1, s.count(), "what is not retryable is not tried again")
}

func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	s, weir := setup(t, says(503, unavailable))
	_, err := weir.RunGet(t.Context(), uuid.MustParse(id))
	var problem *client.Problem
	require.ErrorAs(t, err, &problem)
	require.True(t, problem.Retryable)
	require.Equal(t, 4, s.count())
}

func TestRetriesEndWithTheContext(t *testing.T) {
	t.Parallel()
	s := &scripted{answers: []func(http.ResponseWriter){says(503, unavailable)}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	weir, err := client.New(client.Config{Server: server.URL, Backoff: time.Hour, Retrying: func(err error, wait time.Duration) {
		require.Error(t, err)
		require.LessOrEqual(t, wait, 10*time.Second)
		cancel()
	}})
	require.NoError(t, err)
	_, err = weir.RunGet(ctx, uuid.MustParse(id))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, s.count())
}

func TestAnswersOfOthers(t *testing.T) {
	t.Parallel()
	for _, answer := range []func(http.ResponseWriter){
		says(200, "<html>", "Content-Type", "text/html"), says(404, "not here", "Content-Type", "text/plain"), says(500, `{"message": "no"}`),
	} {
		s, weir := setup(t, answer)
		_, err := weir.RunGet(t.Context(), uuid.MustParse(id))
		var unexpected *client.UnexpectedError
		require.ErrorAs(t, err, &unexpected)
		require.Equal(t, 1, s.count())
	}
	s, weir := setup(t, says(502, "bad gateway", "Content-Type", "text/html"), says(200, `{"name": "p"}`))
	answer, err := weir.RunGet(t.Context(), uuid.MustParse(id))
	require.NoError(t, err, "a proxy may get through the next time")
	require.Equal(t, "p", answer.Value.Name)
	require.Equal(t, 2, s.count())
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	weir, err := client.New(client.Config{Server: "http://" + address, Backoff: time.Microsecond})
	require.NoError(t, err)
	_, err = weir.Version(t.Context())
	var transport *client.TransportError
	require.ErrorAs(t, err, &transport)
}

func TestServerIsChecked(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"127.0.0.1:8080", "ftp://host", "http://", "://", "/path"} {
		_, err := client.New(client.Config{Server: server})
		require.ErrorContains(t, err, "http://HOST:PORT", server)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	_, weir := setup(t,
		says(200, `{"items": [{"name": "a"}, {"name": "b"}], "next": "x"}`),
		says(503, unavailable),
		says(200, `{"items": [{"name": "c"}], "next": null}`))
	var names []string
	for run, err := range weir.Runs(t.Context(), client.RunListParams{}) {
		require.NoError(t, err)
		names = append(names, run.Value.Name)
	}
	require.Equal(t, []string{"a", "b", "c"}, names)

	s, weir := setup(t, says(200, `{"items": [{"name": "a"}], "next": "x"}`), says(409, conflict))
	var failed error
	for _, err := range weir.Runs(t.Context(), client.RunListParams{}) {
		failed = errors.Join(failed, err)
	}
	require.EqualError(t, failed, "the run is final")
	require.Equal(t, 2, s.count())
	for _, err := range weir.Runs(t.Context(), client.RunListParams{}) {
		require.Error(t, err)
		break // a caller that has seen enough
	}
}
