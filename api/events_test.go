package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// sseEvent is one event of a stream. A comment has only its text.
type sseEvent struct{ id, kind, data, comment string }

func (e sseEvent) json(t *testing.T) map[string]any {
	t.Helper()
	var object map[string]any
	require.NoError(t, json.Unmarshal([]byte(e.data), &object), e.data)
	return object
}

// what is an event in a few words.
func (e sseEvent) what(t *testing.T) string {
	t.Helper()
	switch e.kind {
	case "transition":
		conforms(t, "Transition", []byte(e.data))
		require.Equal(t, e.id, e.json(t)["id"])
		step, _ := e.json(t)["step"].(string)
		return strings.TrimSpace(step + " " + e.json(t)["to"].(string))
	case "log":
		conforms(t, "Log", []byte(e.data))
		return "log " + e.json(t)["text"].(string)
	case "end":
		conforms(t, "Run", []byte(e.data))
		return "end " + e.json(t)["state"].(string)
	}
	return e.kind
}

// sseStream reads a stream of events.
type sseStream struct {
	t       *testing.T
	answer  *http.Response
	scanner *bufio.Scanner
}

// serving serves the API on a port of its own, until the test ends or stop is called.
func (b *bundle) serving() (url string, stop func()) {
	b.t.Helper()
	base, cancel := context.WithCancel(context.Background())
	server := httptest.NewUnstartedServer(b.handler)
	server.Config.BaseContext = func(net.Listener) context.Context { return base }
	server.Config.ReadTimeout = 100 * time.Millisecond // streams outlive it
	server.Start()
	b.t.Cleanup(func() {
		cancel()
		server.Close()
	})
	return server.URL, cancel
}

// follow opens a stream.
func (b *bundle) follow(url string, run uuid.UUID, last string, headers ...string) *sseStream {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, url+"/v1/runs/"+run.String()+"/events", nil)
	require.NoError(b.t, err)
	if last != "" {
		r.Header.Set(lastEventIDHeader, last)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = answer.Body.Close() })
	require.Equal(b.t, http.StatusOK, answer.StatusCode)
	require.Equal(b.t, streamType, answer.Header.Get("Content-Type"))
	require.Equal(b.t, "no-store", answer.Header.Get("Cache-Control"))
	scanner := bufio.NewScanner(answer.Body)
	scanner.Buffer(nil, 1<<20)
	return &sseStream{t: b.t, answer: answer, scanner: scanner}
}

// next is the next event or comment; false: the stream has ended.
func (s *sseStream) next() (event sseEvent, ok bool) {
	for s.scanner.Scan() {
		name, value, _ := strings.Cut(s.scanner.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case s.scanner.Text() == "":
			return event, true
		case name == "":
			event.comment = value
		case name == "id":
			event.id = value
		case name == "event":
			event.kind = value
		case name == "data":
			event.data = value
		}
	}
	return event, false
}

// event is the next event that is none of the comments.
func (s *sseStream) event() sseEvent {
	s.t.Helper()
	for {
		event, ok := s.next()
		require.True(s.t, ok, "the stream has ended")
		if event.kind != "" {
			return event
		}
	}
}

// rest is all that comes before the stream ends.
func (s *sseStream) rest() (events []sseEvent) {
	for {
		event, ok := s.next()
		if !ok {
			return events
		}
		if event.kind != "" {
			events = append(events, event)
		}
	}
}

func (b *bundle) wrote(a *lifecycle.Attempt, seq int64, text string) {
	b.t.Helper()
	require.NoError(b.t, b.LogAppend(b.t.Context(), []lifecycle.LogLine{{
		Run: a.Run, Step: a.Step, Attempt: a.Attempt, Seq: seq, At: time.Now(), Stream: "stdout", Text: text,
	}}))
}

// startStep claims a step of a run, once it can be claimed.
func (b *bundle) startStep(run uuid.UUID, step int) *lifecycle.Attempt {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		return scan[*int64](b, `select river_job_id from weir.steps where run_id = $1 and step = $2`, run, step) != nil
	}, eventually, often)
	token := scan[int64](b, `select river_job_id from weir.steps where run_id = $1 and step = $2`, run, step)
	a, err := b.StepStart(b.t.Context(), lifecycle.StartRequest{Run: run, Step: step, Token: token, Worker: b.worker})
	require.NoError(b.t, err)
	require.Equal(b.t, lifecycle.ResultStarted, a.Result)
	return a.Attempt
}

