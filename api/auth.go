package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle"
)

// Tokens signs callers in. *lifecycle.Tokens does.
type Tokens interface {
	TokenVerify(ctx context.Context, secret string) (*lifecycle.Verified, error)
	TokensEver(ctx context.Context) (bool, error)
	SessionCreate(ctx context.Context, token uuid.UUID) (secret string, expires time.Time, err error)
	SessionVerify(ctx context.Context, secret string) (*lifecycle.Verified, error)
	SessionEnd(ctx context.Context, secret string) error
}

// verifyWithin is how long the database may take to say who somebody is, before it counts as unavailable.
const verifyWithin = 5 * time.Second

// credential is what a caller shows: a token, the secret of a session, or nothing.
type credential struct {
	secret  string
	session bool
}

// gate decides who gets in.
type gate struct {
	tokens Tokens // nil: everybody gets in
	always bool   // tokens are asked for even as long as there never was one
	logger func(context.Context, error)

	closed atomic.Bool // there is or was a token; it stays so
	open   atomic.Bool // the database has said that there never was one
	recent *recent
	rates  *rates
}

// newGate is the gate of a configuration.
func newGate(c Config, logger func(context.Context, error)) *gate {
	g := &gate{tokens: c.Tokens, always: c.Auth == AuthToken || !c.Loopback, logger: logger, recent: newRecent(), rates: newRates(c.RateLimit)}
	g.open.Store(c.NoTokens)
	if c.Auth == AuthNone {
		g.tokens = nil
	}
	return g
}

// caller is who makes a request, within the bounds of how often it may.
func (g *gate) caller(r *http.Request) (*Caller, error) {
	shown, err := shownBy(r)
	caller, unknown := g.admit(r.Context(), shown, false)
	if unknown != nil {
		if err != nil && codeOf(unknown) == codeUnauthenticated {
			return nil, err // says more
		}
		return nil, unknown
	}
	if wait := g.rates.wait(caller.id); wait > 0 {
		return nil, rateLimited("the token is used more often than this server allows", wait)
	}
	return caller, nil
}

// admit is who shows that. Again: it was admitted before, and is not counted if it is no more.
func (g *gate) admit(ctx context.Context, shown credential, again bool) (*Caller, error) {
	if g.tokens == nil {
		return &Caller{}, nil
	}
	required, err := g.required(ctx)
	switch {
	case err != nil:
		return nil, err
	case !required:
		return &Caller{}, nil
	case shown.secret == "":
		return nil, unauthenticated("the request carries no token: send it as 'Authorization: Bearer TOKEN', or sign in with POST /v1/session")
	}
	return g.verify(ctx, shown, again)
}

// required reports whether callers have to show anything.
func (g *gate) required(ctx context.Context) (bool, error) {
	if g.always || g.closed.Load() {
		return true, nil
	}
	within, cancel := context.WithTimeout(ctx, verifyWithin)
	defer cancel()
	ever, err := g.tokens.TokensEver(within)
	switch {
	case err == nil && ever:
		g.closed.Store(true)
	case err == nil:
		g.open.Store(true)
	case ctx.Err() != nil:
		return false, ctx.Err()
	case g.open.Load() && unavailable(err):
		return false, nil
	default:
		return false, g.unknown(ctx, err)
	}
	return ever, nil
}

// verify asks the database whose token or session this is. While it does not answer, what it said last holds for a while.
func (g *gate) verify(ctx context.Context, shown credential, again bool) (*Caller, error) {
	before := g.recent.get(shown)
	within, cancel := context.WithTimeout(ctx, verifyWithin)
	defer cancel()
	ask := g.tokens.TokenVerify
	if shown.session {
		ask = g.tokens.SessionVerify
	}
	verified, err := ask(within, shown.secret)
	switch {
	case err == nil:
		caller := callerFrom(verified, shown)
		g.recent.put(shown, caller)
		return caller, nil
	case errors.Is(err, lifecycle.ErrNotSignedIn):
		g.recent.drop(shown)
		if again {
			return nil, unauthenticated("the token or session does not exist, has expired or was revoked")
		}
		if wait := g.rates.failing(); wait > 0 { // only now: nobody with a good token pays for what others send
			return nil, rateLimited("too many requests had no valid token", wait)
		}
		g.rates.failed()
		return nil, unauthenticated("the token or session does not exist, has expired or was revoked")
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case before != nil && unavailable(err):
		return before, nil
	}
	return nil, g.unknown(ctx, err)
}

