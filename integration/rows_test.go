//go:build linux

package integration_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
)

// rows reads rows from the cluster's database: their columns are named like the fields of T, in lower case.
func rows[T any](t *testing.T, c *cluster.Cluster, sql string, args ...any) []T {
	t.Helper()
	found, err := c.Pool.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	list, err := pgx.CollectRows(found, pgx.RowToStructByName[T])
	require.NoError(t, err)
	return list
}
