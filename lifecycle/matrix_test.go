package lifecycle_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/lifecycle"
)

// entity is what has a life: how the matrix makes one, brings it somewhere and looks at it.
type entity struct {
	name, constraint string
	// birth makes one as $1, in the state that comes first on its way.
	birth string
	// move brings it into state $2 with everything that belongs to that state, so that nothing but the
	// transition can be refused.
	move string
	// byHand is what a person types.
	byHand string
	// look is the whole row as text, state its state.
	look, state string
	// history is the number of its transitions, and the last of them in words.
	history string
	// ways leads from birth to each state.
	ways map[string][]string
}

func stepEntity() entity {
	return entity{
		name:       "step",
		constraint: "step_transition_is_legal",
		birth: `
with a_run as (insert into weir.runs (id, name, steps_total, steps_open) values ($1, 'matrix', 1, 1))
insert into weir.steps (run_id, step, key, kind, state, waiting_for) values ($1, 1, 'only', 'noop', $2::weir.step_state, case when $2::text = 'waiting' then 'decision' end)`,
		move: `
update weir.steps set
  state = $2::weir.step_state, cause = 'reported', river_job_id = null,
  attempt = attempt + case when $2::text = 'running' then 1 else 0 end,
  worker_id = case when $2::text = 'running' then gen_random_uuid() else worker_id end,
  claimed_at = case when $2::text = 'running' then clock_timestamp() else claimed_at end,
  started_at = case when $2::text = 'running' then clock_timestamp() else started_at end,
  finished_at = case when $2::weir.step_state >= 'succeeded' then clock_timestamp() end,
  run_after = case when $2::text = 'retrying' then clock_timestamp() end,
  waiting_for = case when $2::text = 'waiting' then 'decision' end,
  settled = $2::weir.step_state >= 'succeeded'
where run_id = $1`,
		byHand:  "update weir.steps set state = $2::weir.step_state where run_id = $1",
		look:    "select s::text from weir.steps s where run_id = $1",
		state:   "select state::text from weir.steps where run_id = $1",
		history: "select count(*), coalesce((array_agg(concat_ws(' ', from_state, to_state, actor, cause) order by id desc))[1], '') from weir.transitions where run_id = $1 and step = 1",
		ways: map[string][]string{
			"pending":   {"pending"},
			"available": {"available"},
			"waiting":   {"waiting"},
			"running":   {"available", "running"},
			"retrying":  {"available", "running", "retrying"},
			"succeeded": {"available", "running", "succeeded"},
			"failed":    {"available", "running", "failed"},
			"crashed":   {"available", "running", "crashed"},
			"timed_out": {"available", "running", "timed_out"},
			"lost":      {"available", "running", "lost"},
			"cancelled": {"pending", "cancelled"},
			"skipped":   {"pending", "skipped"},
		},
	}
}

func runEntity() entity {
	return entity{
		name:       "run",
		constraint: "run_transition_is_legal",
		birth: `
insert into weir.runs (id, name, steps_total, steps_open, cancel_requested_at, cancel_requested_by, state)
values ($1, 'matrix', 1, 0, clock_timestamp(), 'matrix', $2::weir.run_state)`,
		move: `
update weir.runs set state = $2::weir.run_state, cause = 'steps_final', finished_at = case when $2::text not in ('running', 'paused') then clock_timestamp() end
where id = $1`,
		byHand:  "update weir.runs set state = $2::weir.run_state where id = $1",
		look:    "select r::text from weir.runs r where id = $1",
		state:   "select state::text from weir.runs where id = $1",
		history: "select count(*), coalesce((array_agg(concat_ws(' ', from_state, to_state, actor, cause) order by id desc))[1], '') from weir.transitions where run_id = $1 and step is null",
		ways: map[string][]string{
			"running":   {"running"},
			"paused":    {"running", "paused"},
			"succeeded": {"running", "succeeded"},
			"failed":    {"running", "failed"},
			"cancelled": {"running", "cancelled"},
		},
	}
}

// O2: every pair of states, as a replica writes it and as a person does: what is listed happens and is recorded, and
// everything else is refused, by name, with the legal choices, and changes nothing.
func TestO2StepTransitionMatrix(t *testing.T) {
	t.Parallel()
	legal, illegal := matrix(t, stepEntity(), words(lifecycle.StepStates()))
	require.Equal(t, 24, legal)
	require.Equal(t, 12*12-12-24, illegal)
}

func TestO2RunTransitionMatrix(t *testing.T) {
	t.Parallel()
	legal, illegal := matrix(t, runEntity(), words(lifecycle.RunStates()))
	require.Equal(t, 6, legal)
	require.Equal(t, 5*5-5-6, illegal)
}

