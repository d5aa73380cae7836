package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"github.com/weirqueue/weir/lifecycle/plan"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// answerWithin is how long one answer of the server may take.
const answerWithin = time.Minute

// explain says what a failed call means to people, and what they can do. about is a command line that shows more of
// what the call was about.
func (c *connection) explain(err error, about ...string) error {
	var problem *client.Problem
	var transport *client.TransportError
	var unexpected *client.UnexpectedError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return &failure{what: "interrupted", err: err}
	case errors.As(err, &problem):
		return c.explainProblem(problem, about)
	case errors.As(err, &transport):
		return &failure{
			what: fmt.Sprintf("nothing answers at %s: %s", c.flags.Server, connectReason(transport.Err)),
			try:  "weir dev, which runs one here, or --server URL (or $WEIR_SERVER) for another one", err: err,
		}
	case errors.As(err, &unexpected):
		return &failure{what: fmt.Sprintf("%s at %s", unexpected.Error(), c.flags.Server), try: "--server URL, without a path", err: err}
	}
	return err
}

// explainProblem is explain for what the server said itself.
func (c *connection) explainProblem(problem *client.Problem, about []string) error {
	f := &failure{what: problem.Error(), err: problem}
	switch string(problem.Code) {
	case "plan_invalid":
		return &usageError{what: faultsOfProblem(problem), try: tryOfFaults(problem)}
	case "invalid_request":
		return &usageError{what: requestProblem(problem), try: "--help, which says what flags take"}
	case "not_found":
		f.try = c.command("runs")
		if len(about) > 0 && !strings.Contains(problem.Detail, "no such run") {
			f.try = c.command(about...)
		}
	case "illegal_transition":
		if now := problem.Current; now != nil {
			f.what += fmt.Sprintf(" (%s since %s)", now.State, moment(now.At))
		}
		if len(about) > 0 {
			f.try = c.command(about...)
		}
	case "idempotency_conflict":
		f.try = "another --idempotency-key, or the plan that this one was used with"
	case "unauthenticated", "forbidden":
		f.try = "--token-file FILE, or $" + tokenVariable
	case "wrong_host":
		f.try = "--server with the address that the server listens on"
	case "database_unavailable", "timed_out":
		f.try = "weir doctor"
	case "overloaded", "rate_limited", "shutting_down":
		f.try = "the same again in a moment"
	case "internal":
		f.try = "the log of the server, under request_id " + problem.RequestID
	}
	return f
}

// faultsOfProblem lists the faults that the server found in a plan, one a line.
func faultsOfProblem(problem *client.Problem) string {
	lines := []string{"the server refuses the plan: " + counted(len(problem.Errors), "fault")}
	for _, e := range problem.Errors {
		path := strings.TrimPrefix(strings.TrimPrefix(e.Location, "body"), ".")
		lines = append(lines, faultLine("", 0, path, e.Message))
	}
	return strings.Join(lines, "\n")
}

// tryOfFaults is what helps against faults that only a server finds.
func tryOfFaults(problem *client.Problem) string {
	for _, e := range problem.Errors {
		switch e.Code {
		case plan.CodeExecDisabled:
			return "weir serve --enable-exec"
		case plan.CodeUnknownKind:
			return "noop, sleep, http, exec, or a replica with a handler of that kind"
		}
	}
	return "weir plan schema"
}

// requestProblem says what is wrong with a request, in the words of the command line.
func requestProblem(problem *client.Problem) string {
	if len(problem.Errors) == 0 {
		return problem.Detail
	}
	lines := make([]string, len(problem.Errors))
	for i, e := range problem.Errors {
		_, name, _ := strings.Cut(e.Location, ".")
		lines[i] = e.Message
		if name != "" {
			lines[i] = "--" + strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "filter.")), "_", "-") + ": " + e.Message
		}
	}
	return strings.Join(lines, "\n")
}

// connectReason is why there was no answer, in few words.
func connectReason(err error) string {
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		return call.Err.Error()
	}
	return reason(err)
}

// isProblem reports whether the server answered with that code.
func isProblem(err error, code client.ProblemCode) bool {
	var problem *client.Problem
	return errors.As(err, &problem) && problem.Code == code
}

// neverSent reports whether a call got no answer because there was nobody to connect to.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// fileReason is what is wrong with a file, without its name twice.
func fileReason(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Path + ": " + path.Err.Error()
	}
	return err.Error()
}
