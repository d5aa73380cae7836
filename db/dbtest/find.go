package dbtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/embedded/cluster"
)

// env is what the search for a server depends on.
type env struct {
	url    string // WEIR_TEST_DATABASE_URL
	force  string // WEIR_TEST_POSTGRES
	image  string // WEIR_TEST_POSTGRES_IMAGE
	temp   string // the directory for what test processes share
	parent int    // the process that this one belongs to: one "go test"
	idle   time.Duration
	kept   time.Duration
	// download is where binaries come from if there are none.
	download cluster.Download
}

// environment reads the real one.
func environment() env {
	e := env{
		url:    os.Getenv("WEIR_TEST_DATABASE_URL"),
		force:  os.Getenv("WEIR_TEST_POSTGRES"),
		image:  os.Getenv("WEIR_TEST_POSTGRES_IMAGE"),
		temp:   os.TempDir(),
		parent: os.Getppid(),
		idle:   time.Minute,
		kept:   30 * time.Minute,
	}
	if e.image == "" {
		e.image = "postgres:17-alpine"
	}
	return e
}

// source is one way to get a server.
type source struct {
	name string
	open func(ctx context.Context) (*server, error)
}

// errAbsent is the error of a source that is not there at all: nothing needs to be said about it.
var errAbsent = errors.New("is not there")

// find returns a server from the first source that has one, or from the one that was asked for.
func find(ctx context.Context, e env) (*server, error) {
	dir, err := e.sharedDir()
	if err != nil {
		return nil, err
	}
	all := []source{
		{"url", func(ctx context.Context) (*server, error) { return openURL(ctx, e.url) }},
		{"docker", func(ctx context.Context) (*server, error) { return openDocker(ctx, e) }},
		{"local", func(ctx context.Context) (*server, error) { return openLocal(ctx, dir, e) }},
		{"download", func(ctx context.Context) (*server, error) { return openDownload(ctx, dir, e) }},
	}
	if e.force != "" {
		return forced(ctx, e.force, all)
	}
	return first(ctx, dir, e.parent, all)
}

// first tries one source after the other. Test processes that start together wait for each other here, so
// that what does not work is found out once.
func first(ctx context.Context, dir string, parent int, all []source) (*server, error) {
	unlock, err := lockFile(ctx, filepath.Join(dir, "find.lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	refused := loadRefusals(dir, parent)
	var notes []string
	for _, source := range all {
		if reason, ok := refused.Reasons[source.name]; ok {
			notes = append(notes, passedOver(source.name, reason))
			continue
		}
		found, err := source.open(ctx)
		if err == nil {
			found.notes = append(notes, found.notes...)
			return found, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s: %w", source.name, err)
		}
		if errors.Is(err, errAbsent) {
			continue
		}
		notes = append(notes, passedOver(source.name, err.Error()))
		refused.Reasons[source.name] = err.Error()
		if err := refused.save(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w\n%s", errNoServer, strings.Join(notes, "\n"))
}

// passedOver is the line that says why a source is not used.
func passedOver(name, reason string) string {
	return fmt.Sprintf("PostgreSQL for the tests: %s is passed over: %s", name, reason)
}

// forced opens the one source that was asked for.
func forced(ctx context.Context, name string, all []source) (*server, error) {
	for _, source := range all {
		if source.name != name {
			continue
		}
		found, err := source.open(ctx)
		if err != nil {
			return nil, fmt.Errorf("WEIR_TEST_POSTGRES=%s: %w", name, err)
		}
		return found, nil
	}
	return nil, fmt.Errorf("WEIR_TEST_POSTGRES=%s: it is url, docker, local or download", name)
}

// openURL uses a server that somebody else runs.
func openURL(ctx context.Context, url string) (*server, error) {
	if url == "" {
		return nil, fmt.Errorf("WEIR_TEST_DATABASE_URL %w", errAbsent)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := db.Connect(ctx, db.Config{URL: url, AppName: "weir dbtest"})
	if err != nil {
		return nil, fmt.Errorf("WEIR_TEST_DATABASE_URL: %w", err)
	}
	err = checkServer(ctx, conn)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return nil, fmt.Errorf("WEIR_TEST_DATABASE_URL: %w", err)
	}
	return &server{admin: url, keep: func() error { return nil }}, nil
}

// sharedDir is the directory for what the test processes of this user share. The user that a server runs as
// can get into it too.
func (e env) sharedDir() (string, error) {
	account, err := cluster.ServerAccount()
	if err != nil {
		account = cluster.Account{}
	}
	var reasons []error
	for _, temp := range []string{e.temp, "/tmp", "/var/tmp"} {
		dir := filepath.Join(temp, fmt.Sprintf("weir-test-%d", os.Getuid()))
		if !account.Reaches(filepath.Join(dir, "data")) {
			reasons = append(reasons, fmt.Errorf("user %s cannot get into %s", account.Name, temp))
			continue
		}
		if err := ownDir(dir); err != nil {
			reasons = append(reasons, err)
			continue
		}
		return dir, nil
	}
	return "", fmt.Errorf("find a directory for the test server: %w", errors.Join(reasons...))
}
