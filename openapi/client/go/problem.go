package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Error implements error: what is wrong, and every single thing that the server said about it on a line of its own.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	var lines strings.Builder
	lines.WriteString(text)
	for _, e := range p.Errors {
		lines.WriteString("\n  " + e.Location + ": " + e.Message)
	}
	return lines.String()
}

// TransportError is a call that got no answer: nobody listens, or the connection broke. Whether the server did what was
// asked is not known.
type TransportError struct{ Err error }

// Error implements error.
func (e *TransportError) Error() string { return "the server cannot be reached: " + e.Err.Error() }

// Unwrap is what is behind it.
func (e *TransportError) Unwrap() error { return e.Err }

// UnexpectedError is an answer that is not Weir's: that of a proxy, or of another program.
type UnexpectedError struct{ Status int }

// Error implements error.
func (e *UnexpectedError) Error() string {
	return fmt.Sprintf("something that is not Weir answered: %d %s", e.Status, http.StatusText(e.Status))
}

// problemOf reads an answer that is not a success.
func problemOf(response *http.Response, body []byte) error {
	problem := &Problem{}
	if !isJSON(response, "application/problem+json") || json.Unmarshal(body, problem) != nil || problem.Code == "" {
		return &UnexpectedError{Status: response.StatusCode}
	}
	return problem
}
