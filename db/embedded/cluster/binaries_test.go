package cluster

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]struct {
		version string
		major   int
	}{
		"postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n": {"15.14", 15},
		"postgres (PostgreSQL) 17.5":                             {"17.5", 17},
		"postgres (PostgreSQL) 18beta1":                          {"18beta1", 18},
	} {
		version, major, err := parseVersion(line)
		require.NoError(t, err)
		require.Equal(t, want.version, version)
		require.Equal(t, want.major, major)
	}
	for _, line := range []string{"", "postgres 15", "mysqld  Ver 8"} {
		_, _, err := parseVersion(line)
		require.Error(t, err, line)
	}
}

// installation makes a directory that looks like an installation of PostgreSQL.
func installation(t *testing.T, dir, version string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for _, program := range []string{"postgres", "initdb", "pg_ctl"} {
		script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755))
	}
	return dir
}

func TestInspect(t *testing.T) {
	t.Parallel()
	good := installation(t, filepath.Join(t.TempDir(), "bin"), "16.2")
	found, err := inspect(t.Context(), good)
	require.NoError(t, err)
	require.Equal(t, Binaries{Dir: good, Version: "16.2", Major: 16}, found)
	require.Equal(t, filepath.Join(good, "initdb"), found.Path("initdb"))

	old := installation(t, filepath.Join(t.TempDir(), "bin"), "13.9")
	_, err = inspect(t.Context(), old)
	require.ErrorContains(t, err, "only 14 to 18 will do")

	half := installation(t, filepath.Join(t.TempDir(), "bin"), "16.2")
	require.NoError(t, os.Remove(filepath.Join(half, "pg_ctl")))
	_, err = inspect(t.Context(), half)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestNewestFirst(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, version := range []string{"9.6", "15", "16", "14"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, version, "bin"), 0o755))
	}
	var order []string
	for _, dir := range newestFirst(filepath.Join(root, "*", "bin")) {
		order = append(order, filepath.Base(filepath.Dir(dir)))
	}
	require.Equal(t, []string{"16", "15", "14", "9.6"}, order)
}

func TestFindEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Find(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
