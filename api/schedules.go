package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// Schedule runs a named plan again and again.
type Schedule struct {
	Name            string          `json:"name" doc:"Its name, which its runs have as the label weir/schedule." example:"nightly"`
	Plan            string          `json:"plan" doc:"The plan: name, for the latest version at each slot, or name@version." example:"load/daily"`
	Input           json.RawMessage `json:"input" doc:"Members that replace those of the plan's input."`
	Cron            string          `json:"cron" doc:"When it is due." example:"30 2 * * *"`
	Timezone        string          `json:"timezone" doc:"The time zone of cron." example:"Europe/Berlin"`
	Jitter          duration        `json:"jitter" doc:"How much later than its slot a run may be submitted."`
	Overlap         string          `json:"overlap" enum:"skip,queue,allow,replace" doc:"What happens at a slot while an earlier run is open."`
	Missed          string          `json:"missed" enum:"skip,once,all" doc:"What happens to slots at which nothing could fire."`
	Window          duration        `json:"window" doc:"How long ago a missed slot may be to be made up for."`
	Paused          bool            `json:"paused" doc:"Whether it fires nothing."`
	PausedAt        *timestamp      `json:"paused_at" doc:"Since when; null: it is not paused."`
	CreatedAt       timestamp       `json:"created_at" doc:"When it was first put, by the clock of the database."`
	CreatedBy       string          `json:"created_by" doc:"Who put it first." example:"local"`
	UpdatedAt       timestamp       `json:"updated_at" doc:"When it was put, paused or resumed last."`
	UpdatedBy       string          `json:"updated_by" doc:"Who did that." example:"local"`
	NextSlot        *timestamp      `json:"next_slot" doc:"Its next slot; null: it is paused."`
	DueAt           *timestamp      `json:"due_at" doc:"When that is fired: the slot with its jitter."`
	LastSlot        *timestamp      `json:"last_slot" doc:"The newest slot that made a run; null: none has yet."`
	LastRun         *string         `json:"last_run" format:"uuid" doc:"That run."`
	LastFiredAt     *timestamp      `json:"last_fired_at" doc:"When it was submitted."`
	LastSkippedSlot *timestamp      `json:"last_skipped_slot" doc:"The newest slot that made no run by overlap or missed; null: there is none."`
	LastSkippedAt   *timestamp      `json:"last_skipped_at" doc:"When that was decided."`
	LastSkipReason  *string         `json:"last_skip_reason" enum:"overlap,missed" doc:"Why: an earlier run was open, or nothing could fire it in time."`
	LastSkipRun     *string         `json:"last_skip_run" format:"uuid" doc:"With overlap: the open run."`
	LastErrorSlot   *timestamp      `json:"last_error_slot" doc:"The newest slot that made no run since its plan could not be run; null: there is none, or a later one has made a run."`
	LastErrorAt     *timestamp      `json:"last_error_at" doc:"When that was."`
	LastError       *string         `json:"last_error" doc:"What is wrong."`
}

// SchedulePage is a page of schedules, by name.
type SchedulePage struct {
	Items []Schedule `json:"items" nullable:"false"`
	Next  *string    `json:"next" doc:"The cursor of the next page; null: this was the last one."`
}

// Slot is a time at which a schedule is due.
type Slot struct {
	Slot  timestamp `json:"slot" doc:"The time of cron; the Idempotency-Key of its run."`
	DueAt timestamp `json:"due_at" doc:"When it is fired: the slot with its jitter."`
}

// SlotPage is the next slots of a schedule.
type SlotPage struct {
	Items []Slot  `json:"items" nullable:"false"`
	Next  *string `json:"next" doc:"Always null: n says how many there are."`
}

// ScheduleParam names a schedule.
type ScheduleParam struct {
	Schedule string `path:"schedule" maxLength:"128" pattern:"^[a-z0-9][a-z0-9._/-]*$" patternDescription:"the name of a schedule" doc:"The name of the schedule, its slashes as %2F." example:"nightly"`
}

type schedulePutInput struct {
	ScheduleParam
	Sent rawBody
}

type schedulePutOutput struct {
	Status int
	Body   Schedule
}

type scheduleOutput struct {
	Body Schedule
}

type scheduleListOutput struct {
	Body SchedulePage
}

type scheduleTriggerInput struct {
	ScheduleParam
	Key idempotencyKey
}

type scheduleNextInput struct {
	ScheduleParam
	N int `query:"n" minimum:"1" maximum:"100" default:"5" doc:"How many."`
}

type scheduleNextOutput struct {
	Body SlotPage
}

