package embedded_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirqueue/weir/db/embedded"
	"github.com/weirqueue/weir/db/embedded/cluster"
)

// asParent makes the test binary a process that starts a server, says where, and waits.
const asParent = "WEIR_TEST_EMBEDDED_PARENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asParent); dir != "" {
		server, err := embedded.Start(context.Background(), embedded.Config{DataDir: dir})
		fmt.Fprintln(os.Stdout, server.URL(), err)
		select {}
	}
	goleak.VerifyTestMain(m)
}

const (
	// patience is how long a test waits for what has to come, and tick how often it looks.
	patience = 30 * time.Second
	tick     = 10 * time.Millisecond
)

// directory is a new directory that another user may enter, too.
func directory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711))
	return filepath.Join(dir, "weir")
}

// start starts a server and stops it at the end of the test.
func start(t *testing.T, dir string) *embedded.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, err := embedded.Start(ctx, embedded.Config{DataDir: dir})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, server.Stop(ctx))
	})
	return server
}

// run runs a statement and returns its one answer.
func run(t *testing.T, server, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var answer string
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&answer))
	return answer
}

// write leaves something to be found again.
func write(t *testing.T, server string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), "create table t as select 'kept' as v")
	require.NoError(t, err)
}

// refusesConnections is true if nobody listens where the URL leads.
func refusesConnections(t *testing.T, raw string) bool {
	t.Helper()
	target, err := url.Parse(raw)
	require.NoError(t, err)
	conn, err := net.Dial("tcp4", target.Host)
	if err != nil {
		return true
	}
	require.NoError(t, conn.Close())
	return false
}

func TestServerKeepsItsData(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	first := start(t, dir)
	write(t, first.URL())
	require.Equal(t, embedded.Database, run(t, first.URL(), "select current_database()::text"))
	require.NoError(t, first.Stop(t.Context()))
	require.True(t, refusesConnections(t, first.URL()))
	require.NoError(t, first.Err(), "it was stopped")
	require.NoError(t, first.Stop(t.Context()), "a second time does nothing")

	second := start(t, dir)
	require.Equal(t, first.URL(), second.URL(), "port and password stay")
	require.Equal(t, "kept", run(t, second.URL(), "select v from t"))
}

func TestServerWantsItsPassword(t *testing.T) {
	t.Parallel()
	server := start(t, directory(t))
	target, err := url.Parse(server.URL())
	require.NoError(t, err)
	target.User = url.User(target.User.Username())
	_, err = pgx.Connect(t.Context(), target.String())
	require.ErrorContains(t, err, "password authentication failed")
	info, err := os.Stat(filepath.Join(filepath.Dir(server.LogFile()), "password"))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077)
}

func TestStartOnADirectoryInUse(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	server := start(t, dir)
	_, err := embedded.Start(t.Context(), embedded.Config{DataDir: dir})
	var refused *embedded.Error
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Error(), "is in use by process "+strconv.Itoa(os.Getpid()))
	require.Contains(t, refused.Try(), "--data")
	require.Equal(t, "1", run(t, server.URL(), "select '1'"), "the first one goes on")
}

func TestStartOnDataOfAnotherVersion(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("13\n"), 0o644))
	_, err := embedded.Start(t.Context(), embedded.Config{DataDir: dir})
	var refused *embedded.Error
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Error(), "was made by PostgreSQL 13, and ")
	require.Contains(t, refused.Try(), "install PostgreSQL 13")
}

func TestStartOnAPortInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	_, err = embedded.Start(t.Context(), embedded.Config{DataDir: directory(t), Port: port})
	var refused *embedded.Error
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Error(), strconv.Itoa(port))
}

func TestStartInADirectoryThatCannotBeMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := embedded.Start(t.Context(), embedded.Config{DataDir: filepath.Join(file, "dir")})
	var refused *embedded.Error
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Error(), "cannot be made")
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	require.NoError(t, start(t, dir).Stop(t.Context())) // so that there is data
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := embedded.Start(ctx, embedded.Config{DataDir: dir})
	require.ErrorIs(t, err, context.Canceled)
	start(t, dir) // and nothing is left that is in the way
}

