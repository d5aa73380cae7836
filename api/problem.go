package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/weirqueue/weir/lifecycle"
)

// problemURN comes before the code in the type of a problem.
const problemURN = "urn:weir:problem:"

// problemType is the media type of problems.
const problemType = "application/problem+json"

// The codes that only the API itself gives. The others are those of package lifecycle.
const (
	codeForbidden            = "forbidden"
	codeUnauthenticated      = "unauthenticated"
	codeCrossOrigin          = "cross_origin"
	codeMethodNotAllowed     = "method_not_allowed"
	codeProtocolUnsupported  = "protocol_unsupported"
	codeUnsupportedMediaType = "unsupported_media_type"
	codeWrongHost            = "wrong_host"
	codeRateLimited          = "rate_limited"
)

// kindOfProblem is what a code always comes with. Status is the usual one: invalid_request has two.
type kindOfProblem struct {
	code   string
	status int
	title  string
}

// kindsOfProblem is the closed list of contract 6.
func kindsOfProblem() []kindOfProblem {
	return []kindOfProblem{
		{lifecycle.CodeInvalidRequest, http.StatusBadRequest, "The request is not valid"},
		{codeUnauthenticated, http.StatusUnauthorized, "The request carries no valid token"},
		{codeForbidden, http.StatusForbidden, "The token does not allow this"},
		{codeCrossOrigin, http.StatusForbidden, "The request comes from another origin"},
		{lifecycle.CodeNotFound, http.StatusNotFound, "There is nothing here"},
		{codeMethodNotAllowed, http.StatusMethodNotAllowed, "The method is not allowed here"},
		{lifecycle.CodeIllegalTransition, http.StatusConflict, "Its state does not allow this"},
		{lifecycle.CodeIdempotencyConflict, http.StatusConflict, "The Idempotency-Key was used for another request"},
		{lifecycle.CodeWorkerGone, http.StatusConflict, "The worker is gone"},
		{codeProtocolUnsupported, http.StatusConflict, "The protocol is not supported"},
		{lifecycle.CodeTooLarge, http.StatusRequestEntityTooLarge, "The request is too large"},
		{codeUnsupportedMediaType, http.StatusUnsupportedMediaType, "Only JSON is accepted"},
		{codeWrongHost, http.StatusMisdirectedRequest, "The request names another host"},
		{lifecycle.CodePlanInvalid, http.StatusUnprocessableEntity, "The plan is not valid"},
		{lifecycle.CodeReportRejected, http.StatusUnprocessableEntity, "The report is rejected"},
		{codeRateLimited, http.StatusTooManyRequests, "Too many requests"},
		{lifecycle.CodeInternal, http.StatusInternalServerError, "Something is wrong with the server"},
		{lifecycle.CodeDatabaseUnavailable, http.StatusServiceUnavailable, "The database is unavailable"},
		{lifecycle.CodeOverloaded, http.StatusServiceUnavailable, "The server is overloaded"},
		{lifecycle.CodeShuttingDown, http.StatusServiceUnavailable, "The server is shutting down"},
		{lifecycle.CodeTimedOut, http.StatusGatewayTimeout, "The database did not answer in time"},
	}
}

// ProblemCodes is the closed list of codes.
func ProblemCodes() []string {
	kinds := kindsOfProblem()
	codes := make([]string, len(kinds))
	for i, kind := range kinds {
		codes[i] = kind.code
	}
	return codes
}

// Problem is the answer to everything that did not work (RFC 9457, application/problem+json).
type Problem struct {
	Type      string          `json:"type" doc:"urn:weir:problem: and the code." example:"urn:weir:problem:illegal_transition"`
	Title     string          `json:"title" doc:"What the code means, always the same for one code." example:"Its state does not allow this"`
	Status    int             `json:"status" doc:"The HTTP status." example:"409"`
	Detail    string          `json:"detail" doc:"What is wrong in this case. Never repeats a value that was sent." example:"the run has ended"`
	Code      string          `json:"code" doc:"What is wrong, for programs: a closed list." example:"illegal_transition"`
	Retryable bool            `json:"retryable" doc:"Whether the same request may work later: true with 429, 503 and 504 only."`
	RequestID string          `json:"request_id" doc:"Also in the header X-Request-Id and in the log of the server." example:"0d8f6a3bb1c14d0f"`
	Errors    []ProblemError  `json:"errors" nullable:"false" doc:"Every single thing that is wrong, where there is more to say than detail does."`
	Allowed   []string        `json:"allowed" nullable:"true" doc:"With illegal_transition: the states that it could go to; null otherwise."`
	Current   *ProblemCurrent `json:"current" doc:"What it is now, where that is the reason; null otherwise."`

	headers http.Header
}

// ProblemError is one thing that is wrong.
type ProblemError struct {
	Location string   `json:"location" doc:"Where: a path into the body, or the parameter." example:"body.steps[3].needs[0]"`
	Code     string   `json:"code" doc:"What, for programs." example:"unknown_need"`
	Message  string   `json:"message" doc:"What, for people." example:"there is no step with this key"`
	Detail   []string `json:"detail" nullable:"true" doc:"With cycle: the keys of the steps in order, each of which needs the next one; null otherwise."`
}

// ProblemCurrent is what something is now, and who decided that.
type ProblemCurrent struct {
	State   string    `json:"state" doc:"Its state." example:"succeeded"`
	Attempt int       `json:"attempt" doc:"The attempt it is in; 0 for runs." example:"1"`
	Actor   string    `json:"actor" doc:"Who brought it there." example:"reconcile:0198a8a0-0000-7000-8000-000000000000"`
	At      timestamp `json:"at" doc:"When."`
}

// newProblem is the problem of a code of the list.
func newProblem(code, detail string) *Problem {
	kinds := kindsOfProblem()
	at := slices.IndexFunc(kinds, func(kind kindOfProblem) bool { return kind.code == code })
	if at < 0 {
		return newProblem(lifecycle.CodeInternal, "the error has no code that this version knows")
	}
	kind := kinds[at]
	return &Problem{
		Type: problemURN + kind.code, Title: kind.title, Status: kind.status, Detail: detail, Code: kind.code,
		Retryable: retryableStatus(kind.status), Errors: []ProblemError{},
	}
}

// internal is an error that is nobody's business but the operator's.
func internal() *Problem {
	return newProblem(lifecycle.CodeInternal, "the log of the server says more, under the request_id")
}

// invalidRequest is a request that is well-formed and still wrong: 422.
func invalidRequest(detail string, errors ...ProblemError) *Problem {
	p := newProblem(lifecycle.CodeInvalidRequest, detail)
	p.Status = http.StatusUnprocessableEntity
	p.Errors = append(p.Errors, errors...)
	return p
}

// badParameter is a request whose parameter is wrong.
func badParameter(location, message string) *Problem {
	return invalidRequest("a parameter is not valid", ProblemError{Location: location, Code: lifecycle.CodeInvalidRequest, Message: message})
}

func retryableStatus(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

// write answers with the problem outside of any operation.
func (p *Problem) write(w http.ResponseWriter, r *http.Request) {
	p.RequestID = requestID(r.Context())
	maps.Copy(w.Header(), p.headers)
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone
}
