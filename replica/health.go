package replica

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/db/migrations"
)

// healthWithin bounds how long /readyz waits for the database.
const healthWithin = 2 * time.Second

// handler answers /healthz and /readyz, and has the API answer everything else.
func (r *replica) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", r.healthz)
	mux.HandleFunc("GET /readyz", r.readyz)
	return mux
}

// Health is the answer of /healthz and /readyz.
type Health struct {
	Status string `json:"status"` // ok, or why not in one word: starting, shutting_down, database_unavailable, schema_mismatch
	Build  Build  `json:"build"`
	Schema int    `json:"schema"`  // of the database, when it was last seen
	Needs  int    `json:"needs"`   // the least schema that this binary works with
	Embeds int    `json:"embeds"`  // the newest schema that this binary brings
	Listen string `json:"notify"`  // listen or poll
	Worker string `json:"replica"` // its id
}

// healthz says that the process lives and is not stuck. It asks nobody else: a database that is away is no reason to
// kill replicas.
func (r *replica) healthz(w http.ResponseWriter, _ *http.Request) {
	writeHealth(w, http.StatusOK, r.health("ok"))
}

// readyz says whether the replica does its work now.
func (r *replica) readyz(w http.ResponseWriter, req *http.Request) {
	status := r.readiness(req.Context())
	code := http.StatusOK
	if status != "ok" {
		code = http.StatusServiceUnavailable
	}
	writeHealth(w, code, r.health(status))
}

func (r *replica) readiness(ctx context.Context) string {
	if !r.ready.Load() {
		if r.draining.Load() {
			return "shutting_down"
		}
		return "starting"
	}
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	err := r.schema.runOnce(ctx)
	var mismatch *db.SchemaError
	switch {
	case errors.As(err, &mismatch):
		return "schema_mismatch"
	case err != nil:
		return "database_unavailable"
	}
	return "ok"
}

func (r *replica) health(status string) Health {
	h := Health{
		Status: status, Build: r.cfg.Build, Needs: migrations.Needs, Embeds: migrations.Latest(),
		Listen: string(r.listener.Status().Mode), Worker: r.id.String(),
	}
	if have := r.schema.last.Load(); have != nil {
		h.Schema = have.Version
	}
	return h
}

func writeHealth(w http.ResponseWriter, code int, h Health) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(h) // who asked may be gone
}
