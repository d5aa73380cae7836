package lifecycle

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// reasonHoldersListed is how many of those that hold slots a reason names.
const reasonHoldersListed = 20

// heldBack is what its run, or it itself, stands in line for. While the gate has not looked yet it is nothing.
func (w *why) heldBack() error {
	line := w.row.Line
	if line == "" || line == lineStart {
		if w.row.StartsLater {
			w.add(ReasonStartAt, "its run starts later", map[string]any{"start_at": timeOf(w.row.StartAt)})
		}
		return nil
	}
	before, err := w.reader.queries().LinePlace(w.ctx, queries.LinePlaceParams{Line: line, Priority: w.row.LinePriority, Seq: w.row.LineSeq})
	if err != nil {
		return err
	}
	place := int(before) + 1
	if key, ok := strings.CutPrefix(line, lineRate); ok {
		return w.rate(key, place)
	}
	if key, ok := strings.CutPrefix(line, lineKey); ok {
		return w.liveRun(key, place)
	}
	if strings.HasPrefix(line, lineRun) || strings.HasPrefix(line, lineEach) {
		return w.maxParallel(line, place)
	}
	return w.concurrency(line, place)
}

// who stands in line: the run, or this step of it.
func (w *why) who() string {
	if w.row.LineStep == 0 {
		return "its run"
	}
	return "it"
}

// concurrency names those that hold the slots of a key.
func (w *why) concurrency(key string, place int) error {
	limit, err := w.reader.limitRow(w.ctx, key)
	if err != nil {
		return err
	}
	holders, err := w.reader.limitHolders(w.ctx, key, oneMore(reasonHoldersListed))
	if err != nil {
		return err
	}
	more := len(holders) > reasonHoldersListed
	named := make([]map[string]any, 0, reasonHoldersListed)
	for _, h := range holders[:min(len(holders), reasonHoldersListed)] {
		holder := map[string]any{"run": h.Run, "step": nil, "at": timeOf(&h.At)}
		if h.Step != "" {
			holder["step"] = h.Step
		}
		named = append(named, holder)
	}
	detail := map[string]any{"key": key, "limit": nil, "used": limit.Used, "holders": named, "more": more, "position": place}
	message := fmt.Sprintf("%s waits for a slot of %s, as number %d in line", w.who(), key, place)
	if limit.Limit != nil {
		detail["limit"] = *limit.Limit
		message += fmt.Sprintf(": %d of %d are taken", limit.Used, *limit.Limit)
	}
	w.add(ReasonConcurrency, message, detail)
	return nil
}

// maxParallel names the steps that run instead of it.
func (w *why) maxParallel(line string, place int) error {
	limit, err := w.reader.limitRow(w.ctx, line)
	if err != nil {
		return err
	}
	rows, err := w.reader.queries().SlotsOfRun(w.ctx, queries.SlotsOfRunParams{Run: w.run, Key: line, Max: oneMore(reasonHoldersListed)})
	if err != nil {
		return err
	}
	named := make([]map[string]any, 0, reasonHoldersListed)
	for _, row := range rows[:min(len(rows), reasonHoldersListed)] {
		named = append(named, map[string]any{"step": row.Key, "state": row.State})
	}
	of, what := "run", "steps of the run"
	if strings.HasPrefix(line, lineEach) {
		of, what = "for_each", "children of the fan-out"
	}
	detail := map[string]any{"of": of, "max_parallel": nil, "running": named, "more": len(rows) > reasonHoldersListed, "position": place}
	message := fmt.Sprintf("as many of the %s run as may: it is number %d in line", what, place)
	if limit.Limit != nil {
		detail["max_parallel"] = *limit.Limit
		message = fmt.Sprintf("at most %d of the %s run at once: it is number %d in line", *limit.Limit, what, place)
	}
	w.add(ReasonMaxParallel, message, detail)
	return nil
}

// rate says when the next one may start. There is no code of its own for it: the list is closed, and a rate is a limit too.
func (w *why) rate(key string, place int) error {
	row, err := w.reader.queries().RateView(w.ctx, key)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	per := plan.FormatDuration(milliseconds(row.PerMs))
	w.add(ReasonConcurrency, fmt.Sprintf("%s waits for the rate of %s, as number %d in line: %d may start in %s", w.who(), key, place, row.RateLimit, per), map[string]any{
		"rate": key, "limit": row.RateLimit, "per": per, "refills_at": timeOf(&row.RefillsAt), "position": place,
	})
	return nil
}

// liveRun names the run that has the key of this one.
func (w *why) liveRun(key string, place int) error {
	detail := map[string]any{"key": key, "live_run": nil, "state": nil, "position": place}
	message := "its run has a key, and waits for the live run of that key to end"
	row, err := w.reader.queries().RunLive(w.ctx, key)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return err
	default:
		detail["live_run"], detail["state"] = row.ID, row.State
		message += fmt.Sprintf(", which is %s", row.ID)
		if row.CancelRequestedAt != nil {
			message += ", and is being cancelled"
		}
	}
	w.add(ReasonConcurrency, message, detail)
	return nil
}

// waiting is what it needs from outside, or from what it has started. Where the closed list has no code of its own the
// nearest one stands, with what it is in detail.
func (w *why) waiting() error {
	if w.row.WaitingFor == nil {
		return nil
	}
	until := map[string]any{"deadline_at": timeOf(w.row.DeadlineAt)}
	switch *w.row.WaitingFor {
	case "signal":
		w.add(ReasonWaitingSignal, "it waits for a signal", until)
	case "approval":
		w.add(ReasonWaitingApproval, "it waits for somebody's approval", until)
	case "decision":
		w.add(ReasonWaitingDecision, "its attempts are used up: it waits for somebody's decision", map[string]any{"last_outcome": w.row.LastOutcome})
	case "time":
		until["until"] = timeOf(w.row.RunAfter)
		w.add(ReasonStartAt, "it waits for a time", until)
	case "children":
		return w.children()
	case "run":
		return w.childRun()
	}
	return nil
}

// children names those of a fan-out that have not ended.
func (w *why) children() error {
	family, err := w.reader.queries().FamilyView(w.ctx, queries.FamilyViewParams{Run: w.run, Step: w.row.Step})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	rows, err := w.reader.queries().ChildrenOpen(w.ctx, queries.ChildrenOpenParams{Run: w.run, Parent: w.row.Step, Max: oneMore(reasonNeedsListed)})
	if err != nil {
		return err
	}
	named := make([]map[string]any, 0, reasonNeedsListed)
	for _, row := range rows[:min(len(rows), reasonNeedsListed)] {
		named = append(named, map[string]any{"step": row.Key, "state": row.State, "cause": row.Cause})
	}
	w.add(ReasonNeedsUnfinished, fmt.Sprintf("it waits for its children: %d of %d have ended", family.Ended, family.Total), map[string]any{
		"children": family.Total, "ended": family.Ended, "needs": named, "more": len(rows) > reasonNeedsListed,
	})
	return nil
}

// childRun names the run that it has started.
func (w *why) childRun() error {
	row, err := w.reader.queries().ChildRun(w.ctx, queries.ChildRunParams{Run: w.run, Step: w.row.Step})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	w.add(ReasonNeedsUnfinished, fmt.Sprintf("it waits for its child run, which is %s", row.State), map[string]any{
		"child_run": row.ID, "state": row.State, "cause": row.Cause, "deadline_at": timeOf(w.row.DeadlineAt),
	})
	return nil
}
