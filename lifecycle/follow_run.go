package lifecycle

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// Bounds of what is read at once for somebody who follows.
const (
	followPage = 100  // transitions, or log lines
	followLate = 1000 // attempts whose log is looked at once more in the end: the last ones
)

// EventKind says what an [Event] is.
type EventKind string

// The kinds of events.
const (
	EventTransition EventKind = "transition"
	EventLog        EventKind = "log"
	EventGap        EventKind = "gap" // log lines may be missing
	EventEnd        EventKind = "end" // the run is final, and everything was told
)

// Event is one thing that somebody who follows a run is told.
type Event struct {
	Kind       EventKind
	Run        uuid.UUID
	ID         string          // the cursor of the last transition that was told; "" = none yet
	Transition *TransitionView // of a transition
	Log        *LogView        // of a log line
	Reason     string          // of a gap
	Final      *RunView        // of the end
}

// Follow follows a run: its history without a gap, and what its attempts write. One goroutine uses it, and closes it.
type Follow struct {
	e     *Engine
	watch *watch
	run   uuid.UUID
	place transitionPlace // of the last transition that was told

	resumed bool                   // it goes on from a place, and has not read yet
	first   bool                   // nothing was read yet
	final   bool                   // the run is
	running map[int32]attemptPlace // by step
	ended   []attemptPlace         // the last ones
}

// RunFollow begins to follow a run after the transition with this cursor, "" from its beginning on. The Engine's loops have
// to run, of which one finds the news. Errors: [CodeNotFound], and [CodeInvalidRequest] for a cursor that is not of this history.
func (e *Engine) RunFollow(ctx context.Context, run uuid.UUID, cursor string) (*Follow, error) {
	epoch, err := e.q.HistoryEpoch(ctx)
	if err != nil {
		return nil, readError(err)
	}
	place, err := parseTransitionCursor(cursor, epoch)
	if err != nil {
		return nil, err
	}
	place.Epoch = epoch
	if err := e.mustExist(ctx, run); err != nil {
		return nil, err
	}
	return &Follow{
		e: e, watch: e.follower.watch(run), run: run, place: place, resumed: cursor != "", first: true, running: map[int32]attemptPlace{},
	}, nil
}

// News says that there may be something to read. What there was in the beginning it does not say: Read first.
func (f *Follow) News() <-chan struct{} { return f.watch.news }

// Close ends it. It may be repeated.
func (f *Follow) Close() { f.watch.close() }

// Read tells everything that there is now. over: the last event was the end. It stops at the first error of tell, and
// returns that; after any error the Follow is of no use, and who was told goes on from the last ID with a new one.
func (f *Follow) Read(ctx context.Context, tell func(Event) error) (over bool, err error) {
	if f.resumed {
		f.resumed = false
		if err := f.resume(ctx, tell); err != nil {
			return false, err
		}
	}
	for more := true; more; {
		if err := f.transitions(ctx, tell); err != nil {
			return false, err
		}
		if more, err = f.lines(ctx, tell); err != nil {
			return false, err
		}
	}
	if f.first && !f.final {
		if f.final, err = f.over(ctx); err != nil {
			return false, err
		}
	}
	f.first = false
	if f.final {
		return true, f.end(ctx, tell)
	}
	f.watch.follow(slices.Collect(maps.Values(f.running)))
	return false, nil
}

// resume finds what ran at the place where it goes on, whose log goes on with what comes now.
func (f *Follow) resume(ctx context.Context, tell func(Event) error) error {
	xid := strconv.FormatUint(f.place.XID, 10)
	ran, err := f.e.q.AttemptsBefore(ctx, queries.AttemptsBeforeParams{Run: f.run, Xid: xid, ID: f.place.ID})
	if err != nil {
		return readError(err)
	}
	if !ran {
		return nil
	}
	rows, err := f.e.q.AttemptsRunningSince(ctx, queries.AttemptsRunningSinceParams{Run: f.run, Xid: xid, ID: f.place.ID})
	if err != nil {
		return readError(err)
	}
	for _, row := range rows {
		f.running[row.Step] = attemptPlace{step: row.Step, attempt: row.Attempt, seq: row.Seq}
	}
	return tell(Event{
		Kind: EventGap, Run: f.run, ID: f.place.cursor(),
		Reason: "log lines that were written before this may be missing: GET /v1/runs/{run}/logs has them all",
	})
}

// transitions tells what is new in the history.
func (f *Follow) transitions(ctx context.Context, tell func(Event) error) error {
	for {
		rows, err := f.e.q.TransitionViews(ctx, queries.TransitionViewsParams{
			Run: f.run, AfterXid: strconv.FormatUint(f.place.XID, 10), AfterID: f.place.ID, Max: followPage,
		})
		if err != nil {
			return readError(err)
		}
		if err := f.page(ctx, rows, tell); err != nil || len(rows) < followPage {
			return err
		}
	}
}

