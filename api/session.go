package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

// Session is who somebody is.
type Session struct {
	Name      *string    `json:"name" doc:"The name of the token; null: nobody is asked for one." example:"ana"`
	Scopes    []string   `json:"scopes" nullable:"false" doc:"What the caller may do: read, submit, work, operate, or admin, which is all of them." example:"[\"read\",\"submit\"]"`
	ExpiresAt *timestamp `json:"expires_at" doc:"When the token or the session ends; null: never by itself."`
}

// SessionRequest asks for a session.
type SessionRequest struct {
	Token string `json:"token" maxLength:"200" doc:"The token, as weir token create printed it." example:"weir_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"`
}

type sessionInput struct {
	Said rawBody
}

type sessionOutput struct {
	Body Session
}

type sessionCookieOutput struct {
	SetCookie string `header:"Set-Cookie" doc:"The session: HttpOnly, SameSite=Strict, and Secure with TLS."`
	Body      Session
}

// session are the calls with which browsers sign in and out.
func (s *server) session(routes huma.API) {
	call := register(s, routes, operation{
		id: "session-create", method: http.MethodPost, path: "/v1/session", tag: "operate", public: true,
		summary: "Sign a browser in with a token",
		description: "The cookie of the answer stands for the token in every call of the browser, for 12 hours and never longer than the token. " +
			"It ends with the token at once, and with `session-delete`.",
		problems: []string{lifecycle.CodeInvalidRequest, codeCrossOrigin, codeUnauthenticated, codeRateLimited},
	}, s.sessionCreate)
	call.RequestBody = &huma.RequestBody{
		Description: "The token.", Required: true,
		Content: map[string]*huma.MediaType{"application/json": {Schema: schemaOf[SessionRequest](routes), Example: SessionRequest{Token: "weir_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}},
	}
	register(s, routes, operation{
		id: "session-get", method: http.MethodGet, path: "/v1/session", tag: "operate", scope: ScopeAny,
		summary: "Say who makes this call", description: "Every token may ask.",
	}, s.sessionGet)
	register(s, routes, operation{
		id: "session-delete", method: http.MethodDelete, path: "/v1/session", tag: "operate", scope: ScopeAny,
		summary: "Sign a browser out", description: "Its session ends, and the answer takes its cookie away. A token that was sent itself stays as it is.",
		problems: []string{lifecycle.CodeInvalidRequest, codeCrossOrigin},
	}, s.sessionDelete)
}

func (s *server) sessionCreate(ctx context.Context, in *sessionInput) (*sessionCookieOutput, error) {
	var said SessionRequest
	if err := decodeBody(in.Said, &said); err != nil {
		return nil, err
	}
	if said.Token == "" {
		return nil, invalidBody("token", "missing", "expected a token")
	}
	if s.gate.tokens == nil {
		return nil, unauthenticated("this server asks nobody for a token")
	}
	caller, err := s.gate.verify(ctx, credential{secret: said.Token}, false)
	if err != nil {
		return nil, err
	}
	if wait := s.gate.rates.wait(caller.id); wait > 0 {
		return nil, rateLimited("the token is used more often than this server allows", wait)
	}
	secret, expires, err := s.gate.tokens.SessionCreate(ctx, caller.id)
	if err != nil {
		return nil, err
	}
	answer := sessionOf(caller)
	answer.ExpiresAt = timestampOf(&expires)
	return &sessionCookieOutput{SetCookie: s.cookie(secret, expires), Body: answer}, nil
}

func (s *server) sessionGet(ctx context.Context, _ *struct{}) (*sessionOutput, error) {
	return &sessionOutput{Body: sessionOf(callerOf(ctx))}, nil
}

func (s *server) sessionDelete(ctx context.Context, _ *struct{}) (*sessionCookieOutput, error) {
	caller := callerOf(ctx)
	if caller.shown.session {
		if err := s.gate.tokens.SessionEnd(ctx, caller.shown.secret); err != nil {
			return nil, err
		}
		s.gate.recent.drop(caller.shown)
	}
	return &sessionCookieOutput{SetCookie: s.cookie("", time.Time{}), Body: sessionOf(caller)}, nil
}

// cookie is the header that gives a browser its session; an empty secret takes it away.
func (s *server) cookie(secret string, expires time.Time) string {
	cookie := http.Cookie{Name: sessionCookie, Value: secret, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.TLS, Expires: expires}
	if secret == "" {
		cookie.MaxAge = -1
	}
	return cookie.String()
}

func sessionOf(caller *Caller) Session {
	session := Session{Name: textOrNull(caller.Name), Scopes: []string{}, ExpiresAt: timestampOf(caller.expires)}
	for _, scope := range caller.Scopes {
		session.Scopes = append(session.Scopes, string(scope))
	}
	if caller.Name == "" {
		session.Scopes = append(session.Scopes, string(ScopeAdmin))
	}
	return session
}
