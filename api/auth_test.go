package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/lifecycle"
)

// guarded is the API with the door that tokens open.
func guarded(t *testing.T, change ...func(*Config)) (*bundle, *lifecycle.Tokens) {
	t.Helper()
	var tokens *lifecycle.Tokens
	b := setup(t)
	tokens = lifecycle.NewTokens(b.pool)
	config := Config{Lifecycle: b.Engine, Tokens: tokens, Loopback: true, BuildName: "test"}
	for _, f := range change {
		f(&config)
	}
	b.handler = New(config)
	return b, tokens
}

// token makes a token and gives the header that shows it.
func token(t *testing.T, tokens *lifecycle.Tokens, name string, scopes ...string) (header string) {
	t.Helper()
	_, secret, err := tokens.TokenCreate(t.Context(), lifecycle.TokenRequest{Name: name, Scopes: scopes, Actor: "local"})
	require.NoError(t, err)
	require.Regexp(t, "^weir_[A-Za-z0-9_-]{43}$", secret)
	return "Authorization: Bearer " + secret
}

// TestEveryScope asks for a call of every kind with a token of every scope.
func TestEveryScope(t *testing.T) {
	t.Parallel()
	b, tokens := guarded(t)
	id := b.submit(onePlan)
	calls := map[string]struct {
		method, path, body string
		scope              Scope
	}{
		"read":    {"GET", "/v1/runs", "", ScopeRead},
		"submit":  {"POST", "/v1/runs", onePlan, ScopeSubmit},
		"operate": {"POST", "/v1/runs/" + id.String() + "/pause", "", ScopeOperate},
		"whoami":  {"GET", "/v1/session", "", ScopeAny},
		"version": {"GET", "/v1/version", "", ScopePublic},
	}
	for _, scope := range lifecycle.TokenScopes() {
		header := token(t, tokens, "has-"+scope, scope)
		for name, call := range calls {
			a := b.ask(call.method, call.path, call.body, header)
			if call.scope == ScopeAny || call.scope == ScopePublic || scope == "admin" || string(call.scope) == scope {
				require.Less(t, a.StatusCode, 300, "%s with %s: %s", name, scope, a.body)
				continue
			}
			problem(t, a, http.StatusForbidden, "forbidden")
		}
	}
	both := token(t, tokens, "both", "read", "submit")
	require.Equal(t, http.StatusCreated, b.ask("POST", "/v1/runs", onePlan, both).StatusCode)
	require.Equal(t, http.StatusOK, b.ask("GET", "/v1/runs", "", both).StatusCode)
}

func TestWhatNeedsNoToken(t *testing.T) {
	t.Parallel()
	b, _ := guarded(t, func(c *Config) { c.Auth = AuthToken })
	for _, path := range []string{"/healthz", "/readyz", "/v1/version", "/openapi.json", "/openapi-3.0.json", "/login", "/login.js", "/login.css"} {
		require.Equal(t, http.StatusOK, b.ask("GET", path, "").StatusCode, path)
	}
	problem(t, b.ask("GET", "/nothing", ""), http.StatusNotFound, "not_found")
	problem(t, b.ask("DELETE", "/v1/runs", ""), http.StatusMethodNotAllowed, "method_not_allowed")
	problem(t, b.ask("GET", "/debug/pprof/", ""), http.StatusNotFound, "not_found")
	for _, path := range []string{"/v1/runs", "/v1/limits", "/v1/session", someRun} {
		a := b.ask("GET", path, "")
		problem(t, a, http.StatusUnauthorized, "unauthenticated")
		require.Equal(t, "Bearer", a.Header.Get("WWW-Authenticate"))
	}
}

// TestEveryCallNeedsItsToken asks for every operation of the document without a token.
func TestEveryCallNeedsItsToken(t *testing.T) {
	t.Parallel()
	handler := New(Config{Lifecycle: broken{err: errors.New("not to be called")}, Tokens: lifecycle.NewTokens(nil), Auth: AuthToken, Loopback: true})
	refused := 0
	for _, o := range walkedOperations(t) {
		path := regexp.MustCompile(`{[a-z]+}`).ReplaceAllString(o.path, "0198a8a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b")
		a := ask(t, handler, o.method, path, "")
		if strings.HasPrefix(o.path, "/v1/") && o.id != "version-get" && o.id != "session-create" {
			problem(t, a, http.StatusUnauthorized, "unauthenticated")
			refused++
			continue
		}
		require.NotEqual(t, http.StatusUnauthorized, a.StatusCode, o.id)
	}
	require.Greater(t, refused, 30)
}

