package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirqueue/weir/lifecycle"
)

// VersionInfo is what runs here.
type VersionInfo struct {
	API           int       `json:"api" doc:"The version of the API: the 1 of /v1." example:"1"`
	Schema        int       `json:"schema" doc:"The version of the database." example:"1"`
	SchemaMin     int       `json:"schema_min" doc:"The oldest version that a binary may embed to run on this database." example:"1"`
	RiverSchema   int       `json:"river_schema" doc:"The version of River's tables." example:"6"`
	Build         BuildInfo `json:"build" doc:"What this binary was built from."`
	OpenAPIDigest string    `json:"openapi_digest" doc:"Of the document: x-weir-digest in its info, which is the SHA-256 of /openapi.json without the line that has it, in hexadecimal digits."`
}

// BuildInfo is what a binary was built from.
type BuildInfo struct {
	Version  string     `json:"version" doc:"Its version." example:"v0.1.0"`
	Revision *string    `json:"revision" doc:"The commit; null: unknown." example:"4f9c1d2"`
	Time     *timestamp `json:"time" doc:"When that was committed; null: unknown."`
	Modified bool       `json:"modified" doc:"Whether there were changes on top of it."`
}

// Health is that this process answers.
type Health struct {
	Status string    `json:"status" enum:"ok" doc:"ok."`
	API    int       `json:"api" doc:"The version of the API." example:"1"`
	Schema int       `json:"schema" doc:"The version of the database, as this process saw it last." example:"1"`
	Build  BuildInfo `json:"build" doc:"What this binary was built from."`
}

type versionOutput struct {
	Body VersionInfo
}

type healthOutput struct {
	Body Health
}

// operate are the calls for those who run replicas.
func (s *server) operate(routes huma.API) {
	register(s, routes, operation{
		id: "version-get", method: http.MethodGet, path: "/v1/version", tag: "operate", public: true,
		summary: "Say what runs here",
	}, func(context.Context, *struct{}) (*versionOutput, error) {
		return &versionOutput{Body: s.version()}, nil
	})
	register(s, routes, operation{
		id: "health-get", method: http.MethodGet, path: "/healthz", tag: "operate", public: true,
		summary:     "Say whether this process lives",
		description: "It looks at nothing but itself: a database that is down is no reason to restart a replica.",
	}, func(context.Context, *struct{}) (*healthOutput, error) {
		return s.health(), nil
	})
	register(s, routes, operation{
		id: "ready-get", method: http.MethodGet, path: "/readyz", tag: "operate", public: true,
		summary:     "Say whether this process should get requests",
		description: "It should not while it cannot reach its database, and while it shuts down.",
	}, func(ctx context.Context, _ *struct{}) (*healthOutput, error) {
		if err := s.Ready(ctx); err != nil {
			return nil, notReady(err)
		}
		return s.health(), nil
	})
	s.mux.HandleFunc("GET /docs", s.docs)
	s.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) { s.doc.write(w, s.doc.json31) })
	s.mux.HandleFunc("GET /openapi-3.0.json", func(w http.ResponseWriter, _ *http.Request) { s.doc.write(w, s.doc.json30) })
}

func (s *server) version() VersionInfo {
	schema := s.Schema()
	return VersionInfo{
		API: Version, Schema: schema.Version, SchemaMin: schema.MinBinary, RiverSchema: schema.River,
		Build: s.build(), OpenAPIDigest: s.doc.digest,
	}
}

func (s *server) health() *healthOutput {
	return &healthOutput{Body: Health{Status: "ok", API: Version, Schema: s.Schema().Version, Build: s.build()}}
}

func (s *server) build() BuildInfo {
	return BuildInfo{
		Version: s.Build.Version, Revision: s.Build.Revision, Time: timestampOf(s.Build.Time), Modified: s.Build.Modified,
	}
}

// notReady is a problem that load balancers understand: 503, whatever the reason.
func notReady(err error) error {
	var known *lifecycle.Error
	if errors.As(err, &known) && problemOfError(known).Status == http.StatusServiceUnavailable {
		return err
	}
	return newProblem(lifecycle.CodeDatabaseUnavailable, "this process cannot serve requests now")
}
