package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/lifecycle"
)

// How long, and how often, a test looks for what comes by itself.
const (
	eventually = 30 * time.Second
	often      = 5 * time.Millisecond
)

// bundle is the API on an Engine with a database of its own, with a worker whose lease lasts and the kind noop.
type bundle struct {
	*lifecycle.Engine

	t       *testing.T
	pool    *pgxpool.Pool
	worker  uuid.UUID
	handler http.Handler
	log     *bytes.Buffer
}

func setup(t *testing.T, change ...func(*Config)) *bundle {
	t.Helper()
	pool := dbtest.Pool(t)
	b := &bundle{t: t, pool: pool, worker: uuid.New(), log: &bytes.Buffer{}}
	b.Engine = lifecycle.New(lifecycle.Config{Pool: pool, Replica: b.worker})
	config := Config{
		Lifecycle: b.Engine, Logger: slog.New(slog.NewTextHandler(b.log, nil)), Loopback: true, BuildName: "test",
		Schema: func() Schema { return Schema{Version: 1, MinBinary: 1, River: 6} },
	}
	for _, f := range change {
		f(&config)
	}
	b.handler = New(config)
	b.exec(`insert into weir.workers (id, name, kinds, queues, lease_until) values ($1, 'test', '{noop}', '{"default": 10}', clock_timestamp() + interval '1 hour')`, b.worker)
	b.exec(`insert into weir.kinds (kind) values ('noop')`)
	return b
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.pool.Exec(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
}

// scan reads one value.
func scan[T any](b *bundle, sql string, args ...any) T {
	b.t.Helper()
	var v T
	require.NoError(b.t, b.pool.QueryRow(b.t.Context(), sql, args...).Scan(&v))
	return v
}

// engine runs the Engine's loops until the test ends.
func (b *bundle) engine() {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		require.NoError(b.t, <-done)
	})
}

// answer is what came back.
type answer struct {
	*http.Response

	body []byte
}

// json reads the body as an object.
func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var object map[string]any
	require.NoError(t, json.Unmarshal(a.body, &object), "%s", a.body)
	return object
}

// ask calls a handler as a local client would. Headers are NAME: VALUE; an empty value takes the header away.
func ask(t *testing.T, handler http.Handler, method, path, body string, headers ...string) answer {
	t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:8080"+path, content)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		switch {
		case name == "Host":
			r.Host = value
		case value == "":
			r.Header.Del(name)
		default:
			r.Header.Set(name, value)
		}
	}
	return serve(t, handler, r)
}

// serve has a handler answer a request.
func serve(t *testing.T, handler http.Handler, r *http.Request) answer {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	response := w.Result()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return answer{Response: response, body: text}
}

func (b *bundle) ask(method, path, body string, headers ...string) answer {
	b.t.Helper()
	return ask(b.t, b.handler, method, path, body, headers...)
}

// get is a GET that works.
func (b *bundle) get(path string) map[string]any {
	b.t.Helper()
	a := b.ask(http.MethodGet, path, "")
	require.Equal(b.t, http.StatusOK, a.StatusCode, "%s", a.body)
	return a.json(b.t)
}

// problem is a problem with a code, which it has in every place where it belongs.
func problem(t *testing.T, a answer, status int, code string) map[string]any {
	t.Helper()
	require.Equal(t, status, a.StatusCode, "%s", a.body)
	require.Equal(t, problemType, a.Header.Get("Content-Type"))
	p := a.json(t)
	conforms(t, "Problem", a.body)
	require.Equal(t, code, p["code"], "%s", a.body)
	require.Equal(t, "urn:weir:problem:"+code, p["type"])
	require.InDelta(t, status, p["status"], 0)
	require.Equal(t, status == 429 || status == 503 || status == 504, p["retryable"])
	require.NotEmpty(t, p["request_id"])
	require.Equal(t, a.Header.Get(requestIDHeader), p["request_id"])
	require.Equal(t, p["retryable"], a.Header.Get(retryAfterHeader) != "")
	return p
}

// submit submits a plan and gives the id of the run.
func (b *bundle) submit(plan string) uuid.UUID {
	b.t.Helper()
	a := b.ask(http.MethodPost, "/v1/runs", plan)
	require.Equal(b.t, http.StatusCreated, a.StatusCode, "%s", a.body)
	id, err := uuid.Parse(a.json(b.t)["id"].(string))
	require.NoError(b.t, err)
	return id
}

// start claims the first step of a run.
func (b *bundle) start(run uuid.UUID) *lifecycle.Attempt {
	b.t.Helper()
	token := scan[int64](b, `select river_job_id from weir.steps where run_id = $1 and step = 1`, run)
	a, err := b.StepStart(b.t.Context(), lifecycle.StartRequest{Run: run, Step: 1, Token: token, Worker: b.worker})
	require.NoError(b.t, err)
	require.Equal(b.t, lifecycle.ResultStarted, a.Result)
	return a.Attempt
}

// finish ends an attempt.
func (b *bundle) finish(a *lifecycle.Attempt, outcome lifecycle.Outcome, change ...func(*lifecycle.Report)) {
	b.t.Helper()
	report := lifecycle.Report{
		ID: uuid.New(), Run: a.Run, Step: a.Step, Attempt: a.Attempt, Worker: a.Worker, Outcome: outcome, Cause: lifecycle.CauseReported,
	}
	for _, f := range change {
		f(&report)
	}
	got, err := b.StepFinish(b.t.Context(), report)
	require.NoError(b.t, err)
	require.Equal(b.t, lifecycle.ResultRecorded, got.Result)
}

// onePlan is a plan with one step.
const onePlan = `{"name": "one", "steps": [{"key": "a", "kind": "noop"}]}`
