package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
)

// LateReport is a report of an attempt that had ended before.
type LateReport struct {
	ID       string          `json:"id" doc:"Its place, and a cursor: what came before it is the page with this cursor."`
	At       timestamp       `json:"at" doc:"When it came, by the clock of the database."`
	Run      string          `json:"run" format:"uuid" doc:"The run."`
	Step     *string         `json:"step" doc:"The key of the step; null: the run is gone." example:"build"`
	Attempt  int             `json:"attempt" doc:"The attempt that it is about." example:"1"`
	Worker   *string         `json:"worker" format:"uuid" doc:"Who sent it; null: nobody said."`
	Report   string          `json:"report" format:"uuid" doc:"The sender's id of the report."`
	Outcome  string          `json:"outcome" doc:"What it claims." example:"succeeded"`
	Result   string          `json:"result" enum:"too_late,superseded,cancelled" doc:"What was answered."`
	StateWas *string         `json:"state_was" doc:"What the step was when it came; null: not known." example:"lost"`
	Payload  json.RawMessage `json:"payload" doc:"What came with it, cut when it was too large; null: nothing."`
}

// LateReportPage is a page of late reports, newest first.
type LateReportPage struct {
	Items []LateReport `json:"items" nullable:"false"`
	Next  *string      `json:"next" doc:"The cursor of the next page; null: this was the last one."`
}

type lateListInput struct {
	PageParams
	Run string `query:"run" format:"uuid" doc:"Only reports for steps of the run with this id."`
}

type lateListOutput struct {
	Body LateReportPage
}

// lateReports is the call that reads late reports.
func (s *server) lateReports(routes huma.API) {
	register(s, routes, operation{
		id: "late-list", method: http.MethodGet, path: "/v1/late-reports", tag: "operate",
		summary: "List reports that came too late",
		description: "Newest first: what workers reported of attempts that had ended before, because their lease had run out for example. They changed nothing, and are kept as evidence, " +
			"at most 10 of each step.",
		problems: []string{codeInvalidParameter},
	}, s.lateList)
}

func (s *server) lateList(ctx context.Context, in *lateListInput) (*lateListOutput, error) {
	var run *uuid.UUID
	if in.Run != "" {
		id, err := uuid.Parse(in.Run)
		if err != nil {
			return nil, badParameter("query.run", "expected an id: 32 hexadecimal digits in groups of 8-4-4-4-12")
		}
		run = &id
	}
	page, err := s.Lifecycle.LateReportList(ctx, run, in.request())
	if err != nil {
		return nil, err
	}
	out := &lateListOutput{}
	out.Body.Items, out.Body.Next = list(page, lateReportOf)
	return out, nil
}

func lateReportOf(view *lifecycle.LateReportView) LateReport {
	report := LateReport{
		ID:      view.ID,
		At:      timestamp(view.At),
		Run:     view.Run.String(),
		Step:    textOrNull(view.Step),
		Attempt: view.Attempt,
		Worker:  idOrNull(view.Worker),
		Report:  view.Report.String(),
		Outcome: view.Outcome,
		Result:  view.Result,
		Payload: view.Payload,
	}
	if view.StateWas != nil {
		report.StateWas = textOrNull(string(*view.StateWas))
	}
	return report
}
