package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

// Transition is one change of state.
type Transition struct {
	ID      string          `json:"id" doc:"Its place in the history, and a cursor: what comes after it is the page with this cursor."`
	At      timestamp       `json:"at" doc:"When, by the clock of the database."`
	Run     string          `json:"run" format:"uuid" doc:"The run."`
	Step    *string         `json:"step" doc:"The key of the step; null: a transition of the run itself." example:"build"`
	Attempt *int            `json:"attempt" doc:"The attempt that the step was in after the change; null for runs."`
	From    string          `json:"from" doc:"The state that was left." example:"available"`
	To      string          `json:"to" doc:"The state that was entered." example:"running"`
	Actor   string          `json:"actor" doc:"Who did it: token:NAME, replica:ID, worker:ID, reconcile:ID, local, or db:USER for changes by hand." example:"replica:0198a8a0-0000-7000-8000-000000000000"`
	Cause   string          `json:"cause" doc:"Why." example:"claimed"`
	Detail  json.RawMessage `json:"detail" doc:"More of it; null: nothing."`
}

// TransitionPage is a page of a history.
type TransitionPage struct {
	Items []Transition `json:"items" nullable:"false"`
	Next  *string      `json:"next" doc:"The cursor of the next page; null: there is nothing more now. What comes later is found with the id of the last item as cursor."`
}

type transitionListInput struct {
	RunParam
	PageParams
}

type transitionListOutput struct {
	Body TransitionPage
}

// transitions is the call that reads the history.
func (s *server) transitions(routes huma.API) {
	register(s, routes, operation{
		id: "transition-list", method: http.MethodGet, path: "/v1/runs/{run}/transitions", tag: "runs",
		summary: "List what happened to a run and its steps",
		description: "In the order in which it became visible: who goes on from the last id that it saw misses nothing. " +
			"A change may be held back for as long as an older transaction is open.",
		problems: []string{codeInvalidParameter, lifecycle.CodeNotFound},
	}, s.transitionList)
}

func (s *server) transitionList(ctx context.Context, in *transitionListInput) (*transitionListOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	page, err := s.Lifecycle.TransitionList(ctx, id, in.request())
	if err != nil {
		return nil, err
	}
	out := &transitionListOutput{}
	out.Body.Items, out.Body.Next = list(page, transitionOf)
	return out, nil
}

func transitionOf(view *lifecycle.TransitionView) Transition {
	return Transition{
		ID:      view.ID,
		At:      timestamp(view.At),
		Run:     view.Run.String(),
		Step:    view.Step,
		Attempt: view.Attempt,
		From:    view.From,
		To:      view.To,
		Actor:   view.Actor,
		Cause:   string(view.Cause),
		Detail:  view.Detail,
	}
}
