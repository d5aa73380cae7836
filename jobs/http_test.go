package jobs

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// get runs one http step against a handler and gives its report.
func get(t *testing.T, h http.HandlerFunc, with map[string]any) lifecycle.Report {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	if _, ok := with["url"]; !ok {
		with["url"] = server.URL + "/path?q=1"
	}
	raw, err := json.Marshal(with)
	require.NoError(t, err)
	b := builtin(t, aClaim("http", string(raw)), nil)
	b.work(t)
	return b.only(t)
}

func TestHTTPOutput(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ kind, body, want string }{
		"JSON":         {"application/json; charset=utf-8", `{"a":[1]}`, `{"a":[1]}`},
		"JSON suffix":  {"application/problem+json", `{"a":1}`, `{"a":1}`},
		"invalid JSON": {"application/json", `{"a":`, `"{\"a\":"`},
		"text":         {"text/plain", `<1>`, `"<1>"`},
		"empty":        {"text/plain", ``, `""`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rep := get(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.Header()["X-Many"] = []string{"a", "b"}
				w.WriteHeader(http.StatusCreated)
				_, _ = io.WriteString(w, c.body)
			}, map[string]any{})
			require.Equal(t, lifecycle.OutcomeSucceeded, rep.Outcome)
			var out struct {
				Status  int
				Headers map[string]string
				Body    json.RawMessage
			}
			require.NoError(t, json.Unmarshal(rep.Output, &out))
			require.Equal(t, 201, out.Status)
			require.Equal(t, "a, b", out.Headers["x-many"])
			require.JSONEq(t, c.want, string(out.Body))
		})
	}
	rep := get(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("\xff\xfe")) }, map[string]any{})
	require.Equal(t, lifecycle.OutcomeSucceeded, rep.Outcome)
	require.Equal(t, outputInvalidUTF8, rep.OutputError.Code)
}

func TestHTTPRequest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		with                     map[string]any
		method, body, kind, ikey string
	}{
		"default": {map[string]any{}, "GET", "", "", ""},
		"JSON":    {map[string]any{"method": "POST", "body": map[string]int{"a": 1}}, "POST", `{"a":1}`, "application/json", "own"},
		"text":    {map[string]any{"method": "PUT", "body": "as it is"}, "PUT", `as it is`, "text/plain; charset=utf-8", "own"},
		"nothing": {map[string]any{"method": "DELETE", "body": nil}, "DELETE", "", "", "own"},
		"given": {
			map[string]any{"method": "POST", "headers": map[string]string{"idempotency-key": "mine", "Content-Type": "x/y"}, "body": 1},
			"POST", "1", "x/y", "mine",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got *http.Request
			var body []byte
			rep := get(t, func(_ http.ResponseWriter, r *http.Request) {
				got = r
				body, _ = io.ReadAll(r.Body)
			}, c.with)
			require.Equal(t, lifecycle.OutcomeSucceeded, rep.Outcome)
			require.Equal(t, c.method, got.Method)
			require.Equal(t, "/path?q=1", got.URL.String())
			require.Equal(t, c.body, string(body))
			require.Equal(t, c.kind, got.Header.Get("Content-Type"))
			key := c.ikey
			if key == "own" {
				key = rep.Run.String() + "/a-step"
			}
			require.Equal(t, key, got.Header.Get("Idempotency-Key"))
		})
	}
}

func TestHTTPStatuses(t *testing.T) {
	t.Parallel()
	retryable := map[int]bool{408: true, 425: true, 429: true, 500: true, 502: true, 503: true, 504: true}
	for _, status := range []int{302, 400, 401, 404, 408, 409, 425, 429, 500, 501, 502, 503, 504, 505} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			rep := get(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", "120")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, "why\x00")
			}, map[string]any{})
			require.Equal(t, lifecycle.OutcomeFailed, rep.Outcome)
			require.Equal(t, "unexpected_status", rep.Error.Code)
			require.Equal(t, retryable[status], rep.Error.Retryable)
			require.JSONEq(t, fmt.Sprintf(`{"status":%d,"body":"why"}`, status), string(rep.Error.Detail))
			require.Equal(t, 2*time.Minute, rep.RetryAfter)
		})
	}
	for name, expect := range map[string][]any{"code": {404}, "class": {"2xx", "4xx"}, "code as text": {"404"}} {
		rep := get(t, http.NotFound, map[string]any{"expect": expect})
		require.Equal(t, lifecycle.OutcomeSucceeded, rep.Outcome, name)
	}
}

func TestHTTPRedirects(t *testing.T) {
	t.Parallel()
	var there http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
		n := len(r.URL.Path) - 1
		if n == 0 {
			_, _ = io.WriteString(w, "there")
			return
		}
		http.Redirect(w, r, r.URL.Path[:n], http.StatusFound)
	}
	for name, c := range map[string]struct {
		hops, follow int
		ok           bool
	}{
		"none needed": {0, 0, true}, "not followed": {1, 0, false}, "followed": {3, 3, true}, "one too many": {4, 3, false}, "ten": {10, 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(there)
			defer server.Close()
			rep := get(t, there, map[string]any{"url": server.URL + "/" + strings.Repeat("x", c.hops), "redirects": c.follow})
			if c.ok {
				require.Equal(t, lifecycle.OutcomeSucceeded, rep.Outcome)
				return
			}
			require.Equal(t, "unexpected_status", rep.Error.Code)
			require.False(t, rep.Error.Retryable)
		})
	}
}

