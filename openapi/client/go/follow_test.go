package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	client "github.com/weirqueue/weir/openapi/client/go"
)

// streaming is a client of a server that answers the n-th request with the n-th stream, and further ones with the last,
// and what the requests had as their Last-Event-ID.
func streaming(t *testing.T, answers ...func(http.ResponseWriter)) (weir *client.Weir, lasts func() []string) {
	t.Helper()
	var lock sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lock.Lock()
		seen = append(seen, r.Header.Get("Last-Event-ID"))
		answer := answers[min(len(seen), len(answers))-1]
		lock.Unlock()
		if r.URL.Path != "/v1/runs/"+id+"/events" || r.Header.Get("Accept") != "text/event-stream" || r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "unexpected", http.StatusTeapot)
			return
		}
		answer(w)
	}))
	t.Cleanup(server.Close)
	weir, err := client.New(client.Config{Server: server.URL, Token: "secret", Backoff: time.Microsecond, HTTP: &http.Client{Timeout: time.Minute}})
	require.NoError(t, err)
	return weir, func() []string {
		lock.Lock()
		defer lock.Unlock()
		return append([]string(nil), seen...)
	}
}

func streams(text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprint(w, text)
	}
}

func followed(ctx context.Context, weir *client.Weir, after string) (events []string, failed error) {
	for event, err := range weir.RunFollow(ctx, uuid.MustParse(id), after) {
		switch {
		case err != nil:
			failed = err
		case event.Transition != nil:
			events = append(events, "transition "+event.Transition.ID+" "+event.ID)
		case event.Log != nil:
			events = append(events, "log "+event.Log.Text+" "+event.ID)
		case event.Gap != nil:
			events = append(events, "gap "+event.Gap.Reason+" "+event.ID)
		case event.End != nil:
			events = append(events, "end "+event.End.Name+" "+event.ID)
		}
	}
	return events, failed
}

func TestRunFollow(t *testing.T) {
	t.Parallel()
	weir, lasts := streaming(t,
		says(503, unavailable),
		streams(": hello\n\nid: t1\nevent: transition\ndata: {\"id\": \"t1\"}\n\nevent: log\r\ndata: {\"text\":\ndata: \"x\"}\r\n\r\nevent: transition\ndata: {\"half"),
		breaks,
		says(503, unavailable),
		streams("event: gap\ndata: {\"run\": \""+id+"\", \"reason\": \"resumed\"}\n\nevent: news\ndata: 1\n\nid: t2\nevent: transition\ndata: {\"id\": \"t2\"}\n\n"),
		streams("event: end\ndata: {\"name\": \"p\"}\n\nid: t3\nevent: transition\ndata: {\"id\": \"t3\"}\n\n"))
	events, err := followed(t.Context(), weir, "")
	require.NoError(t, err)
	require.Equal(t, []string{"transition t1 t1", "log x t1", "gap resumed t1", "transition t2 t2", "end p t2"}, events)
	require.Equal(t, []string{"", "", "t1", "t1", "t1", "t2"}, lasts())
}

func TestRunFollowEnds(t *testing.T) {
	t.Parallel()
	const one = "id: t8\nevent: transition\ndata: {\"id\": \"t8\"}\n\n"
	weir, lasts := streaming(t, streams(one), says(409, conflict))
	events, err := followed(t.Context(), weir, "t7")
	var problem *client.Problem
	require.ErrorAs(t, err, &problem, "with a problem that is not retryable")
	require.Len(t, events, 1)
	require.Equal(t, []string{"t7", "t8"}, lasts())

	weir, lasts = streaming(t, says(503, unavailable))
	_, err = followed(t.Context(), weir, "")
	require.ErrorAs(t, err, &problem, "when it never began")
	require.Len(t, lasts(), 4)

	weir, _ = streaming(t, says(200, `{}`))
	_, err = followed(t.Context(), weir, "")
	var unexpected *client.UnexpectedError
	require.ErrorAs(t, err, &unexpected)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	weir, _ = streaming(t, streams(one))
	for _, err = range weir.RunFollow(ctx, uuid.MustParse(id), "") {
		cancel()
	}
	require.ErrorIs(t, err, context.Canceled, "with the context")

	weir, lasts = streaming(t, streams(one))
	for _, err := range weir.RunFollow(t.Context(), uuid.MustParse(id), "") {
		require.NoError(t, err)
		break
	}
	require.Len(t, lasts(), 1, "when nobody reads on")
}
