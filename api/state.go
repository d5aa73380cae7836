package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

// State is a picture of everything that is going on. Each section is gathered for itself.
type State struct {
	GeneratedAt timestamp        `json:"generated_at" doc:"When, by the clock of the database, as all times here."`
	Version     *VersionInfo     `json:"version" doc:"What answers."`
	Skew        *bool            `json:"skew" doc:"Whether replicas are of more than one build, or bring another version of the schema than the database has: normal during a rollout. null: unknown."`
	Replicas    []StateReplica   `json:"replicas" nullable:"true" doc:"The replicas that have not left, the oldest first; null: unknown."`
	Workers     []StateWorker    `json:"workers" nullable:"true" doc:"The remote workers that have not left, the oldest first; null: unknown."`
	Queues      []StateQueue     `json:"queues" nullable:"true" doc:"The queues, by name; null: unknown."`
	Counts      *StateCounts     `json:"counts" doc:"How many runs and steps there are, which is counted every 10 seconds at the most; null: unknown."`
	Tracked     *StateItems      `json:"tracked" doc:"The open runs, the newest first; null: unknown."`
	Running     *StateItems      `json:"running" doc:"The steps that run, the oldest first; null: unknown."`
	Retrying    *StateItems      `json:"retrying" doc:"The steps that are to be tried again, the oldest first; null: unknown."`
	Waiting     *StateItems      `json:"waiting" doc:"The steps that wait for something from outside or for a time, the oldest first; null: unknown."`
	Reconcile   *StateReconcile  `json:"reconcile" doc:"How what moves runs on is; null: unknown."`
	Notify      *StateNotify     `json:"notify" doc:"How this replica learns of news; null: unknown."`
	Telemetry   *StateTelemetry  `json:"telemetry" doc:"What this process could not tell of itself; null: unknown."`
	Degraded    []DegradedDetail `json:"degraded" nullable:"false" doc:"The sections that could not be gathered now. In their place stands the last good value, or null."`
}

// StateReplica is a replica that has not left.
type StateReplica struct {
	ID         string    `json:"id" format:"uuid" doc:"Its id, new with every process."`
	Host       string    `json:"host" doc:"Where it runs." example:"weir-1"`
	Build      string    `json:"build" doc:"What it was built from." example:"v0.1.0-4f9c1d2"`
	Schema     *int      `json:"schema" doc:"The newest version of the schema that it brings; null: unknown." example:"1"`
	StartedAt  timestamp `json:"started_at" doc:"Since when it is there."`
	SeenAt     timestamp `json:"seen_at" doc:"When it gave its last sign of life."`
	LeaseUntil timestamp `json:"lease_until" doc:"How long it is believed alive without another one."`
	Running    int       `json:"running" doc:"How many steps it runs."`
	Slots      int       `json:"slots" doc:"How many it can run at once, over all its queues." example:"500"`
	Notify     string    `json:"notify" enum:"listen,poll" doc:"How it learns of news."`
}

// StateWorker is a remote worker that has not left.
type StateWorker struct {
	ID         string    `json:"id" format:"uuid" doc:"Its id."`
	Name       string    `json:"name" doc:"Its name."`
	Kinds      []string  `json:"kinds" nullable:"false" doc:"What it can run."`
	Queues     []string  `json:"queues" nullable:"false" doc:"The queues that it works."`
	Capacity   int       `json:"capacity" doc:"How many steps it can run at once."`
	Running    int       `json:"running" doc:"How many it runs."`
	SDK        *string   `json:"sdk" doc:"What it is made with; null: unknown."`
	Protocol   *int      `json:"protocol" doc:"The version of the protocol that it speaks; null: unknown."`
	SeenAt     timestamp `json:"seen_at" doc:"When it gave its last sign of life."`
	LeaseUntil timestamp `json:"lease_until" doc:"How long it is believed alive without another one."`
}

// StateQueue is a queue.
type StateQueue struct {
	Name      string     `json:"name" doc:"Its name." example:"default"`
	Paused    bool       `json:"paused" doc:"Whether nothing of it starts."`
	Available int        `json:"available" doc:"How many steps wait for a worker."`
	Running   int        `json:"running" doc:"How many steps run."`
	OldestAt  *timestamp `json:"oldest_at" doc:"Since when the oldest of those that wait does; null: none waits."`
}

// StateCounts is how many there are.
type StateCounts struct {
	Runs  StateRunCounts  `json:"runs" doc:"Runs by state."`
	Steps StateStepCounts `json:"steps" doc:"Steps by state."`
}

// StateRunCounts is how many runs there are in each state.
type StateRunCounts struct {
	Running   int64  `json:"running"`
	Paused    int64  `json:"paused"`
	Succeeded *int64 `json:"succeeded" doc:"null: not counted, as there are more than about a million runs."`
	Failed    *int64 `json:"failed" doc:"null: as succeeded."`
	Cancelled *int64 `json:"cancelled" doc:"null: as succeeded."`
}

// StateStepCounts is how many steps there are in each state.
type StateStepCounts struct {
	Pending   int64  `json:"pending"`
	Available int64  `json:"available"`
	Running   int64  `json:"running"`
	Retrying  int64  `json:"retrying"`
	Waiting   int64  `json:"waiting"`
	Succeeded *int64 `json:"succeeded" doc:"null: not counted, as there are more than about a million steps."`
	Failed    *int64 `json:"failed" doc:"null: as succeeded."`
	Crashed   *int64 `json:"crashed" doc:"null: as succeeded."`
	TimedOut  *int64 `json:"timed_out" doc:"null: as succeeded."`
	Lost      *int64 `json:"lost" doc:"null: as succeeded."`
	Cancelled *int64 `json:"cancelled" doc:"null: as succeeded."`
	Skipped   *int64 `json:"skipped" doc:"null: as succeeded."`
}

