package db_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
)

func TestCheckDirect(t *testing.T) {
	t.Parallel()
	direct := dbtest.Empty(t).URL

	conn, err := db.Connect(t.Context(), db.Config{URL: direct})
	require.NoError(t, err)
	defer conn.Close(t.Context())
	require.NoError(t, db.CheckDirect(t.Context(), conn))

	pooled, err := db.Connect(t.Context(), db.Config{URL: dbtest.Pooler(t, direct)})
	require.NoError(t, err)
	defer pooled.Close(t.Context())
	var refused *db.ConnectError
	require.ErrorAs(t, db.CheckDirect(t.Context(), pooled), &refused)
	require.Contains(t, refused.Error(), "pooler in transaction mode")
	require.Contains(t, refused.Try(), "--direct-database-url")
}

func TestConnectTakesTheDirectURL(t *testing.T) {
	t.Parallel()
	direct := dbtest.Empty(t).URL
	conn, err := db.Connect(t.Context(), db.Config{URL: "postgres://nowhere.invalid/weir", DirectURL: direct})
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var timeout string
	require.NoError(t, conn.QueryRow(t.Context(), "select current_setting('statement_timeout')").Scan(&timeout))
	require.Equal(t, "0", timeout)
}
