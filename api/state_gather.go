package api

import (
	"context"
	"time"

	"github.com/weirqueue/weir/lifecycle"
)

// NotifyState is how this process learns of news.
type NotifyState struct {
	Mode  string        // listen or poll
	Lag   time.Duration // of the last notification; 0: unknown
	Since time.Time     // zero: unknown
}

// TelemetryState is what this process could not tell of itself.
type TelemetryState struct {
	Failures int64 // observers that panicked
	Dropped  int64 // lines of logs that could not be stored
}

// newSections are the sections of the state.
func (s *server) newSections() []*section {
	below := s.Lifecycle
	sections := []*section{
		localSection("version", s.version, func(state *State, v VersionInfo) { state.Version = &v }),
		readSection("replicas", func(ctx context.Context) (*lifecycle.ReplicasView, error) { return below.StateReplicas(ctx) }, putReplicas),
		readSection("workers", func(ctx context.Context) ([]lifecycle.WorkerView, error) { return below.StateWorkers(ctx) }, putWorkers),
		readSection("queues", func(ctx context.Context) ([]lifecycle.QueueView, error) { return below.QueueList(ctx) }, putQueues),
		readSection("counts", func(ctx context.Context) (*lifecycle.CountsView, error) { return below.StateCounts(ctx) }, putCounts),
		readSection("tracked", func(ctx context.Context) (*lifecycle.ItemsView, error) { return below.StateTracked(ctx) },
			func(state *State, v *lifecycle.ItemsView) { state.Tracked = itemsOf(v) }),
		readSection("running", func(ctx context.Context) (*lifecycle.ItemsView, error) { return below.StateRunning(ctx) },
			func(state *State, v *lifecycle.ItemsView) { state.Running = itemsOf(v) }),
		readSection("retrying", func(ctx context.Context) (*lifecycle.ItemsView, error) { return below.StateRetrying(ctx) },
			func(state *State, v *lifecycle.ItemsView) { state.Retrying = itemsOf(v) }),
		readSection("waiting", func(ctx context.Context) (*lifecycle.ItemsView, error) { return below.StateWaiting(ctx) },
			func(state *State, v *lifecycle.ItemsView) { state.Waiting = itemsOf(v) }),
		readSection("reconcile", func(ctx context.Context) (*lifecycle.ReconcileView, error) { return below.StateReconcile(ctx) }, putReconcile),
		localSection("notify", s.Notify, putNotify),
		localSection("telemetry", s.Telemetry, func(state *State, v TelemetryState) {
			state.Telemetry = &StateTelemetry{Failures: v.Failures, Dropped: v.Dropped}
		}),
	}
	reads := make(chan struct{}, stateReads)
	for _, section := range sections {
		section.reads, section.logger = reads, s.logger
		section.wait, section.within = s.StateWithin, s.StateWithin
		if section.name == "counts" {
			section.within, section.fresh = max(s.StateWithin, countsEvery), countsEvery
		}
	}
	return sections
}

// readSection is a section that is read from the database.
func readSection[T any](name string, gather func(context.Context) (T, error), put func(*State, T)) *section {
	return &section{
		name: name, fresh: stateFresh,
		gather: func(ctx context.Context) (any, error) { return gather(ctx) },
		put:    func(state *State, value any) { put(state, value.(T)) },
	}
}

// localSection is a section that asks only this process.
func localSection[T any](name string, gather func() T, put func(*State, T)) *section {
	return &section{
		name: name, local: true,
		gather: func(context.Context) (any, error) { return gather(), nil },
		put:    func(state *State, value any) { put(state, value.(T)) },
	}
}

func putReplicas(state *State, view *lifecycle.ReplicasView) {
	state.Skew = &view.Skew
	state.Replicas = make([]StateReplica, len(view.Replicas))
	for i := range view.Replicas {
		r := &view.Replicas[i]
		state.Replicas[i] = StateReplica{
			ID: r.ID.String(), Host: r.Host, Build: r.Build, Schema: r.Schema, StartedAt: timestamp(r.StartedAt), SeenAt: timestamp(r.SeenAt),
			LeaseUntil: timestamp(r.LeaseUntil), Running: r.Running, Slots: r.Slots, Notify: r.Notify,
		}
	}
}

