package api

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/migrations"
)

// TestS3VersionsAreVisible has whatever answers say its build, its API and the schema, in the body or the headers.
func TestS3VersionsAreVisible(t *testing.T) {
	t.Parallel()
	revision := "4f9c1d2"
	b := setup(t, func(c *Config) {
		c.Build, c.BuildName = Build{Version: "v1.2.3", Revision: &revision}, "v1.2.3-4f9c1d2"
		c.Schema = func() Schema { return Schema{Version: 15, MinBinary: 14, River: 6} }
	})
	for path, status := range map[string]int{
		"/v1/state": 200, "/v1/version": 200, "/healthz": 200, "/readyz": 200, "/openapi.json": 200, "/v1/runs": 200, "/v1/nothing": 404, someRun: 404,
	} {
		a := b.ask(http.MethodGet, path, "")
		require.Equal(t, status, a.StatusCode, path)
		require.Equal(t, "15", a.Header.Get("Weir-Schema-Version"), path)
		require.Equal(t, "v1.2.3-4f9c1d2", a.Header.Get("Weir-Build"), path)
	}
	build := map[string]any{"version": "v1.2.3", "revision": revision, "time": nil, "modified": false}
	version := b.get("/v1/version")
	require.Equal(t, map[string]any{
		"api": 1.0, "schema": 15.0, "schema_min": 14.0, "river_schema": 6.0, "build": build, "openapi_digest": theDocument().digest,
	}, version)
	require.Equal(t, version, b.get("/v1/state")["version"])
	require.Equal(t, map[string]any{"status": "ok", "api": 1.0, "schema": 15.0, "build": build}, b.get("/healthz"))

	// What is answered has the keys that are documented, and no others.
	schemas := tree(t, OpenAPI())["components"].(map[string]any)["schemas"].(map[string]any)
	for path, name := range map[string]string{"/v1/state": "State", "/v1/version": "VersionInfo", "/healthz": "Health"} {
		documented := schemas[name].(map[string]any)["properties"].(map[string]any)
		require.ElementsMatch(t, slices.Collect(maps.Keys(documented)), slices.Collect(maps.Keys(b.get(path))), name)
	}
}

// TestS3DocumentNamesItself has the document carry its own digest, which anybody can check.
func TestS3DocumentNamesItself(t *testing.T) {
	t.Parallel()
	handler := New(Config{})
	for _, text := range [][]byte{OpenAPI(), OpenAPI30()} {
		info := tree(t, text)["info"].(map[string]any)
		require.InDelta(t, migrations.Latest(), info["x-weir-schema-version"], 0)
		require.Equal(t, ask(t, handler, http.MethodGet, "/v1/version", "").json(t)["openapi_digest"], info["x-weir-digest"])
	}
	served := ask(t, handler, http.MethodGet, "/openapi.json", "").body
	sum := sha256.Sum256(regexp.MustCompile(`(?m)^.*"x-weir-digest".*\n`).ReplaceAll(served, nil))
	require.Equal(t, theDocument().digest, hex.EncodeToString(sum[:]))
}
