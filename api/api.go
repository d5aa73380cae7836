package api

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// Version is the version of the API: the 1 of /v1.
const Version = 1

// DefaultWithin is how long a call may take.
const DefaultWithin = 45 * time.Second

// Config says what the API stands on.
type Config struct {
	// Lifecycle does what is asked for. Required.
	Lifecycle Lifecycle
	// Build is what this binary was built from, and BuildName that in one word, for the header Weir-Build.
	Build     Build
	BuildName string
	// Schema is what the database said of itself last. It is called for every response and must not block. Nil: zeros.
	Schema func() Schema
	// Ready is an error while this process should get no requests. Nil: always ready.
	Ready func(context.Context) error
	// Logger takes internal errors and panics. Nil: discards.
	Logger *slog.Logger
	// Loopback says that only a loopback address is listened to: then requests have to name one too.
	Loopback bool
	// Tokens signs callers in. Nil: nobody is asked who they are.
	Tokens Tokens
	// NoTokens says that the database had never had a token when this process started: for when it cannot be asked again.
	NoTokens bool
	// Auth is who is asked for a token. "": AuthAuto.
	Auth Auth
	// TLS says that requests come encrypted.
	TLS bool
	// RateLimit is how many requests a token may make in a second, and twice as many at once. 0: DefaultRateLimit;
	// negative: any number.
	RateLimit int
	// MaxRequests is how many requests are answered at once, streams aside. 0: DefaultMaxRequests; negative: any number.
	MaxRequests int
	// Limits bounds plans, and its Body bounds every body. 0: the defaults of contract 1.
	Limits plan.Limits
	// Within is how long a call may take. 0: DefaultWithin.
	Within time.Duration
	// RiverUI are River's own pages, with the prefix /riverui. Nil: there are none.
	RiverUI http.Handler
	// StateWithin is how long /v1/state waits for each of its sections. 0: 2 seconds.
	StateWithin time.Duration
	// Notify is how this process learns of news. It must not block. Nil: by polling.
	Notify func() NotifyState
	// Telemetry is what this process could not tell of itself. It must not block. Nil: nothing.
	Telemetry func() TelemetryState
	// Streams is how many streams of events are served at once. 0: DefaultStreams.
	Streams int
	// OperateOnly leaves only /healthz, /readyz, /v1/version and the document: for replicas that serve no API.
	OperateOnly bool
}

// Build is what a binary was built from.
type Build struct {
	Version  string
	Revision *string    // nil = unknown
	Time     *time.Time // of the revision; nil = unknown
	Modified bool       // whether there were changes on top of the revision
}

// Schema is the version of the database.
type Schema struct {
	Version   int
	MinBinary int
	River     int
}

// server answers requests.
type server struct {
	Config
	logger *slog.Logger
	mux    *http.ServeMux
	// bodyless are the patterns of calls that change something and take no body.
	bodyless map[string]bool
	doc      *document
	sections []*section // of the state
	public   []string   // patterns of the operations that need no token
	gate     *gate
	inFlight atomic.Int64
	streams  *streams
	// checked is mux behind the checks of every request.
	checked http.Handler
}

// New is the API. It answers every request, and may be called concurrently.
func New(config Config) http.Handler {
	s := &server{Config: config, logger: config.Logger, mux: http.NewServeMux()}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.Limits.Body == 0 {
		s.Limits.Body = 32 << 20
	}
	if s.Within == 0 {
		s.Within = DefaultWithin
	}
	if s.Schema == nil {
		s.Schema = func() Schema { return Schema{} }
	}
	if s.Ready == nil {
		s.Ready = func(context.Context) error { return nil }
	}
	if s.StateWithin == 0 {
		s.StateWithin = stateWithin
	}
	if s.Notify == nil {
		s.Notify = func() NotifyState { return NotifyState{Mode: "poll"} }
	}
	if s.Telemetry == nil {
		s.Telemetry = func() TelemetryState { return TelemetryState{} }
	}
	if s.BuildName == "" {
		s.BuildName = "unknown"
	}
	if s.MaxRequests == 0 {
		s.MaxRequests = DefaultMaxRequests
	}
	s.gate = newGate(config, s.logInternal)
	s.streams = defaultStreams()
	if s.Streams != 0 {
		s.streams.most = int64(s.Streams)
	}
	s.bodyless = bodyless(s.routes())
	s.doc = theDocument()
	s.sections = s.newSections()
	s.checked = crossOrigin().Handler(http.HandlerFunc(s.route))
	return s
}

// routes registers every call, and gives what describes them.
func (s *server) routes() *huma.OpenAPI {
	routes := humago.New(s.mux, s.huma())
	s.operate(routes)
	if s.OperateOnly {
		return routes.OpenAPI()
	}
	s.riverUI()
	s.login()
	s.session(routes)
	s.runs(routes)
	s.runPlan(routes)
	s.steps(routes)
	s.transitions(routes)
	s.events(routes)
	s.lateReports(routes)
	s.violations(routes)
	s.logs(routes)
	s.why(routes)
	s.cancel(routes)
	s.byKey(routes)
	s.pause(routes)
	s.rerun(routes)
	s.decision(routes)
	s.queues(routes)
	s.limits(routes)
	s.bulks(routes)
	s.plans(routes)
	s.schedules(routes)
	s.state(routes)
	s.refresh(routes)
	return routes.OpenAPI()
}

// huma configures Huma: no links to schemas, no pages of its own, our problems, unknown parameters refused.
func (s *server) huma() huma.Config {
	config := huma.DefaultConfig("Weir", "1")
	config.CreateHooks = nil
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.RejectUnknownQueryParameters = true
	config.Transformers = []huma.Transformer{s.transform}
	describe(config.OpenAPI)
	return config
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = withRequestID(w, r)
	secureHeaders(w.Header())
	if s.TLS {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
	}
	s.writeWithin(w)
	w.Header().Set("Weir-Schema-Version", strconv.Itoa(s.Schema().Version))
	w.Header().Set("Weir-Build", s.BuildName)
	tracked := &response{ResponseWriter: w}
	defer s.recover(tracked, r)
	if s.Loopback {
		if problem := checkHost(r); problem != nil {
			problem.write(tracked, r)
			return
		}
	}
	s.checked.ServeHTTP(tracked, r)
}

// route checks what was sent and hands it to the operation that it is for. There is always an answer of ours.
func (s *server) route(w http.ResponseWriter, r *http.Request) {
	missing, pattern := s.mux.Handler(r)
	if pattern == "" {
		s.noRoute(missing, r).write(w, r)
		return
	}
	if !s.isPublic(pattern) {
		if !endless(pattern) {
			if err := s.enter(r.Context()); err != nil {
				s.problemOf(r.Context(), err).write(w, r)
				return
			}
			defer s.leave()
		}
		var ok bool
		if r, ok = s.signedIn(w, r, pattern); !ok {
			return
		}
	}
	problem := checkContent(r, int64(s.Limits.Body))
	if problem == nil && pattern != riverUIPattern { // whose filters repeat their parameters
		problem = checkQuery(r)
	}
	if problem != nil {
		problem.write(w, r)
		return
	}
	ctx := r.Context()
	if !endless(pattern) {
		bounded, cancel := context.WithTimeout(ctx, s.Within)
		defer cancel()
		ctx = bounded
	}
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, int64(s.Limits.Body))
	if s.bodyless[pattern] {
		if err := checkEmpty(r); err != nil {
			s.problemOf(ctx, err).write(w, r)
			return
		}
	}
	s.mux.ServeHTTP(w, r)
}
