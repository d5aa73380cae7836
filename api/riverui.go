package api

import "net/http"

// RiverUIPath is where River UI is.
const RiverUIPath = "/riverui"

// riverUIPattern matches all of it.
const riverUIPattern = RiverUIPath + "/"

// riverUICSP lets River UI load what is its own, from here. It styles its elements by attributes.
const riverUICSP = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// riverUI serves River's own pages to those who may read; what changes something is for those who may operate.
func (s *server) riverUI() {
	if s.RiverUI == nil {
		return
	}
	s.mux.HandleFunc(riverUIPattern, func(w http.ResponseWriter, r *http.Request) {
		scope := ScopeOperate
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			scope = ScopeRead
		}
		if err := allow(r.Context(), scope); err != nil {
			s.problemOf(r.Context(), err).write(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", riverUICSP)
		s.RiverUI.ServeHTTP(w, r)
	})
}
