//go:build linux

package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// weirPackage is what is built when a Build does not say.
const weirPackage = "github.com/weirqueue/weir/cmd/weir"

// EnvClock is the variable that says by how much the wall clock of a binary built with Build.Clock is off: "1h", "-5s".
const EnvClock = "WEIR_FAULT_CLOCK"

// Build says what a binary is made of. The zero value is weir as it is shipped.
type Build struct {
	// Package is the import path of its package main; "" = cmd/weir.
	Package string
	// Tags are build tags, with commas between. With weirfault, WEIR_FAULT_DELAYS holds the binary at places of its code
	// (lifecycle/fault_injected.go).
	Tags string
	// LDFlags are the linker's.
	LDFlags string
	// Version is what it says its version is; "" = (devel).
	Version string
	// Clock lets EnvClock move every reading of the process's wall clock, in libraries too, and no waiting: intervals
	// are measured by the monotonic clock. It implies the tag weirfault.
	Clock bool
}

// Main runs the tests and removes what was built for them. It is TestMain's.
func Main(m *testing.M) int {
	code := m.Run()
	RemoveBinaries()
	return code
}

// RemoveBinaries removes what was built, when nobody needs it any more.
func RemoveBinaries() { built.remove() }

// Binary is weir as it is shipped.
func Binary(t T) string {
	t.Helper()
	return BinaryOf(t, Build{})
}

// FaultyBinary is weir with places at which WEIR_FAULT_DELAYS holds it (lifecycle/fault_injected.go).
func FaultyBinary(t T) string {
	t.Helper()
	return BinaryOf(t, Build{Tags: "weirfault"})
}

// BinaryOf is the path of a binary. It is built when it is first asked for.
func BinaryOf(t T, b Build) string {
	t.Helper()
	if b.Package == "" {
		b.Package = weirPackage
	}
	path, err := built.path(b)
	if err != nil {
		t.Fatalf("build %s: %v", b.Package, err)
	}
	return path
}

// built are the test process's binaries: no test is the first or the last to need them.
var built binaries

// binaries are built once each, in a directory of their own, several at once.
type binaries struct {
	mu   sync.Mutex
	dir  string                                    // "": none was built
	each map[Build]func() (path string, err error) // builds at the first call
}

func (b *binaries) path(want Build) (string, error) {
	build, err := b.once(want)
	if err != nil {
		return "", err
	}
	return build()
}

func (b *binaries) once(want Build) (func() (string, error), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "weir-integration-")
		if err != nil {
			return nil, err
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			return nil, err
		}
		b.dir, b.each = dir, map[Build]func() (string, error){}
	}
	build, ok := b.each[want]
	if !ok {
		path := filepath.Join(b.dir, fmt.Sprintf("%s-%d", filepath.Base(want.Package), len(b.each)))
		build = sync.OnceValues(func() (string, error) { return path, want.build(path) })
		b.each[want] = build
	}
	return build, nil
}

func (b *binaries) remove() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
	b.dir, b.each = "", nil
}

// build builds it at path, and what it needs for that beside it.
func (b Build) build(path string) error {
	args := []string{"build", "-buildvcs=false", "-o", path}
	if b.Clock {
		b.Tags = strings.Trim(b.Tags+",weirfault", ",")
	}
	if b.Tags != "" {
		args = append(args, "-tags", b.Tags)
	}
	if b.LDFlags != "" {
		args = append(args, "-ldflags", b.LDFlags)
	}
	overlay, err := b.overlay(path + ".overlay")
	if err != nil {
		return err
	}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	_, err = goTool(append(args, b.Package)...)
	return err
}

// goTool runs the go command of the toolchain in use and returns what it says.
func goTool(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
