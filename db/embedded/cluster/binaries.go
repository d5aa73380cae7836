package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Oldest and Newest are the major versions of PostgreSQL that Weir works with.
const (
	Oldest = 14
	Newest = 18
)

// ErrNoBinaries is what [Find] returns on a machine without a PostgreSQL server that Weir works with.
var ErrNoBinaries = errors.New("no PostgreSQL server (14 to 18) is installed here")

// Binaries are the programs of one PostgreSQL installation.
type Binaries struct {
	// Dir has initdb, postgres and pg_ctl in it.
	Dir string
	// Version is as postgres --version says it, for example "17.5".
	Version string
	// Major is its first number, for example 17.
	Major int
}

// Path is where a program of the installation lies.
func (b Binaries) Path(program string) string { return filepath.Join(b.Dir, program) }

// String is for logs.
func (b Binaries) String() string { return "PostgreSQL " + b.Version + " in " + b.Dir }

// Find looks for PostgreSQL servers on this machine: on the PATH, where the packages of Debian, Red Hat,
// Homebrew and Postgres.app put them (newest first), and where pg_config points. The first one is the one to
// use; the list is empty only together with [ErrNoBinaries].
func Find(ctx context.Context) ([]Binaries, error) {
	var found []Binaries
	seen := make(map[string]bool)
	for _, dir := range candidates(ctx) {
		dir = resolve(dir)
		if seen[dir] {
			continue
		}
		seen[dir] = true
		if binaries, err := inspect(ctx, dir); err == nil {
			found = append(found, binaries)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("look for PostgreSQL: %w", err)
	}
	if len(found) == 0 {
		return nil, ErrNoBinaries
	}
	return found, nil
}

// candidates are the directories to look into, best first.
func candidates(ctx context.Context) []string {
	var dirs []string
	// What is on the PATH may be a link into the installation, so resolve the program, not its directory.
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(resolve(path)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
		"/usr/libexec/postgresql*",
		"/usr/local/pgsql/bin",
	} {
		dirs = append(dirs, newestFirst(pattern)...)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	return dirs
}

// newestFirst lists the directories that match, by the number in them, highest first.
func newestFirst(pattern string) []string {
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return nil // the patterns are constants, and well-formed
	}
	number := regexp.MustCompile(`\d+`)
	version := func(dir string) int {
		last := number.FindAllString(dir, -1)
		if len(last) == 0 {
			return 0
		}
		n, _ := strconv.Atoi(last[len(last)-1])
		return n
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	return dirs
}

// resolve follows links; a path that cannot be followed stays what it is.
func resolve(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return path
}

// inspect asks the installation for its version and makes sure that it is whole.
func inspect(ctx context.Context, dir string) (Binaries, error) {
	for _, program := range []string{"initdb", "postgres", "pg_ctl"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			return Binaries{}, fmt.Errorf("look for %s: %w", program, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return Binaries{}, fmt.Errorf("ask %s for its version: %w", dir, err)
	}
	version, major, err := parseVersion(string(out))
	if err != nil {
		return Binaries{}, err
	}
	if major < Oldest || major > Newest {
		return Binaries{}, fmt.Errorf("PostgreSQL %s in %s: only %d to %d will do", version, dir, Oldest, Newest)
	}
	return Binaries{Dir: dir, Version: version, Major: major}, nil
}

// parseVersion reads "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)".
func parseVersion(line string) (version string, major int, err error) {
	match := regexp.MustCompile(`\(PostgreSQL\) ((\d+)\S*)`).FindStringSubmatch(line)
	if match == nil {
		return "", 0, fmt.Errorf("%q is no version of PostgreSQL", strings.TrimSpace(line))
	}
	major, err = strconv.Atoi(match[2])
	if err != nil {
		return "", 0, fmt.Errorf("read the version %q: %w", match[1], err)
	}
	return match[1], major, nil
}
