package api

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

func TestSessions(t *testing.T) {
	t.Parallel()
	b, tokens := guarded(t, func(c *Config) { c.TLS = true })
	secret := strings.TrimPrefix(token(t, tokens, "ana", "read"), "Authorization: Bearer ")
	in := b.ask("POST", "/v1/session", `{"token": "`+secret+`"}`)
	require.Equal(t, http.StatusOK, in.StatusCode, "%s", in.body)
	require.Equal(t, "ana", in.json(t)["name"])
	require.Equal(t, []any{"read"}, in.json(t)["scopes"])
	require.NotEmpty(t, in.json(t)["expires_at"])
	require.NotContains(t, string(in.body), secret)
	require.NotEmpty(t, in.Header.Get("Strict-Transport-Security"))
	cookies := in.Cookies()
	require.Len(t, cookies, 1)
	c := cookies[0]
	require.Equal(t, "weir_session", c.Name)
	require.True(t, c.HttpOnly)
	require.True(t, c.Secure)
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	require.Equal(t, "/", c.Path)
	require.Empty(t, c.Domain)
	require.NotContains(t, secret, c.Value)
	require.Zero(t, scan[int](b, `select count(*) from weir.sessions where hash = convert_to($1, 'utf8')`, c.Value), "only its hash is stored")

	cookie := "Cookie: weir_session=" + c.Value
	require.Equal(t, http.StatusOK, b.ask("GET", "/v1/runs", "", cookie).StatusCode)
	require.Equal(t, "ana", b.ask("GET", "/v1/session", "", cookie).json(t)["name"])
	problem(t, b.ask("POST", "/v1/runs", onePlan, cookie), http.StatusForbidden, "forbidden")
	problem(t, b.ask("POST", "/v1/runs", onePlan, cookie, "Sec-Fetch-Site: cross-site"), http.StatusForbidden, "cross_origin")
	problem(t, b.ask("GET", "/v1/runs", "", "Authorization: Bearer "+c.Value), http.StatusUnauthorized, "unauthenticated")

	out := b.ask("DELETE", "/v1/session", "", cookie)
	require.Equal(t, http.StatusOK, out.StatusCode, "%s", out.body)
	require.Negative(t, out.Cookies()[0].MaxAge)
	problem(t, b.ask("GET", "/v1/runs", "", cookie), http.StatusUnauthorized, "unauthenticated")
}

func TestSessionsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	b, tokens := guarded(t)
	view, _, err := tokens.TokenCreate(t.Context(), lifecycle.TokenRequest{Name: "ana", Scopes: []string{"read"}, Actor: "local"})
	require.NoError(t, err)
	open := func() string {
		secret, _, err := tokens.SessionCreate(t.Context(), view.ID)
		require.NoError(t, err)
		return "Cookie: weir_session=" + secret
	}
	cookie := open()
	b.exec(`update weir.sessions set expires_at = clock_timestamp()`)
	problem(t, b.ask("GET", "/v1/runs", "", cookie), http.StatusUnauthorized, "unauthenticated")
	b.exec(`update weir.tokens set expires_at = clock_timestamp() + interval '1 hour'`)
	cookie = open()
	require.Equal(t, 1, scan[int](b, `select count(*) from weir.sessions`), "the one that was over is gone")
	require.True(t, scan[bool](b, `select s.expires_at = t.expires_at from weir.sessions s join weir.tokens t on t.id = s.token_id`))
	require.Equal(t, http.StatusOK, b.ask("GET", "/v1/runs", "", cookie).StatusCode)
	b.exec(`update weir.tokens set expires_at = clock_timestamp()`)
	problem(t, b.ask("GET", "/v1/runs", "", cookie), http.StatusUnauthorized, "unauthenticated")
	b.exec(`update weir.tokens set expires_at = null`)
	require.Equal(t, http.StatusOK, b.ask("GET", "/v1/runs", "", cookie).StatusCode)
	_, err = tokens.TokenRevoke(t.Context(), "ana")
	require.NoError(t, err)
	problem(t, b.ask("GET", "/v1/runs", "", cookie), http.StatusUnauthorized, "unauthenticated")
	_, _, err = tokens.SessionCreate(t.Context(), view.ID)
	require.ErrorIs(t, err, lifecycle.ErrNotSignedIn)
}

func TestSigningInFails(t *testing.T) {
	t.Parallel()
	b, _ := guarded(t)
	for body, code := range map[string]string{
		`{}`: "invalid_request", `{"token": 1}`: "invalid_request", `{"tokn": ""}`: "invalid_request",
		`{"token": "weir_nope"}`: "unauthenticated", `{"token": "weir_` + strings.Repeat("A", 43) + `"}`: "unauthenticated",
	} {
		status := http.StatusUnprocessableEntity
		if code == "unauthenticated" {
			status = http.StatusUnauthorized
		}
		a := b.ask("POST", "/v1/session", body)
		problem(t, a, status, code)
		require.Empty(t, a.Cookies())
	}
}

func TestLoginPage(t *testing.T) {
	t.Parallel()
	b, _ := guarded(t, func(c *Config) {
		c.Auth = AuthToken
		c.RiverUI = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("river")) })
	})
	page := b.ask("GET", "/login", "")
	require.Equal(t, "text/html; charset=utf-8", page.Header.Get("Content-Type"))
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'")
	require.Empty(t, regexp.MustCompile(`https?://|<script>| on[a-z]+=|style=`).FindString(string(page.body)), "nothing from outside, nothing inline")
	away := b.ask("GET", "/riverui/jobs", "", "Accept: text/html,*/*")
	require.Equal(t, http.StatusSeeOther, away.StatusCode)
	require.Equal(t, "/login?next=%2Friverui%2Fjobs", away.Header.Get("Location"))
	problem(t, b.ask("GET", "/riverui/api/jobs", "", "Accept: application/json"), http.StatusUnauthorized, "unauthenticated")
}
