package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// broken is a Lifecycle whose every answer is the same error, or a panic.
type broken struct {
	Lifecycle

	err   error
	panic any
}

func (broken) Refresh(context.Context) (lifecycle.Refreshing, error) {
	return lifecycle.Refreshing{}, nil
}

func (b broken) RunGet(context.Context, uuid.UUID) (*lifecycle.RunView, error) {
	if b.panic != nil {
		panic(b.panic)
	}
	return nil, b.err
}

const someRun = "/v1/runs/0198a8a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b"

func TestProblemOfErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"not found":      {&lifecycle.Error{Code: lifecycle.CodeNotFound, Message: "m"}, 404, "not_found"},
		"illegal":        {&lifecycle.Error{Code: lifecycle.CodeIllegalTransition, Message: "m"}, 409, "illegal_transition"},
		"conflict":       {&lifecycle.Error{Code: lifecycle.CodeIdempotencyConflict, Message: "m"}, 409, "idempotency_conflict"},
		"invalid":        {&lifecycle.Error{Code: lifecycle.CodeInvalidRequest, Message: "m"}, 422, "invalid_request"},
		"faults":         {plan.Faults{{Path: "steps[0].kind", Code: plan.CodeUnknownKind, Message: "m"}}, 422, "plan_invalid"},
		"plan":           {&lifecycle.Error{Code: lifecycle.CodePlanInvalid, Message: "m"}, 422, "plan_invalid"},
		"syntax":         {&plan.SyntaxError{Line: 1, Message: "m"}, 400, "invalid_request"},
		"too large":      {&lifecycle.Error{Code: lifecycle.CodeTooLarge, Message: "m"}, 413, "too_large"},
		"body too large": {&http.MaxBytesError{Limit: 1}, 413, "too_large"},
		"database":       {&lifecycle.Error{Code: lifecycle.CodeDatabaseUnavailable, Message: "m", Retryable: true}, 503, "database_unavailable"},
		"overloaded":     {&lifecycle.Error{Code: lifecycle.CodeOverloaded, Message: "m", Retryable: true}, 503, "overloaded"},
		"shutting down":  {&lifecycle.Error{Code: lifecycle.CodeShuttingDown, Message: "m", Retryable: true}, 503, "shutting_down"},
		"timed out":      {&lifecycle.Error{Code: lifecycle.CodeTimedOut, Message: "m", Retryable: true}, 504, "timed_out"},
		"deadline":       {context.DeadlineExceeded, 504, "timed_out"},
		"cancelled":      {context.Canceled, 503, "shutting_down"},
		"internal":       {&lifecycle.Error{Code: lifecycle.CodeInternal, Message: "a secret"}, 500, "internal"},
		"unknown code":   {&lifecycle.Error{Code: "nobody_knows", Message: "a secret"}, 500, "internal"},
		"unknown error":  {errors.New("a secret"), 500, "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler := New(Config{Lifecycle: broken{err: test.err}})
			p := problem(t, ask(t, handler, http.MethodGet, someRun, ""), test.status, test.code)
			require.NotContains(t, p["detail"], "secret")
		})
	}
}

func TestProblemSaysWhatIsNow(t *testing.T) {
	t.Parallel()
	handler := New(Config{Lifecycle: broken{err: &lifecycle.Error{
		Code: lifecycle.CodeIllegalTransition, Message: "the run is final", Current: &lifecycle.CurrentState{State: "succeeded", Attempt: 2, Actor: "reconcile:x"},
	}}})
	p := problem(t, ask(t, handler, http.MethodGet, someRun, ""), http.StatusConflict, "illegal_transition")
	require.Equal(t, []any{}, p["allowed"], "a list, not null: nothing is allowed")
	require.Equal(t, "succeeded", p["current"].(map[string]any)["state"])
}

func TestProblemOfPanics(t *testing.T) {
	t.Parallel()
	handler := New(Config{Lifecycle: broken{panic: "a secret"}})
	p := problem(t, ask(t, handler, http.MethodGet, someRun, ""), http.StatusInternalServerError, "internal")
	require.NotContains(t, p["detail"], "secret")
	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		ask(t, New(Config{Lifecycle: broken{panic: http.ErrAbortHandler}}), http.MethodGet, someRun, "")
	})
}

