package api

import (
	"context"
	"errors"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// Bulk is something that is done to many runs, in the background.
type Bulk struct {
	ID         string     `json:"id" format:"uuid" doc:"UUIDv7." example:"0198a8a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b"`
	Action     string     `json:"action" enum:"cancel,pause,resume,rerun" doc:"What is done to each run."`
	Filter     BulkFilter `json:"filter" doc:"To which runs, of those that were there at created_at."`
	State      string     `json:"state" enum:"running,done,cancelled,failed" doc:"running, then done, cancelled (somebody asked: what had been done stays done) or failed (every run refused)."`
	Total      int        `json:"total" doc:"How many runs matched at created_at." example:"1200"`
	Done       int        `json:"done" doc:"To how many of them it was done. Those that needed it no more when their turn came are not counted." example:"300"`
	Failed     int        `json:"failed" doc:"How many refused it."`
	CreatedAt  timestamp  `json:"created_at" doc:"When it was asked for."`
	CreatedBy  string     `json:"created_by" doc:"Who asked for it." example:"local"`
	FinishedAt *timestamp `json:"finished_at" doc:"When it ended; null: it goes on."`
	Reason     *string    `json:"reason" doc:"Why, as whoever asked has put it."`
	Error      *string    `json:"error" doc:"Why the last run that refused did; null: none did."`
}

// BulkFilter is to which runs something is done.
type BulkFilter struct {
	State         *string           `json:"state" enum:"running,paused,succeeded,failed,cancelled" doc:"Those in this state; null: in each that the action is for."`
	Name          *string           `json:"name" doc:"Those of the plan with this name; null: of each."`
	Labels        map[string]string `json:"labels" nullable:"false" doc:"Those with all of these labels."`
	CreatedAfter  *timestamp        `json:"created_after" doc:"Those that were created at this time or later; null: whenever."`
	CreatedBefore *timestamp        `json:"created_before" doc:"Those that were created before this time; null: whenever."`
}

// BulkCount is the answer to what would be done.
type BulkCount struct {
	Count int `json:"count" doc:"How many runs match now." example:"1200"`
}

// BulkPage is a page of operations on many runs, newest first.
type BulkPage struct {
	Items []Bulk  `json:"items" nullable:"false"`
	Next  *string `json:"next" doc:"The cursor of the next page; null: this was the last one."`
}

// BulkRequest asks for something to be done to many runs.
type BulkRequest struct {
	Filter BulkRequestFilter `json:"filter,omitzero" doc:"Which runs; the members narrow together. Without any of them, all has to be true."`
	All    bool              `json:"all,omitempty" doc:"With an empty filter: yes, to every run."`
	DryRun bool              `json:"dry_run,omitempty" doc:"Only count what matches now."`
	Reason string            `json:"reason,omitempty" maxLength:"1024" doc:"Why, for people."`
}

// BulkRequestFilter is which runs are meant.
type BulkRequestFilter struct {
	State         string            `json:"state,omitempty" doc:"Those in this state. Left out: in each that the action is for."`
	Name          string            `json:"name,omitempty" maxLength:"128" doc:"Those of the plan with this name."`
	Labels        map[string]string `json:"labels,omitempty" doc:"Those with all of these labels."`
	CreatedAfter  string            `json:"created_after,omitempty" format:"date-time" doc:"Those that were created at this time or later."`
	CreatedBefore string            `json:"created_before,omitempty" format:"date-time" doc:"Those that were created before this time."`
}

// BulkParam names an operation on many runs.
type BulkParam struct {
	Bulk string `path:"bulk" format:"uuid" doc:"The id of the operation." example:"0198a8a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b"`
}

func (p BulkParam) id() (uuid.UUID, error) {
	id, err := uuid.Parse(p.Bulk)
	if err != nil {
		return uuid.Nil, badParameter("path.bulk", "expected an id: 32 hexadecimal digits in groups of 8-4-4-4-12")
	}
	return id, nil
}

type bulkInput struct {
	Key  idempotencyKey
	Said rawBody
}

type bulkStartOutput struct {
	Status int
	Replay string `header:"Weir-Idempotent-Replay" doc:"true if the operation existed before this request."`
	Body   any
}

type bulkOutput struct {
	Body Bulk
}

type bulkListOutput struct {
	Body BulkPage
}

// bulks are the calls about many runs at once.
func (s *server) bulks(routes huma.API) {
	for action, what := range map[lifecycle.BulkAction]string{
		lifecycle.BulkCancel: "Ask for many runs to be cancelled",
		lifecycle.BulkPause:  "Pause many runs",
		lifecycle.BulkResume: "Resume many runs",
		lifecycle.BulkRerun:  "Do many runs again",
	} {
		s.bulk(routes, action, what)
	}
	register(s, routes, operation{
		id: "bulk-list", method: http.MethodGet, path: "/v1/bulks", tag: "runs",
		summary: "List what is and was done to many runs", description: "Newest first.",
		problems: []string{codeInvalidParameter},
	}, s.bulkList)
	register(s, routes, operation{
		id: "bulk-get", method: http.MethodGet, path: "/v1/bulks/{bulk}", tag: "runs",
		summary:  "Read how far something is that is done to many runs",
		problems: []string{codeInvalidParameter, lifecycle.CodeNotFound},
	}, s.bulkGet)
	register(s, routes, operation{
		id: "bulk-cancel", method: http.MethodPost, path: "/v1/bulks/{bulk}/cancel", tag: "runs",
		summary: "Do it to no more runs",
		description: "Runs that it has been done to stay as they are now. Asking again changes nothing and gets the same answer; " +
			"an operation that has ended is an illegal_transition.",
		problems: []string{
			lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin, lifecycle.CodeNotFound, lifecycle.CodeIllegalTransition,
		},
	}, s.bulkCancel)
}

// bulk is the call for one action.
func (s *server) bulk(routes huma.API, action lifecycle.BulkAction, summary string) {
	call := register(s, routes, operation{
		id: "runs-" + string(action), method: http.MethodPost, path: "/v1/runs:" + string(action), tag: "runs", status: http.StatusAccepted,
		summary: summary,
		description: "To every run that matches and exists when this is asked for, each once, in the background and in batches, whatever becomes of this server: " +
			"the answer is the operation, and `GET /v1/bulks/{bulk}` says how far it is. With dry_run nothing is done, and the answer is how many runs match now.",
		problems: []string{
			lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin, lifecycle.CodeIdempotencyConflict,
			lifecycle.CodeTooLarge, codeUnsupportedMediaType,
		},
	}, func(ctx context.Context, in *bulkInput) (*bulkStartOutput, error) {
		return s.bulkStart(ctx, action, in)
	})
	call.Parameters = append(call.Parameters, idempotencyKeyParam("Makes the call repeatable: the same key with the same request answers with the operation that it made before."))
	call.RequestBody = &huma.RequestBody{
		Description: "Which runs.", Required: true,
		Content: map[string]*huma.MediaType{"application/json": {
			Schema: schemaOf[BulkRequest](routes), Example: BulkRequest{Filter: BulkRequestFilter{Name: "nightly/etl", Labels: map[string]string{"team": "data"}}, DryRun: true},
		}},
	}
	call.Responses["202"].Description = "The operation"
	call.Responses["202"].Content["application/json"].Schema = schemaOf[Bulk](routes)
	call.Responses["200"] = &huma.Response{
		Description: "With dry_run: how many runs match",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: schemaOf[BulkCount](routes)}},
	}
}

