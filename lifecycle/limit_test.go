package lifecycle

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// plantSlots has the runs hold, or wait for, slots of a key. The gate makes such rows.
func (b *bundle) plantSlots(key string, held, waiting []uuid.UUID) {
	b.t.Helper()
	b.exec(`insert into weir.limits (key, used, declared) values ($1, $2, 2) on conflict (key) do update set used = excluded.used, declared = 2`, key, len(held))
	for _, run := range held {
		b.exec(`insert into weir.slots (run_id, step, concurrency_key, holds, held_at) values ($1, 0, $2, array[$2], clock_timestamp())`, run, key)
	}
	for _, run := range waiting {
		b.exec(`insert into weir.slots (run_id, step, concurrency_key, waiting_on) values ($1, 0, $2, $2)`, run, key)
	}
}

func TestLimitSet(t *testing.T) {
	t.Parallel()
	b := setup(t)
	set, err := b.LimitSet(t.Context(), "db/main", 3, "token:me")
	require.NoError(t, err)
	require.Equal(t, &LimitView{
		Key: "db/main", Limit: new(3), Administered: new(3), AdministeredAt: set.AdministeredAt, AdministeredBy: new("token:me"), Holders: []LimitHolder{},
	}, set)

	runs := b.submitSome(5, planOf(step("a")))
	b.exec(`delete from weir.dirty`)
	b.plantSlots("db/main", runs[:2], runs[2:])
	_, err = b.LimitSet(t.Context(), "db/main", 1, "local")
	require.NoError(t, err)
	got, err := b.LimitGet(t.Context(), "db/main")
	require.NoError(t, err)
	require.Equal(t, 1, *got.Limit)
	require.Equal(t, 2, *got.Declared)
	require.Equal(t, 2, got.Used, "lowering takes nothing from those that hold a slot")
	require.Equal(t, 3, got.Waiting)
	require.Equal(t, []uuid.UUID{runs[0], runs[1]}, []uuid.UUID{got.Holders[0].Run, got.Holders[1].Run})
	require.Empty(t, got.Holders[0].Step)
	require.Equal(t, runs[2], scan[uuid.UUID](b, `select distinct run_id from weir.dirty where shard = 16`), "the gate is told who is first in line")

	unset, err := b.LimitUnset(t.Context(), "db/main")
	require.NoError(t, err)
	require.Nil(t, unset.Administered)
	require.Equal(t, 2, *unset.Limit)
	_, err = b.LimitUnset(t.Context(), "db/main")
	require.NoError(t, err)

	b.exec(`delete from weir.slots`)
	b.exec(`update weir.limits set used = 0`)
	over, err := b.LimitUnset(t.Context(), "db/main")
	require.NoError(t, err)
	require.Equal(t, &LimitView{Key: "db/main", Holders: []LimitHolder{}}, over)
	for _, do := range []func() (*LimitView, error){
		func() (*LimitView, error) { return b.LimitUnset(t.Context(), "db/main") },
		func() (*LimitView, error) { return b.LimitGet(t.Context(), "db/main") },
	} {
		_, err := do()
		var known *Error
		require.ErrorAs(t, err, &known)
		require.Equal(t, CodeNotFound, known.Code)
	}
}

func TestLimitRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`insert into weir.limits (key, used, declared) values ('~run/x', 1, 1)`)
	for name, err := range map[string]error{
		"our own":      second(b.LimitSet(t.Context(), "~run/x", 3, "local")),
		"our own, get": second(b.LimitGet(t.Context(), "~run/x")),
		"no key":       second(b.LimitUnset(t.Context(), "a b")),
		"nothing":      second(b.LimitSet(t.Context(), "k", 0, "local")),
		"too many":     second(b.LimitSet(t.Context(), "k", 100_001, "local")),
	} {
		var known *Error
		require.ErrorAs(t, err, &known, name)
		require.Equal(t, CodeInvalidRequest, known.Code, name)
	}
}

func second[T any](_ T, err error) error { return err }

func TestLimitList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 5 {
		_, err := b.LimitSet(t.Context(), fmt.Sprintf("k%d", i), i+1, "local")
		require.NoError(t, err)
	}
	b.exec(`insert into weir.limits (key, used, declared) select '~run/' || i, 1, 1 from generate_series(1, 1000) i`)
	var keys []string
	for cursor := ""; ; {
		page, err := b.LimitList(t.Context(), PageRequest{Limit: 2, Cursor: cursor})
		require.NoError(t, err)
		for _, view := range page.Items {
			keys = append(keys, view.Key)
			require.Nil(t, view.Holders)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	require.Equal(t, []string{"k0", "k1", "k2", "k3", "k4"}, keys)
	_, err := b.LimitList(t.Context(), PageRequest{Cursor: "~"})
	require.Error(t, err)
}

// TestLimitWhileItIsHeld changes a limit while steps hold slots of it, and others wait.
func TestLimitWhileItIsHeld(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 6 {
		b.submitYAML(limitedBy("k", ""))
	}
	first := b.claimed()
	require.Len(t, first, 2, "as the plan says")
	set := func(limit int) {
		t.Helper()
		_, err := b.LimitSet(t.Context(), "k", limit, "local")
		require.NoError(t, err)
	}
	set(3)
	second := b.claimed()
	require.Len(t, second, 1, "raised, it lets one more go")
	set(1)
	require.Empty(t, b.claimed())
	require.Equal(t, 3, b.countRunning(), "lowered, it takes nothing away")
	for i, a := range append(first, second...) {
		require.Empty(t, b.claimed(), "there are %d still", 3-i)
		b.finish(a, OutcomeSucceeded)
	}
	third := b.claimed()
	require.Len(t, third, 1)
	_, err := b.LimitUnset(t.Context(), "k")
	require.NoError(t, err)
	require.Len(t, b.claimed(), 1, "the plan says 2 again")
	got, err := b.LimitGet(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, 2, got.Used)
	require.Equal(t, 1, got.Waiting)
	require.Len(t, got.Holders, 2)
}

// TestLimitIsSetBeforehand: what was set before any plan asked goes before what the plans say, and stays when they are done.
func TestLimitIsSetBeforehand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.LimitSet(t.Context(), "k", 1, "local")
	require.NoError(t, err)
	for range 2 {
		b.submitYAML(limitedBy("k", ""))
	}
	for range 2 {
		attempts := b.claimed()
		require.Len(t, attempts, 1)
		b.finish(attempts[0], OutcomeSucceeded)
	}
	b.pass()
	got, err := b.LimitGet(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, 1, *got.Limit)
	require.Zero(t, got.Used)
	b.clean()
}
