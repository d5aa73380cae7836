//go:build linux

package cluster

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/dbtest"
)

// Names of variables that every process has and passes on to its commands.
const (
	EnvMark    = "CLUSTER_MARK"    // what everything that comes from the process carries
	EnvReplica = "CLUSTER_REPLICA" // the process's name
	EnvLedger  = "CLUSTER_LEDGER"  // the directory of the ledger
)

// tempDir is where processes make temporary files: what a killed one leaves behind goes with the cluster.
const tempDir = "tmp"

// Bounds of patience. They are generous: what a test waits for comes soon, or never.
const (
	patience = 2 * time.Minute       // of Until
	leaving  = 30 * time.Second      // for processes to be gone
	glance   = 10 * time.Millisecond // between two looks
	logTail  = 150                   // lines of a log that are printed when a test has failed
)

// Config says what a cluster is made of. The zero value is good.
type Config struct {
	// URL is the database; "" = one of dbtest's, migrated, which takes a testing.TB.
	URL string
	// Binary is what runs; "" = Binary(t).
	Binary string
	// Flags are given to every `weir serve`, before its own.
	Flags []string
	// Env is added to the environment of every process.
	Env []string
}

// Cluster is what one test runs. Its methods fail the test when what they wait for does not come, so in a test they are
// for the test's own goroutine; a program whose T allows for it may call them from any, at once.
type Cluster struct {
	// Dir holds the logs, the ledger and whatever else the test puts there. Every user may look into it.
	Dir string
	// Mark is what every process of the cluster carries.
	Mark string
	// URL leads to the database, past every proxy.
	URL string
	// Pool is the test's own way to the database.
	Pool *pgxpool.Pool

	t      T
	config Config

	mu        sync.Mutex
	named     int // names that were given
	processes []*Process
}

// New makes a cluster without processes. At the end of the test every process that is left is killed, and the test
// fails if anything survives that.
func New(t T, config Config) *Cluster {
	t.Helper()
	if config.Binary == "" {
		config.Binary = Binary(t)
	}
	if config.URL == "" {
		test, ok := t.(testing.TB)
		if !ok {
			t.Fatalf("a cluster of a program needs the URL of a database")
		}
		config.URL = dbtest.URL(test)
	}
	c := &Cluster{t: t, config: config, URL: config.URL, Mark: "weir-cluster-" + strings.ToLower(rand.Text()[:12])}
	dir, err := os.MkdirTemp("", c.Mark+"-") // kept when the test has failed
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		err = errors.Join(os.Mkdir(filepath.Join(dir, tempDir), 0o777), os.Chmod(filepath.Join(dir, tempDir), 0o777|os.ModeSticky))
	}
	if err != nil {
		t.Fatalf("make the cluster's directory: %v", err)
	}
	c.Dir = dir
	t.Cleanup(c.end)
	c.Pool, err = db.Open(t.Context(), db.Config{URL: c.URL, MaxConns: 4, AppName: "integration test"})
	if err != nil {
		t.Fatalf("connect to the cluster's database: %v", err)
	}
	c.writeWork()
	return c
}

// end kills what is left, looks whether that was all, and keeps the logs if the test has failed.
func (c *Cluster) end() {
	processes := c.Processes()
	for _, p := range processes {
		if !p.Ended() {
			_ = p.cmd.Process.Signal(syscall.SIGKILL)
		}
	}
	for _, p := range processes {
		<-p.done // nothing keeps KILL off
	}
	left := c.awaitGone(c.Mark)
	if len(left) > 0 {
		c.t.Errorf("processes outlive the test, and are killed:\n%s", strings.Join(describe(left), "\n"))
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if c.Pool != nil {
		c.Pool.Close()
	}
	if !c.t.Failed() {
		_ = os.RemoveAll(c.Dir)
		return
	}
	for _, p := range processes {
		for _, stream := range []string{"stdout", "stderr"} {
			if text, err := os.ReadFile(p.file(stream)); err == nil && len(text) > 0 {
				c.t.Logf("%s of %s:\n%s", stream, p, tail(string(text)))
			}
		}
	}
	if ledger, err := os.ReadFile(filepath.Join(c.Dir, ledgerFile)); err == nil {
		c.t.Logf("ledger:\n%s", tail(string(ledger)))
	}
	c.t.Logf("logs and ledger are kept in %s", c.Dir)
}

// Processes are all that were started, also those that have ended.
func (c *Cluster) Processes() []*Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.processes)
}

// tail is the end of a text.
func tail(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(len(lines)-logTail, 0):], "\n")
}

// Left lists the processes of the cluster.
func (c *Cluster) Left() []string { return describe(marked(c.Mark)) }

// NothingLeft waits until no process of the cluster is left.
func (c *Cluster) NothingLeft() {
	c.t.Helper()
	c.nothingLeft(c.Mark)
}

// nothingLeft waits until nothing carries the mark any more.
func (c *Cluster) nothingLeft(mark string) {
	c.t.Helper()
	if left := c.awaitGone(mark); len(left) > 0 {
		c.t.Fatalf("processes are left that should be gone:\n%s", strings.Join(describe(left), "\n"))
	}
}

// awaitGone waits for a while until nothing carries the mark any more, and returns what still does.
func (c *Cluster) awaitGone(mark string) []int {
	for until := time.Now().Add(leaving); ; <-time.After(glance) {
		left := marked(mark)
		if len(left) == 0 || time.Now().After(until) {
			return left
		}
	}
}

// Until looks again and again until what is said is so, and fails the test when that takes too long.
func (c *Cluster) Until(what string, is func() bool) {
	c.t.Helper()
	for until := time.Now().Add(patience); !is(); <-time.After(glance) {
		if time.Now().After(until) {
			c.t.Fatalf("waited %s in vain until: %s", patience, what)
		}
	}
}

// Pass lets time pass where time itself is the fault: a lease that runs out, an outage that lasts.
func (c *Cluster) Pass(d time.Duration) { <-time.After(d) }

// Command starts any command of weir.
func (c *Cluster) Command(args ...string) *Process {
	c.t.Helper()
	return c.start(spec{binary: c.config.Binary, args: args, env: c.config.Env})
}

// CommandAs starts any command of weir as another user, nil: this one, with a home directory in which it works. Only
// root can become another user.
func (c *Cluster) CommandAs(user *syscall.Credential, home string, args ...string) *Process {
	c.t.Helper()
	env := append([]string{"HOME=" + home}, c.config.Env...)
	return c.start(spec{binary: c.config.Binary, args: args, env: env, dir: home, as: user})
}
