package dbtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
)

// tried is a source that counts how often it is tried.
type tried struct {
	count int
	err   error
}

func (s *tried) open(context.Context) (*server, error) {
	s.count++
	if s.err != nil {
		return nil, s.err
	}
	return &server{}, nil
}

func TestFirstFallsThroughAndRemembers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	absent := &tried{err: errAbsent}
	broken := &tried{err: errors.New("cannot pull")}
	works := &tried{}
	never := &tried{}
	sources := []source{{"url", absent.open}, {"docker", broken.open}, {"local", works.open}, {"download", never.open}}

	for range 3 {
		found, err := first(t.Context(), dir, 1, sources)
		require.NoError(t, err)
		require.Equal(t, []string{"PostgreSQL for the tests: docker is passed over: cannot pull"}, found.lines())
		require.Empty(t, found.lines(), "it is said once")
	}
	require.Equal(t, 1, broken.count, "once in one go test")
	require.Equal(t, 3, works.count)
	require.Zero(t, never.count)

	_, err := first(t.Context(), dir, 2, sources)
	require.NoError(t, err)
	require.Equal(t, 2, broken.count, "again in the next go test")
}

func TestFirstForgetsAfterAWhile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broken := &tried{err: errors.New("no")}
	sources := []source{{"docker", broken.open}, {"local", (&tried{}).open}}
	_, err := first(t.Context(), dir, 1, sources)
	require.NoError(t, err)
	old := time.Now().Add(-2 * refusalsFor)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "refused-1.json"), old, old))
	_, err = first(t.Context(), dir, 1, sources)
	require.NoError(t, err)
	require.Equal(t, 2, broken.count)
}

func TestFirstWithoutAny(t *testing.T) {
	t.Parallel()
	_, err := first(t.Context(), t.TempDir(), 1, []source{
		{"docker", (&tried{err: errors.New("cannot pull")}).open},
		{"local", (&tried{err: errAbsent}).open},
	})
	require.ErrorIs(t, err, errNoServer)
	require.ErrorContains(t, err, "docker is passed over: cannot pull")
}

func TestForced(t *testing.T) {
	t.Parallel()
	broken := &tried{err: errors.New("cannot pull")}
	works := &tried{}
	sources := []source{{"docker", broken.open}, {"local", works.open}}
	_, err := forced(t.Context(), "docker", sources)
	require.ErrorContains(t, err, "WEIR_TEST_POSTGRES=docker: cannot pull")
	require.Zero(t, works.count, "nothing else is tried")
	_, err = forced(t.Context(), "local", sources)
	require.NoError(t, err)
	_, err = forced(t.Context(), "mysql", sources)
	require.ErrorContains(t, err, "it is url, docker, local or download")
}

func TestOpenURL(t *testing.T) {
	t.Parallel()
	_, err := openURL(t.Context(), "")
	require.ErrorIs(t, err, errAbsent)

	_, err = openURL(t.Context(), "postgres://weir@127.0.0.1:1/weir")
	var refused *db.ConnectError
	require.ErrorAs(t, err, &refused)
	require.NotErrorIs(t, err, errAbsent)

	other := Empty(t)
	found, err := openURL(t.Context(), other.URL)
	require.NoError(t, err)
	name := databaseName(t.Name())
	require.NoError(t, found.exec(t.Context(), "create database "+quote(name)))
	require.NoError(t, found.exec(t.Context(), "drop database "+quote(name)))
}

func TestSharedDirIsOurs(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(temp), 0o711))
	dir, err := env{temp: temp}.sharedDir()
	require.NoError(t, err)
	require.Equal(t, temp, filepath.Dir(dir))
	again, err := env{temp: temp}.sharedDir()
	require.NoError(t, err)
	require.Equal(t, dir, again)

	require.NoError(t, os.Chmod(dir, 0o777))
	elsewhere, err := env{temp: temp}.sharedDir()
	require.NoError(t, err)
	require.NotEqual(t, dir, elsewhere, "others could write to it")
}