// schedules are the calls about schedules.
func (s *server) schedules(routes huma.API) {
	changes := []string{
		lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin, lifecycle.CodeNotFound,
	}
	reads := []string{codeInvalidParameter, lifecycle.CodeNotFound}
	put := register(s, routes, operation{
		id: "schedule-put", method: http.MethodPut, path: "/v1/schedules/{schedule}", tag: "schedules", status: http.StatusOK,
		summary: "Make or change a schedule",
		description: "The body is the whole schedule; what it leaves out has its default, and a pause stays as it is. A schedule whose times stay the same goes on where it is, " +
			"so the call may be repeated; other times begin with the first slot after now.",
		problems: []string{lifecycle.CodeInvalidRequest, codeInvalidParameter, codeCrossOrigin},
	}, s.schedulePut)
	put.RequestBody = &huma.RequestBody{
		Description: "The schedule.", Required: true,
		Content: map[string]*huma.MediaType{"application/json": {
			Schema:  &huma.Schema{Ref: schemaPrefix + scheduleBody},
			Example: map[string]any{"plan": "load/daily", "cron": "30 2 * * *", "timezone": "Europe/Berlin"},
		}},
	}
	made := *put.Responses["200"]
	made.Description = "The new schedule"
	put.Responses["201"] = &made
	put.Responses["200"].Description = "The schedule"
	register(s, routes, operation{
		id: "schedule-list", method: http.MethodGet, path: "/v1/schedules", tag: "schedules",
		summary: "List schedules", description: "By name.", problems: []string{codeInvalidParameter},
	}, s.scheduleList)
	register(s, routes, operation{
		id: "schedule-get", method: http.MethodGet, path: "/v1/schedules/{schedule}", tag: "schedules",
		summary: "Read a schedule", problems: reads,
	}, s.scheduleGet)
	register(s, routes, operation{
		id: "schedule-delete", method: http.MethodDelete, path: "/v1/schedules/{schedule}", tag: "schedules",
		summary: "Take a schedule away", description: "The answer is what it was. Its runs stay, and those that are open go on.", problems: changes,
	}, s.scheduleDelete)
	register(s, routes, operation{
		id: "schedule-pause", method: http.MethodPost, path: "/v1/schedules/{schedule}/pause", tag: "schedules",
		summary: "Have a schedule fire nothing", description: "The slots that pass are not missed. Pausing it again changes nothing.", problems: changes,
	}, s.schedulePause)
	register(s, routes, operation{
		id: "schedule-resume", method: http.MethodPost, path: "/v1/schedules/{schedule}/resume", tag: "schedules",
		summary: "Go on with a paused schedule", description: "Its next slot is the first one after now. A schedule that is not paused stays as it is.", problems: changes,
	}, s.scheduleResume)
	trigger := register(s, routes, operation{
		id: "schedule-trigger", method: http.MethodPost, path: "/v1/schedules/{schedule}/trigger", tag: "schedules", status: http.StatusCreated,
		summary: "Run a schedule now",
		description: "Besides its slots, and also while it is paused. With overlap queue or replace the run waits for open ones, or replaces them; with skip and allow it starts at once. " +
			"An Idempotency-Key makes the call repeatable, as in run-submit.",
		problems: append([]string{lifecycle.CodeIdempotencyConflict, lifecycle.CodePlanInvalid}, changes...),
	}, s.scheduleTrigger)
	trigger.Parameters = append(trigger.Parameters, idempotencyParam())
	replay := *trigger.Responses["201"]
	replay.Description = "The run that the Idempotency-Key made before"
	trigger.Responses["200"] = &replay
	trigger.Responses["201"].Description = "The run"
	register(s, routes, operation{
		id: "schedule-next", method: http.MethodGet, path: "/v1/schedules/{schedule}/next", tag: "schedules",
		summary: "Tell the next slots of a schedule", description: "Of a paused one: those that it would have if it were resumed now.", problems: reads,
	}, s.scheduleNext)
}

func (s *server) schedulePut(ctx context.Context, in *schedulePutInput) (*schedulePutOutput, error) {
	if in.Sent.err != nil {
		return nil, in.Sent.err
	}
	parsed, err := s.Limits.ParseSchedule(in.Sent.json)
	if err != nil {
		return nil, invalidFaults(err)
	}
	put, made, err := s.Lifecycle.SchedulePut(ctx, lifecycle.SchedulePutRequest{Name: in.Schedule, Schedule: parsed, Actor: actorOf(ctx), Limits: s.Limits})
	if err != nil {
		return nil, err
	}
	out := &schedulePutOutput{Status: http.StatusOK, Body: scheduleOf(put)}
	if made {
		out.Status = http.StatusCreated
	}
	return out, nil
}

func (s *server) scheduleList(ctx context.Context, in *PageParams) (*scheduleListOutput, error) {
	page, err := s.Lifecycle.ScheduleList(ctx, in.request())
	if err != nil {
		return nil, err
	}
	out := &scheduleListOutput{}
	out.Body.Items, out.Body.Next = list(page, scheduleOf)
	return out, nil
}

