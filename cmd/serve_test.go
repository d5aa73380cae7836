package cmd

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

func TestServeComesUpAndEnds(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	c := start(t, "serve", "--database-url", url, "--listen", "127.0.0.1:0", "--queue", "default=4")
	server := c.ready(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		code, body := get(t, server+path)
		require.Equal(t, 200, code, body)
		require.Contains(t, body, `"status":"ok"`)
		require.Contains(t, body, `"build"`)
	}
	code, stdout, stderr := runs(t, "health", "--server", server)
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, "ok\n", stdout)
	code, _, stderr = runs(t, "WEIR_SERVER="+server, "health", "--ready")
	require.Equal(t, exitDone, code, stderr)

	c.interrupt()
	require.Equal(t, exitDone, c.wait(t), c.stderr)
	code, _, stderr = runs(t, "health", "--server", server)
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "weir: the server cannot be asked: ")
	require.Contains(t, stderr, "\ntry: ")
}

func TestServeTakesSettingsFromTheEnvironment(t *testing.T) {
	t.Parallel()
	c := start(t, "WEIR_DATABASE_URL="+dbtest.URL(t), "WEIR_LISTEN=127.0.0.1:0", "WEIR_QUEUE=default=3,other=2", "WEIR_LOG_FORMAT=json", "serve")
	c.ready(t)
	c.interrupt()
	require.Equal(t, exitDone, c.wait(t))
	require.Contains(t, c.stderr.String(), `"queues":{"default":3,"other":2}`)
}

