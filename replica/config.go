package replica

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"regexp"
	"runtime"
	"time"

	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/jobs"
)

// The queues that a replica works unless it is told otherwise.
const (
	QueueDefault = "default"
	QueueExec    = "exec"
)

// DefaultSlots is how many steps of queue default a replica works at the same time. More of them make nothing quicker,
// and each costs memory.
const DefaultSlots = 500

// DefaultListen is where the API is served.
const DefaultListen = "127.0.0.1:8080"

// Auth is who may call the API.
type Auth string

// The ways to decide that.
const (
	AuthAuto  Auth = "auto"  // only with a token; on loopback everybody as long as there never was one
	AuthToken Auth = "token" // only with a token
	AuthNone  Auth = "none"  // everybody who gets through to it
)

// Config says what a replica is. Database.URL and Registry are required; the zero value of everything else is its
// default.
type Config struct {
	// Database is where. MaxConns bounds the pool of everything but heartbeats; 12.
	Database db.Config
	// Registry has the handlers, those of the built-in kinds included (jobs.RegisterBuiltin).
	Registry *jobs.Registry
	// WorkspaceDir is what jobs.BuiltinConfig was given; "" = jobs.DefaultWorkspaceDir.
	WorkspaceDir string

	// Listen is host:port of the API, port 0 for any free one; 127.0.0.1:8080. With NoAPI nothing listens unless it is
	// given, and then only /healthz and /readyz are answered there.
	Listen string
	// Auth says who may call the API; AuthAuto.
	Auth Auth
	// RateLimit is how many requests a token may make in a second, and twice as many at once; 1000; negative: any number.
	RateLimit int
	// MaxRequests is how many requests are answered at once, streams aside; 1000; negative: any number.
	MaxRequests int
	// TLSCert and TLSKey are files in PEM: with them the API is served over TLS, 1.2 and newer.
	TLSCert, TLSKey string
	// DebugListen is host:port, on loopback, where Go's profiles are served (/debug/pprof/); "" = nowhere.
	DebugListen string
	// NoAPI serves no API, NoWork works on no steps. The replica reconciles in any case.
	NoAPI, NoWork bool

	// Queues are slots by queue, in addition to the defaults or instead of them: default 500 and, where kind exec is
	// registered, exec 2 × cores. A queue with 0 slots is not worked.
	Queues map[string]int

	Lease         time.Duration // how long a worker is believed alive after its last heartbeat; 15s
	Heartbeat     time.Duration // between heartbeats; 5s
	PollInterval  time.Duration // between looks for work that no notification told of; 1s; negative: never, for tests
	ShutdownGrace time.Duration // how long attempts may go on after the replica was asked to end; 30s

	// Build is what this binary is; ReadBuild().
	Build Build
	// ExpectBuild is the build that was deployed: a version or a revision, at least 7 characters of it. Another binary
	// does not start. "" = any.
	ExpectBuild string

	// Name is the worker's name, for people; the host's name.
	Name   string
	Logger *slog.Logger // nil: discards
	// Hurry ends everything at once when it is closed, after Run's context has ended: nothing is waited for any more.
	// nil: never.
	Hurry <-chan struct{}
	// Ready is called once, when the replica takes on work, with the address it listens on, nil if it does not.
	Ready func(listening net.Addr)
}

// Check reports whether a replica can be made of the configuration, as a [ConfigError], and fills in nothing.
func (c Config) Check() error {
	_, err := c.withDefaults()
	return err
}

// withDefaults fills in what was left out and refuses what cannot be.
func (c Config) withDefaults() (Config, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Database.Logger = c.Logger
	if c.Build == (Build{}) {
		c.Build = ReadBuild()
	}
	if c.Listen == "" && !c.NoAPI {
		c.Listen = DefaultListen
	}
	if c.Auth == "" {
		c.Auth = AuthAuto
	}
	setDefault(&c.Lease, 15*time.Second)
	setDefault(&c.Heartbeat, 5*time.Second)
	setDefault(&c.PollInterval, time.Second)
	setDefault(&c.ShutdownGrace, 30*time.Second)
	c.Queues = c.queues()
	return c, c.check()
}

func setDefault(d *time.Duration, v time.Duration) {
	if *d == 0 {
		*d = v
	}
}

// queues are the slots of the queues that are worked.
func (c Config) queues() map[string]int {
	queues := map[string]int{QueueDefault: DefaultSlots}
	if c.hasKind("exec") {
		queues[QueueExec] = 2 * runtime.GOMAXPROCS(0)
	}
	maps.Copy(queues, c.Queues)
	maps.DeleteFunc(queues, func(_ string, slots int) bool { return slots == 0 })
	return queues
}

func (c Config) hasKind(name string) bool {
	if c.Registry == nil {
		return false
	}
	for _, k := range c.Registry.Kinds() {
		if k.Name == name {
			return true
		}
	}
	return false
}

// check refuses what cannot be.
func (c Config) check() error {
	if c.Registry == nil {
		return &ConfigError{What: "the replica has no registry of handlers"}
	}
	if err := c.Registry.Err(); err != nil {
		return &ConfigError{What: "the handlers cannot be registered: " + err.Error(), err: err}
	}
	if !c.Build.Matches(c.ExpectBuild) {
		return &MismatchError{Have: c.Build, Want: c.ExpectBuild}
	}
	switch {
	case c.NoWork, len(c.Queues) > 0:
	default:
		return &ConfigError{What: "the replica works no queue at all", Hint: "give it slots with --queue NAME=SLOTS, or say --no-work"}
	}
	for queue, slots := range c.Queues {
		if !queueName.MatchString(queue) {
			return &ConfigError{What: "the name of a queue is 1 to 63 lower-case letters, digits, '.', '_' and '-', the first one a letter or digit", Hint: "--queue default=100"}
		}
		if slots < 0 || slots > maxSlots {
			return &ConfigError{What: fmt.Sprintf("queue %s cannot have %d slots: from 0 to %d", queue, slots, maxSlots), Hint: "--queue " + queue + "=100"}
		}
	}
	if c.Heartbeat > c.Lease/2 {
		return &ConfigError{
			What: fmt.Sprintf("a heartbeat every %s is too seldom for a lease of %s: a single late one would lose every running step", c.Heartbeat, c.Lease),
			Hint: "--heartbeat of a third of --lease",
		}
	}
	return c.checkAPI()
}

// checkAPI refuses an API that cannot be served like this. Whether there are tokens is seen in the database: checkTokens.
func (c Config) checkAPI() error {
	switch c.Auth {
	case AuthAuto, AuthToken, AuthNone:
	default:
		return &ConfigError{What: "--auth is auto, token or none", Hint: "weir serve --help"}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return &ConfigError{What: "--tls-cert and --tls-key go together: the certificate, and its key", Hint: "--tls-cert cert.pem --tls-key key.pem"}
	}
	if c.DebugListen != "" && !OnLoopback(c.DebugListen) {
		return &ConfigError{What: "--debug-listen is HOST:PORT on loopback: what it shows is nobody else's business", Hint: "--debug-listen 127.0.0.1:6060"}
	}
	if c.Listen == "" {
		return nil
	}
	_, err := isLoopback(c.Listen)
	return err
}

// queueName is what queues may be called.
var queueName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
