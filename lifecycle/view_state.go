package lifecycle

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// Bounds of what a picture of everything shows.
const (
	stateItems   = 100       // of what runs, waits and so on
	stateWorkers = 1000      // replicas, and remote workers
	stateCounted = 1_000_000 // rows, about, of which final ones are still counted
)

// ReplicaView is a replica that has not left.
type ReplicaView struct {
	ID         uuid.UUID
	Name       string
	Host       string
	Build      string
	Schema     *int // the newest version of the schema that it brings; nil: unknown
	StartedAt  time.Time
	SeenAt     time.Time
	LeaseUntil time.Time
	Running    int    // steps
	Slots      int    // of all queues together
	Notify     string // listen or poll
}

// ReplicasView is the replicas, and whether they differ.
type ReplicasView struct {
	Replicas []ReplicaView
	// Skew says that not all are of one build, or that one brings another version of the schema than the database has.
	Skew bool
}

// WorkerView is a remote worker that has not left.
type WorkerView struct {
	ID         uuid.UUID
	Name       string
	Kinds      []string
	Queues     []string
	Capacity   int
	Running    int // steps
	SeenAt     time.Time
	LeaseUntil time.Time
}

// CountsView is how many runs and steps there are by state. A state that is missing was not counted: where there are more
// than about a million rows, the final ones are not.
type CountsView struct {
	Runs  map[RunState]int64
	Steps map[StepState]int64
}

// ItemView is a step that something goes on with, or a run: then Step and Kind are "".
type ItemView struct {
	Run          uuid.UUID
	Name         string // of the run
	Step         string
	Kind         string
	Attempt      int
	Since        *time.Time // when it came into its state; of a run: when it was submitted; nil: unknown
	RunAfter     *time.Time
	Worker       *uuid.UUID
	ErrorCode    string // of the last attempt; "": none
	ErrorMessage string // the first 500 characters of it
}

// ItemsView is at most 100 items of Total.
type ItemsView struct {
	Total int
	Items []ItemView
}

// ReconcileView is how reconcile is.
type ReconcileView struct {
	Now           time.Time  // by the database's clock
	BeatAt        time.Time  // when a replica last wrote the second's beat
	SweptAt       time.Time  // when a full pass last began
	Dirty         int        // hints to look at, counted up to 10,000
	OldestDirtyAt *time.Time // nil: there is none
	Quarantined   []QuarantinedView
}

// QuarantinedView is a run that reconcile has set aside.
type QuarantinedView struct {
	Run   uuid.UUID
	Error string // the first 500 characters of it
	At    time.Time
}

// StateReplicas lists the replicas that have not left, the oldest first. One whose lease has run out is there until somebody has noticed.
func (r *Reader) StateReplicas(ctx context.Context) (*ReplicasView, error) {
	schema, err := r.queries().StateSchema(ctx)
	if err != nil {
		return nil, readError(err)
	}
	rows, err := r.queries().StateReplicas(ctx, stateWorkers)
	if err != nil {
		return nil, readError(err)
	}
	view := &ReplicasView{Replicas: make([]ReplicaView, len(rows))}
	for i, row := range rows {
		view.Replicas[i] = ReplicaView{
			ID: row.ID, Name: row.Name, Host: row.Host, Build: row.Build, Schema: number(row.SchemaVersion), StartedAt: row.StartedAt, SeenAt: row.SeenAt,
			LeaseUntil: row.LeaseUntil, Running: int(row.Running), Slots: int(row.Slots), Notify: row.Notify,
		}
		differs := row.Build != rows[0].Build || row.SchemaVersion != nil && *row.SchemaVersion != schema
		view.Skew = view.Skew || differs
	}
	return view, nil
}

// StateWorkers lists the remote workers that have not left, the oldest first.
func (r *Reader) StateWorkers(ctx context.Context) ([]WorkerView, error) {
	rows, err := r.queries().StateWorkers(ctx, stateWorkers)
	if err != nil {
		return nil, readError(err)
	}
	views := make([]WorkerView, len(rows))
	for i, row := range rows {
		views[i] = WorkerView{
			ID: row.ID, Name: row.Name, Kinds: row.Kinds, Queues: row.Queues, Capacity: int(row.Capacity), Running: int(row.Running), SeenAt: row.SeenAt,
			LeaseUntil: row.LeaseUntil,
		}
	}
	return views, nil
}

// StateCounts counts runs and steps. It costs as much as there are steps in open runs.
func (r *Reader) StateCounts(ctx context.Context) (*CountsView, error) {
	q := r.queries()
	sizes, err := q.StateSizes(ctx)
	if err != nil {
		return nil, readError(err)
	}
	view := &CountsView{Runs: map[RunState]int64{RunRunning: 0, RunPaused: 0}, Steps: map[StepState]int64{}}
	for _, state := range []StepState{StepPending, StepAvailable, StepRunning, StepRetrying, StepWaiting} {
		view.Steps[state] = 0
	}
	runs, err := q.StateRunsOpen(ctx)
	if err != nil {
		return nil, readError(err)
	}
	for _, row := range runs {
		view.Runs[RunState(row.State)] = row.N
	}
	steps, err := q.StateStepsOpen(ctx)
	if err != nil {
		return nil, readError(err)
	}
	for _, row := range steps {
		view.Steps[StepState(row.State)] = row.N
	}
	return view, readError(view.countFinal(ctx, q, sizes))
}

