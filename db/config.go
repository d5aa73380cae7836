package db

import (
	"log/slog"
	"time"
)

// Defaults of [Config].
const (
	DefaultMaxConns         = 12
	DefaultAppName          = "weir"
	DefaultConnectTimeout   = 10 * time.Second
	DefaultStatementTimeout = 30 * time.Second
	DefaultLockTimeout      = 5 * time.Second
	DefaultIdleInTxTimeout  = 30 * time.Second
)

// Config says which database to open and how. The zero value of every field but URL is its default.
type Config struct {
	// URL of the database: postgres://user:password@host:port/database?sslmode=…, or libpq's
	// key=value form. What it says itself (statement_timeout, connect_timeout, pool_max_conns,
	// application_name) wins over the fields below. Required.
	URL string
	// DirectURL leads to the same database without a connection pooler between: for LISTEN and for
	// migrations, which need a session of their own. Empty: URL.
	DirectURL string
	// MaxConns is how many connections the pool holds at most. 0: 12.
	MaxConns int32
	// AppName is the application_name that pg_stat_activity shows. Empty: "weir".
	AppName string
	// PgBouncer says that URL leads through a pooler in transaction mode. Then no prepared
	// statements are kept, and the three timeouts below and the planner's settings are not sent:
	// PgBouncer refuses start-up parameters that it does not know. Set them on the role instead:
	//
	//	alter role weir set plan_cache_mode = 'force_generic_plan';
	//	alter role weir set enable_seqscan = off;
	//	alter role weir set jit = off;
	//	alter role weir set statement_timeout = '30s';
	//	alter role weir set lock_timeout = '5s';
	//	alter role weir set idle_in_transaction_session_timeout = '30s';
	PgBouncer bool
	// StatementTimeout ends a statement that takes longer. 0: 30 s. Below 0: none.
	StatementTimeout time.Duration
	// LockTimeout ends a statement that waits longer for a lock (55P03). 0: 5 s. Below 0: none.
	LockTimeout time.Duration
	// IdleInTxTimeout ends the session of a transaction that does nothing for longer. 0: 30 s.
	// Below 0: none.
	IdleInTxTimeout time.Duration
	// Logger gets what the server says beside its answers (notices and warnings). Nil: nowhere.
	Logger *slog.Logger
}

// Direct is the URL that leads to the database without a pooler between: DirectURL, or else URL.
func (c Config) Direct() string {
	if c.DirectURL != "" {
		return c.DirectURL
	}
	return c.URL
}

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	if c.AppName == "" {
		c.AppName = DefaultAppName
	}
	if c.StatementTimeout == 0 {
		c.StatementTimeout = DefaultStatementTimeout
	}
	if c.LockTimeout == 0 {
		c.LockTimeout = DefaultLockTimeout
	}
	if c.IdleInTxTimeout == 0 {
		c.IdleInTxTimeout = DefaultIdleInTxTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
