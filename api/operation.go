package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
)

// operation describes a call for the document and for Huma.
type operation struct {
	id, method, path string
	summary          string
	description      string
	tag              string
	status           int      // of success; 0 = 200
	scope            Scope    // that a token needs; "" = read for GET, operate for the others
	public           bool     // needs no token
	problems         []string // the codes that it can answer, besides those that every call can
}

// always are the codes that every call can answer.
func always() []string {
	return []string{
		lifecycle.CodeInternal, lifecycle.CodeDatabaseUnavailable, lifecycle.CodeOverloaded, lifecycle.CodeShuttingDown,
		lifecycle.CodeTimedOut, codeWrongHost, codeInvalidParameter, lifecycle.CodeTooLarge, codeUnsupportedMediaType,
	}
}

// register adds a call. What the handler returns as an error becomes a problem.
func register[I, O any](s *server, routes huma.API, o operation, handle func(context.Context, *I) (*O, error)) *huma.Operation {
	scope := o.needs()
	if scope == ScopePublic {
		s.public = append(s.public, o.method+" "+o.path)
	}
	described := huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, DefaultStatus: o.status,
		Summary: o.summary, Description: o.description, Tags: []string{o.tag},
		Responses: problemResponses(slices.Concat(always(), scoped(scope), o.problems)),
		Security:  securityOf(scope),
	}
	if scope != ScopePublic {
		described.Extensions = map[string]any{scopeExtension: string(scope)}
	}
	huma.Register(routes, described, func(ctx context.Context, in *I) (*O, error) {
		if err := allow(ctx, scope); err != nil {
			return nil, s.problemOf(ctx, err)
		}
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return out, nil
	})
	return operationOf(routes.OpenAPI().Paths[o.path], o.method)
}

// needs is the scope of the call.
func (o operation) needs() Scope {
	switch {
	case o.public:
		return ScopePublic
	case o.scope != "":
		return o.scope
	}
	return scopeOf(o.method)
}

// operationOf is the call of a path with that method; nil: there is none.
func operationOf(item *huma.PathItem, method string) *huma.Operation {
	switch method {
	case http.MethodGet:
		return item.Get
	case http.MethodPost:
		return item.Post
	case http.MethodPut:
		return item.Put
	case http.MethodDelete:
		return item.Delete
	}
	return nil
}

// methods are those that calls have.
func methods() []string {
	return []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}
}

// problemResponses documents the answers with a problem: one response for each status.
func problemResponses(codes []string) map[string]*huma.Response {
	responses := map[string]*huma.Response{}
	for _, kind := range kindsOfProblem() {
		if slices.Contains(codes, kind.code) {
			describeProblem(responses, kind.status, kind.code)
		}
		if kind.code == lifecycle.CodeInvalidRequest && slices.Contains(codes, codeInvalidParameter) {
			describeProblem(responses, http.StatusUnprocessableEntity, kind.code)
		}
	}
	return responses
}

// codeInvalidParameter stands for invalid_request with its other status, 422, in lists of codes.
const codeInvalidParameter = "invalid_request (422)"

func describeProblem(responses map[string]*huma.Response, status int, code string) {
	key := strconv.Itoa(status)
	if existing := responses[key]; existing != nil {
		existing.Description += " or `" + code + "`"
		return
	}
	responses[key] = &huma.Response{
		Description: "Problem `" + code + "`",
		Content:     map[string]*huma.MediaType{problemType: {Schema: &huma.Schema{Ref: schemaPrefix + "Problem"}}},
	}
}

// PageParams are the parameters of every list.
type PageParams struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many items a page has at most."`
	Cursor string `query:"cursor" maxLength:"512" doc:"Where the page starts: next of the page before; for transitions and logs also the id of the last item that was seen."`
}

func (p PageParams) request() lifecycle.PageRequest {
	return lifecycle.PageRequest{Limit: p.Limit, Cursor: p.Cursor}
}

// list turns a page of package lifecycle into one of the API.
func list[From, To any](from lifecycle.Page[From], convert func(*From) To) (items []To, next *string) {
	items = make([]To, len(from.Items))
	for i := range from.Items {
		items[i] = convert(&from.Items[i])
	}
	return items, textOrNull(from.Next)
}

// RunParam names a run.
type RunParam struct {
	Run string `path:"run" format:"uuid" doc:"The id of the run." example:"0198a8a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b"`
}

// id is the run, whose form was checked before.
func (p RunParam) id() (uuid.UUID, error) {
	id, err := uuid.Parse(p.Run)
	if err != nil {
		return uuid.Nil, badParameter("path.run", "expected an id: 32 hexadecimal digits in groups of 8-4-4-4-12")
	}
	return id, nil
}

// StepParam names a step of a run.
type StepParam struct {
	RunParam
	Step string `path:"step" maxLength:"136" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*(\\[[0-9]{1,5}\\])?$" patternDescription:"the key of a step" doc:"The key of the step." example:"build"`
}
