//go:build linux

package ledger_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/prove/ledger"
)

func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none, err := ledger.Read(dir)
	require.NoError(t, err)
	require.Empty(t, none)

	one, err := ledger.Open(dir)
	require.NoError(t, err)
	other, err := ledger.Open(dir)
	require.NoError(t, err)
	run := uuid.New()
	require.NoError(t, one.Note(ledger.Entry{What: ledger.Start, Run: run, Step: "a[0]", Attempt: 1, Replica: "01"}))
	require.NoError(t, other.Note(ledger.Entry{At: 5, What: ledger.End, Run: run, Step: "a[0]", Attempt: 1, Replica: "01", PID: 7, Note: "ok"}))
	require.NoError(t, one.Close())
	require.NoError(t, other.Close())

	entries, err := ledger.Read(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Positive(t, entries[0].At)
	require.LessOrEqual(t, entries[0].At, ledger.Now())
	require.Equal(t, os.Getpid(), entries[0].PID)
	require.Equal(t, ledger.Entry{At: 5, What: ledger.End, Run: run, Step: "a[0]", Attempt: 1, Replica: "01", PID: 7, Note: "ok"}, entries[1])

	path := filepath.Join(dir, ledger.File)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(text, `{"at": 1`...), 0o600))
	entries, err = ledger.Read(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "a torn last line")
	require.NoError(t, os.WriteFile(path, append([]byte("{\n"), text...), 0o600))
	_, err = ledger.Read(dir)
	require.ErrorContains(t, err, "line 1")
}