// TestProblemsEverywhere asks for what is not there, or not like this: there is always a problem, and always the headers.
func TestProblemsEverywhere(t *testing.T) {
	t.Parallel()
	handler := New(Config{Lifecycle: broken{err: errors.New("not to be called")}, Loopback: true, Limits: plan.Limits{Body: 1000}})
	for name, test := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		code               string
		location           string
	}{
		"no such path":          {"GET", "/nothing", "", nil, 404, "not_found", ""},
		"root":                  {"GET", "/", "", nil, 404, "not_found", ""},
		"no schemas":            {"GET", "/schemas/Run.json", "", nil, 404, "not_found", ""},
		"no schemas of Huma":    {"GET", "/schemas/Run.json", "", nil, 404, "not_found", ""},
		"method":                {"DELETE", someRun, "", nil, 405, "method_not_allowed", ""},
		"options":               {"OPTIONS", "/v1/runs", "", nil, 405, "method_not_allowed", ""},
		"id":                    {"GET", "/v1/runs/nonsense", "", nil, 422, "invalid_request", "path.run"},
		"id in a urn":           {"GET", "/v1/runs/urn:nope:0198a8a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b", "", nil, 422, "invalid_request", "path.run"},
		"key with null":         {"GET", someRun + "/steps/a%00b", "", nil, 422, "invalid_request", "path.step"},
		"key not in UTF-8":      {"GET", someRun + "/steps/a%ff", "", nil, 422, "invalid_request", "path.step"},
		"limit 0":               {"GET", "/v1/runs?limit=0", "", nil, 422, "invalid_request", "query.limit"},
		"limit 501":             {"GET", "/v1/runs?limit=501", "", nil, 422, "invalid_request", "query.limit"},
		"limit text":            {"GET", "/v1/runs?limit=nonsense", "", nil, 422, "invalid_request", "query.limit"},
		"state":                 {"GET", "/v1/runs?state=nonsense", "", nil, 422, "invalid_request", "query.state"},
		"name":                  {"GET", "/v1/runs?name=No%00", "", nil, 422, "invalid_request", "query.name"},
		"label":                 {"GET", "/v1/runs?label=nonsense", "", nil, 422, "invalid_request", "query.label"},
		"label with null":       {"GET", "/v1/runs?label=a:%00", "", nil, 422, "invalid_request", "query.label"},
		"time":                  {"GET", "/v1/runs?created_after=nonsense", "", nil, 422, "invalid_request", "query.created_after"},
		"unknown parameter":     {"GET", "/v1/runs?stat=running", "", nil, 422, "invalid_request", "query.stat"},
		"parameter twice":       {"GET", "/v1/runs?state=running&state=failed", "", nil, 422, "invalid_request", "query.state"},
		"query":                 {"GET", "/v1/runs?a=%zz", "", nil, 422, "invalid_request", "query"},
		"attempt":               {"GET", someRun + "/logs?attempt=0", "", nil, 422, "invalid_request", "query.attempt"},
		"key too long":          {"POST", "/v1/runs", onePlan, []string{"Idempotency-Key: " + strings.Repeat("x", 256)}, 422, "invalid_request", "header.Idempotency-Key"},
		"key invisible":         {"POST", "/v1/runs", onePlan, []string{"Idempotency-Key: a b"}, 422, "invalid_request", "header.Idempotency-Key"},
		"no body":               {"POST", "/v1/runs", "", []string{"Content-Type: application/json"}, 400, "invalid_request", ""},
		"malformed":             {"POST", "/v1/runs", `{"name": `, nil, 400, "invalid_request", ""},
		"YAML":                  {"POST", "/v1/runs", "name: nonsense", nil, 400, "invalid_request", ""},
		"too large":             {"POST", "/v1/runs", strings.Repeat("x", 1001), nil, 413, "too_large", ""},
		"text":                  {"POST", "/v1/runs", onePlan, []string{"Content-Type: text/plain"}, 415, "unsupported_media_type", ""},
		"form":                  {"POST", "/v1/runs", onePlan, []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "unsupported_media_type", ""},
		"no type":               {"POST", "/v1/runs", onePlan, []string{"Content-Type: "}, 415, "unsupported_media_type", ""},
		"other charset":         {"POST", "/v1/runs", onePlan, []string{"Content-Type: application/json; charset=latin1"}, 415, "unsupported_media_type", ""},
		"suffix":                {"POST", "/v1/runs", onePlan, []string{"Content-Type: application/vnd.x+json"}, 415, "unsupported_media_type", ""},
		"encoded":               {"POST", "/v1/runs", onePlan, []string{"Content-Encoding: gzip"}, 415, "unsupported_media_type", ""},
		"text without a body":   {"POST", someRun + "/cancel", "", []string{"Content-Type: text/plain"}, 415, "unsupported_media_type", ""},
		"host":                  {"GET", "/v1/runs", "", []string{"Host: weir.example"}, 421, "wrong_host", ""},
		"host with port":        {"GET", "/healthz", "", []string{"Host: weir.example:8080"}, 421, "wrong_host", ""},
		"host that begins well": {"GET", "/v1/runs", "", []string{"Host: 127.0.0.1.example:8080"}, 421, "wrong_host", ""},
		"no host":               {"GET", "/v1/runs", "", []string{"Host: "}, 421, "wrong_host", ""},
		"cross site":            {"POST", "/v1/runs", onePlan, []string{"Sec-Fetch-Site: cross-site"}, 403, "cross_origin", ""},
		"same site":             {"POST", "/v1/runs", onePlan, []string{"Sec-Fetch-Site: same-site"}, 403, "cross_origin", ""},
		"origin":                {"POST", "/v1/runs", onePlan, []string{"Origin: http://weir.example"}, 403, "cross_origin", ""},
		"origin null":           {"POST", someRun + "/cancel", "", []string{"Origin: null"}, 403, "cross_origin", ""},
		"origin, other port":    {"POST", someRun + "/cancel", "", []string{"Origin: http://127.0.0.1:3000"}, 403, "cross_origin", ""},
		"cancel, not JSON":      {"POST", someRun + "/cancel", "{", nil, 400, "invalid_request", ""},
		"cancel, unknown":       {"POST", someRun + "/cancel", `{"resaon": "x"}`, nil, 422, "invalid_request", "body"},
		"cancel, wrong type":    {"POST", someRun + "/cancel", `{"reason": 1}`, nil, 422, "invalid_request", "body.reason"},
		"cancel, no object":     {"POST", someRun + "/cancel", `[1]`, nil, 422, "invalid_request", "body"},
		"cancel, too long":      {"POST", someRun + "/cancel", `{"reason": "` + strings.Repeat("é", 400) + strings.Repeat("x", 700) + `"}`, nil, 413, "too_large", ""},
		"cancel, null":          {"POST", someRun + "/cancel", `{"reason": "\u0000"}`, nil, 422, "invalid_request", "body.reason"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := ask(t, handler, test.method, test.path, test.body, test.headers...)
			p := problem(t, a, test.status, test.code)
			require.NotContains(t, string(a.body), "nonsense", "what was sent is not echoed")
			require.Equal(t, "0", a.Header.Get("Weir-Schema-Version"))
			require.Equal(t, "unknown", a.Header.Get("Weir-Build"))
			require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
			require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
			if test.location != "" {
				require.Equal(t, test.location, p["errors"].([]any)[0].(map[string]any)["location"])
			}
			if test.status == http.StatusMethodNotAllowed {
				require.Contains(t, a.Header.Get("Allow"), http.MethodGet)
			}
		})
	}
}

