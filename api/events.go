package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weirqueue/weir/lifecycle"
)

// DefaultStreams is how many streams a process serves at once.
const DefaultStreams = 10_000

const (
	streamType        = "text/event-stream"
	eventsPath        = "/v1/runs/{run}/events"
	lastEventIDHeader = "Last-Event-ID"
)

// streams bounds the streams of events.
type streams struct {
	most    int64
	open    atomic.Int64
	comment time.Duration // between comments, each of which comes with another look at the caller
	within  time.Duration // a write has to be taken
}

// defaultStreams are the bounds that are documented.
func defaultStreams() *streams {
	return &streams{most: DefaultStreams, comment: 15 * time.Second, within: 10 * time.Second}
}

type eventsInput struct {
	RunParam
	LastEventID string `header:"Last-Event-ID" maxLength:"512" doc:"The id of the last event that was seen: the stream goes on after it, without a gap in the history. Without it, it begins at the beginning."`
}

// Gap is the data of an event gap.
type Gap struct {
	Run    string `json:"run"`
	Reason string `json:"reason"`
}

// events is the call that follows a run.
func (s *server) events(routes huma.API) {
	call := register(s, routes, operation{
		id: "run-events", method: http.MethodGet, path: eventsPath, tag: "runs",
		summary: "Follow a run",
		description: "Server-sent events: the history of the run from its beginning on, or from Last-Event-ID on, then what happens while it happens. " +
			"The history has no gaps, also not between streams: who is cut off goes on with Last-Event-ID, as browsers do by themselves. " +
			"A client that takes longer than 10 s to read is cut off. A stream whose token is no longer valid ends within 15 s.",
		problems: []string{codeInvalidParameter, lifecycle.CodeNotFound},
	}, s.runEvents)
	call.Responses["200"] = &huma.Response{
		Description: "Events, until the run has ended. `id` is the cursor of the last transition that was sent. `event` and `data` are\n\n" +
			"- `transition`: a Transition, in the order of the history,\n" +
			"- `log`: a Log, of attempts in the order of their lines, and before the transition that ends the attempt,\n" +
			"- `gap`: `{\"run\", \"reason\"}`, after Last-Event-ID: log lines may be missing, which GET /v1/runs/{run}/logs has,\n" +
			"- `end`: the Run, which is final and whose history was sent; the server closes, and there is nothing to come back for.\n\n" +
			"A comment comes every 15 s.",
		Content: map[string]*huma.MediaType{streamType: {
			Schema:  &huma.Schema{Type: huma.TypeString},
			Example: "id: dAEB\nevent: transition\ndata: {\"id\": \"dAEB\", \"step\": \"build\", \"from\": \"available\", \"to\": \"running\"}\n\n",
		}},
	}
}

func (s *server) runEvents(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	if s.streams.open.Add(1) > s.streams.most {
		s.streams.open.Add(-1)
		return nil, newProblem(lifecycle.CodeOverloaded, "this replica serves as many streams as it may: follow the run elsewhere, or later")
	}
	opening, cancel := context.WithTimeout(ctx, s.Within)
	defer cancel()
	follow, err := s.Lifecycle.RunFollow(opening, id, in.LastEventID)
	if err != nil {
		s.streams.open.Add(-1)
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) { //nolint:contextcheck // it has the context of the request
		defer s.streams.open.Add(-1)
		defer follow.Close()
		r, w := humago.Unwrap(ctx)
		stream := &stream{streams: s.streams, w: w, control: http.NewResponseController(w)}
		if err := s.stream(r.Context(), stream, follow); err != nil && r.Context().Err() == nil {
			s.logger.DebugContext(r.Context(), "stream of events broken off", "request_id", requestID(r.Context()), "run", id, "error", err)
		}
	}}, nil
}

// stream sends what there is, and then what comes, until the run has ended.
func (s *server) stream(ctx context.Context, to *stream, follow *lifecycle.Follow) error {
	// The time to read the request is over, and would end the connection in the middle of the answer.
	if err := to.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	to.w.Header().Set("Content-Type", streamType)
	to.w.Header().Set("X-Accel-Buffering", "no") // of proxies
	to.w.WriteHeader(http.StatusOK)
	if err := to.write([]byte(": weir\n\n")); err != nil {
		return err
	}
	ticker := time.NewTicker(to.comment)
	defer ticker.Stop()
	tick := func() error {
		var refused *Problem
		if err := s.recheck(ctx); errors.As(err, &refused) && !refused.Retryable { // without a database there is nothing to send either
			return err
		}
		return to.write([]byte(":\n\n"))
	}
	tell := func(event lifecycle.Event) error {
		select {
		case <-ticker.C: // while there is much to tell
			if err := tick(); err != nil {
				return err
			}
		default:
		}
		return to.event(event)
	}
	for {
		over, err := follow.Read(ctx, tell)
		if err != nil || over {
			return errors.Join(err, to.flush())
		}
		if err := to.flush(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-follow.News():
		case <-ticker.C:
			if err := tick(); err != nil {
				return err
			}
		}
	}
}

// stream is an answer of events. What is written is sent when it is flushed, or when there is enough of it.
type stream struct {
	*streams

	w       http.ResponseWriter
	control *http.ResponseController
	buffer  bytes.Buffer
}

// streamBuffer is how many bytes are sent at once, about.
const streamBuffer = 16 << 10

// event writes one event.
func (s *stream) event(event lifecycle.Event) error {
	var data any
	switch event.Kind {
	case lifecycle.EventTransition:
		data = transitionOf(event.Transition)
	case lifecycle.EventLog:
		data = logOf(event.Log)
	case lifecycle.EventGap:
		data = Gap{Run: event.Run.String(), Reason: event.Reason}
	case lifecycle.EventEnd:
		data = runOf(event.Final)
	}
	text, err := json.Marshal(data) // has no newlines
	if err != nil {
		return err
	}
	if event.ID != "" {
		s.buffer.WriteString("id: " + event.ID + "\n")
	}
	s.buffer.WriteString("event: " + string(event.Kind) + "\ndata: ")
	s.buffer.Write(text)
	s.buffer.WriteString("\n\n")
	if s.buffer.Len() < streamBuffer {
		return nil
	}
	return s.flush()
}

// write sends something at once.
func (s *stream) write(text []byte) error {
	s.buffer.Write(text)
	return s.flush()
}

// flush sends what was written. Who does not take it in time is not waited for any longer.
func (s *stream) flush() error {
	if s.buffer.Len() == 0 {
		return nil
	}
	if err := s.deadline(time.Now().Add(s.within)); err != nil {
		return err
	}
	if _, err := s.w.Write(s.buffer.Bytes()); err != nil {
		return err
	}
	s.buffer.Reset()
	if err := s.control.Flush(); err != nil {
		return err
	}
	writeFreely(s.w) // until there is more to write
	return nil
}

// deadline is when writing has to be done.
func (s *stream) deadline(at time.Time) error {
	if err := s.control.SetWriteDeadline(at); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil // a writer without a connection
}
