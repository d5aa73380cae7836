//go:build linux

package cluster

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/weirqueue/weir/db/embedded"
	"github.com/weirqueue/weir/db/migrations"
)

// serverWithin bounds the start and the end of a server.
const serverWithin = 2 * time.Minute

// Server is a PostgreSQL server of one test's own, with a migrated database, that the test can stop and start again.
type Server struct {
	// URL leads to the database, at whatever time the server runs.
	URL string

	t       T
	config  embedded.Config
	running *embedded.Server
}

// NewServer starts a server. It ends with the test, after every cluster that was made later.
func NewServer(t T) *Server {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil { // the user that the server runs as for root has to get in
		t.Fatalf("make the server's directory: %v", err)
	}
	s := &Server{t: t, config: embedded.Config{DataDir: filepath.Join(dir, "server"), Logger: slog.New(slog.DiscardHandler)}}
	t.Cleanup(s.Stop)
	s.Start()
	s.URL = s.running.URL()
	ctx, cancel := context.WithTimeout(t.Context(), serverWithin)
	defer cancel()
	if _, err := migrations.Up(ctx, s.URL, s.config.Logger); err != nil {
		t.Fatalf("migrate the server's database: %v", err)
	}
	return s
}

// Start starts the server again, on the port that it had.
func (s *Server) Start() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), serverWithin)
	defer cancel()
	running, err := embedded.Start(ctx, s.config)
	if err != nil {
		s.t.Fatalf("start PostgreSQL: %v", err)
	}
	if s.URL != "" && s.URL != running.URL() {
		s.t.Fatalf("PostgreSQL came back elsewhere: somebody has taken its port")
	}
	s.running = running
}

// Stop ends the server: connections are cut, what was committed is kept.
func (s *Server) Stop() {
	s.t.Helper()
	if s.running == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), serverWithin)
	defer cancel()
	if err := s.running.Stop(ctx); err != nil {
		s.t.Errorf("stop PostgreSQL: %v", err)
	}
	s.running = nil
}