// matrix tries all pairs of states and counts them.
func matrix(t *testing.T, e entity, states []string) (legal, illegal int) {
	t.Helper()
	pool := dbtest.Pool(t)
	listed := make(map[[2]string]bool)
	rows, err := pool.Query(t.Context(), "select from_state, to_state from weir.legal_transitions where entity = $1", e.name)
	require.NoError(t, err)
	var from, to string
	_, err = pgx.ForEachRow(rows, []any{&from, &to}, func() error {
		listed[[2]string{from, to}] = true
		return nil
	})
	require.NoError(t, err)
	require.Len(t, e.ways, len(states))
	for _, from := range states {
		for _, to := range states {
			pair := e.name + " " + from + " to " + to
			switch {
			case from == to:
				e.stays(t, pool, from)
			case listed[[2]string{from, to}]:
				legal++
				e.moves(t, pool, from, to, pair)
			default:
				illegal++
				e.refuses(t, pool, from, to, pair, e.move, "matrix", listed)
				e.refuses(t, pool, from, to, pair, e.byHand, "", listed)
			}
		}
	}
	return legal, illegal
}

// write runs a statement as an actor; none: by hand.
func write(t *testing.T, pool *pgxpool.Pool, actor, sql string, args ...any) error {
	t.Helper()
	return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "select set_config('weir.actor', $1, true)", actor); err != nil {
			return err
		}
		tag, err := tx.Exec(t.Context(), sql, args...)
		if err == nil {
			require.Equal(t, int64(1), tag.RowsAffected())
		}
		return err
	})
}

// in makes one that is in a state, and proves it.
func (e entity) in(t *testing.T, pool *pgxpool.Pool, state string) uuid.UUID {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	for i, next := range e.ways[state] {
		sql := e.move
		if i == 0 {
			sql = e.birth
		}
		require.NoError(t, write(t, pool, "matrix", sql, id, next), "%s on the way to %s", next, state)
	}
	require.Equal(t, state, one[string](t, pool, e.state, id))
	return id
}

// refuses proves that a transition is refused by its rule and nothing else.
func (e entity) refuses(t *testing.T, pool *pgxpool.Pool, from, to, pair, sql, actor string, listed map[[2]string]bool) {
	t.Helper()
	id := e.in(t, pool, from)
	row := one[string](t, pool, e.look, id)
	count, _ := e.recorded(t, pool, id)

	err := write(t, pool, actor, sql, id, to)

	refusal, ok := db.AsError(err)
	require.True(t, ok, "%s: %v", pair, err)
	require.Equal(t, db.CheckViolation, refusal.SQLState, "%s: %v", pair, err)
	require.Equal(t, e.constraint, refusal.Constraint, "%s: %v", pair, err)
	require.Equal(t, "weir."+e.name+"s", refusal.Schema+"."+refusal.Table)
	require.Equal(t, "a "+e.name+" cannot go from "+from+" to "+to, refusal.Message)
	final := true
	for choice := range e.ways {
		require.Equal(t, listed[[2]string{from, choice}], strings.Contains(refusal.Hint, choice+" ("), "%s: %s", choice, refusal.Hint)
		final = final && !listed[[2]string{from, choice}]
	}
	require.Equal(t, final, strings.Contains(refusal.Hint, from+" is final") && strings.Contains(refusal.Hint, "weir rerun RUN"), refusal.Hint)
	require.Equal(t, row, one[string](t, pool, e.look, id), pair)
	after, _ := e.recorded(t, pool, id)
	require.Equal(t, count, after, pair)
}

// moves proves that a transition happens and is recorded, as an application does it and by hand.
func (e entity) moves(t *testing.T, pool *pgxpool.Pool, from, to, pair string) {
	t.Helper()
	id := e.in(t, pool, from)
	count, _ := e.recorded(t, pool, id)
	require.NoError(t, write(t, pool, "token:matrix", e.move, id, to), pair)
	require.Equal(t, to, one[string](t, pool, e.state, id))
	after, last := e.recorded(t, pool, id)
	require.Equal(t, count+1, after, pair)
	require.Regexp(t, "^"+from+" "+to+" token:matrix ", last)

	id = e.in(t, pool, from)
	err := write(t, pool, "", e.byHand, id, to)
	needed := map[string]string{
		"running": "step_attempt_grows_by_one_on_the_way_to_running",
		"waiting": "step_waiting_says_for_what",
	}[to]
	if e.name == "step" && needed != "" {
		refusal, ok := db.AsError(err)
		require.True(t, ok, "%s by hand: %v", pair, err)
		require.Equal(t, needed, refusal.Constraint)
		return
	}
	require.NoError(t, err, "%s by hand", pair)
	user := one[string](t, pool, "select session_user::text")
	_, last = e.recorded(t, pool, id)
	require.Equal(t, from+" "+to+" db:"+user+" manual", last)
}

// stays proves that writing the same state again is no transition.
func (e entity) stays(t *testing.T, pool *pgxpool.Pool, state string) {
	t.Helper()
	id := e.in(t, pool, state)
	count, _ := e.recorded(t, pool, id)
	row := one[string](t, pool, e.look, id)
	require.NoError(t, write(t, pool, "", e.byHand, id, state))
	require.Equal(t, row, one[string](t, pool, e.look, id))
	after, _ := e.recorded(t, pool, id)
	require.Equal(t, count, after)
}

// recorded is how many transitions one has, and the last of them in words.
func (e entity) recorded(t *testing.T, pool *pgxpool.Pool, id uuid.UUID) (count int, last string) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), e.history, id).Scan(&count, &last))
	return count, last
}

// one reads a single value.
func one[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	var value T
	require.NoError(t, pool.QueryRow(t.Context(), sql, args...).Scan(&value))
	return value
}
