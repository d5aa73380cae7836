//go:build linux

package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirqueue/weir/db/embedded"
	"github.com/weirqueue/weir/db/migrations"
)

// serverWithin bounds the start and the end of a server.
const serverWithin = 2 * time.Minute

// ServerConfig says what a server is. The zero value is good.
type ServerConfig struct {
	// Clock lets SetClock move the server's clock.
	Clock bool
	// Disk is the size, in bytes, of a file system of its own that the data lies on, for FillDisk; 0 = where temporary
	// files are. A migrated database takes about 100 MB.
	Disk int64
	// Settings are PostgreSQL's, in addition to the defaults.
	Settings map[string]string
}

// Unavailable says why there can be no such server on this machine, "" if there can be: no libfaketime, or not root.
func (c ServerConfig) Unavailable() string {
	var why []string
	if c.Clock {
		if _, err := faketime(); err != nil {
			why = append(why, err.Error())
		}
	}
	if c.Disk > 0 {
		if err := tryDisk(); err != nil {
			why = append(why, err.Error())
		}
	}
	return strings.Join(why, "; ")
}

// Server is a PostgreSQL server of one test's own, with a migrated database, that the test can stop and start again. Its
// methods may be called concurrently. Those that have no error fail the test.
type Server struct {
	// URL leads to the database, at whatever time the server runs.
	URL string

	t     T
	dir   string
	clock *clock // nil: the machine's
	disk  *disk  // nil: the machine's

	mu      sync.Mutex
	config  embedded.Config
	running *embedded.Server // nil: stopped, or not started yet
}

// NewServer starts a server. It ends with the test, after every cluster that was made later.
func NewServer(t T) *Server {
	t.Helper()
	return NewServerWith(t, ServerConfig{})
}

// NewServerWith starts a server. It ends with the test, after every cluster that was made later.
func NewServerWith(t T, config ServerConfig) *Server {
	t.Helper()
	s := &Server{t: t}
	t.Cleanup(s.end)
	if err := s.make(config); err != nil {
		t.Fatalf("make a server: %v", err)
	}
	s.Start()
	s.URL = s.running.URL()
	ctx, cancel := context.WithTimeout(t.Context(), serverWithin)
	defer cancel()
	if _, err := migrations.Up(ctx, s.URL, s.config.Logger); err != nil {
		t.Fatalf("migrate the server's database: %v", err)
	}
	return s
}

// make makes what the server is to find.
func (s *Server) make(config ServerConfig) error {
	dir, err := os.MkdirTemp("", "weir-server-")
	if err != nil {
		return err
	}
	s.dir = dir
	if err := os.Chmod(dir, 0o711); err != nil { // the user that the server runs as for root has to get in
		return err
	}
	port, err := steadyPort()
	if err != nil {
		return err
	}
	s.config = embedded.Config{
		DataDir: filepath.Join(dir, "server"), Port: port, Settings: map[string]string{}, Logger: slog.New(slog.DiscardHandler),
	}
	s.config.Settings["dynamic_shared_memory_type"] = "mmap" // it goes with the data when a server was killed
	maps.Copy(s.config.Settings, config.Settings)
	if config.Clock {
		if s.clock, err = newClock(dir); err != nil {
			return err
		}
		s.config.Env = s.clock.env()
	}
	if config.Disk > 0 {
		if s.disk, err = newDisk(filepath.Join(dir, "disk"), config.Disk); err != nil {
			return err
		}
		// The data lies where the link leads.
		err = errors.Join(os.Mkdir(s.config.DataDir, 0o711), os.Symlink(filepath.Join(s.disk.dir, "data"), filepath.Join(s.config.DataDir, "data")))
	}
	return err
}

// end stops the server and removes everything.
func (s *Server) end() {
	if s.disk != nil {
		s.FreeDisk()
	}
	if s.t.Failed() && s.config.DataDir != "" {
		if log, err := os.ReadFile(s.LogFile()); err == nil {
			s.t.Logf("PostgreSQL's log:\n%s", tail(string(log)))
		}
	}
	s.Stop()
	if s.config.DataDir != "" {
		clearShared(filepath.Join(s.config.DataDir, "data", "postmaster.pid"))
	}
	if s.disk != nil {
		if err := s.disk.end(); err != nil {
			s.t.Errorf("%v", err)
		}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Errorf("remove the server: %v", err)
	}
}

// Start starts the server again, on the port that it had. If it runs nothing happens.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.TryStart(); err != nil {
		s.t.Fatalf("start PostgreSQL: %v", err)
	}
}

