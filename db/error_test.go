package db_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
)

func TestAsErrorHasWhatTheDatabaseSays(t *testing.T) {
	t.Parallel()
	pool := dbtest.Empty(t).Pool(t)
	_, err := pool.Exec(t.Context(), "create table jars (lids int, constraint jar_has_a_lid check (lids > 0))")
	require.NoError(t, err)

	_, err = pool.Exec(t.Context(), "insert into jars values (0)")
	refusal, ok := db.AsError(fmt.Errorf("fill the jar: %w", err))
	require.True(t, ok)
	require.Equal(t, db.CheckViolation, refusal.SQLState)
	require.Equal(t, "jar_has_a_lid", refusal.Constraint)
	require.Equal(t, "jars", refusal.Table)
	require.Equal(t, "public", refusal.Schema)
	require.Contains(t, refusal.Error(), "violates check constraint")
	require.Contains(t, refusal.Detail, "Failing row")
	require.False(t, refusal.Fatal)

	_, err = pool.Exec(t.Context(), "do $$ begin raise 'no' using hint = 'ask again', errcode = 'check_violation', constraint = 'a_rule'; end $$")
	refusal, ok = db.AsError(err)
	require.True(t, ok)
	require.Equal(t, "ask again", refusal.Hint)
	require.Equal(t, "a_rule", refusal.Constraint)

	for _, other := range []error{nil, pgx.ErrNoRows, errors.New("no"), t.Context().Err()} {
		_, ok = db.AsError(other)
		require.False(t, ok)
	}
}
