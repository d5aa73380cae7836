package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// problemOf is the one place where errors of package lifecycle become problems. What it does not know is internal: it
// is logged with the id of the request, and the client is told nothing of it.
func (s *server) problemOf(ctx context.Context, err error) *Problem {
	var problem *Problem
	var known *lifecycle.Error
	var faults plan.Faults
	var syntax *plan.SyntaxError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &problem):
	case errors.As(err, &known):
		problem = problemOfError(known)
		if problem.Status == http.StatusInternalServerError {
			s.logInternal(ctx, err)
			problem = internal()
		}
	case errors.As(err, &faults):
		problem = problemOfFaults(faults)
	case errors.As(err, &syntax):
		problem = newProblem(lifecycle.CodeInvalidRequest, "the body is not JSON: "+syntax.Error())
	case errors.As(err, &tooLarge):
		problem = newProblem(lifecycle.CodeTooLarge, "the body is larger than the limit of this server")
	case errors.Is(err, context.DeadlineExceeded):
		problem = newProblem(lifecycle.CodeTimedOut, "the answer took too long")
	case errors.Is(err, context.Canceled):
		problem = newProblem(lifecycle.CodeShuttingDown, "the request was cancelled")
	case lifecycle.IsRetryable(err):
		problem = newProblem(lifecycle.CodeDatabaseUnavailable, "the database cannot be reached")
	default:
		s.logInternal(ctx, err)
		problem = internal()
	}
	problem.RequestID = requestID(ctx)
	if problem.Retryable && problem.headers == nil {
		problem.headers = http.Header{"Retry-After": {"1"}}
	}
	return problem
}

func (s *server) logInternal(ctx context.Context, err error) {
	s.logger.ErrorContext(ctx, "request failed", slog.String("request_id", requestID(ctx)), slog.Any("error", err))
}

func problemOfError(known *lifecycle.Error) *Problem {
	if known.Code == lifecycle.CodePlanInvalid {
		return problemOfFaults(known.Faults)
	}
	problem := newProblem(known.Code, known.Message)
	if known.Code == lifecycle.CodeInvalidRequest {
		problem.Status = http.StatusUnprocessableEntity
		problem.Errors = append(problem.Errors, faultErrors(known.Faults)...)
	}
	if known.Code == lifecycle.CodeIllegalTransition {
		problem.Allowed = append([]string{}, known.Allowed...)
	}
	if now := known.Current; now != nil {
		problem.Current = &ProblemCurrent{State: now.State, Attempt: now.Attempt, Actor: now.Actor, At: timestamp(now.At)}
	}
	return problem
}

func problemOfFaults(faults plan.Faults) *Problem {
	problem := newProblem(lifecycle.CodePlanInvalid, "the plan has faults: errors lists every one of them")
	problem.Errors = append(problem.Errors, faultErrors(faults)...)
	return problem
}

// faultErrors says where in the body faults are.
func faultErrors(faults plan.Faults) []ProblemError {
	errors := make([]ProblemError, len(faults))
	for i, fault := range faults {
		location := "body"
		if fault.Path != "" && fault.Path[0] != '[' {
			location += "."
		}
		errors[i] = ProblemError{Location: location + fault.Path, Code: fault.Code, Message: fault.Message, Detail: fault.Detail}
	}
	return errors
}

// transform replaces Huma's own error model, which echoes values, and stamps every problem with the id of its request.
func (s *server) transform(ctx huma.Context, _ string, value any) (any, error) {
	switch v := value.(type) {
	case *Problem:
		v.RequestID = requestID(ctx.Context())
		return v, nil
	case *huma.ErrorModel:
		problem := problemOfModel(v)
		problem.RequestID = requestID(ctx.Context())
		return problem, nil
	}
	return value, nil
}

// problemOfModel says what Huma found wrong with parameters, in our words where its own repeat the value.
func problemOfModel(model *huma.ErrorModel) *Problem {
	if model.Status == http.StatusInternalServerError {
		return internal()
	}
	problem := newProblem(lifecycle.CodeInvalidRequest, "a parameter is not valid")
	problem.Status = model.Status
	for _, detail := range model.Errors {
		if detail == nil {
			continue
		}
		message := detail.Message
		switch {
		case strings.HasPrefix(message, "expected string to be RFC 4122 uuid"):
			message = "expected an id: 32 hexadecimal digits in groups of 8-4-4-4-12"
		case strings.HasPrefix(message, "invalid date/time"):
			message = "expected a time as in RFC 3339, for example 2026-05-04T12:00:00Z"
		}
		problem.Errors = append(problem.Errors, ProblemError{Location: detail.Location, Code: lifecycle.CodeInvalidRequest, Message: message})
	}
	return problem
}