// The parent is killed and can clear away nothing; the server ends all the same, and its data is whole.
func TestServerDiesWithItsParent(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), asParent+"="+dir)
	output, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line := make([]byte, 1024)
	n, err := output.Read(line)
	require.NoError(t, err)
	server, startErr, _ := strings.Cut(strings.TrimSpace(string(line[:n])), " ")
	require.Equal(t, "<nil>", startErr)
	write(t, server)

	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())

	// At once, while the old one may still be ending.
	again := start(t, dir)
	require.Equal(t, "kept", run(t, again.URL(), "select v from t"))
	require.NoError(t, again.Stop(t.Context()))
	require.Eventually(t, func() bool { return refusesConnections(t, server) }, patience, tick)
}

// What a dead server left names a process that lives and is not it.
func TestStartDespiteAStaleProcessID(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	first := start(t, dir)
	require.NoError(t, syscall.Kill(first.PID(), syscall.SIGKILL))
	<-first.Done()
	require.NoError(t, first.Stop(t.Context()))
	file := filepath.Join(dir, "data", "postmaster.pid")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(content), "\n")
	require.NoError(t, os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())+"\n"+rest), 0o600))
	require.Equal(t, "1", run(t, start(t, dir).URL(), "select '1'"))
}

func TestStartWhileAnotherServerHasTheData(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	require.NoError(t, start(t, dir).Stop(t.Context()))
	data := filepath.Join(dir, "data")
	found, err := cluster.Find(t.Context())
	require.NoError(t, err)
	account, err := cluster.ServerAccount()
	require.NoError(t, err)
	port, err := cluster.FreePort()
	require.NoError(t, err)
	other := exec.Command(found[0].Path("postgres"), append([]string{"-D", data}, cluster.Flags(port, nil)...)...)
	account.Run(other)
	require.NoError(t, other.Start())
	defer func() {
		require.NoError(t, other.Process.Signal(syscall.SIGINT))
		require.NoError(t, other.Wait())
	}()
	require.Eventually(t, func() bool { return !refusesConnections(t, cluster.URL(port, "", "weir")) }, patience, tick)

	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = embedded.Start(ctx, embedded.Config{DataDir: dir})
	var refused *embedded.Error
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Error(), "process "+strconv.Itoa(other.Process.Pid))
	require.Contains(t, refused.Try(), "kill -INT "+strconv.Itoa(other.Process.Pid))
}

func TestServerThatEndsByItself(t *testing.T) {
	t.Parallel()
	server := start(t, directory(t))
	require.NoError(t, server.Err())
	require.NoError(t, syscall.Kill(server.PID(), syscall.SIGQUIT))
	<-server.Done()
	var ended *embedded.Error
	require.ErrorAs(t, server.Err(), &ended)
	require.Contains(t, ended.Error(), "ended by itself")
	require.Contains(t, ended.Try(), server.LogFile())
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	server := start(t, dir)
	write(t, server.URL())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, server.Stop(ctx))
	require.Equal(t, "kept", run(t, start(t, dir).URL(), "select v from t"))
}

func TestDataLiesElsewhereIfTheServerCannotGetIn(t *testing.T) {
	t.Parallel()
	closed := directory(t)
	require.NoError(t, os.Mkdir(closed, 0o700))
	elsewhere := filepath.Join(directory(t), "elsewhere")
	stranger := cluster.Account{Name: "stranger", UID: 1 << 20, GID: 1 << 20, Other: true}

	there, err := embedded.PlaceData(closed, elsewhere, stranger)
	require.NoError(t, err)
	require.Equal(t, elsewhere, filepath.Dir(there))
	link, err := os.Readlink(filepath.Join(closed, "data"))
	require.NoError(t, err)
	require.Equal(t, there, link)
	again, err := embedded.PlaceData(closed, elsewhere, stranger)
	require.NoError(t, err)
	require.Equal(t, there, again)

	own, err := embedded.PlaceData(directory(t), elsewhere, cluster.Account{})
	require.NoError(t, err)
	require.NotContains(t, own, elsewhere)

	_, err = embedded.PlaceData(filepath.Join(closed, "below"), filepath.Join(closed, "elsewhere"), stranger)
	require.ErrorContains(t, err, "user stranger, as whom PostgreSQL runs for root, cannot get into")
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, err := embedded.Start(ctx, embedded.Config{DataDir: directory(t), Env: []string{"WEIR_TEST_GIVEN=this", "TZ=Asia/Kolkata"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	conn, err := pgx.Connect(t.Context(), server.URL())
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.PgConn().Exec(t.Context(), `create table said (line text); copy said from program 'echo $WEIR_TEST_GIVEN $TZ'`).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "this Asia/Kolkata", run(t, server.URL(), "select line from said"))
}
