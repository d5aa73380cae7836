//go:build linux

package integration_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
)

// TestTypeScriptClient checks, compiles and tests the client in openapi/client/typescript, and runs its tests against a
// replica: submit, follow, cancel, and a typed error for every code that can be provoked. It needs npm and its registry, or
// what npm has in its cache.
func TestTypeScriptClient(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			require.Empty(t, os.Getenv("WEIR_TEST_NPM"), "%s is not installed", tool)
			t.Skipf("%s is not installed", tool)
		}
	}
	c := cluster.New(t, cluster.Config{})
	admin, reader := token(c, "admin"), token(c, "read")
	replica, limited := c.Serve(quick()...), c.Serve(append(quick(), "--rate-limit", "1")...)
	dir := filepath.Join(c.Dir, "openapi", "client", "typescript")
	copyTypeScript(t, dir)
	document, err := os.ReadFile("../openapi/openapi.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(c.Dir, "openapi", "openapi.yaml"), document, 0o644))

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	npm := func(args ...string) ([]byte, error) {
		command := exec.CommandContext(ctx, "npm", args...)
		command.Dir = dir
		command.Env = append(os.Environ(),
			"WEIR_SERVER="+replica.Server, "WEIR_LIMITED_SERVER="+limited.Server, "WEIR_TOKEN="+admin, "WEIR_READER="+reader)
		return command.CombinedOutput()
	}
	if out, err := npm("ci", "--prefer-offline", "--no-audit", "--no-fund"); err != nil {
		if os.Getenv("WEIR_TEST_NPM") == "" { // set where it has to work
			t.Skipf("npm cannot install what the client needs: %v\n%s", err, out)
		}
		require.NoError(t, err, "%s", out)
	}
	for _, script := range []string{"check", "test", "e2e", "example"} {
		out, err := npm("run", "--silent", script)
		require.NoError(t, err, "npm run %s:\n%s", script, out)
		if script == "example" {
			require.Contains(t, string(out), "hello world")
		}
	}
}

// copyTypeScript copies the client without what npm and tsc put beside it, so that the checkout stays as it is.
func copyTypeScript(t *testing.T, to string) {
	t.Helper()
	const from = "../openapi/client/typescript"
	for _, part := range []string{"src", "test", "e2e", "examples"} {
		require.NoError(t, os.CopyFS(filepath.Join(to, part), os.DirFS(filepath.Join(from, part))))
	}
	for _, file := range []string{"package.json", "package-lock.json", "tsconfig.json"} {
		text, err := os.ReadFile(filepath.Join(from, file))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, file), text, 0o644))
	}
}