// TryStart is Start that says why not: the disk is full, for example.
func (s *Server) TryStart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs() {
		return nil
	}
	if err := s.collect(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), serverWithin)
	defer cancel()
	running, err := embedded.Start(ctx, s.config)
	if err != nil {
		return err
	}
	s.running = running
	return nil
}

// Stop ends the server: connections are cut, what was committed is kept. If it has ended nothing happens.
func (s *Server) Stop() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.collect(); err != nil {
		s.t.Errorf("stop PostgreSQL: %v", err)
	}
}

// StopImmediately ends the server without a checkpoint: the next start recovers.
func (s *Server) StopImmediately() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.runs() {
		return
	}
	err := syscall.Kill(s.running.PID(), syscall.SIGQUIT)
	if err == nil {
		err = s.awaitEnd()
	}
	if err != nil {
		s.t.Fatalf("stop PostgreSQL immediately: %v", err)
	}
}

// Crash ends every process of the server with SIGKILL: the next start recovers.
func (s *Server) Crash() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.runs() {
		return
	}
	// While it stands still it has no new children.
	pid := s.running.PID()
	err := syscall.Kill(pid, syscall.SIGSTOP)
	for until := time.Now().Add(leaving); err == nil && stateOf(pid) != "T" && time.Now().Before(until); {
		<-time.After(glance)
	}
	family := append([]int{pid}, childrenOf(pid)...)
	for _, each := range family {
		if killErr := syscall.Kill(each, syscall.SIGKILL); killErr != nil && !errors.Is(killErr, syscall.ESRCH) {
			err = errors.Join(err, killErr)
		}
	}
	if err == nil {
		err = s.awaitEnd()
	}
	for until := time.Now().Add(leaving); err == nil && alive(family); <-time.After(glance) {
		if time.Now().After(until) {
			err = fmt.Errorf("its processes outlive it: %v", describe(family))
		}
	}
	if err != nil {
		s.t.Fatalf("crash PostgreSQL: %v", err)
	}
}

// Ended reports whether the server does not run, because it was stopped or by itself.
func (s *Server) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.runs()
}

// LogFile is where the server writes its log.
func (s *Server) LogFile() string { return filepath.Join(s.config.DataDir, "postgres.log") }

// SetClock sets the server's clock to the machine's plus an offset: all of its processes see it at once, and intervals
// that they measure do not change. The server has to have been made with Clock.
func (s *Server) SetClock(offset time.Duration) {
	s.t.Helper()
	if s.clock == nil {
		s.t.Fatalf("this server has the machine's clock: make it with Clock")
	}
	if err := s.clock.set(offset); err != nil {
		s.t.Fatalf("set the server's clock: %v", err)
	}
}

// FillDisk fills the file system of the data to the last byte. The server has to have been made with Disk.
func (s *Server) FillDisk() {
	s.t.Helper()
	if s.disk == nil {
		s.t.Fatalf("this server has the machine's disk: make it with Disk")
	}
	if err := s.disk.fill(); err != nil {
		s.t.Fatalf("fill the server's disk: %v", err)
	}
}

// FreeDisk frees what FillDisk has filled. A server that has ended meanwhile stays so.
func (s *Server) FreeDisk() {
	s.t.Helper()
	if s.disk == nil {
		return
	}
	if err := s.disk.free(); err != nil {
		s.t.Errorf("free the server's disk: %v", err)
	}
}

// clearShared removes the shared memory of a server that was killed and never started again. Its number is the second
// one of the seventh line of the file.
func clearShared(pidFile string) {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return // it was not killed
	}
	lines := strings.Split(string(text), "\n")
	var key, id int
	if len(lines) < 7 {
		return
	}
	if _, err := fmt.Sscan(lines[6], &key, &id); err == nil {
		_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	}
}

// runs tells whether the server runs.
func (s *Server) runs() bool {
	if s.running == nil {
		return false
	}
	select {
	case <-s.running.Done():
		return false
	default:
		return true
	}
}

// awaitEnd waits for the end of a server that was killed.
func (s *Server) awaitEnd() error {
	select {
	case <-s.running.Done():
		return s.collect()
	case <-time.After(serverWithin):
		return errors.New("it does not end")
	}
}

// collect stops the server if it runs, and clears what it has left.
func (s *Server) collect() error {
	if s.running == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), serverWithin)
	defer cancel()
	err := s.running.Stop(ctx)
	if s.clock != nil {
		s.clock.clear(s.running.PID())
	}
	s.running = nil
	return err
}