func TestServeWithoutAPIAnswersHealthOnly(t *testing.T) {
	t.Parallel()
	c := start(t, "serve", "--database-url", dbtest.URL(t), "--no-api", "--listen", "127.0.0.1:0", "--queue", "default=4")
	server := c.ready(t)
	code, _ := get(t, server+"/readyz")
	require.Equal(t, 200, code)
	code, _ = get(t, server+"/v1/runs")
	require.Equal(t, 404, code)
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	const nowhere = "postgres://127.0.0.1:1/weir"
	for name, c := range map[string]struct {
		args      []string
		code      int
		what, try string
	}{
		"an unknown flag":           {[]string{"serve", "--databse-url", nowhere}, exitUsage, "unknown flag --databse-url", "weir serve --help"},
		"an unknown command":        {[]string{"sevre"}, exitUsage, "unexpected argument sevre", "weir --help"},
		"no database":               {[]string{"serve"}, exitError, "no database URL is given", "--database-url"},
		"an unreachable database":   {[]string{"serve", "--database-url", nowhere}, exitError, "nothing listens at 127.0.0.1:1", "pg_isready"},
		"a URL that is none":        {[]string{"serve", "--database-url", "postgres://a b"}, exitError, "the database URL cannot be read", "postgres://USER"},
		"a database not migrated":   {[]string{"serve", "--listen", "127.0.0.1:0", "--database-url", dbtest.Empty(t).URL}, exitError, "the database is not migrated", "weir migrate up"},
		"a port in use":             {[]string{"serve", "--listen", taken.Addr().String(), "--database-url", dbtest.URL(t)}, exitError, "is in use", "--listen 127.0.0.1:0"},
		"another build":             {[]string{"serve", "--expect-build", "0123456789", "--database-url", nowhere}, exitError, "build 0123456789 is expected", "weir version"},
		"an API beyond loopback":    {[]string{"serve", "--listen", "0.0.0.0:0", "--database-url", dbtest.URL(t)}, exitUsage, "everybody who can connect", "weir token create"},
		"an API on every address":   {[]string{"serve", "--listen", ":0", "--auth", "token", "--database-url", dbtest.URL(t)}, exitUsage, "everybody who can connect", "weir token create"},
		"half of TLS":               {[]string{"serve", "--tls-key", "key.pem", "--database-url", nowhere}, exitUsage, "go together", "--tls-cert cert.pem"},
		"TLS without its files":     {[]string{"serve", "--tls-key", "/nowhere", "--tls-cert", "/nowhere", "--database-url", nowhere}, exitUsage, "cannot be used", "--tls-cert cert.pem"},
		"profiles for everybody":    {[]string{"serve", "--debug-listen", "0.0.0.0:0", "--database-url", nowhere}, exitUsage, "nobody else's business", "--debug-listen 127.0.0.1:6060"},
		"a negative rate":           {[]string{"serve", "--rate-limit=-1", "--database-url", nowhere}, exitUsage, "not below zero", "--rate-limit 1000"},
		"an address that is none":   {[]string{"serve", "--listen", "8080", "--database-url", nowhere}, exitUsage, "--listen is HOST:PORT", "--listen 127.0.0.1:8080"},
		"nothing to do":             {[]string{"serve", "--no-api", "--no-work", "--database-url", nowhere}, exitUsage, "nothing to serve", "weir serve --no-api"},
		"no queue":                  {[]string{"serve", "--queue", "default=0", "--database-url", nowhere}, exitUsage, "works no queue", "--queue NAME=SLOTS"},
		"too many slots":            {[]string{"serve", "--queue", "default=10001", "--database-url", nowhere}, exitUsage, "10001 slots", "--queue default=100"},
		"a queue of another name":   {[]string{"serve", "--queue", "De fault=1", "--database-url", nowhere}, exitUsage, "the name of a queue", "--queue default=100"},
		"slots that are no number":  {[]string{"serve", "--queue", "default=many", "--database-url", nowhere}, exitUsage, "--queue", "weir serve --help"},
		"a seldom heartbeat":        {[]string{"serve", "--heartbeat", "10s", "--database-url", nowhere}, exitUsage, "too seldom", "--heartbeat"},
		"a pool that is too small":  {[]string{"serve", "--pool-size", "1", "--database-url", nowhere}, exitUsage, "--pool-size is at least 4", "--pool-size 12"},
		"a setting that is refused": {[]string{"WEIR_LEASE=soon", "serve", "--database-url", nowhere}, exitUsage, "--lease", "weir serve --help"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := runs(t, c.args...)
			require.Equal(t, c.code, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, "weir: ")
			require.Contains(t, stderr, c.what)
			require.Contains(t, stderr, "\ntry: ")
			require.Contains(t, stderr, c.try)
			require.NotContains(t, stderr, "goroutine ")
		})
	}
}

func TestServeRefusesANewerSchema(t *testing.T) { // S2
	t.Parallel()
	pool := dbtest.Pool(t)
	_, err := pool.Exec(t.Context(), "update weir.schema_info set version = 7777, min_binary = 7776")
	require.NoError(t, err)
	code, _, stderr := runs(t, "serve", "--listen", "127.0.0.1:0", "--database-url", pool.Config().ConnString())
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "7777")
	require.Contains(t, stderr, "7776")
	require.Contains(t, stderr, "\ntry: ")
	var workers int
	require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from weir.workers").Scan(&workers))
	require.Zero(t, workers, "nothing was claimed, nobody registered")
}

func TestServeDrainsWhenTheSchemaLeavesItsRange(t *testing.T) { // S2
	t.Parallel()
	pool := dbtest.Pool(t)
	c := start(t, "serve", "--listen", "127.0.0.1:0", "--queue", "default=4", "--database-url", pool.Config().ConnString())
	server := c.ready(t)
	_, err := pool.Exec(t.Context(), "update weir.schema_info set version = 7777, min_binary = 7776")
	require.NoError(t, err)
	code, body := get(t, server+"/readyz")
	require.Equal(t, 503, code)
	require.Contains(t, body, "7777")
	require.Equal(t, exitError, c.wait(t))
	require.Contains(t, c.stderr.String(), "7777")
	require.Contains(t, c.stderr.String(), "\ntry: ")
}
