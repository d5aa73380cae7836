package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/cron"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// scheduleLabel is the label of the runs of a schedule. No plan can have it: labels of plans have no slash.
const scheduleLabel = "weir/schedule"

// scheduleKey is what the keys of runs begin with that wait for each other. Keys of others have no ~.
const scheduleKey = "~schedule/"

// Why a slot made no run.
const (
	SkipOverlap = "overlap" // an earlier run was open
	SkipMissed  = "missed"  // nothing could fire it in time
)

// ScheduleView is a schedule as people see it. Pointers are nil where there is nothing, or nothing yet.
type ScheduleView struct {
	Name string
	plan.Schedule

	PausedAt  *time.Time // nil: it is not paused
	NextSlot  *time.Time // nil: it is paused
	DueAt     *time.Time // NextSlot with its jitter
	CreatedAt time.Time
	CreatedBy string
	UpdatedAt time.Time
	UpdatedBy string

	LastSlot    *time.Time // the newest that made a run
	LastRun     *uuid.UUID
	LastFiredAt *time.Time

	SkippedSlot *time.Time // the newest that made no run by the rules of the schedule
	SkippedAt   *time.Time
	SkipReason  *string    // SkipOverlap or SkipMissed
	SkipRun     *uuid.UUID // with SkipOverlap: the open run

	ErrorSlot *time.Time // the newest that made no run since the plan could not be run, if none after it has
	ErrorAt   *time.Time
	Error     *string
}

// Slot is when a schedule is due.
type Slot struct {
	Slot  time.Time // a whole second
	DueAt time.Time // with jitter
}

// SchedulePutRequest puts a schedule under a name.
type SchedulePutRequest struct {
	Name     string
	Schedule *plan.Schedule
	Actor    string // token:NAME or local
	Limits   plan.Limits
}

// SchedulePut makes or changes a schedule. Its first slot is the first one after now; a schedule whose times stay as they
// are goes on where it is, so that putting it again is safe at any time. made is true for a new one. Errors:
// [CodeInvalidRequest] with faults.
func (e *Engine) SchedulePut(ctx context.Context, request SchedulePutRequest) (put *ScheduleView, made bool, err error) {
	want := request.Schedule
	when, err := want.When()
	if err != nil {
		return nil, false, scheduleInvalid(plan.Fault{Path: "cron", Code: plan.CodeOutOfRange, Message: err.Error()})
	}
	var row queries.WeirSchedule
	for err = errAgain; errors.Is(err, errAgain); {
		err = e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
			if err := schedulable(ctx, q, want, request.Limits); err != nil {
				return err
			}
			row, made, err = schedulePut(ctx, q, request, when)
			return err
		})
	}
	if err != nil {
		return nil, false, mapError(err)
	}
	e.fires.in(0)
	return scheduleView(&row), made, nil
}

// errAgain says that somebody else was quicker, and that the same will find what they did.
var errAgain = errors.New("somebody else was quicker")

// schedulable is an error unless the plan of a schedule can be read with its input.
func schedulable(ctx context.Context, q *queries.Queries, want *plan.Schedule, limits plan.Limits) error {
	_, err := planGiven(ctx, q, plan.Named{Name: want.Plan, Version: want.Version, Input: want.Input}, limits)
	var known *Error
	switch {
	case !errors.As(err, &known):
		return err
	case known.Code == CodeNotFound:
		return scheduleInvalid(plan.Fault{Path: "plan", Code: plan.CodeOutOfRange, Message: known.Message + ": put it first"})
	case known.Code == CodePlanInvalid:
		return scheduleInvalid(known.Faults...)
	}
	return err
}

func scheduleInvalid(faults ...plan.Fault) *Error {
	return &Error{Code: CodeInvalidRequest, Message: "the schedule has faults", Faults: faults}
}