// countFinal counts what is final where there is not too much of it.
func (v *CountsView) countFinal(ctx context.Context, q *queries.Queries, sizes queries.StateSizesRow) error {
	if sizes.Runs <= stateCounted {
		rows, err := q.StateRunsFinal(ctx)
		if err != nil {
			return err
		}
		for _, state := range RunStates() {
			v.Runs[state] += 0
		}
		for _, row := range rows {
			v.Runs[RunState(row.State)] = row.N
		}
	}
	if sizes.Steps <= stateCounted {
		rows, err := q.StateStepsFinal(ctx)
		if err != nil {
			return err
		}
		for _, state := range StepStates() {
			v.Steps[state] += 0
		}
		for _, row := range rows {
			v.Steps[StepState(row.State)] = row.N
		}
	}
	return nil
}

// StateTracked lists open runs, the newest first.
func (r *Reader) StateTracked(ctx context.Context) (*ItemsView, error) {
	rows, err := r.queries().StateTracked(ctx, stateItems)
	if err != nil {
		return nil, readError(err)
	}
	counts, err := r.queries().StateRunsOpen(ctx)
	if err != nil {
		return nil, readError(err)
	}
	view := &ItemsView{Items: make([]ItemView, len(rows))}
	for _, count := range counts {
		view.Total += int(count.N)
	}
	for i, row := range rows {
		view.Items[i] = ItemView{Run: row.ID, Name: row.Name, Since: &row.CreatedAt, RunAfter: row.StartAt}
	}
	return view, nil
}

// StateRunning lists steps that run, those that do so for longest first.
func (r *Reader) StateRunning(ctx context.Context) (*ItemsView, error) {
	rows, err := r.queries().StateRunning(ctx, stateItems)
	if err != nil {
		return nil, readError(err)
	}
	total, err := r.queries().StateRunningCount(ctx)
	if err != nil {
		return nil, readError(err)
	}
	view := &ItemsView{Total: int(total), Items: make([]ItemView, len(rows))}
	for i, row := range rows {
		view.Items[i] = ItemView{
			Run: row.RunID, Name: row.Name, Step: row.Key, Kind: row.Kind, Attempt: int(row.Attempt), Since: &row.Since, Worker: row.WorkerID,
		}
	}
	return view, nil
}

// StateRetrying lists steps that are to be tried again, the oldest first.
func (r *Reader) StateRetrying(ctx context.Context) (*ItemsView, error) {
	return r.stateHeld(ctx, StepRetrying)
}

// StateWaiting lists steps that wait for a signal, a decision, a time or others, the oldest first.
func (r *Reader) StateWaiting(ctx context.Context) (*ItemsView, error) {
	return r.stateHeld(ctx, StepWaiting)
}

func (r *Reader) stateHeld(ctx context.Context, state StepState) (*ItemsView, error) {
	rows, err := r.queries().StateHeld(ctx, queries.StateHeldParams{State: queries.WeirStepState(state), Most: stateItems})
	if err != nil {
		return nil, readError(err)
	}
	total, err := r.queries().StateHeldCount(ctx, queries.WeirStepState(state))
	if err != nil {
		return nil, readError(err)
	}
	view := &ItemsView{Total: int(total), Items: make([]ItemView, len(rows))}
	for i, row := range rows {
		item := ItemView{
			Run: row.RunID, Name: row.Name, Step: row.Key, Kind: row.Kind, Attempt: int(row.Attempt), RunAfter: row.RunAfter, ErrorMessage: row.ErrorMessage,
		}
		if row.SinceIsKnown {
			item.Since = &row.Since
		}
		if row.ErrorCode != nil {
			item.ErrorCode = *row.ErrorCode
		}
		view.Items[i] = item
	}
	return view, nil
}

// StateReconcile says how reconcile is.
func (r *Reader) StateReconcile(ctx context.Context) (*ReconcileView, error) {
	row, err := r.queries().StateReconcile(ctx)
	if err != nil {
		return nil, readError(err)
	}
	aside, err := r.queries().StateQuarantined(ctx, stateItems)
	if err != nil {
		return nil, readError(err)
	}
	view := &ReconcileView{Now: row.Now, BeatAt: row.BeatAt, SweptAt: row.SweptAt, Dirty: int(row.Dirty), Quarantined: make([]QuarantinedView, len(aside))}
	if row.Dirty > 0 {
		view.OldestDirtyAt = &row.OldestDirtyAt
	}
	for i, q := range aside {
		view.Quarantined[i] = QuarantinedView{Run: q.RunID, Error: q.Error, At: q.At}
	}
	return view, nil
}
