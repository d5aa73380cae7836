package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirqueue/weir/lifecycle"
)

// Limits of what an error may say.
const (
	maxErrorMessage = 8 << 10  // bytes
	maxErrorDetail  = 32 << 10 // bytes of JSON
	maxRetryAfter   = time.Hour
)

// Failure is an error that says more than its message. Handlers may return one, or wrap one; every other error is
// reported with the code "failed" and may be retried.
type Failure struct {
	Code       string        // machine-readable: lower case and underscores; "" = "failed"
	Message    string        // for people; "" = Err's message
	Permanent  bool          // true: trying again could not help
	RetryAfter time.Duration // lengthens the backoff, at most 1h
	Detail     any           // marshalled as JSON into error.detail; nil = none
	Err        error         // what is behind it, may be nil

	crashed bool // the work was killed rather than failed: the outcome is crashed
}

// Error implements error.
func (f *Failure) Error() string {
	switch {
	case f.Message != "":
		return f.Message
	case f.Err != nil:
		return f.Err.Error()
	case f.Code != "":
		return f.Code
	}
	return "failed"
}

// Unwrap gives the error behind it.
func (f *Failure) Unwrap() error { return f.Err }

// Permanent marks an error as one that trying again could not help: the step ends whatever its retry policy says.
// Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err: err}
}

// RetryAfter asks for at least d (at most 1h) before the next try, if the step's retry policy gives it one.
// RetryAfter(nil, d) is nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryAfterError{err: err, after: d}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

type retryAfterError struct {
	err   error
	after time.Duration
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }

// reportError turns what a handler returned into what a report says, and how long to wait before the next try.
func reportError(err error) (*lifecycle.ReportError, time.Duration) {
	out := &lifecycle.ReportError{Code: "failed", Message: err.Error(), Retryable: true}
	var after time.Duration
	if f, ok := errors.AsType[*Failure](err); ok {
		if f.Code != "" {
			out.Code = cut(clean(f.Code), 64)
		}
		out.Retryable = !f.Permanent
		out.Detail = detail(f.Detail)
		after = f.RetryAfter
	}
	if _, ok := errors.AsType[*permanentError](err); ok {
		out.Retryable = false
	}
	if r, ok := errors.AsType[*retryAfterError](err); ok {
		after = max(after, r.after)
	}
	out.Message = message(out.Message)
	return out, min(max(after, 0), maxRetryAfter)
}

// message makes text fit for an error: valid UTF-8, no NUL, at most 8 KiB, cut visibly beyond, never empty.
func message(s string) string {
	s = clean(s)
	if strings.TrimSpace(s) == "" {
		return "no message"
	}
	const mark = "… (cut)"
	if len(s) > maxErrorMessage {
		s = cut(s, maxErrorMessage-len(mark)) + mark
	}
	return s
}

// detail marshals the detail of an error. What cannot be kept is replaced by a note that says so.
func detail(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return note(fmt.Sprintf("the detail of the error could not be written as JSON: %v", err))
	}
	if p := checkOutput(raw, maxErrorDetail); p != nil {
		return note(fmt.Sprintf("the detail of the error could not be kept: %s, %d bytes", p.Code, p.Bytes))
	}
	return raw
}

func note(text string) json.RawMessage {
	raw, err := json.Marshal(map[string]string{"note": clean(text)})
	if err != nil {
		return nil
	}
	return raw
}

// clean makes text storable: valid UTF-8 without NUL.
func clean(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ReplaceAll(s, "\x00", "")
}

// cut shortens valid UTF-8 to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