func TestLocalCallersGetThrough(t *testing.T) {
	t.Parallel()
	handler := New(Config{Lifecycle: broken{}, Loopback: true})
	for _, host := range []string{"localhost", "localhost:8080", "127.0.0.1", "127.8.8.8:1", "[::1]", "[::1]:8080", "LOCALHOST:8080", "weir.localhost"} {
		require.Equal(t, http.StatusOK, ask(t, handler, http.MethodGet, "/healthz", "", "Host: "+host).StatusCode, host)
	}
	everywhere := New(Config{Lifecycle: broken{}})
	require.Equal(t, http.StatusOK, ask(t, everywhere, http.MethodGet, "/healthz", "", "Host: weir.example").StatusCode)
	same := ask(t, handler, http.MethodPost, "/v1/runs", "{}", "Origin: http://127.0.0.1:8080", "Sec-Fetch-Site: same-origin")
	problem(t, same, http.StatusUnprocessableEntity, "plan_invalid")
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	handler := New(Config{Lifecycle: broken{}})
	require.Equal(t, "trace-1", ask(t, handler, http.MethodGet, "/healthz", "", "X-Request-Id: trace-1").Header.Get("X-Request-Id"))
	for _, bad := range []string{"a b", strings.Repeat("x", 65), "<script>"} {
		require.Regexp(t, "^[0-9a-f]{16}$", ask(t, handler, http.MethodGet, "/healthz", "", "X-Request-Id: "+bad).Header.Get("X-Request-Id"))
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	for code, err := range map[string]error{
		"shutting_down":        &lifecycle.Error{Code: lifecycle.CodeShuttingDown, Message: "m"},
		"database_unavailable": errors.New("a secret"),
	} {
		handler := New(Config{Ready: func(context.Context) error { return err }})
		problem(t, ask(t, handler, http.MethodGet, "/readyz", ""), http.StatusServiceUnavailable, code)
		require.Equal(t, http.StatusOK, ask(t, handler, http.MethodGet, "/healthz", "").StatusCode)
	}
}

func TestProblemCodesAreTheContracts(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.Fields(`invalid_request unauthenticated forbidden cross_origin not_found method_not_allowed illegal_transition
		idempotency_conflict worker_gone protocol_unsupported too_large unsupported_media_type wrong_host plan_invalid report_rejected rate_limited
		internal database_unavailable overloaded shutting_down timed_out`), ProblemCodes())
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(ProblemCodes()))), len(ProblemCodes()))
}
