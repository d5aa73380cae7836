package lifecycle

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// TestTransitionsInOrderOfVisibility has a transaction that began first commit last: who follows the history sees its
// transition all the same, and everything once.
func TestTransitionsInOrderOfVisibility(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := b.submit(planOf(step("a"), step("b")))
	first, second := b.tokenOf(run, 1), b.tokenOf(run, 2)
	require.NotEqual(t, first, second)

	// The older transaction: it has its number, and is not committed.
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), `update weir.steps set state = 'cancelled', cause = 'manual', finished_at = clock_timestamp(), river_job_id = null,
		cancel_requested_at = clock_timestamp(), cancel_requested_by = 'test' where run_id = $1 and step = 1`, run)
	require.NoError(t, err)

	attempt := b.start(run, 2) // the younger one
	seen, cursor := []string{}, ""
	follow := func() {
		page, err := b.TransitionList(t.Context(), run, PageRequest{Cursor: cursor, Limit: 1})
		require.NoError(t, err)
		for _, item := range page.Items {
			seen, cursor = append(seen, *item.Step+" "+item.To), item.ID
		}
	}
	follow()
	require.Empty(t, seen, "the younger one is held back while the older one is open")
	require.NoError(t, tx.Commit(t.Context()))
	require.Eventually(t, func() bool { follow(); return len(seen) == 2 }, 30*time.Second, time.Millisecond)
	require.Equal(t, []string{"a cancelled", "b running"}, seen)
	b.finish(attempt, OutcomeSucceeded)
	require.Eventually(t, func() bool { follow(); return len(seen) == 3 }, 30*time.Second, time.Millisecond)
	require.Equal(t, "b succeeded", seen[2])
}

func TestCursorsRoundTrip(t *testing.T) {
	t.Parallel()
	epoch := uuid.New()
	place := transitionPlace{Epoch: epoch, XID: 1<<63 + 5, ID: 1<<40 + 7}
	got, err := parseTransitionCursor(place.cursor(), epoch)
	require.NoError(t, err)
	require.Equal(t, place, got)
	_, err = parseTransitionCursor(place.cursor(), uuid.New())
	require.ErrorContains(t, err, "another history")

	at := time.Date(2026, 5, 4, 12, 0, 0, 123456000, time.UTC)
	run, err := parseRunCursor(runCursor(RunView{ID: epoch, CreatedAt: at}))
	require.NoError(t, err)
	require.Equal(t, epoch, run.ID)
	require.Equal(t, at, run.CreatedAt)

	line, err := parseLogCursor(logPlace{Step: 3, Attempt: 2, Seq: 1 << 40}.cursor())
	require.NoError(t, err)
	require.Equal(t, logPlace{Step: 3, Attempt: 2, Seq: 1 << 40}, line)

	for _, bad := range []string{"x", "====", logPlace{Step: 1}.cursor(), "\x00"} {
		_, err := parseRunCursor(bad)
		require.ErrorContains(t, err, "the cursor is not one that this list gave")
	}
}

// FuzzCursors feeds cursors that nobody gave.
func FuzzCursors(f *testing.F) {
	f.Add("")
	f.Add(logPlace{Step: 1, Attempt: 1, Seq: 1}.cursor())
	f.Add(runCursor(RunView{ID: uuid.New()}))
	f.Add(transitionPlace{XID: 1}.cursor())
	f.Fuzz(func(t *testing.T, cursor string) {
		_, runErr := parseRunCursor(cursor)
		_, stepErr := parseStepCursor(cursor)
		_, historyErr := parseTransitionCursor(cursor, uuid.Nil)
		_, logErr := parseLogCursor(cursor)
		if cursor == "" {
			return
		}
		accepted := 0
		for _, err := range []error{runErr, stepErr, historyErr, logErr} {
			if err == nil {
				accepted++
			}
		}
		require.LessOrEqual(t, accepted, 1, "a cursor belongs to one list")
	})
}
