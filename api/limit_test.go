package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

func TestRateLimit(t *testing.T) {
	t.Parallel()
	b, tokens := guarded(t, func(c *Config) { c.RateLimit = 1 })
	ana, ben := token(t, tokens, "ana", "read"), token(t, tokens, "ben", "read")
	var limited answer
	require.Eventually(t, func() bool {
		limited = b.ask("GET", "/v1/session", "", ana)
		return limited.StatusCode != http.StatusOK
	}, eventually, time.Microsecond, "the burst is 2")
	p := problem(t, limited, http.StatusTooManyRequests, "rate_limited")
	require.Equal(t, true, p["retryable"])
	after, err := strconv.Atoi(limited.Header.Get("Retry-After"))
	require.NoError(t, err)
	require.Equal(t, 1, after)
	require.Equal(t, http.StatusOK, b.ask("GET", "/v1/session", "", ben).StatusCode, "each token has its own")
	require.Equal(t, http.StatusOK, b.ask("GET", "/healthz", "", ana).StatusCode)
	free, tokens := guarded(t, func(c *Config) { c.RateLimit = -1 })
	ana = token(t, tokens, "ana", "read")
	for range 20 {
		require.Equal(t, http.StatusOK, free.ask("GET", "/v1/session", "", ana).StatusCode)
	}
}

func TestFailuresAreLimited(t *testing.T) {
	t.Parallel()
	b, tokens := guarded(t)
	good := token(t, tokens, "good", "read")
	foreign := "Authorization: Bearer weir_nonsense"
	var limited answer
	require.Eventually(t, func() bool {
		limited = b.ask("GET", "/v1/session", "", foreign)
		return limited.StatusCode != http.StatusUnauthorized
	}, eventually, time.Microsecond)
	problem(t, limited, http.StatusTooManyRequests, "rate_limited")
	require.NotEmpty(t, limited.Header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, b.ask("GET", "/v1/session", "", good).StatusCode, "who was never seen here, and has a good token, is let in")
}

func TestLimitersAreBounded(t *testing.T) {
	t.Parallel()
	r := newRates(1000)
	for range limitersMost + 10 {
		r.wait(uuid.New())
	}
	require.LessOrEqual(t, len(r.limiters), limitersMost)
}

// waiting is a lifecycle that answers nothing until it may.
type waiting struct {
	broken

	begun, end chan struct{}
}

func (w waiting) QueueList(context.Context) ([]lifecycle.QueueView, error) {
	w.begun <- struct{}{}
	<-w.end
	return nil, nil
}

func TestMaxRequests(t *testing.T) {
	t.Parallel()
	w := waiting{begun: make(chan struct{}), end: make(chan struct{})}
	handler := New(Config{Lifecycle: w, Loopback: true, MaxRequests: 1})
	done := make(chan int, 1)
	go func() {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/v1/queues", nil))
		done <- recorder.Code
	}()
	<-w.begun
	a := ask(t, handler, "GET", "/v1/queues", "")
	problem(t, a, http.StatusServiceUnavailable, "overloaded")
	require.Equal(t, "1", a.Header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, ask(t, handler, "GET", "/healthz", "").StatusCode)
	close(w.end)
	require.Equal(t, http.StatusOK, <-done)
	require.Equal(t, http.StatusOK, ask(t, handler, "GET", "/v1/session", "").StatusCode, "there is room again")
}

// deadlines is a connection that tells until when it may be written to.
type deadlines struct {
	*httptest.ResponseRecorder

	set []time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.set = append(d.set, at)
	return nil
}

func TestWriteDeadline(t *testing.T) {
	t.Parallel()
	handler := New(Config{Lifecycle: broken{}, Loopback: true, Within: time.Minute})
	before := time.Now()
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	handler.ServeHTTP(d, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/healthz", nil))
	require.Len(t, d.set, 1)
	require.False(t, d.set[0].Before(before.Add(75*time.Second)))
	writeFreely(&response{ResponseWriter: d})
	require.Len(t, d.set, 2)
	require.True(t, d.set[1].IsZero())
}