const twoInLine = `{"name": "two", "steps": [{"key": "a", "kind": "noop", "retry": {"max_attempts": 2, "initial": "1ms", "jitter": 0}}, {"key": "b", "kind": "noop", "needs": ["a"]}]}`

// TestEventsFollowARun follows a run from its submit to its end, and then resumes after every single transition of it.
func TestEventsFollowARun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.engine()
	url, _ := b.serving()
	run := b.submit(twoInLine)
	stream := b.follow(url, run, "")
	var seen []string
	var ids []string
	expect := func(what ...string) {
		t.Helper()
		for _, w := range what {
			event := stream.event()
			seen = append(seen, event.what(t))
			require.Equal(t, w, seen[len(seen)-1])
			if event.kind == "transition" {
				ids = append(ids, event.id)
			}
		}
	}
	first := b.start(run)
	expect("a running")
	b.wrote(first, 1, "one")
	expect("log one")
	b.wrote(first, 2, "two")
	b.finish(first, "failed", func(r *lifecycle.Report) {
		r.Error = &lifecycle.ReportError{Code: "failed", Message: "it failed", Retryable: true}
	})
	expect("log two", "a retrying")
	second := b.startStep(run, 1)
	b.wrote(second, 1, "again")
	b.finish(second, "succeeded")
	expect("a running", "log again", "a succeeded", "b available")
	third := b.startStep(run, 2)
	b.wrote(third, 1, "last")
	expect("b running", "log last")
	b.finish(third, "succeeded")
	expect("b succeeded", "succeeded", "end succeeded")
	require.Empty(t, stream.rest(), "the server closes")

	var transitions []string
	for _, what := range seen {
		if !strings.HasPrefix(what, "log ") {
			transitions = append(transitions, what)
		}
	}
	require.Len(t, transitions, len(ids)+1)
	for i, id := range ids {
		got := []string{}
		for _, event := range b.follow(url, run, id).rest() {
			if event.kind != "log" {
				got = append(got, event.what(t))
			}
		}
		require.Equal(t, append([]string{"gap"}, transitions[i+1:]...), got, "after %s", transitions[i])
	}
	var all []string
	for _, event := range b.follow(url, run, "").rest() {
		all = append(all, event.what(t))
	}
	require.Equal(t, seen, all, "who comes late reads the same")
}

// TestEventsHoldBack has a transaction that began first commit last: nothing newer is sent before it, and everything after.
func TestEventsHoldBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.engine()
	url, _ := b.serving()
	run := b.submit(`{"name": "wide", "steps": [{"key": "a", "kind": "noop"}, {"key": "b", "kind": "noop"}, {"key": "c", "kind": "noop"}]}`)
	other := b.submit(onePlan)
	first := b.startStep(run, 1)
	stream := b.follow(url, run, "")
	require.Equal(t, "a running", stream.event().what(t))
	otherStream := b.follow(url, other, "")

	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), `update weir.steps set state = 'cancelled' where run_id = $1 and step = 2`, run)
	require.NoError(t, err)
	b.finish(first, "succeeded") // younger, and committed first
	b.finish(b.startStep(run, 3), "succeeded")
	b.finish(b.startStep(other, 1), "succeeded")
	arrived := make(chan sseEvent, 100)
	go func() {
		defer close(arrived)
		for {
			event, ok := stream.next()
			if !ok {
				return
			}
			if event.kind != "" {
				arrived <- event
			}
		}
	}()
	// Whoever opens a stream now, and whoever looks for a while, sees nothing of them.
	fresh := b.follow(url, run, "")
	require.Equal(t, "a running", fresh.event().what(t))
	require.Never(t, func() bool { return len(arrived) > 0 }, 600*time.Millisecond, often)
	require.NoError(t, tx.Commit(t.Context()))
	want := []string{"b cancelled", "a succeeded", "c running", "c succeeded", "failed", "end failed"}
	for _, w := range want {
		require.Equal(t, w, (<-arrived).what(t))
		require.Equal(t, w, fresh.event().what(t))
	}
	for _, w := range []string{"a running", "a succeeded", "succeeded", "end succeeded"} {
		require.Equal(t, w, otherStream.event().what(t))
	}
}