func (s *server) scheduleGet(ctx context.Context, in *ScheduleParam) (*scheduleOutput, error) {
	return scheduleAnswer(s.Lifecycle.ScheduleGet(ctx, in.Schedule))
}

func (s *server) scheduleDelete(ctx context.Context, in *ScheduleParam) (*scheduleOutput, error) {
	return scheduleAnswer(s.Lifecycle.ScheduleDelete(ctx, in.Schedule))
}

func (s *server) schedulePause(ctx context.Context, in *ScheduleParam) (*scheduleOutput, error) {
	return scheduleAnswer(s.Lifecycle.SchedulePause(ctx, in.Schedule, actorOf(ctx)))
}

func (s *server) scheduleResume(ctx context.Context, in *ScheduleParam) (*scheduleOutput, error) {
	return scheduleAnswer(s.Lifecycle.ScheduleResume(ctx, in.Schedule, actorOf(ctx)))
}

func scheduleAnswer(view *lifecycle.ScheduleView, err error) (*scheduleOutput, error) {
	if err != nil {
		return nil, err
	}
	return &scheduleOutput{Body: scheduleOf(view)}, nil
}

func (s *server) scheduleTrigger(ctx context.Context, in *scheduleTriggerInput) (*submitOutput, error) {
	if in.Key.err != nil {
		return nil, in.Key.err
	}
	submission := lifecycle.Submission{Actor: actorOf(ctx)}
	if in.Key.key != "" {
		asked, err := json.Marshal(map[string]string{"schedule": in.Schedule})
		if err != nil {
			return nil, err
		}
		if err := keyed(ctx, &submission, in.Key.key, asked); err != nil {
			return nil, err
		}
	}
	submitted, err := s.Lifecycle.ScheduleTrigger(ctx, in.Schedule, submission)
	if err != nil {
		return nil, err
	}
	return s.submitAnswer(ctx, submitted)
}

func (s *server) scheduleNext(ctx context.Context, in *scheduleNextInput) (*scheduleNextOutput, error) {
	slots, err := s.Lifecycle.ScheduleSlots(ctx, in.Schedule, in.N)
	if err != nil {
		return nil, err
	}
	out := &scheduleNextOutput{Body: SlotPage{Items: make([]Slot, len(slots))}}
	for i, slot := range slots {
		out.Body.Items[i] = Slot{Slot: timestamp(slot.Slot), DueAt: timestamp(slot.DueAt)}
	}
	return out, nil
}

func scheduleOf(view *lifecycle.ScheduleView) Schedule {
	return Schedule{
		Name: view.Name, Plan: plan.FormatRef(view.Plan, view.Version), Input: view.Input, Cron: view.Cron, Timezone: view.Timezone,
		Jitter: duration(view.Jitter), Overlap: view.Overlap, Missed: view.Missed, Window: duration(view.Window),
		Paused: view.PausedAt != nil, PausedAt: timestampOf(view.PausedAt),
		CreatedAt: timestamp(view.CreatedAt), CreatedBy: view.CreatedBy, UpdatedAt: timestamp(view.UpdatedAt), UpdatedBy: view.UpdatedBy,
		NextSlot: timestampOf(view.NextSlot), DueAt: timestampOf(view.DueAt),
		LastSlot: timestampOf(view.LastSlot), LastRun: idOrNull(view.LastRun), LastFiredAt: timestampOf(view.LastFiredAt),
		LastSkippedSlot: timestampOf(view.SkippedSlot), LastSkippedAt: timestampOf(view.SkippedAt), LastSkipReason: view.SkipReason,
		LastSkipRun:   idOrNull(view.SkipRun),
		LastErrorSlot: timestampOf(view.ErrorSlot), LastErrorAt: timestampOf(view.ErrorAt), LastError: view.Error,
	}
}

// The schemas of bodies that are neither plans nor answers.
const (
	scheduleBody = "ScheduleBody"
	namedBody    = "NamedRun"
)

// bodySchemas are those schemas.
func bodySchemas() map[string]any {
	schemas := map[string]any{}
	for name, schema := range map[string]any{scheduleBody: plan.ScheduleSchema(), namedBody: plan.NamedSchema()} {
		text, err := json.Marshal(schema)
		must(err)
		var tree map[string]any
		must(json.Unmarshal(text, &tree))
		schemas[name] = tree
	}
	schemas[batchBody] = batchSchema()
	return schemas
}

// invalidFaults are the faults of a body that is no plan.
func invalidFaults(err error) error {
	if faults, ok := errors.AsType[plan.Faults](err); ok {
		return &lifecycle.Error{Code: lifecycle.CodeInvalidRequest, Message: "the body is not valid", Faults: faults}
	}
	return err
}
