package lifecycle

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/cron"
	"github.com/weirqueue/weir/lifecycle/plan"
)

const (
	// slotLate is how long after it was due a slot counts as missed. Those of a schedule that is held up for less are all
	// fired: another replica takes over from one that dies well before.
	slotLate = 30 * time.Second
	// slotsAtOnce is how many slots of a schedule are fired in one transaction.
	slotsAtOnce = 100
	// firesAgain is how soon it is tried again what could not be done.
	firesAgain = time.Second
)

// schedules fires the slots of schedules: when one is due, and every second.
func (e *Engine) schedules(ctx context.Context) error {
	poll := e.newPoll()
	defer poll.stop()
	defer e.fires.stop()
	e.fires.in(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.fires.c:
		case <-poll.c:
			poll.next()
		}
		e.tick(ctx, "fire schedules", e.schedulesOnce)
	}
}

// schedulesOnce fires everything that is due and that no other replica fires just now.
func (e *Engine) schedulesOnce(ctx context.Context) error {
	ms, err := e.q.ScheduleNext(ctx)
	if err != nil {
		e.fires.in(firesAgain)
		return err
	}
	var tried []string
	for ms == 0 {
		name, err := e.scheduleFire(ctx, tried)
		switch {
		case name != "" && err != nil && ctx.Err() == nil: // it keeps nobody else from being fired
			e.logger.Warn("a schedule could not be fired", "schedule", name, "error", err)
			tried = append(tried, name)
		case err != nil:
			e.fires.in(firesAgain)
			return err
		}
		if name == "" {
			break
		}
	}
	if ms == 0 {
		ms, err = e.q.ScheduleNext(ctx)
	}
	switch {
	case err != nil || len(tried) > 0:
		e.fires.in(firesAgain)
	case ms >= 0:
		e.fires.in(max(milliseconds(ms), dueAgain)) // what is due and was left is held by somebody else
	}
	return err
}

// scheduleFire fires one schedule that is due, in one transaction: its runs exist exactly if it has moved on. It answers
// which; "": there is none but those that were tried.
func (e *Engine) scheduleFire(ctx context.Context, tried []string) (name string, err error) {
	var slot time.Time
	err = e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
		row, err := q.ScheduleDue(ctx, orNoNames(tried))
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		name, slot = row.WeirSchedule.Name, row.WeirSchedule.NextSlot
		f := e.newFiring(q, &row.WeirSchedule, row.Now)
		if err := f.do(ctx, nil); err != nil {
			return err
		}
		e.pauses.at(pauseFired)
		return nil
	})
	if err == nil || name == "" || IsRetryable(err) || ctx.Err() != nil {
		if err == nil && name != "" {
			e.nudge()
		}
		return name, err
	}
	// What the database does not take it never will: the schedule says so, and goes on.
	cause := err
	err = e.inTx(ctx, func(_ pgx.Tx, q *queries.Queries) error {
		row, err := q.ScheduleLock(ctx, name)
		if err != nil || !row.WeirSchedule.NextSlot.Equal(slot) || row.WeirSchedule.PausedAt != nil {
			return err
		}
		return e.newFiring(q, &row.WeirSchedule, row.Now).do(ctx, cause)
	})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return name, errors.Join(cause, err)
	}
	e.logger.Warn("a schedule could not submit its run", "schedule", name, "slot", slot, "error", cause)
	return name, nil
}

