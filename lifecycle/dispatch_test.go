package lifecycle

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// dispatched is what River's own client would insert for a step.
type dispatched struct {
	Run  uuid.UUID `json:"run"`
	Step int       `json:"step"`
}

// Kind implements river.JobArgs.
func (dispatched) Kind() string { return "noop" }

// jobOf is a row of weir.river_job without what differs from row to row.
func (b *bundle) jobOf(id int64) string {
	b.t.Helper()
	return scan[string](b, `select (to_jsonb(j) - '{id,created_at,scheduled_at}'::text[])::text from weir.river_job j where id = $1`, id)
}

// Our statements write into River's table what River's own client would, whichever of them dispatches, and tell its
// producers what River would tell them. A new version of River that wants something else ends here.
func TestDispatchIsWhatRiverInserts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	listener, err := pgx.ConnectConfig(t.Context(), b.pool.Config().ConnConfig)
	require.NoError(t, err)
	defer listener.Close(t.Context())
	_, err = listener.Exec(t.Context(), `listen "weir.river_insert"`)
	require.NoError(t, err)
	heard := func() (told map[string]string) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		n, err := listener.WaitForNotification(ctx)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal([]byte(n.Payload), &told))
		return told
	}
	isRivers := func(run uuid.UUID, ordinal int) {
		t.Helper()
		ours := b.jobOf(b.tokenOf(run, ordinal))
		told := heard()
		// One that has not told anything yet: within a cooldown it tells of a queue once.
		client, err := river.NewClient(riverpgxv5.New(b.pool), &river.Config{Schema: "weir"})
		require.NoError(t, err)
		row, err := client.Insert(t.Context(), dispatched{run, ordinal}, &river.InsertOpts{Queue: "other", Priority: 3, MaxAttempts: 1})
		require.NoError(t, err)
		require.JSONEq(t, b.jobOf(row.Job.ID), ours)
		require.Equal(t, heard(), told)
	}
	elsewhere := func(key string, needs ...string) (s plan.Step) {
		s = step(key, needs...)
		s.Queue, s.Priority = "other", 3
		return s
	}

	run := b.submit(planOf(elsewhere("root"), elsewhere("dependant", "root")))
	isRivers(run, 1) // by Submit
	b.finish(b.start(run, 1), OutcomeHandedBack)
	require.NoError(t, b.dueOnce(t.Context()))
	isRivers(run, 1) // when due again
	b.finish(b.start(run, 1), OutcomeSucceeded)
	isRivers(run, 2) // by what follows from a report
}