// schedulePut makes or changes a schedule in a transaction.
func schedulePut(ctx context.Context, q *queries.Queries, request SchedulePutRequest, when *cron.Schedule) (row queries.WeirSchedule, made bool, err error) {
	want := request.Schedule
	is, err := q.ScheduleLock(ctx, request.Name)
	if errors.Is(err, pgx.ErrNoRows) {
		now, err := q.ScheduleNow(ctx)
		if err != nil {
			return row, false, err
		}
		slot := when.Next(now)
		row, err = q.ScheduleCreate(ctx, queries.ScheduleCreateParams{
			Name: request.Name, Plan: want.Plan, PlanVersion: versionOrNil(want.Version), Input: object(want.Input), Cron: want.Cron, Timezone: want.Timezone,
			Jitter: asInterval(want.Jitter), Overlap: want.Overlap, Missed: want.Missed, MissedWithin: asInterval(want.Window),
			NextSlot: slot, DueAt: slot.Add(jitterOf(request.Name, slot, want.Jitter)), Paused: want.Paused != nil && *want.Paused, Actor: request.Actor,
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return row, false, errAgain
		}
		return row, err == nil, err
	}
	if err != nil {
		return row, false, err
	}
	was := is.WeirSchedule
	slot, paused := was.NextSlot, was.PausedAt != nil
	if want.Paused != nil {
		paused = *want.Paused
	}
	if was.Cron != want.Cron || was.Timezone != want.Timezone || was.PausedAt != nil {
		slot = when.Next(is.Now)
	}
	row, err = q.ScheduleChange(ctx, queries.ScheduleChangeParams{
		Name: request.Name, Plan: want.Plan, PlanVersion: versionOrNil(want.Version), Input: object(want.Input), Cron: want.Cron, Timezone: want.Timezone,
		Jitter: asInterval(want.Jitter), Overlap: want.Overlap, Missed: want.Missed, MissedWithin: asInterval(want.Window),
		NextSlot: slot, DueAt: slot.Add(jitterOf(request.Name, slot, want.Jitter)), Paused: paused, Actor: request.Actor,
	})
	return row, false, err
}

// SchedulePause has a schedule fire nothing until it is resumed. The slots that pass are not missed. Pausing it again
// changes nothing.
func (e *Engine) SchedulePause(ctx context.Context, name, actor string) (*ScheduleView, error) {
	return e.schedulePaused(ctx, name, actor, true)
}

// ScheduleResume has a paused schedule go on with its first slot after now. One that is not paused stays as it is.
func (e *Engine) ScheduleResume(ctx context.Context, name, actor string) (*ScheduleView, error) {
	return e.schedulePaused(ctx, name, actor, false)
}

func (e *Engine) schedulePaused(ctx context.Context, name, actor string, paused bool) (*ScheduleView, error) {
	var view *ScheduleView
	err := e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
		is, err := q.ScheduleLock(ctx, name)
		if err != nil {
			return err
		}
		if view = scheduleView(&is.WeirSchedule); paused == (view.PausedAt != nil) {
			return nil
		}
		when, err := view.When()
		if err != nil {
			return err
		}
		want := view.Schedule
		want.Paused = &paused
		row, _, err := schedulePut(ctx, q, SchedulePutRequest{Name: name, Schedule: &want, Actor: actor}, when)
		if err != nil {
			return err
		}
		view = scheduleView(&row)
		return nil
	})
	if err != nil {
		return nil, scheduleError(err)
	}
	e.fires.in(0)
	return view, nil
}

// ScheduleDelete takes a schedule away, and gives what it was. Its runs stay.
func (e *Engine) ScheduleDelete(ctx context.Context, name string) (*ScheduleView, error) {
	row, err := e.q.ScheduleDelete(ctx, name)
	if err != nil {
		return nil, scheduleError(err)
	}
	return scheduleView(&row), nil
}

// ScheduleGet reads a schedule.
func (r *Reader) ScheduleGet(ctx context.Context, name string) (*ScheduleView, error) {
	row, err := r.queries().ScheduleGet(ctx, name)
	if err != nil {
		return nil, scheduleError(err)
	}
	return scheduleView(&row), nil
}