// orNoNames is a list for the database, which takes nil for unknown.
func orNoNames(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

// firing is what is done with the due slots of one schedule, in a transaction that holds it.
type firing struct {
	engine *Engine
	q      *queries.Queries
	*ScheduleView
	next time.Time // the first slot that is not done with
	now  time.Time // the database's
	move queries.ScheduleMoveParams
}

func (e *Engine) newFiring(q *queries.Queries, row *queries.WeirSchedule, now time.Time) *firing {
	return &firing{
		engine: e, q: q, ScheduleView: scheduleView(row), next: row.NextSlot.UTC(), now: now, move: queries.ScheduleMoveParams{Name: row.Name},
	}
}

// do fires the slots that are due and moves the schedule on. With a cause no run is submitted: that is why.
func (f *firing) do(ctx context.Context, cause error) error {
	when, err := f.When()
	if err != nil { // it was good when it was put: somebody has changed it since
		f.failed(f.next, err)
		f.next = f.now.Truncate(time.Minute).Add(time.Minute)
		return f.end(ctx)
	}
	slots := f.slots(when)
	if len(slots) > 0 {
		if err := f.submit(ctx, slots, cause); err != nil {
			return err
		}
	}
	return f.end(ctx)
}

// slots takes the slots that are due from the schedule: those in time, and of those that were missed what it wants.
func (f *firing) slots(when *cron.Schedule) (slots []time.Time) {
	// A slot up to late was certainly missed, whatever its jitter.
	late := f.now.Add(-slotLate - f.Jitter).Truncate(time.Second)
	window := f.now.Add(-f.Window)
	before := f.next.Add(-time.Second)
	if !f.next.After(late) {
		switch f.Missed {
		case "skip":
			f.skipped(when.Last(before, late), SkipMissed, nil)
			f.next = when.Next(late)
		case "once":
			newest := when.Last(before, late)
			if newest.Before(window) {
				f.skipped(newest, SkipMissed, nil)
			} else {
				f.skipped(when.Last(before, newest.Add(-time.Second)), SkipMissed, nil)
				slots = append(slots, newest)
			}
			f.next = when.Next(late)
		default: // all
			if f.next.Before(window) {
				until := window.Add(-time.Nanosecond).Truncate(time.Second)
				f.skipped(when.Last(before, until), SkipMissed, nil)
				f.next = when.Next(until)
			}
		}
	}
	for len(slots) < slotsAtOnce && !f.next.IsZero() && !f.due(f.next).After(f.now) {
		slots = append(slots, f.next)
		f.next = when.Next(f.next)
	}
	return slots
}

// due is when a slot is to be fired.
func (f *firing) due(slot time.Time) time.Time { return slot.Add(jitterOf(f.Name, slot, f.Jitter)) }

// submit submits a run for each of the slots that is to have one.
func (f *firing) submit(ctx context.Context, slots []time.Time, cause error) error {
	var found *Runnable
	if cause == nil {
		var err error
		if found, err = f.engine.scheduled(ctx, f.q, f.ScheduleView); err != nil {
			var known *Error
			if !errors.As(err, &known) || known.Retryable || known.Code == CodeInternal {
				return err
			}
			cause = known
		}
	}
	if cause != nil {
		f.failed(slots[len(slots)-1], cause)
		return nil
	}
	if f.Overlap == "skip" {
		return f.submitUnlessOpen(ctx, found, slots)
	}
	return f.store(ctx, found, slots)
}

// submitUnlessOpen submits a run for the first of the slots, unless an earlier one is open.
func (f *firing) submitUnlessOpen(ctx context.Context, found *Runnable, slots []time.Time) error {
	open, err := f.open(ctx)
	if err != nil {
		return err
	}
	if open == nil {
		if err := f.store(ctx, found, slots[:1]); err != nil {
			return err
		}
		open, slots = f.move.LastRun, slots[1:]
	}
	if len(slots) > 0 {
		f.skipped(slots[len(slots)-1], SkipOverlap, open)
	}
	return nil
}

// open is the newest run of the schedule that has not ended; nil: there is none.
func (f *firing) open(ctx context.Context) (*uuid.UUID, error) {
	id, err := f.q.ScheduleOpenRun(ctx, f.Name)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // there is none
	}
	return &id, err
}

// store submits a run for each slot, and notes the newest.
func (f *firing) store(ctx context.Context, found *Runnable, slots []time.Time) error {
	submissions := make([]Submission, len(slots))
	for i, slot := range slots {
		s := &submissions[i]
		*s = f.submission(found, slot)
		err := s.prepare()
		if known, ok := errors.AsType[*Error](err); ok && known.Code == CodePlanInvalid {
			f.failed(slots[len(slots)-1], known)
			return nil
		}
		if err != nil {
			return err
		}
	}
	answers, err := f.submitAll(ctx, submissions)
	if err != nil {
		return err
	}
	for i := range answers {
		if answers[i].err != nil {
			return answers[i].err
		}
		f.move.LastSlot, f.move.LastRun = &slots[i], &answers[i].value.ID
	}
	return nil
}