// page tells a page of the history, and before the end of an attempt the rest of its log.
func (f *Follow) page(ctx context.Context, rows []queries.TransitionViewsRow, tell func(Event) error) error {
	wrote, err := f.wrote(ctx, f.ending(rows))
	if err != nil {
		return err
	}
	for i := range rows {
		view, err := transitionView(&rows[i], f.place.Epoch)
		if err != nil {
			return err
		}
		step := rows[i].Step
		if at, ok := f.running[step]; ok && view.From == string(StepRunning) {
			if wrote[attemptPlace{step: step, attempt: at.attempt}] {
				if err := f.drain(ctx, &at, math.MaxInt, tell); err != nil {
					return err
				}
			}
			delete(f.running, step)
			f.ended = append(f.ended, at)
			if len(f.ended) > followLate {
				f.ended = f.ended[1:]
			}
		}
		f.begin(f.running, &rows[i])
		if step == 0 && RunState(view.To).Final() {
			f.final = true
		}
		if f.place.XID, err = strconv.ParseUint(rows[i].Xid, 10, 64); err != nil {
			return err
		}
		f.place.ID = rows[i].ID
		if err := tell(Event{Kind: EventTransition, Run: f.run, ID: view.ID, Transition: &view}); err != nil {
			return err
		}
	}
	return nil
}

// begin notes an attempt that begins with this transition.
func (f *Follow) begin(running map[int32]attemptPlace, row *queries.TransitionViewsRow) {
	if row.Step == 0 || row.ToState != string(StepRunning) || row.Attempt == nil || running[row.Step].attempt == *row.Attempt {
		return
	}
	running[row.Step] = attemptPlace{step: row.Step, attempt: *row.Attempt}
}

// ending lists the attempts that end in a page, and what was seen of their logs.
func (f *Follow) ending(rows []queries.TransitionViewsRow) []attemptPlace {
	running := map[int32]attemptPlace{}
	var ending []attemptPlace
	for i := range rows {
		row := &rows[i]
		if row.Step != 0 && row.FromState == string(StepRunning) {
			at, ok := running[row.Step]
			if !ok {
				at, ok = f.running[row.Step]
			}
			if ok {
				ending = append(ending, at)
			}
		}
		f.begin(running, row)
	}
	return ending
}

// wrote asks which of the attempts have lines behind those that were seen; the answer is by step and attempt.
func (f *Follow) wrote(ctx context.Context, attempts []attemptPlace) (map[attemptPlace]bool, error) {
	if len(attempts) == 0 {
		return nil, nil
	}
	var ask queries.LogNewsParams
	for _, at := range attempts {
		ask.Runs, ask.Steps = append(ask.Runs, f.run), append(ask.Steps, at.step)
		ask.Attempts, ask.Seqs = append(ask.Attempts, at.attempt), append(ask.Seqs, at.seq)
	}
	places, err := f.e.q.LogNews(ctx, ask)
	if err != nil {
		return nil, readError(err)
	}
	wrote := make(map[attemptPlace]bool, len(places))
	for _, place := range places {
		at := attempts[place-1]
		wrote[attemptPlace{step: at.step, attempt: at.attempt}] = true
	}
	return wrote, nil
}

// lines tells a page of the log of each attempt that runs. more: one of them has more.
func (f *Follow) lines(ctx context.Context, tell func(Event) error) (more bool, err error) {
	running := slices.Collect(maps.Values(f.running))
	wrote, err := f.wrote(ctx, running)
	if err != nil {
		return false, err
	}
	for _, at := range running {
		if !wrote[attemptPlace{step: at.step, attempt: at.attempt}] {
			continue
		}
		before := at.seq
		if err := f.drain(ctx, &at, 1, tell); err != nil {
			return false, err
		}
		f.running[at.step] = at
		more = more || at.seq != before
	}
	return more, nil
}

// drain tells so many pages of the log of an attempt, or what there is.
func (f *Follow) drain(ctx context.Context, at *attemptPlace, pages int, tell func(Event) error) error {
	for range pages {
		rows, err := f.e.q.LogViews(ctx, queries.LogViewsParams{
			Run: f.run, FirstStep: at.step, LastStep: at.step, AfterStep: at.step, AfterAttempt: at.attempt, AfterSeq: at.seq,
			Attempt: &at.attempt, Max: followPage,
		})
		if err != nil {
			return readError(err)
		}
		for i := range rows {
			line := logView(&rows[i])
			at.seq = line.Seq
			if err := tell(Event{Kind: EventLog, Run: f.run, ID: f.id(), Log: &line}); err != nil {
				return err
			}
		}
		if len(rows) < followPage {
			break
		}
	}
	return nil
}

// id is the cursor of the last transition that was told.
func (f *Follow) id() string {
	if f.place.XID == 0 {
		return ""
	}
	return f.place.cursor()
}

// over reports whether the run had ended already, and its history was read before.
func (f *Follow) over(ctx context.Context) (bool, error) {
	over, err := f.e.q.RunOver(ctx, queries.RunOverParams{Run: f.run, Xid: strconv.FormatUint(f.place.XID, 10), ID: f.place.ID})
	if errors.Is(err, pgx.ErrNoRows) {
		return false, runNotFound()
	}
	if err != nil {
		return false, readError(err)
	}
	return over, nil
}

// end tells the lines that came after the end of their attempts, and the end.
func (f *Follow) end(ctx context.Context, tell func(Event) error) error {
	attempts := slices.AppendSeq(f.ended, maps.Values(f.running))
	wrote, err := f.wrote(ctx, attempts)
	if err != nil {
		return err
	}
	for _, at := range attempts {
		if !wrote[attemptPlace{step: at.step, attempt: at.attempt}] {
			continue
		}
		if err := f.drain(ctx, &at, math.MaxInt, tell); err != nil {
			return err
		}
	}
	view, err := f.e.RunGet(ctx, f.run)
	if err != nil {
		return err
	}
	return tell(Event{Kind: EventEnd, Run: f.run, ID: f.id(), Final: view})
}
