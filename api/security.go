package api

import (
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

// Auth is who is asked for a token.
type Auth string

// The ways.
const (
	AuthAuto  Auth = "auto"  // beyond loopback everybody; on loopback everybody as soon as there ever was a token
	AuthToken Auth = "token" // everybody
	AuthNone  Auth = "none"  // nobody: the network has to keep strangers away
)

// IsLoopback reports whether the host, a name or an address without its port, is this machine and nothing else. An
// empty host is not: it means every address.
func IsLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// secureHeaders are set on every response. Nothing here is ever shown by a browser as a page or kept in a cache.
func secureHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// checkHost refuses a request that names another host, when only this machine is listened to: a page whose name was
// made to point to 127.0.0.1 (DNS rebinding) is of the same origin for the browser.
func checkHost(r *http.Request) *Problem {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if IsLoopback(host) {
		return nil
	}
	return newProblem(codeWrongHost, "this server listens on a loopback address: call it localhost or by that address")
}

// crossOrigin refuses what a page of another origin caused.
func crossOrigin() *http.CrossOriginProtection {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		newProblem(codeCrossOrigin, "requests that change something are not taken from web pages of another origin").write(w, r)
	}))
	return protection
}

// checkContent refuses bodies that are not JSON or are announced as too large.
func checkContent(r *http.Request, limit int64) *Problem {
	contentType := r.Header.Get("Content-Type")
	switch {
	case r.ContentLength > limit:
		return newProblem(lifecycle.CodeTooLarge, fmt.Sprintf("the body is larger than %d bytes", limit))
	case r.ContentLength == 0 && (contentType == "" || r.Method == http.MethodGet):
		return nil
	case len(r.Header.Values("Content-Encoding")) > 0:
		return newProblem(codeUnsupportedMediaType, "bodies are taken as they are, without a Content-Encoding")
	}
	media, params, err := mime.ParseMediaType(contentType)
	charset, given := params["charset"]
	if err != nil || media != "application/json" || given && !strings.EqualFold(charset, "utf-8") {
		return newProblem(codeUnsupportedMediaType, "the Content-Type has to be application/json")
	}
	return nil
}

// checkQuery refuses what cannot be parsed, and a parameter that is given twice: which one was meant?
func checkQuery(r *http.Request) *Problem {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badParameter("query", "it is not well-formed")
	}
	for name, values := range query {
		if len(values) > 1 && name != "label" {
			return badParameter("query."+name, "it is given more than once")
		}
	}
	return nil
}

// bodyless are the patterns of the calls that change something and take no body.
func bodyless(doc *huma.OpenAPI) map[string]bool {
	patterns := map[string]bool{}
	for path, item := range doc.Paths {
		for _, method := range methods() {
			if operation := operationOf(item, method); operation != nil && method != http.MethodGet && operation.RequestBody == nil {
				patterns[method+" "+path] = true
			}
		}
	}
	return patterns
}

// checkEmpty refuses a body that says something where nothing is to be said: it would not be heard.
func checkEmpty(r *http.Request) error {
	text, err := io.ReadAll(r.Body)
	r.Body = http.NoBody
	return decodeBody(rawBody{json: text, err: err}, &struct{}{})
}
