package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

type runOutput struct {
	Body Run
}

type runListInput struct {
	PageParams
	State         string    `query:"state" enum:"running,paused,succeeded,failed,cancelled" doc:"Only runs in this state."`
	Name          string    `query:"name" maxLength:"128" pattern:"^[a-z0-9][a-z0-9._/-]*$" patternDescription:"the name of a plan" doc:"Only runs of the plan with this name."`
	Label         []string  `query:"label,explode" nullable:"false" maxItems:"32" doc:"Only runs with this label, KEY:VALUE. Repeated: with all of them."`
	CreatedAfter  time.Time `query:"created_after" doc:"Only runs that were created at this time or later."`
	CreatedBefore time.Time `query:"created_before" doc:"Only runs that were created before this time."`
}

type runListOutput struct {
	Body RunPage
}

// runs are the calls that read runs, and the one that submits them.
func (s *server) runs(routes huma.API) {
	s.submit(routes)
	s.batch(routes)
	register(s, routes, operation{
		id: "run-list", method: http.MethodGet, path: "/v1/runs", tag: "runs",
		summary:     "List runs",
		description: "Newest first. Runs that are submitted while somebody pages through the list belong before its first page, so pages neither overlap nor have gaps.",
		problems:    []string{codeInvalidParameter},
	}, s.runList)
	register(s, routes, operation{
		id: "run-get", method: http.MethodGet, path: "/v1/runs/{run}", tag: "runs",
		summary:  "Read a run",
		problems: []string{codeInvalidParameter, lifecycle.CodeNotFound},
	}, s.runGet)
}

func (s *server) runList(ctx context.Context, in *runListInput) (*runListOutput, error) {
	labels, possible, err := parseLabels(in.Label)
	if err != nil {
		return nil, err
	}
	out := &runListOutput{Body: RunPage{Items: []Run{}}}
	if !possible {
		return out, nil
	}
	page, err := s.Lifecycle.RunList(ctx, lifecycle.RunFilter{
		State: lifecycle.RunState(in.State), Name: in.Name, Labels: labels,
		CreatedAfter: in.CreatedAfter, CreatedBefore: in.CreatedBefore,
	}, in.request())
	if err != nil {
		return nil, err
	}
	out.Body.Items, out.Body.Next = list(page, runOf)
	return out, nil
}

func (s *server) runGet(ctx context.Context, in *RunParam) (*runOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	view, err := s.Lifecycle.RunGet(ctx, id)
	if err != nil {
		return nil, err
	}
	return &runOutput{Body: runOf(view)}, nil
}

// parseLabels reads KEY:VALUE. It is not possible that a label has two values at once.
func parseLabels(given []string) (labels map[string]string, possible bool, err error) {
	labels = make(map[string]string, len(given))
	for _, label := range given {
		key, value, ok := strings.Cut(label, ":")
		if !ok || key == "" || !cleanText(label) {
			return nil, false, badParameter("query.label", "expected KEY:VALUE")
		}
		if other, twice := labels[key]; twice && other != value {
			return nil, false, nil
		}
		labels[key] = value
	}
	return labels, true, nil
}
