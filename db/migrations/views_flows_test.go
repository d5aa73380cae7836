package migrations_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

// flowDelays are those of what flows bring.
func flowDelays() []delay {
	const three = " where run_id = $1 and step = 3"
	moved := func(change string) string {
		return "with t as (update weir.transitions set at = " + ago + " where run_id = $1) update weir.steps set created_at = " + ago + ", river_job_id = null, " + change + three
	}
	waits := func(what, more string) string {
		return moved("state = 'waiting', waiting_for = '" + what + "', deadline_at = null" + more)
	}
	// held has step three stand in a line, and line the whole run, long since.
	held := func(line string) string {
		return "with w as (insert into weir.slots (run_id, step, concurrency_key, waiting_on, asked_at) values ($1, 3, 'k', '" + line + "', " + ago + ")), " +
			moved("state = 'available', limited = true")[len("with "):]
	}
	line := func(line string) string {
		return "with w as (insert into weir.slots (run_id, step, concurrency_key, waiting_on, asked_at, due_at) values ($1, 0, 'k', '" + line + "', " + ago + ", " + ago + ")) " +
			"update weir.runs set admitted = false, created_at = " + ago + " where id = $1"
	}
	other := func(more string) string {
		return "with o as (insert into weir.runs (id, name, steps_total, steps_open, state, key) values ('018f0000-0000-7000-8000-000000000000', 'other', 1, 1, 'paused', 'the-key')), " + more[len("with "):]
	}
	first := func(sql string) string {
		return "with f as (insert into weir.slots (run_id, step, priority, waiting_on) values (gen_random_uuid(), 1, 1, 'k')), " + sql[len("with "):]
	}
	return []delay{
		{waits("time", ", run_after = "+ago), []string{"3 waiting: the time that it waits for, or not beyond, has come, and nobody has ended it"}},
		{waits("time", ", run_after = clock_timestamp() + interval '1 hour'"), nil},
		{waits("signal", ", run_after = null"), nil},
		{waits("decision", ", run_after = "+ago), nil},
		{waits("run", ", run_after = null"), []string{"3 waiting: it waits for a child run, and there is none"}},
		{
			"with c as (insert into weir.runs (id, name, steps_total, steps_open, state, finished_at, parent_run, parent_step) values (gen_random_uuid(), 'child', 1, 0, 'failed', " + ago + ", $1, 3)), " +
				waits("run", ", run_after = null")[len("with "):], []string{"3 waiting: its child run has ended, and it has not"},
		},
		{"with f as (insert into weir.families (run_id, step, total, items) values ($1, 3, 1, '[1]')), " + waits("children", "")[len("with "):], []string{"3 waiting: its list is not expanded into children"}},
		{"with f as (insert into weir.families (run_id, step, total) values ($1, 3, 0)), " + waits("children", "")[len("with "):], []string{"3 waiting: all of its children have ended, and it has not"}},
		{"with f as (insert into weir.families (run_id, step, total, expanded) values ($1, 3, 1, 1)), " + waits("children", "")[len("with "):], nil},
		{line("~start"), []string{"- running: the time that it starts at has come, and nobody has let it through"}},
		{"update weir.runs set admitted = false, created_at = " + ago + " where id = $1", []string{"- running: it is held back, and stands in no line"}},
		{
			"with l as (insert into weir.slots (run_id, step, asked_at, held_at) values ($1, 0, " + ago + ", " + ago + ")) update weir.runs set admitted = false where id = $1",
			[]string{"- running: nothing holds it back any more, and it is not let in"},
		},
		{
			other("with l as (insert into weir.limits (key, used, declared) values ('~key/the-key', 1, 1)), " + line("~key/the-key")[len("with "):]),
			[]string{"- running: its run has a key, and waits for the live run of that key to end, run 018f0000-.*, which is paused"},
		},
		{
			other("with h as (insert into weir.slots (run_id, step, concurrency_key, holds, held_at) values ('018f0000-0000-7000-8000-000000000000', 0, 'k', '{k}', clock_timestamp())), " +
				"l as (insert into weir.limits (key, used, declared) values ('k', 1, 1)), " + held("k")[len("with "):]),
			[]string{"3 available: it waits for a slot of k, and run 018f0000-.*, which is paused, holds one"},
		},
		{
			"with r as (insert into weir.rates (key, tokens, due_at, rate_limit, rate_per) values ('mail', 0, " + ago + ", 1, '1h')), " + held("~rate/mail")[len("with "):],
			[]string{"3 available: it is the first in line for the rate of mail, which has refilled, and nobody has let it through"},
		},
		{
			"with l as (insert into weir.limits (key, used, declared) values ('k', 1, 2)), " + held("k")[len("with "):],
			[]string{"3 available: it is the first in line for a slot of k, of which 1 of 2 are taken, and nobody has let it through"},
		},
		{first("with l as (insert into weir.limits (key, used, declared) values ('k', 1, 2)), " + held("k")[len("with "):]), nil},
		{"with l as (insert into weir.limits (key, used, declared) values ('k', 2, 2)), " + held("k")[len("with "):], nil},
		{moved("state = 'available', limited = true, run_after = null"), []string{"3 available: it may start, and stands in no line for the slot that it needs"}},
	}
}

func TestOverviewSaysWhatHoldsARunBack(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	run := healthy(t, pool)
	const row = "select coalesce(waits_for, '-') from weir.overview where run_id = $1"
	require.Equal(t, "-", one[string](t, pool, row, run))
	plant(t, pool, "update weir.runs set admitted = false, key = 'web', start_at = '2999-01-01T00:00:00Z' where id = $1", run)
	require.Equal(t, "the gate", one[string](t, pool, row, run))
	plant(t, pool, "insert into weir.slots (run_id, step, waiting_on) values ($1, 0, '~start')", run)
	require.Contains(t, one[string](t, pool, row, run), "start_at 2999-01-01")
	for line, want := range map[string]string{"~key/web": "the live run of its key web", "~rate/mail": "the rate of mail", "db/main": "a slot of db/main"} {
		plant(t, pool, "update weir.slots set waiting_on = '"+line+"' where run_id = $1", run)
		require.Equal(t, want, one[string](t, pool, row, run))
	}
}
