package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// NamedPlan is a version of a named plan.
type NamedPlan struct {
	Name        string          `json:"name" doc:"Its name." example:"load/daily"`
	Version     int             `json:"version" doc:"From 1, one more with every plan that differs from the version before." example:"3"`
	Description string          `json:"description" doc:"The plan's own."`
	Digest      string          `json:"digest" doc:"SHA-256 of the plan in canonical form, in hexadecimal: equal plans have equal digests."`
	CreatedAt   timestamp       `json:"created_at" doc:"When it was put, by the clock of the database."`
	CreatedBy   string          `json:"created_by" doc:"Who put it." example:"local"`
	Plan        json.RawMessage `json:"plan" doc:"The plan as it was put. Only of a single version; null in lists."`
}

// NamedPlanPage is a page of named plans.
type NamedPlanPage struct {
	Items []NamedPlan `json:"items" nullable:"false"`
	Next  *string     `json:"next" doc:"The cursor of the next page; null: this was the last one."`
}

// Difference is what differs between two versions of a named plan.
type Difference struct {
	Name string `json:"name" doc:"The name of the plan." example:"load/daily"`
	From int    `json:"from" doc:"The older version." example:"2"`
	To   int    `json:"to" doc:"The newer version." example:"3"`
	Diff string `json:"diff" doc:"A unified diff of both as YAML; empty: they are the same."`
}

// PlanParam names a named plan.
type PlanParam struct {
	Plan string `path:"plan" maxLength:"128" pattern:"^[a-z0-9][a-z0-9._/-]*$" patternDescription:"the name of a plan" doc:"The name of the plan, its slashes as %2F." example:"load"`
}

type planPutInput struct {
	PlanParam
	Sent rawBody
}

type planPutOutput struct {
	Status int
	Body   NamedPlan
}

type planGetInput struct {
	PlanParam
	Version int `query:"version" minimum:"1" maximum:"999999999" doc:"Which version; without it the latest."`
}

type planOutput struct {
	Body NamedPlan
}

type planListOutput struct {
	Body NamedPlanPage
}

type planVersionsInput struct {
	PlanParam
	PageParams
}

type planDiffInput struct {
	PlanParam
	From int `query:"from" minimum:"1" maximum:"999999999" doc:"The older version; without it the one before to."`
	To   int `query:"to" minimum:"1" maximum:"999999999" doc:"The newer version; without it the latest."`
}

type planDiffOutput struct {
	Body Difference
}

// plans are the calls about named plans.
func (s *server) plans(routes huma.API) {
	put := register(s, routes, operation{
		id: "plan-put", method: http.MethodPut, path: "/v1/plans/{plan}", tag: "plans", status: http.StatusOK,
		summary: "Put a plan under its name",
		description: "The body is the plan, whose name is that of the path. The plan that is the latest version already makes no new one, so the call may be repeated; " +
			"any other is the next version. Versions never change. Whether replicas have the kinds of its steps is looked at when it is run.",
		problems: []string{
			lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin,
			lifecycle.CodeTooLarge, codeUnsupportedMediaType, lifecycle.CodePlanInvalid,
		},
	}, s.planPut)
	put.RequestBody = &huma.RequestBody{
		Description: "The plan.", Required: true,
		Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: schemaPrefix + "Plan"}, Example: examplePlan()}},
	}
	made := *put.Responses["200"]
	made.Description = "The new version"
	put.Responses["201"] = &made
	put.Responses["200"].Description = "The latest version, which is the same plan"
	register(s, routes, operation{
		id: "plan-list", method: http.MethodGet, path: "/v1/plans", tag: "plans",
		summary: "List named plans", description: "The latest version of each, by name.",
		problems: []string{codeInvalidParameter},
	}, s.planList)
	problems := []string{codeInvalidParameter, lifecycle.CodeNotFound}
	register(s, routes, operation{
		id: "plan-get", method: http.MethodGet, path: "/v1/plans/{plan}", tag: "plans",
		summary: "Read a named plan", problems: problems,
	}, s.planGet)
	register(s, routes, operation{
		id: "plan-versions", method: http.MethodGet, path: "/v1/plans/{plan}/versions", tag: "plans",
		summary: "List the versions of a named plan", description: "Newest first.", problems: problems,
	}, s.planVersions)
	register(s, routes, operation{
		id: "plan-diff", method: http.MethodGet, path: "/v1/plans/{plan}/diff", tag: "plans",
		summary: "Compare two versions of a named plan", description: "Without from and to: the latest with the one before.", problems: problems,
	}, s.planDiff)
}

func (s *server) planPut(ctx context.Context, in *planPutInput) (*planPutOutput, error) {
	if in.Sent.err != nil {
		return nil, in.Sent.err
	}
	parsed, err := s.Limits.ParseJSON(in.Sent.json)
	if err != nil {
		return nil, err
	}
	if parsed.Name != in.Plan {
		return nil, plan.Faults{{Path: "name", Code: plan.CodeOutOfRange, Message: "must be the name in the path"}}
	}
	put, made, err := s.Lifecycle.PlanPut(ctx, lifecycle.PlanPutRequest{Plan: parsed, Text: in.Sent.json, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	out := &planPutOutput{Status: http.StatusOK, Body: namedPlanOf(put)}
	if made {
		out.Status = http.StatusCreated
	}
	return out, nil
}

func (s *server) planGet(ctx context.Context, in *planGetInput) (*planOutput, error) {
	view, err := s.Lifecycle.PlanGet(ctx, in.Plan, in.Version)
	if err != nil {
		return nil, err
	}
	return &planOutput{Body: namedPlanOf(view)}, nil
}

func (s *server) planList(ctx context.Context, in *PageParams) (*planListOutput, error) {
	page, err := s.Lifecycle.PlanList(ctx, in.request())
	return planPage(page, err)
}

func (s *server) planVersions(ctx context.Context, in *planVersionsInput) (*planListOutput, error) {
	page, err := s.Lifecycle.PlanVersions(ctx, in.Plan, in.request())
	return planPage(page, err)
}

func planPage(page lifecycle.Page[lifecycle.NamedPlan], err error) (*planListOutput, error) {
	if err != nil {
		return nil, err
	}
	out := &planListOutput{}
	out.Body.Items, out.Body.Next = list(page, namedPlanOf)
	return out, nil
}

func (s *server) planDiff(ctx context.Context, in *planDiffInput) (*planDiffOutput, error) {
	found, err := s.Lifecycle.PlanDiff(ctx, in.Plan, in.From, in.To)
	if err != nil {
		return nil, err
	}
	return &planDiffOutput{Body: Difference{Name: found.Name, From: found.From, To: found.To, Diff: found.Diff}}, nil
}

func namedPlanOf(view *lifecycle.NamedPlan) NamedPlan {
	return NamedPlan{
		Name: view.Name, Version: view.Version, Description: view.Description, Digest: view.Digest,
		CreatedAt: timestamp(view.CreatedAt), CreatedBy: view.CreatedBy, Plan: view.Plan,
	}
}

// submitted is what a body asks to be run: a plan, or a named one.
func (s *server) submitted(ctx context.Context, body rawBody) (*plan.Plan, int, error) {
	if body.err != nil {
		return nil, 0, body.err
	}
	parsed, named, err := s.Limits.ParseSubmit(body.json)
	if err != nil || named == nil {
		return parsed, 0, err
	}
	found, err := s.Lifecycle.PlanNamed(ctx, *named, s.Limits)
	if err != nil {
		return nil, 0, err
	}
	return found.Plan, found.Version, nil
}
