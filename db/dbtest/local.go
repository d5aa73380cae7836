package dbtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/embedded/cluster"
)

//go:embed watchdog.sh
var watchdog string

// settings suit a server whose data nobody will miss.
func settings() map[string]string {
	return map[string]string{
		"fsync":                     "off",
		"full_page_writes":          "off",
		"max_connections":           "400",
		"max_locks_per_transaction": "128",
		"max_wal_senders":           "0",
		"wal_level":                 "minimal",
		"max_wal_size":              "1GB",
		"checkpoint_timeout":        "1h",
		"timezone":                  "UTC",
		"log_line_prefix":           "'%m [%p] %d '",
	}
}

// local is a server that the test processes of this user share. Whoever comes first starts it; a watchdog
// ends it when nobody is connected any more.
//
// Its directory has data/, server.log, watchdog.sh, and
//
//	start.lock     held while somebody looks whether the server runs, or starts it
//	port, password how to connect
//	watchdog.lock  held by the watchdog for as long as it lives
//	stopping       there while the watchdog ends the server
//	kept           there if the database of a failed test was kept
type local struct {
	dir      string
	binaries cluster.Binaries
	account  cluster.Account
	idle     time.Duration
	kept     time.Duration
}

// openLocal uses the binaries of this machine.
func openLocal(ctx context.Context, shared string, e env) (*server, error) {
	found, err := cluster.Find(ctx)
	if errors.Is(err, cluster.ErrNoBinaries) {
		return nil, fmt.Errorf("PostgreSQL on this machine %w", errAbsent)
	}
	if err != nil {
		return nil, err
	}
	return openBinaries(ctx, shared, found[0], e)
}

// openDownload uses binaries that are downloaded once.
func openDownload(ctx context.Context, shared string, e env) (*server, error) {
	binaries, err := e.download.Fetch(ctx)
	if err != nil {
		return nil, err
	}
	return openBinaries(ctx, shared, binaries, e)
}

// openBinaries joins the shared server of these binaries.
func openBinaries(ctx context.Context, shared string, binaries cluster.Binaries, e env) (*server, error) {
	account, err := cluster.ServerAccount()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(binaries.String() + account.Name))
	dir := filepath.Join(shared, fmt.Sprintf("%d-%s", binaries.Major, hex.EncodeToString(sum[:4])))
	if err := ownDir(dir); err != nil {
		return nil, err
	}
	l := &local{dir: dir, binaries: binaries, account: account, idle: e.idle, kept: e.kept}
	return l.join(ctx)
}

// join connects to the shared server, and starts it first if it does not run.
func (l *local) join(ctx context.Context) (*server, error) {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	for {
		conn, err := l.joinOnce(ctx)
		if err == nil {
			return &server{admin: conn.Config().ConnString(), hold: conn, keep: l.keep}, nil
		}
		if !errors.Is(err, errStopping) {
			return nil, err
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return nil, fmt.Errorf("wait for the end of the old test server: %w", err)
		}
	}
}

// errStopping is returned while the watchdog ends the server.
var errStopping = errors.New("the test server is being stopped")