// StateItems is some of them, and how many there are.
type StateItems struct {
	Total int         `json:"total" doc:"How many there are."`
	Items []StateItem `json:"items" nullable:"false" maxItems:"100" doc:"At most 100 of them."`
}

// StateItem is a step that goes on, or a run: then step, kind and attempt are null.
type StateItem struct {
	Run      string      `json:"run" format:"uuid" doc:"The run."`
	Name     string      `json:"name" doc:"The name of the run." example:"nightly"`
	Step     *string     `json:"step" doc:"The key of the step; null: it is the run as a whole." example:"build"`
	Kind     *string     `json:"kind" doc:"What the step does." example:"exec"`
	Attempt  *int        `json:"attempt" doc:"Which attempt this is, or was the last one."`
	Since    *timestamp  `json:"since" doc:"When it came into its state; of a run: when it was submitted. null: unknown, as much has happened in the run since."`
	RunAfter *timestamp  `json:"run_after" doc:"Not to go on before this; null: nothing says."`
	Worker   *string     `json:"worker" format:"uuid" doc:"Who runs it; null: nobody."`
	Error    *StateError `json:"error" doc:"What went wrong with its last attempt; null: nothing."`
}

// StateError is what went wrong, in short. The step itself says more.
type StateError struct {
	Code    string `json:"code" doc:"For programs." example:"exit_code"`
	Message string `json:"message" maxLength:"500" doc:"The beginning of what it says to people." example:"exited with code 1"`
}

// StateReconcile is how what moves runs on is.
type StateReconcile struct {
	LastPassAt    timestamp          `json:"last_pass_at" doc:"When the last full pass began."`
	Dirty         int                `json:"dirty" doc:"How many changes are still to be looked at, counted up to 10,000."`
	OldestDirtyAt *timestamp         `json:"oldest_dirty_at" doc:"Since when the oldest of them is; null: there is none."`
	Quarantined   []StateQuarantined `json:"quarantined" nullable:"false" maxItems:"100" doc:"Runs that could not be moved on and are set aside, the oldest first."`
}

// StateQuarantined is a run that is set aside.
type StateQuarantined struct {
	Run   string    `json:"run" format:"uuid" doc:"The run."`
	Error string    `json:"error" doc:"The beginning of why."`
	At    timestamp `json:"at" doc:"Since when."`
}

// StateNotify is how a replica learns of news.
type StateNotify struct {
	Mode  string     `json:"mode" enum:"listen,poll" doc:"listen: it is notified. poll: it has to look again and again."`
	Lag   *duration  `json:"lag" doc:"How long the last notification took, at least 1ms; null: it polls."`
	Since *timestamp `json:"since" doc:"Since when it is so; null: unknown."`
}

// StateTelemetry is what this process could not tell of itself, since it has started.
type StateTelemetry struct {
	Failures int64 `json:"failures" doc:"How many times what watches this process panicked."`
	Dropped  int64 `json:"dropped" doc:"How many lines of logs of steps could not be stored."`
}

// DegradedDetail is a section that could not be gathered.
type DegradedDetail struct {
	Section string     `json:"section" doc:"Its name." example:"queues"`
	Reason  string     `json:"reason" enum:"timed out,failed,panicked" doc:"Why; the log of the server says more."`
	AsOf    *timestamp `json:"as_of" doc:"Of when the value is that stands there; null: there is none."`
}

type stateOutput struct {
	Body State
}

// state is the call that shows everything.
func (s *server) state(routes huma.API) {
	register(s, routes, operation{
		id: "state-get", method: http.MethodGet, path: "/v1/state", tag: "operate",
		summary: "Show everything that is going on",
		description: "Each section is gathered for itself, within 2 seconds. One that cannot be gathered is listed in degraded, and its last good value stands in its place; the others are whole. " +
			"While the database is away, a replica that has answered before still does, with what it knew. " +
			"Only one that has never read anything answers database_unavailable. A value may be half a second old.",
	}, s.stateGet)
}

func (s *server) stateGet(ctx context.Context, _ *struct{}) (*stateOutput, error) {
	out := &stateOutput{Body: State{Degraded: []DegradedDetail{}}}
	for _, section := range s.sections {
		section.begin(ctx)
	}
	known := false
	var ahead time.Duration // the database's clock of ours: all times are its own
	for _, section := range s.sections {
		got := section.await(ctx)
		if view, ok := got.value.(*lifecycle.ReconcileView); ok {
			ahead = view.Now.Sub(got.asOf)
		}
		if got.value != nil {
			section.put(&out.Body, got.value)
			known = known || !section.local
		}
		if got.reason != "" {
			detail := DegradedDetail{Section: section.name, Reason: got.reason}
			if got.value != nil {
				detail.AsOf = timestampOf(&got.asOf)
			}
			out.Body.Degraded = append(out.Body.Degraded, detail)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out.Body.byClockThatIs(ahead)
	if !known {
		return nil, newProblem(lifecycle.CodeDatabaseUnavailable, "nothing could be read from the database, and nothing was before")
	}
	return out, nil
}

// byClockThatIs gives what this process noted the time of the clock that is so far ahead, and the time of now.
func (s *State) byClockThatIs(ahead time.Duration) {
	s.GeneratedAt = timestamp(time.Now().Add(ahead))
	move := func(t *timestamp) *timestamp {
		if t == nil {
			return nil
		}
		moved := time.Time(*t).Add(ahead)
		return timestampOf(&moved)
	}
	for i := range s.Degraded {
		s.Degraded[i].AsOf = move(s.Degraded[i].AsOf)
	}
	if s.Notify != nil {
		s.Notify.Since = move(s.Notify.Since)
	}
}
