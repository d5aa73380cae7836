package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

// Violation is an invariant that is broken.
type Violation struct {
	Rule    string  `json:"rule" doc:"The rule that is broken, as a sentence." example:"limits_count_their_slots"`
	Run     *string `json:"run" format:"uuid" doc:"Where; null: it is not about a run."`
	Step    *string `json:"step" doc:"The key of the step; null: it is not about a step." example:"build"`
	Message string  `json:"message" doc:"What is there, and what should be." example:"used of limit gpu is 3, and 2 hold a slot of it"`
}

// ViolationPage is what is broken.
type ViolationPage struct {
	Items []Violation `json:"items" nullable:"false"`
	Next  *string     `json:"next" doc:"Always null: what is to be seen next is what is left when these are mended."`
}

type violationListInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many items there are at most."`
}

type violationListOutput struct {
	Body ViolationPage
}

// violations is the call that looks for what is broken.
func (s *server) violations(routes huma.API) {
	register(s, routes, operation{
		id: "violation-list", method: http.MethodGet, path: "/v1/violations", tag: "operate",
		summary: "List invariants that are broken",
		description: "Empty, unless something is wrong. It looks at the oldest open runs, the newest runs and at limits, so it stays affordable and may miss what is elsewhere. " +
			"It gives up after 10 s.",
		problems: []string{codeInvalidParameter},
	}, s.violationList)
}

func (s *server) violationList(ctx context.Context, in *violationListInput) (*violationListOutput, error) {
	views, err := s.Lifecycle.ViolationList(ctx, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &violationListOutput{}
	out.Body.Items, out.Body.Next = list(lifecycle.Page[lifecycle.ViolationView]{Items: views}, violationOf)
	return out, nil
}

func violationOf(view *lifecycle.ViolationView) Violation {
	return Violation{Rule: view.Rule, Run: textOrNull(view.Run), Step: textOrNull(view.Step), Message: view.Message}
}
