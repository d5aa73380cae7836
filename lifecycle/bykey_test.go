package lifecycle

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func (b *bundle) byKey(key, conflict string) Submitted {
	b.t.Helper()
	s, err := b.Submit(b.t.Context(), Submission{Plan: planOf(step("a")), Actor: "local", Key: key, OnConflict: conflict})
	require.NoError(b.t, err)
	return s
}

func TestKeyKeep(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.byKey("item/1", ConflictKeep)
	require.False(t, first.Kept)
	again := b.byKey("item/1", ConflictKeep)
	require.Equal(t, Submitted{ID: first.ID, Kept: true}, again)
	require.Equal(t, []string{"a"}, b.drive(nil))
	next := b.byKey("item/1", ConflictKeep)
	require.NotEqual(t, first.ID, next.ID, "the first has ended")
	require.Equal(t, []string{"a"}, b.drive(nil))
	b.is(next.ID, "a succeeded; succeeded")
}

// S5: superseding stops the work of the old run, and the new one starts when that has really stopped.
func TestKeyReplaceS5(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.byKey("k", ConflictKeep)
	held := b.claimed()[0]
	second := b.byKey("k", ConflictReplace)
	third := b.byKey("k", ConflictReplace)
	require.Empty(t, b.claimed(), "the work of the first goes on")
	require.Equal(t, "superseded", scan[string](b, `select cause::text from weir.stops where run_id = $1`, first.ID))
	b.is(second.ID, "a cancelled; cancelled")
	b.finish(held, OutcomeCancelled)
	require.Equal(t, []string{"a"}, b.drive(nil))
	b.is(first.ID, "a cancelled; cancelled")
	b.is(third.ID, "a succeeded; succeeded")
	require.Equal(t, "superseded", scan[string](b, `select cause::text from weir.runs where id = $1`, first.ID))
}

func TestKeyQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second, third := b.byKey("k", ConflictQueue), b.byKey("k", ConflictQueue), b.byKey("k", ConflictQueue)
	for _, run := range []uuid.UUID{first.ID, second.ID, third.ID} {
		attempts := b.claimed()
		require.Len(t, attempts, 1)
		require.Equal(t, run, attempts[0].Run)
		b.finish(attempts[0], OutcomeSucceeded)
	}
	b.pass()
	b.is(third.ID, "a succeeded; succeeded")
}

func TestKeyOfTenClientsThatRace(t *testing.T) {
	t.Parallel()
	for _, conflict := range []string{ConflictKeep, ConflictReplace, ConflictQueue} {
		t.Run(conflict, func(t *testing.T) {
			t.Parallel()
			replicas := cluster(t, 2)
			b := replicas[0]
			var wg sync.WaitGroup
			var mu sync.Mutex
			ids := map[uuid.UUID]bool{}
			for i := range 10 {
				wg.Go(func() {
					s := replicas[i%2].byKey("k", conflict)
					mu.Lock()
					defer mu.Unlock()
					ids[s.ID] = true
				})
			}
			wg.Wait()
			if conflict == ConflictKeep {
				require.Len(t, ids, 1)
			} else {
				require.Len(t, ids, 10)
			}
			ran := 0
			for {
				attempts := b.claimed()
				require.LessOrEqual(t, len(attempts), 1, "at most one run of a key is live")
				if len(attempts) == 0 {
					break
				}
				b.finish(attempts[0], OutcomeSucceeded)
				ran++
			}
			switch conflict {
			case ConflictKeep, ConflictReplace:
				require.Equal(t, 1, ran)
			case ConflictQueue:
				require.Equal(t, 10, ran)
			}
			require.Zero(t, scan[int](b, `select count(*) from weir.runs where finished_at is null`))
			b.clean()
		})
	}
}