// ScheduleList lists schedules by name.
func (r *Reader) ScheduleList(ctx context.Context, request PageRequest) (Page[ScheduleView], error) {
	limit, err := request.limit()
	if err != nil {
		return Page[ScheduleView]{}, err
	}
	after, err := parseNameCursor(request.Cursor, scheduleCursorLetter)
	if err != nil {
		return Page[ScheduleView]{}, err
	}
	rows, err := r.queries().ScheduleList(ctx, queries.ScheduleListParams{After: after, Max: oneMore(limit)})
	if err != nil {
		return Page[ScheduleView]{}, readError(err)
	}
	views := make([]ScheduleView, len(rows))
	for i := range rows {
		views[i] = *scheduleView(&rows[i])
	}
	return page(views, limit, func(s ScheduleView) string { return nameCursor(scheduleCursorLetter, s.Name) }), nil
}

// ScheduleSlots gives the next slots of a schedule, n of them; of a paused one those that it would have if it were resumed
// now.
func (r *Reader) ScheduleSlots(ctx context.Context, name string, n int) ([]Slot, error) {
	view, err := r.ScheduleGet(ctx, name)
	if err != nil {
		return nil, err
	}
	when, err := view.When()
	if err != nil {
		return nil, fmt.Errorf("read the times of schedule %s: %w", name, err)
	}
	var next time.Time
	if view.NextSlot != nil {
		next = *view.NextSlot
	} else {
		now, err := r.queries().ScheduleNow(ctx)
		if err != nil {
			return nil, readError(err)
		}
		next = when.Next(now)
	}
	slots := make([]Slot, 0, n)
	for ; len(slots) < n && !next.IsZero(); next = when.Next(next) {
		slots = append(slots, Slot{Slot: next, DueAt: next.Add(jitterOf(name, next, view.Jitter))})
	}
	return slots, nil
}

func scheduleError(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return &Error{Code: CodeNotFound, Message: "there is no schedule with this name"}
	}
	return readError(err)
}

func scheduleView(row *queries.WeirSchedule) *ScheduleView {
	paused := row.PausedAt != nil
	v := &ScheduleView{
		Name: row.Name,
		Schedule: plan.Schedule{
			Plan: row.Plan, Input: row.Input, Cron: row.Cron, Timezone: row.Timezone, Jitter: interval(row.Jitter),
			Overlap: row.Overlap, Missed: row.Missed, Window: interval(row.MissedWithin), Paused: &paused,
		},
		PausedAt: row.PausedAt, CreatedAt: row.CreatedAt, CreatedBy: row.CreatedBy, UpdatedAt: row.UpdatedAt, UpdatedBy: row.UpdatedBy,
		LastSlot: row.LastSlot, LastRun: row.LastRun, LastFiredAt: row.LastFiredAt,
		SkippedSlot: row.SkippedSlot, SkippedAt: row.SkippedAt, SkipReason: row.SkipReason, SkipRun: row.SkipRun,
		ErrorSlot: row.ErrorSlot, ErrorAt: row.ErrorAt, Error: row.Error,
	}
	if row.PlanVersion != nil {
		v.Version = int(*row.PlanVersion)
	}
	if !paused {
		v.NextSlot, v.DueAt = &row.NextSlot, &row.DueAt
	}
	return v
}

// jitterOf is how much later than its slot a schedule is due: always the same for one slot, at most most.
func jitterOf(name string, slot time.Time, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s %d", name, slot.Unix())
	return time.Duration(hash.Sum64()%uint64(most/time.Millisecond+1)) * time.Millisecond
}

func versionOrNil(version int) *int32 {
	if version == 0 {
		return nil
	}
	v := int32(version)
	return &v
}

// asInterval is a duration as the database has it.
func asInterval(d time.Duration) pgtype.Interval {
	return pgtype.Interval{Microseconds: d.Microseconds(), Valid: true}
}
