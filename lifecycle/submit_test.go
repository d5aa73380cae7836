package lifecycle

import (
	"context"
	"crypto/sha256"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func keyed(p string, key string) Submission {
	digest := sha256.Sum256([]byte(p))
	return Submission{Plan: planOf(step("a")), Actor: "local", Scope: "local", IdempotencyKey: key, Digest: digest[:]}
}

func TestSubmitWithAKeyIsOneRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const clients = 10
	ids, replays := make([]uuid.UUID, clients), make([]bool, clients)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			s, err := b.Submit(t.Context(), keyed("plan", "k"))
			if err == nil {
				ids[i], replays[i] = s.ID, s.Replayed
			}
		})
	}
	wg.Wait()
	fresh := 0
	for i := range clients {
		require.Equal(t, ids[0], ids[i])
		require.NotEqual(t, uuid.Nil, ids[i])
		if !replays[i] {
			fresh++
		}
	}
	require.Equal(t, 1, fresh)
	require.Equal(t, 1, scan[int](b, `select count(*)::int from weir.runs`))
	_, err := b.Submit(t.Context(), keyed("another plan", "k"))
	var refused *Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, CodeIdempotencyConflict, refused.Code)
}

// W3: a submit whose commit was not answered is repeated with the id that it had.
func TestSubmitRepeatedIsOneRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, err := uuid.NewV7()
	require.NoError(t, err)
	for range 2 {
		s, err := b.Submit(t.Context(), Submission{ID: id, Plan: planOf(step("a")), Actor: "local"})
		require.NoError(t, err)
		require.Equal(t, id, s.ID)
	}
	require.Equal(t, 1, scan[int](b, `select count(*)::int from weir.runs`))
	require.Equal(t, 1, scan[int](b, `select count(*)::int from weir.river_job`))
}

func TestSubmitManyIsAllOrNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.Submit(t.Context(), keyed("plan", "taken"))
	require.NoError(t, err)
	_, err = b.SubmitMany(t.Context(), []Submission{keyed("a", "free"), keyed("other", "taken")})
	require.Error(t, err)
	require.Equal(t, 1, scan[int](b, `select count(*)::int from weir.runs`))
	many := make([]Submission, 1500)
	for i := range many {
		many[i] = Submission{Plan: planOf(step("a"), step("b", "a")), Actor: "local"}
	}
	out, err := b.SubmitMany(t.Context(), many)
	require.NoError(t, err)
	require.Len(t, out, 1500)
	require.Equal(t, 1501, scan[int](b, `select count(*)::int from weir.runs`))
	require.Equal(t, 1501, scan[int](b, `select count(*)::int from weir.river_job`), "roots are dispatched, dependants are not")
}

func TestSubmitTx(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`create table invoice (id int)`)
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	gone, err := SubmitTx(t.Context(), tx, planOf(step("a")))
	require.NoError(t, err)
	require.NoError(t, tx.Rollback(t.Context()))
	require.Zero(t, scan[int](b, `select count(*)::int from weir.runs where id = $1`, gone))

	tx, err = b.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `insert into invoice values (1)`)
	require.NoError(t, err)
	run, err := SubmitTx(t.Context(), tx, planOf(step("a")), WithActor("token:shop"))
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, "token:shop", scan[string](b, `select created_by from weir.runs where id = $1`, run))
	b.finish(b.start(run, 1), OutcomeSucceeded)
	require.Equal(t, RunSucceeded, b.runState(run))
}

// However many large plans are being stored, small ones do not wait for them.
func TestLargePlansKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.larges.busy = b.larges.lanes // as if one took for ever
	run := b.submit(planOf(step("a")))
	require.Equal(t, StepAvailable, b.stepState(run, 1))
	large := planOf(parallel(submitLarge)...)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Submit(gone, Submission{Plan: large, Actor: "local"})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, b.larges.waiting, 1)
	require.Empty(t, b.submits.waiting)
}

// Two replicas that are sent the same keys at the same time, in another order, wait for each other one way only.
func TestKeysSubmittedTwiceDoNotDeadlock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	withKey := func(key string) Submission {
		return Submission{Plan: planOf(step("a")), ID: uuid.Must(uuid.NewV7()), Actor: "local", Scope: "local", IdempotencyKey: key, Digest: []byte("d")}
	}
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context()) //nolint:errcheck // it is committed
	_, err = submit(t.Context(), b.q.WithTx(tx), []Submission{withKey("k1")})
	require.NoError(t, err)
	other := make(chan error, 1)
	go func() {
		_, err := submit(t.Context(), b.q, []Submission{withKey("k2"), withKey("k1")})
		other <- err
	}()
	require.Eventually(t, func() bool {
		return scan[bool](b, `select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')`)
	}, 30*time.Second, time.Millisecond, "the second waits for the first")
	_, err = submit(t.Context(), b.q.WithTx(tx), []Submission{withKey("k2")})
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-other)
	require.Equal(t, 2, scan[int](b, `select count(*) from weir.runs`))
}
