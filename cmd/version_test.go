package cmd

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/migrations"
)

func TestVersion(t *testing.T) { // S3
	t.Parallel()
	code, stdout, stderr := runs(t, "version")
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, "weir ")
	code, stdout, _ = runs(t, "version", "-o", "json")
	require.Equal(t, exitDone, code)
	var b binary
	require.NoError(t, json.Unmarshal([]byte(stdout), &b))
	require.Equal(t, migrations.Latest(), b.Schema)
	require.Equal(t, migrations.Needs, b.SchemaMin)
	_, stdout, _ = runs(t, "version", "-o", "yaml")
	require.Contains(t, stdout, "\nschema_needs: ")
	code, _, stderr = runs(t, "version", "-o", "xml")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "weir: --output must be one of")
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"--help"}, {"serve", "--help"}, {"migrate", "down", "--help"}, {"dev", "--help"}} {
		code, stdout, stderr := runs(t, args...)
		require.Equal(t, exitDone, code, stderr)
		require.Contains(t, stdout, "Usage: weir")
		require.Empty(t, stderr)
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a[31mb c d", printable("a\x1b[31mb\tc\nd\r\x00\u202e"))
}
