package dbtest

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/embedded/cluster"
)

const (
	// patience is how long a test waits for what has to come, and tick how often it looks.
	patience = 60 * time.Second
	tick     = 20 * time.Millisecond
)

// localServer is a shared server of the test's own, which ends when it has been idle for a second.
func localServer(t *testing.T) *local {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711))
	found, err := cluster.Find(t.Context())
	if errors.Is(err, cluster.ErrNoBinaries) {
		var binaries cluster.Binaries
		binaries, err = cluster.Download{}.Fetch(t.Context())
		found = []cluster.Binaries{binaries}
	}
	require.NoError(t, err)
	account, err := cluster.ServerAccount()
	require.NoError(t, err)
	l := &local{dir: dir, binaries: found[0], account: account, idle: time.Second, kept: time.Hour}
	t.Cleanup(func() {
		_ = os.Remove(l.path("kept"))
		l.ended(t)
	})
	return l
}

// ended waits until neither server nor watchdog are left.
func (l *local) ended(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		lock, err := tryLock(l.path("watchdog.lock"))
		if err != nil {
			return false
		}
		defer lock.Close()
		_, err = os.Stat(l.path("data", "postmaster.pid"))
		return os.IsNotExist(err)
	}, patience, tick)
	require.False(t, l.answers(t))
}

// answers tells whether somebody listens on the server's port.
func (l *local) answers(t *testing.T) bool {
	t.Helper()
	conn, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", l.read(t, "port")))
	if err != nil {
		return false
	}
	require.NoError(t, conn.Close())
	return true
}

// read is the first line of one of the server's files.
func (l *local) read(t *testing.T, elements ...string) string {
	t.Helper()
	content, err := os.ReadFile(l.path(elements...))
	require.NoError(t, err)
	line, _, _ := strings.Cut(string(content), "\n")
	return line
}

func TestLocalServerIsSharedAndEndsByItself(t *testing.T) {
	t.Parallel()
	l := localServer(t)
	var group sync.WaitGroup
	servers := make([]*server, 5)
	errs := make([]error, len(servers))
	for i := range servers {
		group.Go(func() { servers[i], errs[i] = l.join(t.Context()) })
	}
	group.Wait()
	for i := range servers {
		require.NoError(t, errs[i])
		require.Equal(t, servers[0].admin, servers[i].admin)
	}
	name := databaseName(t.Name())
	require.NoError(t, servers[0].exec(t.Context(), "create database "+quote(name)))
	for _, s := range servers[1:] {
		require.NoError(t, s.hold.Close(t.Context()))
	}
	require.NoError(t, servers[0].hold.Ping(t.Context()))
	require.NoError(t, servers[0].hold.Close(t.Context()))
	l.ended(t)

	// The next one finds the data, cleared of what the last ones left.
	again, err := l.join(t.Context())
	require.NoError(t, err)
	defer again.hold.Close(t.Context())
	var left int
	require.NoError(t, again.hold.QueryRow(t.Context(),
		"select count(*) from pg_database where datname = $1", name).Scan(&left))
	require.Zero(t, left)
}

func TestLocalServerThatDiedIsReplaced(t *testing.T) {
	t.Parallel()
	l := localServer(t)
	first, err := l.join(t.Context())
	require.NoError(t, err)
	pid, err := strconv.Atoi(l.read(t, "data", "postmaster.pid"))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool { return !l.answers(t) }, patience, tick)

	second, err := l.join(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first.admin, second.admin)
	require.NoError(t, second.hold.Close(t.Context()))
}

// Whoever comes while the watchdog ends the server waits, and starts it again.
func TestLocalServerThatIsJustEnding(t *testing.T) {
	t.Parallel()
	l := localServer(t)
	for range 2 {
		s, err := l.join(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.hold.Close(t.Context()))
		require.Eventually(t, func() bool {
			_, err := os.Stat(l.path("stopping"))
			return err == nil || !l.answers(t)
		}, patience, time.Millisecond)
	}
}

// A marker without a watchdog is nobody's.
func TestLocalServerWithAMarkerThatWasLeftBehind(t *testing.T) {
	t.Parallel()
	l := localServer(t)
	require.NoError(t, os.WriteFile(l.path("stopping"), nil, 0o600))
	s, err := l.join(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.hold.Close(t.Context()))
}

func TestLocalServerStaysForADatabaseThatWasKept(t *testing.T) {
	t.Parallel()
	l := localServer(t)
	s, err := l.join(t.Context())
	require.NoError(t, err)
	require.NoError(t, l.keep())
	require.NoError(t, s.hold.Close(t.Context()))
	// Without the marker it ends after a second; another server, started later, shows that it has passed.
	other := localServer(t)
	o, err := other.join(t.Context())
	require.NoError(t, err)
	require.NoError(t, o.hold.Close(t.Context()))
	other.ended(t)
	require.True(t, l.answers(t))
}

func TestServerThatMayNotCreateDatabases(t *testing.T) {
	t.Parallel()
	l := localServer(t)
	s, err := l.join(t.Context())
	require.NoError(t, err)
	defer s.hold.Close(t.Context())
	_, err = s.hold.Exec(t.Context(), "create role poor login password 'poor'")
	require.NoError(t, err)
	port, err := strconv.Atoi(l.read(t, "port"))
	require.NoError(t, err)
	poor := strings.Replace(cluster.URL(port, "poor", "postgres"), "postgres:poor", "poor:poor", 1)
	_, err = openURL(t.Context(), poor)
	require.ErrorContains(t, err, "may not create databases")
	var refused *db.ConnectError
	require.NotErrorAs(t, err, &refused)
}