// idempotencyKeyParam describes the header.
func idempotencyKeyParam(description string) *huma.Param {
	return &huma.Param{
		Name: idempotencyKeyHeader, In: "header", Example: "nightly-2026-05-04", Description: description,
		Schema: &huma.Schema{Type: huma.TypeString, Pattern: `^[\x21-\x7e]{1,255}$`},
	}
}

func (s *server) bulkStart(ctx context.Context, action lifecycle.BulkAction, in *bulkInput) (*bulkStartOutput, error) {
	var said BulkRequest
	if err := errors.Join(in.Key.err, decodeBody(in.Said, &said)); err != nil {
		return nil, err
	}
	request, err := said.request(actorOf(ctx), action)
	if err != nil {
		return nil, err
	}
	if said.DryRun {
		count, err := s.Lifecycle.BulkCount(ctx, request)
		if err != nil {
			return nil, err
		}
		return &bulkStartOutput{Status: http.StatusOK, Body: BulkCount{Count: count}}, nil
	}
	request.IdempotencyKey = in.Key.key
	view, replayed, err := s.Lifecycle.BulkStart(ctx, request)
	if err != nil {
		return nil, err
	}
	out := &bulkStartOutput{Status: http.StatusAccepted, Body: bulkOf(view)}
	if replayed {
		out.Replay = "true"
	}
	return out, nil
}

