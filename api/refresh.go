package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

// Refresh is the answer to a request for a full pass.
type Refresh struct {
	Coalesced   bool      `json:"coalesced" doc:"Whether somebody had asked before, and the pass had not begun: it serves both."`
	RequestedAt timestamp `json:"requested_at" doc:"When this was asked for. The pass that serves it begins later: reconcile.last_pass_at of /v1/state says so."`
}

type refreshOutput struct {
	Body Refresh
}

// refresh is the call that asks for a full pass.
func (s *server) refresh(routes huma.API) {
	register(s, routes, operation{
		id: "refresh", method: http.MethodPost, path: "/v1/refresh", tag: "operate", status: http.StatusAccepted,
		summary: "Ask for a full pass now",
		description: "Whichever replica comes first goes through every open run and repairs what does not fit together, as is done every minute anyway. " +
			"It begins after this call, which does not wait for it; requests that come before it begins share it.",
		problems: []string{lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin},
	}, func(ctx context.Context, _ *struct{}) (*refreshOutput, error) {
		asked, err := s.Lifecycle.Refresh(ctx)
		if err != nil {
			return nil, err
		}
		return &refreshOutput{Body: Refresh{Coalesced: asked.Coalesced, RequestedAt: timestamp(asked.RequestedAt)}}, nil
	})
}
