package cmd

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	code, stdout, stderr := runs(t, "token", "create", "ana", "--scope", "submit,read", "--expires", "90d", "--database-url", url)
	require.Equal(t, exitDone, code, stderr)
	lines := strings.Split(stdout, "\n")
	require.Regexp(t, "^weir_[A-Za-z0-9_-]{43}$", lines[0], "alone on the first line")
	require.Contains(t, lines[1], "token ana may read, submit, until 20")
	require.NotContains(t, stderr, "weir_")

	code, stdout, stderr = runs(t, "WEIR_DATABASE_URL="+url, "token", "create", "ben", "--scope", "admin", "-o", "json")
	require.Equal(t, exitDone, code, stderr)
	var created createdToken
	require.NoError(t, json.Unmarshal([]byte(stdout), &created))
	require.Regexp(t, "^weir_", created.Token)
	require.Nil(t, created.ExpiresAt)
	require.Regexp(t, "^db:", created.CreatedBy)

	code, stdout, _ = runs(t, "token", "list", "--database-url", url)
	require.Equal(t, exitDone, code)
	require.NotContains(t, stdout, "weir_", "never again")
	require.Regexp(t, `(?m)^ana +valid +read,submit `, stdout)

	code, _, stderr = runs(t, "token", "create", "ana", "--scope", "read", "--database-url", url)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "another token has this name")
	code, stdout, stderr = runs(t, "token", "revoke", "ana", "--database-url", url)
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, "revoked")
	code, _, stderr = runs(t, "token", "revoke", "ana", "--database-url", url)
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "no token of this name")
	require.Contains(t, stderr, "\ntry: weir token list")
	code, _, stderr = runs(t, "token", "create", "ana", "--scope", "read", "--database-url", url)
	require.Equal(t, exitDone, code, stderr)
	code, stdout, _ = runs(t, "token", "list", "--database-url", url, "-o", "json")
	require.Equal(t, exitDone, code)
	var page tokenPage
	require.NoError(t, json.Unmarshal([]byte(stdout), &page))
	require.Len(t, page.Items, 3)
}

func TestTokenRefuses(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	for name, c := range map[string]struct {
		args []string
		code int
		what string
	}{
		"no scope":        {[]string{"create", "ana", "--database-url", url}, exitUsage, "--scope"},
		"no such scope":   {[]string{"create", "ana", "--scope", "write", "--database-url", url}, exitUsage, "--scope: expected at least one of read"},
		"a bad name":      {[]string{"create", "a b", "--scope", "read", "--database-url", url}, exitUsage, "NAME: expected"},
		"a bad duration":  {[]string{"create", "ana", "--scope", "read", "--expires", "soon", "--database-url", url}, exitUsage, "--expires must be a duration"},
		"no database":     {[]string{"list"}, exitError, "no database URL is given"},
		"not migrated":    {[]string{"list", "--database-url", dbtest.Empty(t).URL}, exitError, "not migrated"},
		"nobody's":        {[]string{"revoke", "nobody", "--database-url", url}, exitError, "no token of this name"},
		"nothing to do":   {[]string{}, exitUsage, "expected one of"},
		"no name to give": {[]string{"create", "--scope", "read", "--database-url", url}, exitUsage, "NAME"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := runs(t, append([]string{"token"}, c.args...)...)
			require.Equal(t, c.code, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, c.what)
			require.Contains(t, stderr, "\ntry: ")
		})
	}
}

// TestServeWithTokens binds beyond loopback, which needs a token, and signs in with it.
func TestServeWithTokens(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	code, stdout, stderr := runs(t, "token", "create", "ops", "--scope", "read,submit,operate", "--database-url", url)
	require.Equal(t, exitDone, code, stderr)
	secret, _, _ := strings.Cut(stdout, "\n")
	c := start(t, "serve", "--database-url", url, "--listen", "0.0.0.0:0", "--queue", "default=4", "--debug-listen", "127.0.0.1:0")
	_, port, err := net.SplitHostPort(strings.TrimPrefix(c.ready(t), "http://"))
	require.NoError(t, err)
	server := "http://127.0.0.1:" + port
	status, _ := get(t, server+"/v1/runs")
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = get(t, server+"/debug/pprof/")
	require.Equal(t, http.StatusNotFound, status)
	code, _, stderr = runs(t, "runs", "--server", server)
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "\ntry: --token-file FILE")

	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
	one := planIn(t, `{"name": "one", "steps": [{"key": "a", "kind": "noop"}]}`)
	code, stdout, stderr = runs(t, "submit", one, "--wait", "--server", server, "--token-file", file)
	require.Equal(t, exitDone, code, stderr)
	code, stdout, stderr = runs(t, "WEIR_TOKEN="+secret, "run", strings.Split(stdout, "\n")[0], "--server", server, "-o", "json")
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, `"token:ops"`)
	require.NotContains(t, c.stderr.String(), secret)

	code, _, stderr = runs(t, "token", "revoke", "ops", "--database-url", url)
	require.Equal(t, exitDone, code, stderr)
	code, _, stderr = runs(t, "WEIR_TOKEN="+secret, "runs", "--server", server)
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "revoked")
	code, _, stderr = runs(t, "serve", "--database-url", url, "--listen", "0.0.0.0:0")
	require.Equal(t, exitUsage, code, "no token that may be used: "+stderr)
	require.Contains(t, stderr, "weir token create")
}