// request is what is asked for, checked.
func (b BulkRequest) request(actor string, action lifecycle.BulkAction) (lifecycle.BulkRequest, error) {
	none := lifecycle.BulkRequest{}
	f := b.Filter
	filter := lifecycle.RunFilter{State: lifecycle.RunState(f.State), Name: f.Name, Labels: f.Labels}
	if f.State != "" && !isRunState(f.State) {
		return none, invalidBody("filter.state", plan.CodeOutOfRange, "expected running, paused, succeeded, failed or cancelled")
	}
	if len(f.Name) > 128 || !cleanText(f.Name) {
		return none, invalidBody("filter.name", plan.CodeOutOfRange, "expected the name of a plan")
	}
	for key, value := range f.Labels {
		if key == "" || !cleanText(key) || !cleanText(value) {
			return none, invalidBody("filter.labels", plan.CodeOutOfRange, "expected keys and values of labels")
		}
	}
	for _, moment := range []struct {
		name, text string
		into       *time.Time
	}{{"created_after", f.CreatedAfter, &filter.CreatedAfter}, {"created_before", f.CreatedBefore, &filter.CreatedBefore}} {
		if moment.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, moment.text)
		if err != nil {
			return none, invalidBody("filter."+moment.name, plan.CodeWrongType, "expected a time as in RFC 3339, for example 2026-05-04T12:00:00Z")
		}
		*moment.into = at
	}
	narrows := f.State != "" || f.Name != "" || len(f.Labels) > 0 || f.CreatedAfter != "" || f.CreatedBefore != ""
	if !narrows && !b.All {
		return none, invalidBody("filter", plan.CodeOutOfRange, "it is empty, which means every run: say all: true if that is meant")
	}
	if utf8.RuneCountInString(b.Reason) > 1024 || !cleanText(b.Reason) {
		return none, invalidBody("reason", plan.CodeOutOfRange, "expected at most 1024 characters, none of them the null character")
	}
	return lifecycle.BulkRequest{Action: action, Filter: filter, Actor: actor, Reason: b.Reason}, nil
}

func isRunState(text string) bool {
	for _, state := range lifecycle.RunStates() {
		if string(state) == text {
			return true
		}
	}
	return false
}

func (s *server) bulkList(ctx context.Context, in *PageParams) (*bulkListOutput, error) {
	page, err := s.Lifecycle.BulkList(ctx, in.request())
	if err != nil {
		return nil, err
	}
	out := &bulkListOutput{}
	out.Body.Items, out.Body.Next = list(page, bulkOf)
	return out, nil
}

func (s *server) bulkGet(ctx context.Context, in *BulkParam) (*bulkOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	return bulkAnswer(s.Lifecycle.BulkGet(ctx, id))
}

func (s *server) bulkCancel(ctx context.Context, in *BulkParam) (*bulkOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	return bulkAnswer(s.Lifecycle.BulkCancel(ctx, id))
}

func bulkAnswer(view *lifecycle.BulkView, err error) (*bulkOutput, error) {
	if err != nil {
		return nil, err
	}
	return &bulkOutput{Body: bulkOf(view)}, nil
}

func bulkOf(view *lifecycle.BulkView) Bulk {
	bulk := Bulk{
		ID: view.ID.String(), Action: string(view.Action), State: string(view.State), Total: view.Total, Done: view.Done, Failed: view.Failed,
		CreatedAt: timestamp(view.CreatedAt), CreatedBy: view.CreatedBy, FinishedAt: timestampOf(view.FinishedAt), Reason: view.Reason, Error: view.Error,
		Filter: BulkFilter{State: textOrNull(view.Filter.State), Name: textOrNull(view.Filter.Name), Labels: view.Filter.Labels},
	}
	if !view.Filter.CreatedAfter.IsZero() {
		bulk.Filter.CreatedAfter = timestampOf(&view.Filter.CreatedAfter)
	}
	if !view.Filter.CreatedBefore.IsZero() {
		bulk.Filter.CreatedBefore = timestampOf(&view.Filter.CreatedBefore)
	}
	return bulk
}
