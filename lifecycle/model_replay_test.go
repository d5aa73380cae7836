package lifecycle_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

// moved is a row of the history with what limits the step or run that it is about.
type moved struct {
	At          time.Time
	Run         uuid.UUID
	Step        *int
	From, To    string
	Key         string  // of the step
	Parent      *int    // of the fan-out that the step is a child of
	MaxParallel *int    // of the run
	FanParallel *int    // of the fan-out
	StepKey     *string // of the concurrency of the step
	StepLimit   *int
	RunKey      *string // of the concurrency of the run
	RunLimit    *int
}

// replay goes through the history since a time and counts who was running at each moment. It answers what was more than it
// may be, and what started though its run was paused.
func (w *world) replay(since time.Time) []string {
	w.t.Helper()
	rows, err := w.pool.Query(w.t.Context(), `
		select t.at, t.run_id as run, t.step, t.from_state as "from", t.to_state as "to", coalesce(s.key, '') as key, s.parent, r.max_parallel as maxparallel,
			e.max_parallel as fanparallel, p.concurrency_key as stepkey, p.concurrency_limit as steplimit,
			o.concurrency_key as runkey, o.concurrency_limit as runlimit
		from weir.transitions t
		join weir.runs r on r.id = t.run_id
		left join weir.steps s on s.run_id = t.run_id and s.step = t.step
		left join weir.policies e on e.run_id = s.run_id and e.step = s.parent
		left join weir.policies p on p.run_id = t.run_id and p.step = coalesce(s.parent, s.step)
		left join weir.policies o on o.run_id = t.run_id and o.step = 0
		where t.at >= $1
		order by t.at, t.to_state = 'running', t.id`, since)
	require.NoError(w.t, err)
	history, err := pgx.CollectRows(rows, pgx.RowToStructByName[moved])
	require.NoError(w.t, err)
	c := newReplayed()
	for _, m := range history {
		c.count(m)
	}
	return c.problems
}

// replayed counts what has a limit: by run, fan-out and key.
type replayed struct {
	running  map[string]int
	began    map[uuid.UUID]bool // runs that have started something
	paused   map[uuid.UUID]bool
	problems []string
}

func newReplayed() *replayed {
	return &replayed{running: map[string]int{}, began: map[uuid.UUID]bool{}, paused: map[uuid.UUID]bool{}}
}

func (c *replayed) count(m moved) {
	if m.Step == nil {
		c.paused[m.Run] = m.To == string(lifecycle.RunPaused)
		if c.began[m.Run] && lifecycle.RunState(m.To).Final() {
			c.addKey(m, -1, "runs", m.RunKey, m.RunLimit)
		}
		return
	}
	switch string(lifecycle.StepRunning) {
	case m.To:
		if c.paused[m.Run] {
			c.problems = append(c.problems, fmt.Sprintf("%s: step %s of run %s started while it was paused", m.At, m.Key, m.Run))
		}
		if !c.began[m.Run] {
			c.began[m.Run] = true
			c.addKey(m, 1, "runs", m.RunKey, m.RunLimit)
		}
		c.addStep(m, 1)
	case m.From:
		c.addStep(m, -1)
	}
}

func (c *replayed) addStep(m moved, by int) {
	c.add(m, by, fmt.Sprintf("steps of run %s", m.Run), m.MaxParallel)
	if m.Parent != nil {
		c.add(m, by, fmt.Sprintf("children of step %d of run %s", *m.Parent, m.Run), m.FanParallel)
	}
	c.addKey(m, by, "steps", m.StepKey, m.StepLimit)
}

func (c *replayed) addKey(m moved, by int, what string, key *string, limit *int) {
	if key != nil {
		c.add(m, by, what+" of key "+*key, limit)
	}
}

func (c *replayed) add(m moved, by int, of string, limit *int) {
	if limit == nil {
		return
	}
	if c.running[of] += by; c.running[of] > *limit {
		c.problems = append(c.problems, fmt.Sprintf("%s: %d %s were running, at most %d may: step %s of run %s was one too many", m.At, c.running[of], of, *limit, m.Key, m.Run))
	}
}