func putWorkers(state *State, views []lifecycle.WorkerView) {
	state.Workers = make([]StateWorker, len(views))
	for i := range views {
		w := &views[i]
		state.Workers[i] = StateWorker{
			ID: w.ID.String(), Name: w.Name, Kinds: append([]string{}, w.Kinds...), Queues: append([]string{}, w.Queues...), Capacity: w.Capacity, Running: w.Running,
			SeenAt: timestamp(w.SeenAt), LeaseUntil: timestamp(w.LeaseUntil),
		}
	}
}

func putQueues(state *State, views []lifecycle.QueueView) {
	state.Queues = make([]StateQueue, len(views))
	for i, q := range views {
		state.Queues[i] = StateQueue{Name: q.Name, Paused: q.PausedAt != nil, Available: q.Available, Running: q.Running, OldestAt: timestampOf(q.OldestAt)}
	}
}

func putCounts(state *State, view *lifecycle.CountsView) {
	run := func(state lifecycle.RunState) *int64 { return countOf(view.Runs, state) }
	step := func(state lifecycle.StepState) *int64 { return countOf(view.Steps, state) }
	state.Counts = &StateCounts{
		Runs: StateRunCounts{
			Running: view.Runs[lifecycle.RunRunning], Paused: view.Runs[lifecycle.RunPaused],
			Succeeded: run(lifecycle.RunSucceeded), Failed: run(lifecycle.RunFailed), Cancelled: run(lifecycle.RunCancelled),
		},
		Steps: StateStepCounts{
			Pending: view.Steps[lifecycle.StepPending], Available: view.Steps[lifecycle.StepAvailable], Running: view.Steps[lifecycle.StepRunning],
			Retrying: view.Steps[lifecycle.StepRetrying], Waiting: view.Steps[lifecycle.StepWaiting],
			Succeeded: step(lifecycle.StepSucceeded), Failed: step(lifecycle.StepFailed), Crashed: step(lifecycle.StepCrashed), TimedOut: step(lifecycle.StepTimedOut),
			Lost: step(lifecycle.StepLost), Cancelled: step(lifecycle.StepCancelled), Skipped: step(lifecycle.StepSkipped),
		},
	}
}

// countOf is null for what was not counted.
func countOf[S comparable](counts map[S]int64, state S) *int64 {
	if n, ok := counts[state]; ok {
		return &n
	}
	return nil
}

func itemsOf(view *lifecycle.ItemsView) *StateItems {
	items := &StateItems{Total: view.Total, Items: make([]StateItem, len(view.Items))}
	for i := range view.Items {
		v := &view.Items[i]
		item := StateItem{
			Run: v.Run.String(), Name: v.Name, Step: textOrNull(v.Step), Kind: textOrNull(v.Kind), Since: timestampOf(v.Since), RunAfter: timestampOf(v.RunAfter),
			Worker: idOrNull(v.Worker),
		}
		if v.Step != "" {
			item.Attempt = &v.Attempt
		}
		if v.ErrorCode != "" {
			item.Error = &StateError{Code: v.ErrorCode, Message: v.ErrorMessage}
		}
		items.Items[i] = item
	}
	return items
}

func putReconcile(state *State, view *lifecycle.ReconcileView) {
	r := &StateReconcile{
		LastPassAt: timestamp(view.SweptAt), Dirty: view.Dirty, OldestDirtyAt: timestampOf(view.OldestDirtyAt), Quarantined: make([]StateQuarantined, len(view.Quarantined)),
	}
	for i, q := range view.Quarantined {
		r.Quarantined[i] = StateQuarantined{Run: q.Run.String(), Error: q.Error, At: timestamp(q.At)}
	}
	state.Reconcile = r
}

func putNotify(state *State, v NotifyState) {
	notify := &StateNotify{Mode: v.Mode}
	if v.Lag > 0 {
		notify.Lag = durationOf(max(v.Lag.Round(time.Millisecond), time.Millisecond))
	}
	if !v.Since.IsZero() {
		notify.Since = timestampOf(&v.Since)
	}
	state.Notify = notify
}
