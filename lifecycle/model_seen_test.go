package lifecycle_test

import (
	"encoding/json"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// seenRun is what the database says about a run.
type seenRun struct {
	end

	id     uuid.UUID
	asked  bool   // its cancellation was asked for
	output string // as text; "": none
	steps  map[string]*seenStep
}

// seenStep is what the database says about a step.
type seenStep struct {
	end

	ordinal           int
	key               string
	attempt, failures int
	output            string      // as text; "": none
	children          []*seenStep // of a fan-out
	child             *seenRun    // of a step of kind plan
}

// see reads a run, and those below it.
func (w *world) see(id uuid.UUID) *seenRun {
	w.t.Helper()
	r := &seenRun{id: id, steps: map[string]*seenStep{}}
	require.NoError(w.t, w.pool.QueryRow(w.t.Context(), `
		select r.state, r.cause, r.cancel_requested_at is not null and r.cancel_cause is null, coalesce(o.output::text, '')
		from weir.runs r left join weir.run_outputs o on o.run_id = r.id where r.id = $1`, id).Scan(&r.state, &r.cause, &r.asked, &r.output))
	rows, err := w.pool.Query(w.t.Context(), `
		select s.step, s.key, s.state, s.cause, s.attempt, s.failures, coalesce(s.parent, 0), c.id,
			coalesce((select o.output::text from weir.outputs o where s.has_output and o.run_id = coalesce(s.reused_from, s.run_id) and o.step = s.step and o.attempt = s.attempt), '')
		from weir.steps s left join weir.runs c on c.parent_run = s.run_id and c.parent_step = s.step
		where s.run_id = $1 order by s.parent nulls first, s.item, s.step`, id)
	require.NoError(w.t, err)
	type row struct {
		seenStep

		parent int
		run    *uuid.UUID
	}
	found, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (row, error) {
		var s row
		return s, r.Scan(&s.ordinal, &s.key, &s.state, &s.cause, &s.attempt, &s.failures, &s.parent, &s.run, &s.output)
	})
	require.NoError(w.t, err)
	byOrdinal := map[int]*seenStep{}
	for i := range found {
		s := &found[i].seenStep
		byOrdinal[s.ordinal] = s
		if found[i].run != nil {
			s.child = w.see(*found[i].run)
		}
		if parent := byOrdinal[found[i].parent]; parent != nil {
			parent.children = append(parent.children, s)
			continue
		}
		r.steps[s.key] = s
	}
	return r
}

// indented is a value for people to read.
func indented(v any) string {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// open is what has not ended, for people.
func (w *world) open() string {
	w.t.Helper()
	var text string
	require.NoError(w.t, w.pool.QueryRow(w.t.Context(), `
select concat_ws(E'\n',
  (select string_agg(r::text, E'\n') from weir.runs r where r.finished_at is null),
  (select string_agg(s::text, E'\n') from weir.steps s join weir.runs r on r.id = s.run_id where r.finished_at is null and (not s.settled or r.steps_open = 0)),
  (select string_agg(l::text, E'\n') from weir.slots l), (select string_agg(l::text, E'\n') from weir.limits l), (select string_agg(t::text, E'\n') from weir.rates t),
  (select string_agg(d::text, E'\n') from weir.dirty d), (select string_agg(q::text, E'\n') from weir.quarantine q))`).Scan(&text))
	return text
}

// violations are the invariants that are broken.
func (w *world) violations() []string {
	w.t.Helper()
	rows, err := w.pool.Query(w.t.Context(), `select rule || ': ' || message from weir.violations`)
	require.NoError(w.t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(w.t, err)
	return found
}
