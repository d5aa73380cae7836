package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/embedded/cluster"
)

// Database is the name of the database that the server is for.
const Database = "weir"

// Config says what to start.
type Config struct {
	// DataDir keeps the data, the password and the log. It is made if need be. Required.
	DataDir string
	// Port of 127.0.0.1 to listen on. 0: the one of the last time if it is free, else any free one.
	Port int
	// Settings are PostgreSQL's, in addition to the defaults.
	Settings map[string]string
	// Env is added to the server's environment, which has nothing of ours: NAME=VALUE.
	Env []string
	// Download is where binaries come from if the machine has none that fit.
	Download cluster.Download
	// Logger is told which binaries run where. Nil: nobody.
	Logger *slog.Logger
}

// Error says why the server cannot be started, or why it has ended.
type Error struct {
	// What is wrong, in one line.
	What string
	// Hint is what to do about it. Empty: nothing better than What.
	Hint string

	err error
}

// Error is What.
func (e *Error) Error() string { return e.What }

// Try is the line to print after "try:".
func (e *Error) Try() string { return e.Hint }

// Unwrap is the cause, if it has one.
func (e *Error) Unwrap() error { return e.err }

// Server is a running server. Its methods may be called by anybody at any time.
type Server struct {
	url     string
	logFile string
	process *process
	lock    *os.File
}

// Start starts the server on the data in the directory, makes both first if need be, and returns when it
// answers. ctx bounds the start and nothing after it. An error that a user can do something about is an
// [Error]: the directory is in use by another process, or its data is of another major version, for example.
// Whoever starts a server stops it.
func Start(ctx context.Context, config Config) (*Server, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	account, err := cluster.ServerAccount()
	if err != nil {
		return nil, &Error{What: err.Error(), Hint: "apt-get install postgresql, run as another user, or give a --database-url", err: err}
	}
	dir, err := openDirectory(config.DataDir)
	if err != nil {
		return nil, err
	}
	server, err := dir.start(ctx, config, account)
	if err != nil {
		return nil, errors.Join(err, dir.lock.Close())
	}
	return server, nil
}

// URL leads to database [Database], as a superuser, with the password.
func (s *Server) URL() string { return s.url }

// LogFile is where the server writes its log.
func (s *Server) LogFile() string { return s.logFile }

// PID is the server's main process. It is somebody else's number, or nobody's, once the server has ended.
func (s *Server) PID() int { return s.process.cmd.Process.Pid }

// Done is closed when the server has ended, whoever ended it.
func (s *Server) Done() <-chan struct{} { return s.process.done }

// Err says why the server ended if nobody stopped it, as an [Error]. It is nil before that.
func (s *Server) Err() error {
	select {
	case <-s.process.done:
	default:
		return nil
	}
	if s.process.stopped.Load() {
		return nil
	}
	return &Error{What: "PostgreSQL ended by itself: " + cluster.LogTail(s.logFile), Hint: "see " + s.logFile, err: s.process.err}
}

// Stop ends the server and waits for it: connections are cut, and what was committed is on disk. When ctx
// ends first the server is ended at once, and recovers at its next start. Stopping again does nothing.
func (s *Server) Stop(ctx context.Context) error {
	err := s.process.stop(ctx)
	if closeErr := s.lock.Close(); closeErr != nil && !errors.Is(closeErr, os.ErrClosed) {
		err = errors.Join(err, closeErr)
	}
	return err
}

// start is what comes after the directory is ours.
func (d *directory) start(ctx context.Context, config Config, account cluster.Account) (*Server, error) {
	data, err := d.data(account)
	if err != nil {
		return nil, err
	}
	binaries, err := chooseBinaries(ctx, data, config.Download)
	if err != nil {
		return nil, err
	}
	if err := waitForPredecessor(ctx, data); err != nil {
		return nil, err
	}
	password, err := d.password(ctx, binaries, account, data)
	if err != nil {
		return nil, err
	}
	port, err := d.port(config.Port)
	if err != nil {
		return nil, err
	}
	settings := map[string]string{"max_connections": "200", "timezone": "UTC"}
	maps.Copy(settings, config.Settings)
	log := filepath.Join(d.path, "postgres.log")
	flags := append([]string{"-D", data}, cluster.Flags(port, settings)...)
	process, err := startProcess(binaries.Path("postgres"), flags, config.Env, data, log, account)
	if err != nil {
		return nil, err
	}
	server := &Server{url: cluster.URL(port, password, Database), logFile: log, process: process, lock: d.lock}
	if err := server.ready(ctx, cluster.URL(port, password, "postgres")); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return nil, errors.Join(err, process.stop(stopCtx))
	}
	config.Logger.InfoContext(ctx, "PostgreSQL runs", "version", binaries.Version, "binaries", binaries.Dir,
		"data", data, "port", port, "user", account.Name)
	return server, nil
}

// ready waits until the server answers, and makes the database.
func (s *Server) ready(ctx context.Context, admin string) error {
	for {
		conn, err := db.Connect(ctx, db.Config{URL: admin, AppName: "weir dev"})
		if err == nil {
			err = createDatabase(ctx, conn)
			return errors.Join(err, conn.Close(ctx))
		}
		timer := time.NewTimer(20 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("wait for PostgreSQL: %w", ctx.Err())
		case <-s.process.done:
			timer.Stop()
			return s.Err()
		case <-timer.C:
		}
		if !db.IsTransient(err) {
			return err
		}
	}
}

// createDatabase makes the database unless it is there.
func createDatabase(ctx context.Context, conn *pgx.Conn) error {
	var exists bool
	err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", Database).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, "create database "+Database)
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", Database, err)
	}
	return nil
}