func TestBadTokens(t *testing.T) {
	t.Parallel()
	b, tokens := guarded(t)
	good := token(t, tokens, "good", "read")
	secret := strings.TrimPrefix(good, "Authorization: Bearer ")
	for name, header := range map[string]string{
		"foreign":  "Authorization: Bearer weir_" + strings.Repeat("A", 43),
		"short":    "Authorization: Bearer weir_A",
		"basic":    "Authorization: Basic " + secret,
		"bare":     "Authorization: " + secret,
		"nothing":  "Authorization: Bearer",
		"a NUL":    "Authorization: Bearer weir_" + strings.Repeat("\x00", 43),
		"a cookie": "Cookie: weir_session=" + secret,
		"hash":     fmt.Sprintf("Authorization: Bearer %x", scan[[]byte](b, "select hash from weir.tokens")),
	} {
		a := b.ask("GET", "/v1/runs", "", header)
		p := problem(t, a, http.StatusUnauthorized, "unauthenticated")
		require.Equal(t, "Bearer", a.Header.Get("WWW-Authenticate"), name)
		require.NotContains(t, p["detail"], secret)
	}
	problem(t, b.ask("GET", "/v1/runs?token="+secret, ""), http.StatusUnauthorized, "unauthenticated")
	require.Equal(t, http.StatusOK, b.ask("GET", "/v1/runs", "", good).StatusCode)
	require.Equal(t, http.StatusOK, b.ask("GET", "/v1/runs", "", strings.Replace(good, "Bearer", "bearer", 1)).StatusCode)

	b.exec(`update weir.tokens set expires_at = clock_timestamp() where name = 'good'`)
	problem(t, b.ask("GET", "/v1/runs", "", good), http.StatusUnauthorized, "unauthenticated")
	b.exec(`update weir.tokens set expires_at = clock_timestamp() + interval '1 hour' where name = 'good'`)
	require.Equal(t, http.StatusOK, b.ask("GET", "/v1/runs", "", good).StatusCode)
	_, err := tokens.TokenRevoke(t.Context(), "good")
	require.NoError(t, err)
	problem(t, b.ask("GET", "/v1/runs", "", good), http.StatusUnauthorized, "unauthenticated")
}

func TestTheDoor(t *testing.T) {
	t.Parallel()
	b, tokens := guarded(t)
	require.Equal(t, http.StatusOK, b.ask("GET", "/v1/runs", "").StatusCode, "open: there never was a token")
	require.Nil(t, b.get("/v1/session")["name"])
	require.Equal(t, "local", scan[string](b, `select created_by from weir.runs where id = $1`, b.submit(onePlan)))
	good := token(t, tokens, "first", "read")
	problem(t, b.ask("GET", "/v1/runs", ""), http.StatusUnauthorized, "unauthenticated")
	require.Equal(t, http.StatusOK, b.ask("GET", "/v1/runs", "", good).StatusCode)
	_, err := tokens.TokenRevoke(t.Context(), "first")
	require.NoError(t, err)
	problem(t, b.ask("GET", "/v1/runs", ""), http.StatusUnauthorized, "unauthenticated")
	again := New(Config{Lifecycle: b.Engine, Tokens: tokens, Loopback: true})
	problem(t, ask(t, again, "GET", "/v1/runs", ""), http.StatusUnauthorized, "unauthenticated")
	open := New(Config{Lifecycle: b.Engine, Tokens: tokens, Auth: AuthNone})
	require.Equal(t, http.StatusOK, ask(t, open, "GET", "/v1/runs", "", good).StatusCode)
	fresh, none := guarded(t)
	for _, config := range []Config{{Auth: AuthToken, Loopback: true}, {Auth: AuthAuto}, {}} {
		config.Lifecycle, config.Tokens = fresh.Engine, none
		problem(t, ask(t, New(config), "GET", "/v1/runs", ""), http.StatusUnauthorized, "unauthenticated")
	}
}