// TestEventsOfASlowClient cuts off who does not read; who was cut off goes on without a gap.
func TestEventsOfASlowClient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.engine()
	s := b.handler.(*server)
	s.streams.within = 200 * time.Millisecond
	url, _ := b.serving()
	run := b.submit(onePlan)
	attempt := b.startStep(run, 1)
	text := strings.Repeat("x", 16<<10)
	for batch := range 40 {
		lines := make([]lifecycle.LogLine, 20)
		for i := range lines {
			lines[i] = lifecycle.LogLine{Run: run, Step: 1, Attempt: 1, Seq: int64(batch*20 + i + 1), At: time.Now(), Stream: "stdout", Text: text}
		}
		require.NoError(t, b.LogAppend(t.Context(), lines))
	}
	stream := b.follow(url, run, "")
	started := stream.event()
	require.Equal(t, "a running", started.what(t))
	require.Eventually(t, func() bool { return s.streams.open.Load() == 0 }, eventually, often, "it is cut off")
	require.Error(t, func() error {
		for stream.scanner.Scan() {
		}
		return stream.scanner.Err()
	}(), "in the middle of it")

	again := b.follow(url, run, started.id)
	require.Equal(t, "gap", again.event().kind)
	b.wrote(attempt, 801, "from now on")
	require.Equal(t, "log from now on", again.event().what(t))
	b.finish(attempt, "succeeded")
	for _, w := range []string{"a succeeded", "succeeded", "end succeeded"} {
		require.Equal(t, w, again.event().what(t))
	}
}

// TestEventsEnd: streams end with the server, and are bounded; comments show that they live.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.Streams = 2 })
	b.engine()
	s := b.handler.(*server)
	s.streams.comment = 10 * time.Millisecond
	url, stop := b.serving()
	run := b.submit(onePlan)
	stream, other := b.follow(url, run, ""), b.follow(url, run, "")
	for range 3 {
		event, ok := stream.next()
		require.True(t, ok)
		require.Empty(t, event.kind)
	}
	problem(t, b.ask(http.MethodGet, "/v1/runs/"+run.String()+"/events", ""), http.StatusServiceUnavailable, "overloaded")
	require.NoError(t, other.answer.Body.Close())
	require.Eventually(t, func() bool { return s.streams.open.Load() == 1 }, eventually, often, "who has gone is not served")
	stop()
	require.Empty(t, stream.rest())
	require.Eventually(t, func() bool { return s.streams.open.Load() == 0 }, eventually, often)
}

// TestEventsOfARevokedToken: a stream ends soon after its token.
func TestEventsOfARevokedToken(t *testing.T) {
	t.Parallel()
	b, tokens := guarded(t)
	b.engine()
	b.handler.(*server).streams.comment = 10 * time.Millisecond
	url, _ := b.serving()
	run := b.submit(onePlan)
	good, other := token(t, tokens, "good", "read"), token(t, tokens, "other", "read")
	stream, goesOn := b.follow(url, run, "", good), b.follow(url, run, "", other)
	_, ok := stream.next()
	require.True(t, ok)
	_, err := tokens.TokenRevoke(t.Context(), "good")
	require.NoError(t, err)
	require.Empty(t, stream.rest())
	for range 3 {
		_, ok := goesOn.next()
		require.True(t, ok)
	}
}

func TestEventsProblems(t *testing.T) {
	t.Parallel()
	b, elsewhere := setup(t), setup(t)
	run := b.submit(onePlan)
	path := fmt.Sprintf("/v1/runs/%s/events", run)
	problem(t, b.ask(http.MethodGet, "/v1/runs/"+uuid.NewString()+"/events", ""), http.StatusNotFound, "not_found")
	problem(t, b.ask(http.MethodGet, "/v1/runs/x/events", ""), http.StatusUnprocessableEntity, "invalid_request")
	elsewhere.exec(`update weir.schema_info set epoch = gen_random_uuid()`) // databases of tests are copies of one
	foreign := elsewhere.submit(onePlan)
	elsewhere.start(foreign)
	var items []any
	require.Eventually(t, func() bool { // once no older transaction is open, of other tests for example
		items = elsewhere.get("/v1/runs/" + foreign.String() + "/transitions")["items"].([]any)
		return len(items) > 0
	}, eventually, often)
	id := items[0].(map[string]any)["id"].(string)
	for _, last := range []string{"x", "====", id, strings.Repeat("x", 600)} {
		problem(t, b.ask(http.MethodGet, path, "", lastEventIDHeader+": "+last), http.StatusUnprocessableEntity, "invalid_request")
	}
	require.Zero(t, b.handler.(*server).streams.open.Load())
}
