package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// Limit is how many runs and steps may hold a slot of a key at once, and how many do.
type Limit struct {
	Key            string        `json:"key" doc:"The key, as plans have it under concurrency." example:"db/main"`
	Limit          *int          `json:"limit" doc:"In force: what somebody has set, else what the plan says that asked last; null: nothing says, as nothing asks." example:"5"`
	Declared       *int          `json:"declared" doc:"What that plan says; null: none has."`
	Administered   *int          `json:"administered" doc:"What somebody has set; null: nobody."`
	AdministeredAt *timestamp    `json:"administered_at" doc:"When they did."`
	AdministeredBy *string       `json:"administered_by" doc:"Who did." example:"local"`
	Used           int           `json:"used" doc:"How many slots are held: more than limit after it was lowered." example:"5"`
	Waiting        int           `json:"waiting" doc:"How many runs and steps wait for one, counted up to 1,000."`
	Holders        []LimitHolder `json:"holders" nullable:"true" doc:"The first 20 that hold one, oldest first. Only of a single limit; null in lists."`
}

// LimitHolder holds a slot.
type LimitHolder struct {
	Run  string    `json:"run" format:"uuid" doc:"The run."`
	Step *string   `json:"step" doc:"The key of the step; null: it is the run as a whole."`
	At   timestamp `json:"at" doc:"Since when."`
}

// LimitPage is a page of limits, by key.
type LimitPage struct {
	Items []Limit `json:"items" nullable:"false"`
	Next  *string `json:"next" doc:"The cursor of the next page; null: this was the last one."`
}

// LimitSet is what a limit is set to.
type LimitSet struct {
	Limit int `json:"limit" minimum:"1" maximum:"100000" doc:"How many may hold a slot at once."`
}

// LimitParam names a limit.
type LimitParam struct {
	Key string `path:"key" maxLength:"128" pattern:"^[A-Za-z0-9][A-Za-z0-9._/:-]*$" patternDescription:"the key of a limit" doc:"The key of the limit, with / written as %2F." example:"db:main"`
}

type limitSetInput struct {
	LimitParam
	Said rawBody
}

type limitOutput struct {
	Body Limit
}

type limitListOutput struct {
	Body LimitPage
}

// limits are the calls about concurrency limits.
func (s *server) limits(routes huma.API) {
	register(s, routes, operation{
		id: "limit-list", method: http.MethodGet, path: "/v1/limits", tag: "operate",
		summary: "List the limits that are set, held or waited for", description: "By key. A limit that only plans say is there while something holds a slot of it or waits for one.",
		problems: []string{codeInvalidParameter},
	}, s.limitList)
	register(s, routes, operation{
		id: "limit-get", method: http.MethodGet, path: "/v1/limits/{key}", tag: "operate",
		summary:  "Read a limit, and who holds its slots",
		problems: []string{codeInvalidParameter, lifecycle.CodeNotFound},
	}, s.limitGet)
	call := register(s, routes, operation{
		id: "limit-set", method: http.MethodPut, path: "/v1/limits/{key}", tag: "operate",
		summary: "Set a limit, whatever plans say",
		description: "It holds until it is unset. Raised, it lets what waits go at once. Lowered, it takes nothing from those that hold a slot: " +
			"nobody else gets one until fewer do.",
		problems: []string{lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin},
	}, s.limitSet)
	call.RequestBody = &huma.RequestBody{
		Description: "The limit.", Required: true,
		Content: map[string]*huma.MediaType{"application/json": {Schema: schemaOf[LimitSet](routes), Example: LimitSet{Limit: 5}}},
	}
	register(s, routes, operation{
		id: "limit-unset", method: http.MethodDelete, path: "/v1/limits/{key}", tag: "operate",
		summary:     "Go back to the limit that plans say",
		description: "The answer is the limit as it is then. One that nobody has set stays as it is.",
		problems:    []string{lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin, lifecycle.CodeNotFound},
	}, s.limitUnset)
}

func (s *server) limitList(ctx context.Context, in *PageParams) (*limitListOutput, error) {
	page, err := s.Lifecycle.LimitList(ctx, in.request())
	if err != nil {
		return nil, err
	}
	out := &limitListOutput{}
	out.Body.Items, out.Body.Next = list(page, limitOf)
	return out, nil
}

func (s *server) limitGet(ctx context.Context, in *LimitParam) (*limitOutput, error) {
	return limitAnswer(s.Lifecycle.LimitGet(ctx, in.Key))
}

func (s *server) limitSet(ctx context.Context, in *limitSetInput) (*limitOutput, error) {
	var said LimitSet
	if err := decodeBody(in.Said, &said); err != nil {
		return nil, err
	}
	if said.Limit < 1 || said.Limit > lifecycle.LimitMost {
		return nil, invalidBody("limit", plan.CodeOutOfRange, "expected a number from 1 to 100,000; to let nothing run at all, pause the runs or their queue")
	}
	return limitAnswer(s.Lifecycle.LimitSet(ctx, in.Key, said.Limit, actorOf(ctx)))
}

func (s *server) limitUnset(ctx context.Context, in *LimitParam) (*limitOutput, error) {
	return limitAnswer(s.Lifecycle.LimitUnset(ctx, in.Key))
}

func limitAnswer(view *lifecycle.LimitView, err error) (*limitOutput, error) {
	if err != nil {
		return nil, err
	}
	return &limitOutput{Body: limitOf(view)}, nil
}

func limitOf(view *lifecycle.LimitView) Limit {
	limit := Limit{
		Key: view.Key, Limit: view.Limit, Declared: view.Declared, Administered: view.Administered, AdministeredAt: timestampOf(view.AdministeredAt),
		AdministeredBy: view.AdministeredBy, Used: view.Used, Waiting: view.Waiting,
	}
	if view.Holders != nil {
		limit.Holders = make([]LimitHolder, len(view.Holders))
		for i, holder := range view.Holders {
			limit.Holders[i] = LimitHolder{Run: holder.Run.String(), Step: textOrNull(holder.Step), At: timestamp(holder.At)}
		}
	}
	return limit
}
