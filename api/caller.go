package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Scope is what a token may do, and what a call needs.
type Scope string

// The scopes.
const (
	ScopePublic  Scope = ""        // of calls: everybody may make them
	ScopeAny     Scope = "any"     // of calls: every token may make them
	ScopeRead    Scope = "read"    // look at everything
	ScopeSubmit  Scope = "submit"  // make runs
	ScopeWork    Scope = "work"    // be a remote worker
	ScopeOperate Scope = "operate" // change what there is: cancel, pause, decide, limits, queues, plans, schedules
	ScopeAdmin   Scope = "admin"   // of tokens: all of these
)

// Caller is who makes a call.
type Caller struct {
	Name   string // of the token; "": nobody was asked for one
	Scopes []Scope

	id      uuid.UUID // of the token
	expires *time.Time
	shown   credential
}

// may reports whether a call of this scope is the caller's to make.
func (c *Caller) may(scope Scope) bool {
	return scope == ScopePublic || scope == ScopeAny || c.Name == "" || slices.Contains(c.Scopes, scope) || slices.Contains(c.Scopes, ScopeAdmin)
}

type callerKey struct{}

// withCaller says who makes the call that ctx belongs to.
func withCaller(ctx context.Context, caller *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// callerOf is who makes the call: where nobody was asked, somebody without a name.
func callerOf(ctx context.Context) *Caller {
	if caller, ok := ctx.Value(callerKey{}).(*Caller); ok {
		return caller
	}
	return &Caller{}
}

// actorOf is the caller in history, and whose Idempotency-Keys these are.
func actorOf(ctx context.Context) string {
	if name := callerOf(ctx).Name; name != "" {
		return "token:" + name
	}
	return "local"
}

// allow is a problem unless the caller may make a call of that scope.
func allow(ctx context.Context, scope Scope) error {
	if callerOf(ctx).may(scope) {
		return nil
	}
	return newProblem(codeForbidden, "the token lacks the scope "+string(scope)+", which this call needs")
}

// scopeOf is what a call needs that does not say so itself: reading is reading, and everything else is operating.
func scopeOf(method string) Scope {
	if method == http.MethodGet {
		return ScopeRead
	}
	return ScopeOperate
}

// scoped are the codes with which a call of that scope can be refused.
func scoped(scope Scope) []string {
	if scope == ScopePublic {
		return nil
	}
	if scope == ScopeAny {
		return []string{codeUnauthenticated, codeRateLimited}
	}
	return []string{codeUnauthenticated, codeForbidden, codeRateLimited}
}

// scopeExtension is the member of an operation in the document that names its scope.
const scopeExtension = "x-weir-scope"

// The names of the ways to sign in, in the document.
const (
	schemeToken   = "token"
	schemeSession = "session"
)

// sessionCookie holds the session of a browser.
const sessionCookie = "weir_session"

// securityOf is how a call of that scope is made: with a token, or with the session of a browser.
func securityOf(scope Scope) []map[string][]string {
	if scope == ScopePublic {
		return []map[string][]string{}
	}
	return []map[string][]string{{schemeToken: {}}, {schemeSession: {}}}
}
