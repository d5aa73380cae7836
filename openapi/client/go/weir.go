package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultServer is where a development server answers.
const DefaultServer = "http://127.0.0.1:8080"

// maxAnswer bounds what is read of one answer, in bytes.
const maxAnswer = 256 << 20

// Config says whom to call, and how.
type Config struct {
	Server    string       // http://HOST:PORT; "" = DefaultServer
	Token     string       // "" = none
	UserAgent string       // "" = weir-go
	HTTP      *http.Client // nil: one of its own, which waits a minute for an answer

	Attempts int           // how often a call is tried, the first time included; 0 = 4
	Backoff  time.Duration // before the second try, then twice that and so on, up to MaxBackoff; 0 = 200ms
	// MaxBackoff is the longest wait between two tries that nobody asked for; 0 = 10s.
	MaxBackoff time.Duration
	// Retrying is told about every failure after which the call is tried again, and how long it waits. Nil: nobody.
	Retrying func(err error, wait time.Duration)
}

// Weir calls the API. It may be used concurrently.
type Weir struct {
	config Config
	client *Client
	stream *Client // whose answers may take any time
}

// Answer is a resource, as a value and as the JSON that came.
type Answer[T any] struct {
	Value T
	JSON  json.RawMessage
	// Replayed is true if the answer to a submit is that of an earlier one with the same Idempotency-Key.
	Replayed bool
}

// New prepares calls; it makes none.
func New(config Config) (*Weir, error) {
	if config.Server == "" {
		config.Server = DefaultServer
	}
	if config.UserAgent == "" {
		config.UserAgent = "weir-go"
	}
	if config.HTTP == nil {
		config.HTTP = &http.Client{Timeout: time.Minute}
	}
	if config.Attempts == 0 {
		config.Attempts = 4
	}
	if config.Backoff == 0 {
		config.Backoff = 200 * time.Millisecond
	}
	if config.MaxBackoff == 0 {
		config.MaxBackoff = maxBackoff
	}
	server, err := url.Parse(config.Server)
	if err != nil || server.Host == "" || server.Scheme != "http" && server.Scheme != "https" {
		return nil, errors.New("the server is not http://HOST:PORT or https://HOST:PORT")
	}
	edit := WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("User-Agent", config.UserAgent)
		if r.Header.Get("Accept") == "" {
			r.Header.Set("Accept", "application/json")
		}
		if config.Token != "" {
			r.Header.Set("Authorization", "Bearer "+config.Token)
		}
		return nil
	})
	endless := *config.HTTP
	endless.Timeout = 0
	stream, err := NewClient(config.Server, WithHTTPClient(&endless), edit)
	if err != nil {
		return nil, err
	}
	client, err := NewClient(config.Server, WithHTTPClient(config.HTTP), edit)
	if err != nil {
		return nil, err
	}
	return &Weir{config: config, client: client, stream: stream}, nil
}

// call makes a call, again and again while that may help, and reads the answer.
func call[T any](ctx context.Context, w *Weir, do func(context.Context) (*http.Response, error)) (Answer[T], error) {
	var answer Answer[T]
	err := w.retry(ctx, func() (time.Duration, error) {
		response, err := do(ctx)
		if err != nil {
			return 0, &TransportError{Err: err}
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		if err != nil {
			return 0, &TransportError{Err: fmt.Errorf("read the answer: %w", err)}
		}
		if response.StatusCode < 200 || response.StatusCode > 299 {
			return retryAfter(response), problemOf(response, body)
		}
		answer = Answer[T]{JSON: body, Replayed: response.Header.Get("Weir-Idempotent-Replay") == "true"}
		if !isJSON(response, "application/json") {
			return 0, &UnexpectedError{Status: response.StatusCode}
		}
		if err := json.Unmarshal(body, &answer.Value); err != nil {
			return 0, fmt.Errorf("understand the answer of the server: %w", err)
		}
		return 0, nil
	})
	return answer, err
}

// isJSON reports whether an answer is what it should be.
func isJSON(response *http.Response, want string) bool {
	media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return err == nil && strings.EqualFold(media, want)
}
