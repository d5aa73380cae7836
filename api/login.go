package api

import (
	_ "embed"
	"net/http"
	"net/url"
)

// loginPath is the page for signing in.
const loginPath = "/login"

// loginCSP lets the page load what is its own, from here, and talk to this server.
const loginCSP = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed login.html
var loginHTML string

//go:embed login.js
var loginJS string

//go:embed login.css
var loginCSS string

// login serves the page for signing in.
func (s *server) login() {
	for path, file := range map[string]struct{ kind, text string }{
		loginPath:          {"text/html; charset=utf-8", loginHTML},
		loginPath + ".js":  {"text/javascript; charset=utf-8", loginJS},
		loginPath + ".css": {"text/css; charset=utf-8", loginCSS},
	} {
		s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Security-Policy", loginCSP)
			w.Header().Set("Content-Type", file.kind)
			_, _ = w.Write([]byte(file.text)) // the client may be gone
		})
	}
}

func escaped(path string) string { return url.QueryEscape(path) }
