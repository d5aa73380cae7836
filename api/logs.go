package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

// Log is one line that an attempt wrote.
type Log struct {
	ID        string    `json:"id" doc:"Its place, and a cursor: what comes after it is the page with this cursor."`
	At        timestamp `json:"at" doc:"When it was written, by the clock of the worker."`
	Run       string    `json:"run" format:"uuid" doc:"The run."`
	Step      string    `json:"step" doc:"The key of the step." example:"build"`
	Attempt   int       `json:"attempt" doc:"The attempt that wrote it." example:"1"`
	Seq       int64     `json:"seq" doc:"Its place in the log of the attempt, from 1." example:"1"`
	Stream    string    `json:"stream" enum:"stdout,stderr,log" doc:"Where it was written: log is that of a handler."`
	Level     *string   `json:"level" doc:"debug, info, warn or error; null for stdout and stderr."`
	Text      string    `json:"text" doc:"The line, without its newline."`
	Truncated bool      `json:"truncated" doc:"Whether something was cut here: the rest of the line, or of the log."`
}

// LogPage is a page of a log.
type LogPage struct {
	Items []Log   `json:"items" nullable:"false"`
	Next  *string `json:"next" doc:"The cursor of the next page; null: there is nothing more now. What comes later is found with the id of the last item as cursor."`
}

type logListInput struct {
	RunParam
	PageParams
	Step    string `query:"step" maxLength:"136" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*(\\[[0-9]{1,5}\\])?$" patternDescription:"the key of a step" doc:"Only lines of the step with this key."`
	Attempt int    `query:"attempt" minimum:"1" maximum:"2147483647" doc:"Only lines of this attempt."`
}

type logListOutput struct {
	Body LogPage
}

// logs is the call that reads logs.
func (s *server) logs(routes huma.API) {
	register(s, routes, operation{
		id: "log-list", method: http.MethodGet, path: "/v1/runs/{run}/logs", tag: "runs",
		summary: "List what the steps of a run wrote",
		description: "Steps in the order of the plan, and the attempts of each one after another. Within one step, new lines only come at the end: " +
			"who follows a run goes on, step by step, from the last id that it saw.",
		problems: []string{codeInvalidParameter, lifecycle.CodeNotFound},
	}, s.logList)
}

func (s *server) logList(ctx context.Context, in *logListInput) (*logListOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	page, err := s.Lifecycle.LogList(ctx, id, lifecycle.LogFilter{Step: in.Step, Attempt: in.Attempt}, in.request())
	if err != nil {
		return nil, err
	}
	out := &logListOutput{}
	out.Body.Items, out.Body.Next = list(page, logOf)
	return out, nil
}

func logOf(view *lifecycle.LogView) Log {
	return Log{
		ID:        view.ID,
		At:        timestamp(view.At),
		Run:       view.Run.String(),
		Step:      view.Step,
		Attempt:   view.Attempt,
		Seq:       view.Seq,
		Stream:    view.Stream,
		Level:     textOrNull(view.Level),
		Text:      view.Text,
		Truncated: view.Truncated,
	}
}
