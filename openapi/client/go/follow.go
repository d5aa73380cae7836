package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// maxSilence is how long a stream of events may be silent: three of the comments that the server writes.
const maxSilence = 45 * time.Second

// Event is something that happens to a run. One of the pointers is set.
type Event struct {
	// ID is the cursor of the last transition that came: following again from it goes on without a gap in the history.
	ID string
	// Transition is of the run or of one of its steps.
	Transition *Transition
	// Log is a line of a step.
	Log *Log
	// Gap says that lines of the log may be missing: [Weir.Logs] has them.
	Gap *EventGap
	// End is the run, which is final. Nothing comes after it.
	End *Run
}

// EventGap says that lines of the log may be missing.
type EventGap struct {
	Run    uuid.UUID `json:"run"`
	Reason string    `json:"reason"`
}

// RunFollow follows a run to its end, from its beginning on, or after the event with the id that is not "". The first
// connection is tried as often as every call. One that is lost later is made again, for as long as ctx lasts, from the
// last event on. It ends after [Event.End], or with an error.
func (w *Weir) RunFollow(ctx context.Context, run uuid.UUID, after string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f := &follower{weir: w, run: run, last: after, yield: yield}
		for lost := 1; ; lost++ {
			progress, err := f.stream(ctx)
			switch {
			case f.done:
				return
			case ctx.Err() != nil:
				yield(Event{}, ctx.Err())
				return
			case !f.connected || err != nil && !Retryable(err):
				yield(Event{}, err)
				return
			case progress:
				lost = 1
			}
			if err := sleep(ctx, w.backoff(lost)); err != nil {
				yield(Event{}, err)
				return
			}
		}
	}
}

// follower is one iteration over the events of a run.
type follower struct {
	weir      *Weir
	run       uuid.UUID
	last      string // the id of the last event
	yield     func(Event, error) bool
	connected bool // once
	done      bool // nothing more is wanted
}

// stream connects and passes on what comes, until the stream ends. It reports whether anything came.
func (f *follower) stream(ctx context.Context) (progress bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := f.open(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = body.Close() }()
	f.connected = true
	silence := time.AfterFunc(maxSilence, cancel)
	defer silence.Stop()
	lines := bufio.NewReader(body)
	var name, id string
	var data []string
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return progress, &TransportError{Err: fmt.Errorf("read the events: %w", err)}
		}
		silence.Reset(maxSilence)
		line = strings.TrimRight(line, "\r\n")
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && data != nil:
			progress = true
			if id != "" {
				f.last = id
			}
			silence.Stop() // whoever reads may take their time
			if err := f.pass(name, strings.Join(data, "\n")); err != nil || f.done {
				return progress, err
			}
			silence.Reset(maxSilence)
			name, data = "", nil
		case field == "event":
			name = value
		case field == "id":
			id = value
		case field == "data":
			data = append(data, value)
		}
	}
}

// open gets the stream, as every call gets its answer.
func (f *follower) open(ctx context.Context) (io.ReadCloser, error) {
	params := &RunEventsParams{}
	if f.last != "" {
		params.LastEventID = &f.last
	}
	var body io.ReadCloser
	err := f.weir.retry(ctx, func() (time.Duration, error) {
		response, err := f.weir.stream.RunEvents(ctx, f.run, params, func(_ context.Context, r *http.Request) error {
			r.Header.Set("Accept", "text/event-stream")
			return nil
		})
		if err != nil {
			return 0, &TransportError{Err: err}
		}
		if response.StatusCode != http.StatusOK {
			defer func() { _ = response.Body.Close() }()
			text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
			if err != nil {
				return 0, &TransportError{Err: fmt.Errorf("read the answer: %w", err)}
			}
			return retryAfter(response), problemOf(response, text)
		}
		if !isJSON(response, "text/event-stream") {
			_ = response.Body.Close()
			return 0, &UnexpectedError{Status: response.StatusCode}
		}
		body = response.Body
		return 0, nil
	})
	return body, err
}

// pass reads an event and passes it on. Those of a kind that only later versions of the server have are left out.
func (f *follower) pass(name, data string) error {
	event := Event{ID: f.last}
	var into any
	switch name {
	case "transition":
		event.Transition = &Transition{}
		into = event.Transition
	case "log":
		event.Log = &Log{}
		into = event.Log
	case "gap":
		event.Gap = &EventGap{}
		into = event.Gap
	case "end":
		event.End = &Run{}
		into = event.End
	default:
		return nil
	}
	if err := json.Unmarshal([]byte(data), into); err != nil {
		return fmt.Errorf("understand an event: %w", err)
	}
	if !f.yield(event, nil) || event.End != nil {
		f.done = true
	}
	return nil
}

// sleep waits for a time, or for the end of ctx, which is an error.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