// A redirect is judged like a URL that the step named, and secrets do not travel to another origin.
func TestHTTPRedirectElsewhere(t *testing.T) {
	t.Parallel()
	for to, code := range map[string]string{
		"http://169.254.169.254/latest/meta-data": "address_refused",
		"http://[::1]:1/":                         "address_refused",
		"http://0.0.0.0:1/":                       "address_refused",
		"http://[::ffff:10.0.0.1]/":               "address_refused",
		"ftp://127.0.0.1/":                        "redirect_refused",
		"http://user:secret@127.0.0.1/":           "redirect_refused",
	} {
		rep := get(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		}, map[string]any{"redirects": 5})
		require.Equal(t, lifecycle.OutcomeFailed, rep.Outcome, to)
		require.Equal(t, code, rep.Error.Code, to)
		require.False(t, rep.Error.Retryable)
		require.NotContains(t, rep.Error.Message, "secret")
	}

	var got http.Header
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer other.Close()
	rep := get(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	},
		map[string]any{"method": "POST", "redirects": 1, "headers": map[string]string{"X-Api-Key": "secret", "Authorization": "secret", "Accept": "x/y"}})
	require.Equal(t, lifecycle.OutcomeSucceeded, rep.Outcome)
	require.Equal(t, "x/y", got.Get("Accept"))
	require.NotEmpty(t, got.Get("Idempotency-Key"))
	require.Empty(t, got.Get("X-Api-Key"))
	require.Empty(t, got.Get("Authorization"))
}

func TestHTTPRefusals(t *testing.T) {
	t.Parallel()
	for url, code := range map[string]string{
		"http://localhost6.invalid./": "connection",
		"http://10.0.0.1/":            "address_refused",
		"http://2130706434/":          "connection", // some resolvers read 127.0.0.2; then the dialer refuses
		"http://127.0.0.2/":           "address_refused",
		"https://[fd00::1]/":          "address_refused",
		"http://[64:ff9b::7f00:2]/":   "address_refused",
		"file:///etc/passwd":          "invalid_with",
		"http://user@127.0.0.1/":      "invalid_with",
		"http:///path":                "invalid_with",
		"127.0.0.1/path":              "invalid_with",
		"http://127.0.0.1:notaport/":  "invalid_with",
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			rep := get(t, http.NotFound, map[string]any{"url": url})
			require.Equal(t, lifecycle.OutcomeFailed, rep.Outcome)
			if url == "http://2130706434/" && rep.Error.Code == "address_refused" {
				return
			}
			require.Equal(t, code, rep.Error.Code)
			require.Equal(t, code == "connection", rep.Error.Retryable)
		})
	}
	for name, with := range map[string]map[string]any{
		"redirects": {"redirects": 11}, "max_response": {"max_response": 16<<20 + 1}, "expect": {"expect": []any{"2x"}},
		"expect code": {"expect": []any{99}}, "header": {"headers": map[string]string{"a\nb": "x"}}, "value": {"headers": map[string]string{"a": "x\r\nb: y"}},
		"method": {"method": "GET /"}, "unknown": {"urls": "x"},
	} {
		rep := get(t, http.NotFound, with)
		require.Equal(t, "invalid_with", rep.Error.Code, name)
	}
}

func TestHTTPResponseIsBounded(t *testing.T) {
	t.Parallel()
	big := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1000)) }
	rep := get(t, big, map[string]any{"max_response": 999})
	require.Equal(t, "response_too_large", rep.Error.Code)
	require.False(t, rep.Error.Retryable)
	rep = get(t, big, map[string]any{"max_response": 1000})
	require.Equal(t, lifecycle.OutcomeSucceeded, rep.Outcome)
}

func TestHTTPConnectionErrorsMayPass(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	rep := get(t, http.NotFound, map[string]any{"url": gone.URL})
	require.Equal(t, "connection", rep.Error.Code)
	require.True(t, rep.Error.Retryable)

	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "short")
	}
	rep = get(t, cut, map[string]any{})
	require.Equal(t, "connection", rep.Error.Code)
	require.True(t, rep.Error.Retryable)
}

func TestHTTPCertificates(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	rep := get(t, http.NotFound, map[string]any{"url": server.URL})
	require.Equal(t, "certificate", rep.Error.Code)
	require.False(t, rep.Error.Retryable)
}

func TestHTTPEndsWithItsAttempt(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(left)
	}))
	defer server.Close()
	claim := aClaim("http", `{"url":"`+server.URL+`"}`)
	claim.Timeout, claim.Remaining = 200*time.Millisecond, 200*time.Millisecond
	b := builtin(t, claim, nil)
	b.work(t)
	require.Equal(t, lifecycle.OutcomeTimedOut, b.only(t).Outcome)
	<-left
}

func TestRetryAfterHeader(t *testing.T) {
	t.Parallel()
	// W6: it is the server's clock that counts.
	for value, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "-1": 0, "99999999": time.Hour, "soon": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:00:00 GMT": 0, "Sat, 03 Jan 2026 03:00:00 GMT": time.Hour,
	} {
		header := http.Header{"Date": {"Fri, 02 Jan 2026 03:04:05 GMT"}, "Retry-After": {value}}
		require.Equal(t, want, retryAfter(header), value)
	}
	soon := http.Header{"Retry-After": {time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)}}
	require.InDelta(t, time.Minute, retryAfter(soon), float64(10*time.Second), "a server that does not say has ours")
}