// joinOnce looks once, under the lock.
func (l *local) joinOnce(ctx context.Context) (*pgx.Conn, error) {
	unlock, err := lockFile(ctx, l.path("start.lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if l.stopping() {
		return nil, errStopping
	}
	conn, err := l.connect(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		if conn, err = l.start(ctx); err != nil {
			return nil, err
		}
	}
	// The watchdog writes the file and then looks for connections; we connect and then look for the file.
	if l.stopping() {
		return nil, errors.Join(errStopping, conn.Close(ctx))
	}
	if err := l.watch(); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

// stopping tells whether the watchdog is at it. What a dead one left behind is cleared away.
func (l *local) stopping() bool {
	if _, err := os.Stat(l.path("stopping")); err != nil {
		return false
	}
	lock, err := tryLock(l.path("watchdog.lock"))
	if err != nil {
		return true
	}
	_ = os.Remove(l.path("stopping")) // then it is seen again
	_ = lock.Close()
	return false
}

// connect connects to the server that the files tell of. It is patient with one that is busy, starting or
// full; an error means that there is none.
func (l *local) connect(ctx context.Context) (*pgx.Conn, error) {
	port, portErr := os.ReadFile(l.path("port"))
	password, passwordErr := os.ReadFile(l.path("password"))
	if err := errors.Join(portErr, passwordErr); err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(strings.TrimSpace(string(port)))
	if err != nil {
		return nil, fmt.Errorf("read the port of the test server: %w", err)
	}
	return l.connectTo(ctx, number, strings.TrimSpace(string(password)))
}

func (l *local) connectTo(ctx context.Context, port int, password string) (*pgx.Conn, error) {
	for tries := 0; ; tries++ {
		url := cluster.URL(port, password, "postgres")
		conn, err := db.Connect(ctx, db.Config{URL: url, AppName: "weir dbtest hold"})
		if err == nil {
			return conn, nil
		}
		if errors.Is(err, syscall.ECONNREFUSED) || !db.IsTransient(err) || tries == 100 {
			return nil, err
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// start starts the server on the data that is there, or on new data if it was not ended properly: without
// fsync nothing that a crash leaves can be trusted.
func (l *local) start(ctx context.Context) (*pgx.Conn, error) {
	if _, err := os.Stat(l.path("data", "postmaster.pid")); err == nil {
		_ = l.pgCtl(ctx, "stop", "-m", "immediate", "-t", "10") // it may be dead already
		if err := os.RemoveAll(l.path("data")); err != nil {
			return nil, fmt.Errorf("clear the test server's data: %w", err)
		}
	}
	conn, err := l.startOnce(ctx)
	if err != nil && ctx.Err() == nil {
		// The data may be damaged, or the port was taken in between.
		if err := os.RemoveAll(l.path("data")); err != nil {
			return nil, fmt.Errorf("clear the test server's data: %w", err)
		}
		conn, err = l.startOnce(ctx)
	}
	if err != nil {
		return nil, err
	}
	if err := l.tidy(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

func (l *local) startOnce(ctx context.Context) (*pgx.Conn, error) {
	password, err := l.data(ctx)
	if err != nil {
		return nil, err
	}
	port, err := cluster.FreePort()
	if err != nil {
		return nil, err
	}
	log := l.path("data", "server.log")
	if err := l.pgCtl(ctx, "start", "-w", "-t", "60", "-l", log, "-o", strings.Join(cluster.Flags(port, settings()), " ")); err != nil {
		return nil, fmt.Errorf("start %s: %w: %s", l.binaries, err, cluster.LogTail(log))
	}
	if err := os.WriteFile(l.path("port"), []byte(strconv.Itoa(port)+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("note the port of the test server: %w", err)
	}
	conn, err := l.connectTo(ctx, port, password)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", l.binaries, err)
	}
	return conn, nil
}

// data makes the data directory unless it is there, and returns its password.
func (l *local) data(ctx context.Context) (password string, err error) {
	content, err := os.ReadFile(l.path("password"))
	if _, statErr := os.Stat(l.path("data", "PG_VERSION")); statErr == nil && err == nil {
		return strings.TrimSpace(string(content)), nil
	}
	if err := os.RemoveAll(l.path("data")); err != nil {
		return "", fmt.Errorf("clear the test server's data: %w", err)
	}
	password = cluster.Password()
	if err := os.WriteFile(l.path("password"), []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("note the password of the test server: %w", err)
	}
	return password, cluster.Init(ctx, l.binaries, l.account, l.path("data"), password)
}

// pgCtl runs pg_ctl. What it starts is no child of ours and has nothing of ours open.
func (l *local) pgCtl(ctx context.Context, command string, args ...string) error {
	cmd := exec.CommandContext(ctx, l.binaries.Path("pg_ctl"), append([]string{command, "-s", "-D", l.path("data")}, args...)...)
	cmd.Dir = l.path("data")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	l.account.Run(cmd)
	var output bytes.Buffer
	cmd.Stderr = &output
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pg_ctl %s: %w: %s", command, err, strings.TrimSpace(output.String()))
	}
	return nil
}

// tidy drops the databases that an earlier life of the server has left.
func (l *local) tidy(ctx context.Context, conn *pgx.Conn) error {
	if err := os.Remove(l.path("kept")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear the test server: %w", err)
	}
	rows, err := conn.Query(ctx, "select datname from pg_database where datname like $1 || '%'", databasePrefix)
	if err != nil {
		return fmt.Errorf("list old test databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list old test databases: %w", err)
	}
	for _, name := range names {
		if _, err := conn.Exec(ctx, "drop database if exists "+quote(name)+" with (force)"); err != nil {
			return fmt.Errorf("drop an old test database: %w", err)
		}
	}
	return nil
}

// watch makes sure that a watchdog is there. It inherits the lock, so the lock tells whether it lives.
func (l *local) watch() error {
	lock, err := tryLock(l.path("watchdog.lock"))
	if errors.Is(err, errLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // the watchdog has its own
	if err := os.WriteFile(l.path("watchdog.sh"), []byte(watchdog), 0o600); err != nil {
		return fmt.Errorf("start the watchdog: %w", err)
	}
	cmd := exec.Command("sh", l.path("watchdog.sh"), l.dir, seconds(l.idle), seconds(l.kept))
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.ExtraFiles = []*os.File{lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the watchdog: %w", err)
	}
	if err := cmd.Process.Release(); err != nil {
		return fmt.Errorf("start the watchdog: %w", err)
	}
	return nil
}

// seconds is a duration for a shell script.
func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// keep makes the watchdog wait longer, for somebody to look at a database.
func (l *local) keep() error {
	if err := os.WriteFile(l.path("kept"), nil, 0o600); err != nil {
		return fmt.Errorf("keep the test server: %w", err)
	}
	return nil
}

// path is a file of the server's directory.
func (l *local) path(elements ...string) string {
	return filepath.Join(append([]string{l.dir}, elements...)...)
}