func (f *firing) submitAll(ctx context.Context, submissions []Submission) ([]answer[Submitted], error) {
	if submissions[0].Key == "" {
		return submit(ctx, f.q, submissions)
	}
	answers := make([]answer[Submitted], len(submissions))
	for i := range submissions {
		var err error
		if answers[i].value, err = f.engine.submitOfKey(ctx, f.q, submissions[i]); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// submission is the run of a slot, which can be submitted once.
func (f *firing) submission(found *Runnable, slot time.Time) Submission {
	scope, key := "schedule:"+f.Name, slot.UTC().Format(time.RFC3339)
	digest := sha256.Sum256([]byte(scope + " " + key))
	s := Submission{
		Plan: found.Plan, PlanVersion: found.Version, Actor: f.engine.actor, Scope: scope, IdempotencyKey: key, Digest: digest[:],
	}
	f.key(&s)
	return s
}

// key has a run wait for earlier ones of its schedule, or replace them, where the schedule wants that.
func (s *ScheduleView) key(run *Submission) {
	switch s.Overlap {
	case "queue":
		run.Key, run.OnConflict = scheduleKey+s.Name, ConflictQueue
	case "replace":
		run.Key, run.OnConflict = scheduleKey+s.Name, ConflictReplace
	}
}

// skipped notes the newest slot that makes no run.
func (f *firing) skipped(slot time.Time, reason string, run *uuid.UUID) {
	if !slot.IsZero() {
		f.move.SkippedSlot, f.move.SkipReason, f.move.SkipRun = &slot, reason, run
	}
}

// failed notes the newest slot that could make no run.
func (f *firing) failed(slot time.Time, err error) {
	f.move.ErrorSlot, f.move.Error = &slot, errorText(err)
}

// end writes how far the schedule is.
func (f *firing) end(ctx context.Context) error {
	if f.next.IsZero() { // no date is left: it is looked at again in a year
		f.next = f.now.AddDate(1, 0, 0).Truncate(time.Second)
	}
	f.move.NextSlot, f.move.DueAt = f.next, f.due(f.next)
	return f.q.ScheduleMove(ctx, f.move)
}

// maxErrorText is how much of an error is kept, in bytes.
const maxErrorText = 4 << 10

// errorText is an error for people, with its faults.
func errorText(err error) string {
	text := err.Error()
	if known, ok := errors.AsType[*Error](err); ok {
		text = known.Message
		if len(known.Faults) > 0 {
			text += ": " + plan.Faults(known.Faults).Error()
		}
	}
	if len(text) > maxErrorText {
		text = text[:maxErrorText]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
}

// scheduled is what a schedule runs now, with its label.
func (e *Engine) scheduled(ctx context.Context, q *queries.Queries, s *ScheduleView) (*Runnable, error) {
	found, err := planGiven(ctx, q, plan.Named{Name: s.Plan, Version: s.Version, Input: s.Input}, plan.Limits{})
	if err != nil {
		return nil, err
	}
	if err := e.checkKinds(ctx, found.Plan); err != nil {
		return nil, err
	}
	labels := maps.Clone(found.Plan.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[scheduleLabel] = s.Name
	found.Plan.Labels = labels
	return found, nil
}

// ScheduleTrigger submits a run of a schedule now, whether it is paused, and whatever runs of it are open. Scope and keys
// are those of [Submission].
func (e *Engine) ScheduleTrigger(ctx context.Context, name string, request Submission) (Submitted, error) {
	view, err := e.ScheduleGet(ctx, name)
	if err != nil {
		return Submitted{}, err
	}
	found, err := e.scheduled(ctx, e.q, view)
	if err != nil {
		return Submitted{}, mapError(fmt.Errorf("find the plan of the schedule: %w", err))
	}
	request.Plan, request.PlanVersion = found.Plan, found.Version
	view.key(&request)
	return e.Submit(ctx, request)
}