// unknown is that the database does not say who somebody is.
func (g *gate) unknown(ctx context.Context, err error) error {
	if !unavailable(err) {
		g.logger(ctx, err)
	}
	return newProblem(lifecycle.CodeDatabaseUnavailable, "the database cannot be asked who this is")
}

func codeOf(err error) string {
	if problem, ok := errors.AsType[*Problem](err); ok {
		return problem.Code
	}
	return ""
}

func unavailable(err error) bool {
	return lifecycle.IsRetryable(err) || errors.Is(err, context.DeadlineExceeded)
}

// recheck is an error when the caller that ctx belongs to would not get in any more. For answers that take long.
func (s *server) recheck(ctx context.Context) error {
	before := callerOf(ctx)
	now, err := s.gate.admit(ctx, before.shown, true)
	if err != nil {
		return s.problemOf(ctx, err)
	}
	if now.id != before.id {
		return s.problemOf(ctx, unauthenticated("the token is another one by now"))
	}
	return nil
}

func callerFrom(verified *lifecycle.Verified, shown credential) *Caller {
	c := &Caller{Name: verified.Name, id: verified.Token, expires: verified.ExpiresAt, shown: shown}
	for _, scope := range verified.Scopes {
		c.Scopes = append(c.Scopes, Scope(scope))
	}
	return c
}

// shownBy is what a request shows: a token before a session. It is never in the URL.
func shownBy(r *http.Request) (credential, error) {
	if headers := r.Header.Values("Authorization"); len(headers) > 0 {
		scheme, token, _ := strings.Cut(headers[0], " ")
		if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
			return credential{}, unauthenticated("the header Authorization has to be 'Bearer TOKEN', once")
		}
		return credential{secret: token}, nil
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		return credential{secret: cookie.Value, session: true}, nil
	}
	return credential{}, nil
}

// unauthenticated asks for a token.
func unauthenticated(detail string) *Problem {
	p := newProblem(codeUnauthenticated, detail)
	p.headers = http.Header{"Www-Authenticate": {"Bearer"}}
	return p
}

// opened are the patterns that need no token and are no operations: the document, its page, and where to sign in.
func opened() []string {
	return []string{"GET /openapi.json", "GET /openapi-3.0.json", "GET /docs", "GET /docs/", "GET " + loginPath, "GET " + loginPath + ".js", "GET " + loginPath + ".css"}
}

// isPublic reports whether a pattern needs no token.
func (s *server) isPublic(pattern string) bool {
	return slices.Contains(s.public, pattern) || slices.Contains(opened(), pattern)
}

// signedIn puts who makes the request into its context, or answers that this is not known.
func (s *server) signedIn(w http.ResponseWriter, r *http.Request, pattern string) (*http.Request, bool) {
	caller, err := s.gate.caller(r)
	if err == nil {
		return r.WithContext(withCaller(r.Context(), caller)), true
	}
	problem := s.problemOf(r.Context(), err)
	if problem.Code == codeUnauthenticated && pattern == RiverUIPath+"/" && isPageView(r) {
		http.Redirect(w, r, loginPath+"?next="+escaped(r.URL.Path), http.StatusSeeOther)
		return nil, false
	}
	problem.write(w, r)
	return nil, false
}

// isPageView reports whether somebody opens a page in a browser.
func isPageView(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
}
