package cluster

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInitAndDataMajor(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(root), 0o711))
	dir := filepath.Join(root, "data")
	major, err := DataMajor(dir)
	require.NoError(t, err)
	require.Zero(t, major)

	found, err := Find(t.Context())
	require.NoError(t, err)
	account, err := ServerAccount()
	require.NoError(t, err)
	require.NoError(t, Init(t.Context(), found[0], account, dir, "s3cret"))
	major, err = DataMajor(dir)
	require.NoError(t, err)
	require.Equal(t, found[0].Major, major)
	left, err := filepath.Glob(filepath.Join(root, "password-*"))
	require.NoError(t, err)
	require.Empty(t, left, "the password is not left lying about")

	err = Init(t.Context(), found[0], account, dir, "s3cret")
	require.ErrorContains(t, err, "exists but is not empty")
}

func TestURL(t *testing.T) {
	t.Parallel()
	require.Equal(t, "postgres://postgres:a%2Fb@127.0.0.1:5433/weir?sslmode=disable", URL(5433, "a/b", "weir"))
}

func TestFlagsListenOnlyHere(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		"-c", "listen_addresses=127.0.0.1", "-c", "port=5433", "-c", "unix_socket_directories=",
		"-c", "fsync=off", "-c", "timezone=UTC",
	}, Flags(5433, map[string]string{"timezone": "UTC", "fsync": "off"}))
}

func TestLogTail(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "log")
	require.Empty(t, LogTail(file))
	require.NoError(t, os.WriteFile(file, []byte("1\n2\n3\n4\n5\n6\n"), 0o600))
	require.Equal(t, "2 | 3 | 4 | 5 | 6", LogTail(file))
}
