package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServersDoNotRunAsRoot(t *testing.T) {
	t.Parallel()
	account, err := ServerAccount()
	require.NoError(t, err)
	require.Equal(t, os.Geteuid() == 0, account.Other)
	cmd := exec.Command("sh", "-c", "id -u; env")
	cmd.Dir = "/"
	account.Run(cmd)
	output, err := cmd.Output()
	require.NoError(t, err)
	uid, environment, _ := strings.Cut(string(output), "\n")
	require.Equal(t, strconv.Itoa(account.UID), uid)
	require.NotEqual(t, "0", uid)
	require.NotContains(t, environment, "PGHOST", "nothing of the caller's environment")
	require.NotContains(t, environment, "GOROOT")
}

func TestReaches(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(root), 0o755))
	stranger := Account{Name: "stranger", UID: 1 << 20, GID: 1 << 20, Other: true}
	open := filepath.Join(root, "open")
	closed := filepath.Join(root, "closed")
	require.NoError(t, os.Mkdir(open, 0o711))
	require.NoError(t, os.Mkdir(closed, 0o700))
	link := filepath.Join(root, "link")
	require.NoError(t, os.Symlink(closed, link))

	require.True(t, stranger.Reaches(filepath.Join(open, "data")))
	require.True(t, stranger.Reaches(filepath.Join(open, "not", "there", "yet")))
	require.False(t, stranger.Reaches(filepath.Join(closed, "data")))
	require.False(t, stranger.Reaches(filepath.Join(closed, "below", "data")))
	require.False(t, stranger.Reaches(filepath.Join(link, "data")), "links are followed")
	require.True(t, Account{Name: "owner", UID: os.Getuid(), GID: os.Getgid(), Other: true}.Reaches(filepath.Join(closed, "data")))
	require.True(t, Account{}.Reaches(filepath.Join(closed, "data")), "the user of this process sees for himself")
}
