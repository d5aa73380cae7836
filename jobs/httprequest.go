package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

const (
	defaultMaxResponse = 1 << 20
	maxMaxResponse     = 16 << 20
	maxRedirects       = 10
)

// httpInput is the `with` of kind http.
type httpInput struct {
	Method      string            `json:"method,omitempty" jsonschema:"GET if not given"`
	URL         string            `json:"url" jsonschema:"http or https, without user and password"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        json.RawMessage   `json:"body,omitempty" jsonschema:"JSON; a string is sent as it is"`
	Expect      statuses          `json:"expect,omitempty" jsonschema:"statuses that are a success: codes, or classes like 2xx"`
	Redirects   int               `json:"redirects,omitempty" jsonschema:"how many redirects are followed, 0 if not given"`
	MaxResponse int64             `json:"max_response,omitempty" jsonschema:"bytes of the response's body, 1 MiB if not given"`
}

// JSONSchema is the schema of the input with its ranges and choices.
func (*httpInput) JSONSchema() *jsonschema.Schema {
	s, err := jsonschema.For[httpInput](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[json.RawMessage](): {},
		reflect.TypeFor[statuses](): {Type: "array", Items: &jsonschema.Schema{
			Types: []string{"integer", "string"}, Minimum: new(100.0), Maximum: new(599.0), Pattern: statusClass.String(),
		}},
	}})
	if err != nil {
		return nil // the type is fixed: a test registers it
	}
	s.Properties["redirects"].Minimum, s.Properties["redirects"].Maximum = new(0.0), new(float64(maxRedirects))
	s.Properties["max_response"].Minimum, s.Properties["max_response"].Maximum = new(1.0), new(float64(maxMaxResponse))
	return s
}

func (in *httpInput) withDefaults() {
	in.Method = orElse(in.Method, http.MethodGet)
	if in.Expect == nil {
		in.Expect = statuses{"2xx"}
	}
	if in.MaxResponse == 0 {
		in.MaxResponse = defaultMaxResponse
	}
}

// statuses are codes ("404") and classes ("2xx"); in JSON codes are numbers.
type statuses []string

var statusClass = regexp.MustCompile(`^([1-5]xx|[1-5][0-9][0-9])$`)

// UnmarshalJSON implements json.Unmarshaler.
func (s *statuses) UnmarshalJSON(raw []byte) error {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("expect: must be a list of status codes")
	}
	*s = make(statuses, 0, len(list))
	for i, item := range list {
		text := strings.Trim(string(item), `"`)
		if !statusClass.MatchString(text) {
			return fmt.Errorf("expect[%d]: must be a status code, or a class like 2xx", i)
		}
		*s = append(*s, text)
	}
	return nil
}

func (s statuses) has(code int) bool {
	text := strconv.Itoa(code)
	for _, want := range s {
		if want == text || want == text[:1]+"xx" {
			return true
		}
	}
	return false
}

// request makes the request, or says for good why it cannot be made.
func (in *httpInput) request(ctx context.Context, idempotencyKey string) (*http.Request, error) {
	u, err := url.Parse(in.URL)
	if err != nil {
		return nil, invalidWith("with.url: is not a URL")
	}
	if fault := urlFault(u); fault != "" {
		return nil, invalidWith("with.url: " + fault)
	}
	body, contentType := in.body()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, in.Method, u.String(), reader)
	if err != nil {
		return nil, invalidWith("with.method: is not a method")
	}
	req.Header.Set("User-Agent", "weir")
	for name, value := range in.Headers {
		if !headerName.MatchString(name) || !headerValue.MatchString(value) {
			return nil, invalidWith(member("with.headers", name) + ": is not a header")
		}
		if textproto.CanonicalMIMEHeaderKey(name) == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	if contentType != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", contentType)
	}
	if in.Method != http.MethodGet && in.Method != http.MethodHead && req.Header.Get("Idempotency-Key") == "" {
		req.Header.Set("Idempotency-Key", idempotencyKey)
	}
	return req, nil
}

// What RFC 9110 allows in a header.
var (
	headerName  = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
	headerValue = regexp.MustCompile(`^[^\x00-\x08\x0a-\x1f\x7f]*$`)
)

// body is what is sent, and its type.
func (in *httpInput) body() ([]byte, string) {
	var text string
	switch {
	case in.Body == nil || string(in.Body) == "null":
		return nil, ""
	case json.Unmarshal(in.Body, &text) == nil:
		return []byte(text), "text/plain; charset=utf-8"
	}
	return in.Body, "application/json"
}

func urlFault(u *url.URL) string {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return "must begin with http:// or https://"
	case u.Host == "" || u.Hostname() == "":
		return "names no host"
	case u.User != nil:
		return "must not hold a user or password"
	}
	return ""
}

// redirectError is a redirect to somewhere that no step may name either.
type redirectError struct{ fault string }

// Error implements error.
func (e *redirectError) Error() string { return "the response redirects to a URL that " + e.fault }

// travels says whether a header goes along to another origin; all others may hold secrets.
func travels(name string) bool {
	switch name {
	case "Accept", "Accept-Language", "Content-Type", "User-Agent", "Idempotency-Key":
		return true
	}
	return false
}

// checkRedirect follows as many redirects as the step wants; the response that is one too many is the response.
func (in *httpInput) checkRedirect(next *http.Request, via []*http.Request) error {
	if len(via) > min(in.Redirects, maxRedirects) {
		return http.ErrUseLastResponse
	}
	if fault := urlFault(next.URL); fault != "" {
		return &redirectError{fault: fault}
	}
	if first := via[0].URL; first.Scheme != next.URL.Scheme || first.Host != next.URL.Host {
		next.Host = ""
		for name := range next.Header {
			if !travels(name) {
				next.Header.Del(name)
			}
		}
	}
	return nil
}

// retryAfter reads a Retry-After: seconds, or a date, by the clock of the server if it says what time it is.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		now, err := http.ParseTime(header.Get("Date"))
		if err != nil {
			now = time.Now()
		}
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}
