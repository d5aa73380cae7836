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

// Main runs the tests and removes what was built for them. It is TestMain's.
func Main(m *testing.M) int {
	code := m.Run()
	if dir, err := buildDir(); err == nil {
		_ = os.RemoveAll(dir)
	}
	return code
}

// The binaries are the test process's: no test is the first or the last to need them.
var (
	buildDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "weir-integration-") })
	plain    = sync.OnceValues(func() (string, error) { return build("weir") })
	faulty   = sync.OnceValues(func() (string, error) { return build("weir-faulty", "-tags", "weirfault") })
)

// Binary is weir as it is shipped.
func Binary(t testing.TB) string {
	t.Helper()
	return built(t, plain)
}

// FaultyBinary is weir with places at which WEIR_FAULT_DELAYS holds it (lifecycle/fault_injected.go).
func FaultyBinary(t testing.TB) string {
	t.Helper()
	return built(t, faulty)
}

func built(t testing.TB, binary func() (string, error)) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatalf("build weir: %v", err)
	}
	return path
}

func build(name string, flags ...string) (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	args := append([]string{"build", "-buildvcs=false", "-o", path}, flags...)
	out, err := exec.Command("go", append(args, "github.com/weirqueue/weir/cmd/weir")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return path, nil
}
