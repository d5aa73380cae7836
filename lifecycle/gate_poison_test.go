package lifecycle

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestGateSetsAsideTheRunThatIsWrong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := "name: x\nsteps:\n  - {key: a, kind: noop, concurrency: {key: k, limit: 1}}"
	first := b.submitYAML(text)
	held := b.claimed()
	bad, third := b.submitYAML(text), b.submitYAML(text)
	b.pass()
	b.exec(`create function weir.refuse_one() returns trigger language plpgsql as $$ begin raise check_violation using message = 'it is wrong'; end $$`)
	b.exec(`create trigger one_is_wrong before update on weir.steps for each row when (new.run_id = '` + bad.String() + `') execute function weir.refuse_one()`)
	b.finish(held[0], OutcomeSucceeded)
	b.pass()
	require.Equal(t, []uuid.UUID{bad}, scan[[]uuid.UUID](b, `select array_agg(run_id) from weir.quarantine`))
	b.is(first, "a succeeded; succeeded")
	require.NoError(t, b.RunCancel(t.Context(), third, CancelRequest{Actor: "local"}))
	b.pass()
	b.is(third, "a cancelled; cancelled")
	b.exec(`drop trigger one_is_wrong on weir.steps`)
	b.exec(`update weir.quarantine set retry_at = clock_timestamp()`)
	require.Equal(t, []string{"a"}, b.drive(nil))
	b.is(bad, "a succeeded; succeeded")
}

func TestGateSetsAsideTheRunThatCannotBeLetIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := "name: x\nconcurrency: {key: k, limit: 1}\nsteps:\n  - {key: a, kind: noop}"
	first := b.submitYAML(text)
	held := b.claimed()
	bad, third := b.submitYAML(text), b.submitYAML(text)
	b.pass()
	b.exec(`update weir.runs set timeout = '300000 years' where id = $1`, bad)
	b.finish(held[0], OutcomeSucceeded)
	b.pass()
	require.Equal(t, []uuid.UUID{bad}, scan[[]uuid.UUID](b, `select array_agg(run_id) from weir.quarantine`))
	b.is(first, "a succeeded; succeeded")
	require.Empty(t, b.claimed(), "it has its slot, and the next one waits")
	b.exec(`update weir.runs set timeout = '1 hour' where id = $1`, bad)
	b.exec(`update weir.quarantine set retry_at = clock_timestamp()`)
	require.Equal(t, []string{"a", "a"}, b.drive(nil))
	b.is(bad, "a succeeded; succeeded")
	b.is(third, "a succeeded; succeeded")
}

// What is due and was set aside is not looked at over and over.
func TestWhatWasSetAsideIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	none, err := b.q.DueNext(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, -1, none, "nothing is ever due: nobody looks before the next poll")
	run := b.submitYAML("name: x\ntimeout: 1h\nsteps:\n  - {key: w, kind: wait, with: {for: time, duration: 1h}}")
	ms, err := b.q.DueNext(t.Context())
	require.NoError(t, err)
	require.Positive(t, ms, "the timeout of the run")
	b.pass()
	b.exec(`update weir.steps set run_after = clock_timestamp()`)
	b.exec(`update weir.runs set deadline_at = clock_timestamp()`)
	ms, err = b.q.DueNext(t.Context())
	require.NoError(t, err)
	require.Zero(t, ms)
	b.exec(`insert into weir.quarantine (run_id, error, retry_at) values ($1, 'it is wrong', clock_timestamp() + interval '1 hour')`, run)
	ms, err = b.q.DueNext(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, -1, ms)
}