func TestActorsAndKeysOfTokens(t *testing.T) {
	t.Parallel()
	b, tokens := guarded(t)
	ana, ben := token(t, tokens, "ana", "submit"), token(t, tokens, "ben", "submit", "operate", "read")
	key := "Idempotency-Key: k"
	first := b.ask("POST", "/v1/runs", onePlan, ana, key)
	require.Equal(t, http.StatusCreated, first.StatusCode)
	other := b.ask("POST", "/v1/runs", onePlan, ben, key)
	require.Equal(t, http.StatusCreated, other.StatusCode, "a key is a token's own")
	id := first.json(t)["id"].(string)
	require.NotEqual(t, id, other.json(t)["id"])
	require.Equal(t, "token:ana", scan[string](b, `select created_by from weir.runs where id = $1`, id))

	_, err := tokens.TokenRevoke(t.Context(), "ana")
	require.NoError(t, err)
	replayed := b.ask("POST", "/v1/runs", onePlan, token(t, tokens, "ana", "submit"), key)
	require.Equal(t, http.StatusOK, replayed.StatusCode, "keys are by name: a token may be replaced")
	require.Equal(t, id, replayed.json(t)["id"])

	require.Equal(t, http.StatusOK, b.ask("POST", "/v1/runs/"+id+"/pause", "", ben).StatusCode)
	require.Positive(t, scan[int](b, `select count(*) from weir.transitions where run_id = $1 and actor = 'token:ben'`, id))
}

// failingTokens is a database that does not answer while it is down.
type failingTokens struct {
	*lifecycle.Tokens

	down atomic.Bool
}

func (f *failingTokens) err() error {
	if f.down.Load() {
		return &lifecycle.Error{Code: lifecycle.CodeDatabaseUnavailable, Message: "down", Retryable: true}
	}
	return nil
}

func (f *failingTokens) TokenVerify(ctx context.Context, secret string) (*lifecycle.Verified, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.Tokens.TokenVerify(ctx, secret)
}

func (f *failingTokens) TokensEver(ctx context.Context) (bool, error) {
	if err := f.err(); err != nil {
		return false, err
	}
	return f.Tokens.TokensEver(ctx)
}

func TestTokensWithoutADatabase(t *testing.T) {
	t.Parallel()
	b, tokens := guarded(t)
	failing := &failingTokens{Tokens: tokens}
	b.handler = New(Config{Lifecycle: b.Engine, Tokens: failing, Loopback: true})
	failing.down.Store(true)
	problem(t, b.ask("GET", "/v1/runs", ""), http.StatusServiceUnavailable, "database_unavailable")
	told := New(Config{Lifecycle: b.Engine, Tokens: failing, Loopback: true, NoTokens: true})
	require.Equal(t, http.StatusOK, ask(t, told, "GET", "/v1/runs", "").StatusCode)
	failing.down.Store(false)
	b.get("/v1/runs")
	failing.down.Store(true)
	b.get("/v1/runs") // it was open when it was last seen
	failing.down.Store(false)

	known, unknown := token(t, tokens, "known", "read"), token(t, tokens, "unknown", "read")
	require.Equal(t, http.StatusOK, b.ask("GET", "/v1/runs", "", known).StatusCode)
	failing.down.Store(true)
	require.Equal(t, http.StatusOK, b.ask("GET", "/v1/runs", "", known).StatusCode)
	problem(t, b.ask("GET", "/v1/runs", "", unknown), http.StatusServiceUnavailable, "database_unavailable")
	problem(t, b.ask("GET", "/v1/runs", ""), http.StatusUnauthorized, "unauthenticated")
}

func TestRecentForgets(t *testing.T) {
	t.Parallel()
	r := newRecent()
	soon := time.Now().Add(-time.Second)
	r.put(credential{secret: "over"}, &Caller{expires: &soon})
	require.Nil(t, r.get(credential{secret: "over"}), "never beyond the end of the token")
	r.put(credential{secret: "a"}, &Caller{Name: "a"})
	require.Equal(t, "a", r.get(credential{secret: "a"}).Name)
	require.Nil(t, r.get(credential{secret: "a", session: true}))
	for i := range recentMost + 10 {
		r.put(credential{secret: fmt.Sprint(i)}, &Caller{})
	}
	require.Len(t, r.callers, recentMost)
}

func TestRecheck(t *testing.T) {
	t.Parallel()
	b, tokens := guarded(t)
	s := b.handler.(*server)
	require.NoError(t, s.recheck(t.Context()), "open")
	secret := strings.TrimPrefix(token(t, tokens, "ana", "read"), "Authorization: Bearer ")
	require.Error(t, s.recheck(t.Context()), "closed meanwhile")
	caller, err := s.gate.admit(t.Context(), credential{secret: secret}, false)
	require.NoError(t, err)
	ctx := withCaller(t.Context(), caller)
	require.NoError(t, s.recheck(ctx))
	_, err = tokens.TokenRevoke(t.Context(), "ana")
	require.NoError(t, err)
	err = s.recheck(ctx)
	require.Error(t, err)
	require.Equal(t, codeUnauthenticated, codeOf(err))
	require.False(t, db.IsTransient(err) || errors.Is(err, context.Canceled))
}
