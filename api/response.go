package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/weirqueue/weir/lifecycle"
)

// response knows whether an answer has begun.
type response struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader implements http.ResponseWriter.
func (r *response) WriteHeader(status int) {
	r.begun = true
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *response) Write(data []byte) (int, error) {
	r.begun = true
	return r.ResponseWriter.Write(data)
}

// Unwrap is for http.ResponseController.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// recover turns a panic into a problem, or breaks the connection off where an answer has begun.
func (s *server) recover(w *response, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
		panic(cause)
	}
	s.logger.ErrorContext(r.Context(), "request panicked",
		slog.String("request_id", requestID(r.Context())), slog.String("panic", fmt.Sprint(cause)), slog.String("stack", string(debug.Stack())))
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	internal().write(w, r)
}

// noRoute asks the mux what is wrong with a request that has no route: its path or only its method.
func (s *server) noRoute(missing http.Handler, r *http.Request) *Problem {
	answer := &answerOnly{header: http.Header{}}
	missing.ServeHTTP(answer, r)
	if answer.status == http.StatusMethodNotAllowed {
		problem := newProblem(codeMethodNotAllowed, "the header Allow says what can be done here")
		problem.headers = http.Header{"Allow": answer.header["Allow"]}
		return problem
	}
	return newProblem(lifecycle.CodeNotFound, "there is no such path")
}

// answerOnly keeps the status and the headers of an answer, and drops its body.
type answerOnly struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (a *answerOnly) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answerOnly) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answerOnly) Write(data []byte) (int, error) { return len(data), nil }
