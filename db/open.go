package db

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Open opens the pool and waits until one connection of it has answered, for ten seconds at most unless
// the URL has its own connect_timeout. An error is a [ConnectError] unless ctx ended: it says what is
// wrong and what to try, and never contains the password. Times that the pool reads are in UTC. Who
// opened the pool closes it.
func Open(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	poolConfig, err := cfg.pool()
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, connectError(ctx, poolConfig.ConnConfig, err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, connectError(ctx, poolConfig.ConnConfig, err)
	}
	return pool, nil
}

// Connect opens one connection to the direct URL, for what needs a session of its own: LISTEN, advisory
// locks of a session, migrations. It has no statement timeout. Errors are as from [Open].
func Connect(ctx context.Context, cfg Config) (*pgx.Conn, error) {
	cfg = cfg.withDefaults()
	connConfig, err := pgx.ParseConfig(cfg.Direct())
	if err != nil || cfg.Direct() == "" {
		return nil, parseError(cfg.Direct(), err)
	}
	cfg.apply(connConfig)
	conn, err := pgx.ConnectConfig(ctx, connConfig)
	if err != nil {
		return nil, connectError(ctx, connConfig, err)
	}
	useUTC(conn)
	return conn, nil
}

// pool turns the configuration into pgx's.
func (c Config) pool() (*pgxpool.Config, error) {
	c = c.withDefaults()
	poolConfig, err := pgxpool.ParseConfig(c.URL)
	if err != nil || c.URL == "" {
		return nil, parseError(c.URL, err)
	}
	switch {
	case c.MaxConns > 0:
		poolConfig.MaxConns = c.MaxConns
	case !strings.Contains(c.URL, "pool_max_conns"):
		poolConfig.MaxConns = DefaultMaxConns
	}
	poolConfig.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		useUTC(conn)
		return nil
	}
	c.apply(poolConfig.ConnConfig)
	if c.PgBouncer {
		// Describes each statement once and then sends it whole, unnamed, in one round trip: nothing
		// is left behind on a server connection that the next statement may not get.
		poolConfig.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		return poolConfig, nil
	}
	// Every hot statement finds its rows by keys that it is given as arrays. Left alone, PostgreSQL plans it anew for the
	// first five times, and with the statistics of a new or quickly growing table that can be a scan of all of it.
	setDefault(poolConfig.ConnConfig, "plan_cache_mode", "force_generic_plan")
	setDefault(poolConfig.ConnConfig, "enable_seqscan", "off")
	setDefault(poolConfig.ConnConfig, "jit", "off")
	setTimeout(poolConfig.ConnConfig, "statement_timeout", c.StatementTimeout)
	setTimeout(poolConfig.ConnConfig, "lock_timeout", c.LockTimeout)
	setTimeout(poolConfig.ConnConfig, "idle_in_transaction_session_timeout", c.IdleInTxTimeout)
	return poolConfig, nil
}

// apply sets what every connection has, with and without a pooler between.
func (c Config) apply(connConfig *pgx.ConnConfig) {
	setDefault(connConfig, "application_name", c.AppName)
	setDefault(connConfig, "timezone", "UTC")
	if !strings.Contains(connConfig.ConnString(), "connect_timeout") {
		connConfig.ConnectTimeout = DefaultConnectTimeout
	}
	logger := c.Logger
	connConfig.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
		level := slog.LevelDebug
		if notice.SeverityUnlocalized == "WARNING" {
			level = slog.LevelWarn
		}
		logger.Log(context.Background(), level, "database notice",
			"severity", notice.Severity, "message", notice.Message, "hint", notice.Hint, "sqlstate", notice.Code)
	}
}

// setDefault sets a start-up parameter unless the URL has it.
func setDefault(connConfig *pgx.ConnConfig, name, value string) {
	if _, ok := connConfig.RuntimeParams[name]; !ok {
		connConfig.RuntimeParams[name] = value
	}
}

// setTimeout sets a timeout in milliseconds unless the URL has it or d is below zero.
func setTimeout(connConfig *pgx.ConnConfig, name string, d time.Duration) {
	if d > 0 {
		setDefault(connConfig, name, strconv.FormatInt(max(1, d.Milliseconds()), 10))
	}
}

// useUTC makes the connection read times in UTC instead of the zone that the process happens to be in.
func useUTC(conn *pgx.Conn) {
	element := &pgtype.Type{
		Name:  "timestamptz",
		OID:   pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	}
	types := conn.TypeMap()
	types.RegisterType(element)
	types.RegisterType(&pgtype.Type{
		Name:  "_timestamptz",
		OID:   pgtype.TimestamptzArrayOID,
		Codec: &pgtype.ArrayCodec{ElementType: element},
	})
}

// parseError is the [ConnectError] of a URL that pgx does not understand. Its reason is told only where no
// part of a password can be in it: a password with a bare / # or ? moves into the host or the port.
func parseError(raw string, err error) error {
	const form = "postgres://USER:PASSWORD@HOST:5432/DATABASE"
	if raw == "" {
		return &ConnectError{
			What: "no database URL is given",
			Hint: "give one with --database-url " + form + " (or WEIR_DATABASE_URL), or run 'weir dev', which brings its own database",
		}
	}
	if strings.Contains(raw, "://") {
		if _, urlErr := url.Parse(raw); urlErr != nil {
			return &ConnectError{
				What: "the database URL cannot be read",
				Hint: "write it as " + form + " with the special characters of the password as percent escapes (@ is %40, / is %2F, # is %23, ? is %3F, % is %25)",
			}
		}
	}
	what := "the database URL cannot be read"
	if reason := parseReason(raw, err); reason != "" {
		what += ": " + reason
	}
	return &ConnectError{What: what, Hint: "write it as " + form, err: errors.Unwrap(err)}
}

// parseReason is pgx's reason without the URL that it repeats, or nothing if a part of the URL's password
// may be in it.
func parseReason(raw string, err error) string {
	if err == nil {
		return ""
	}
	_, reason, found := strings.Cut(err.Error(), "`: ")
	if !found {
		return ""
	}
	parsed, urlErr := url.Parse(raw)
	if urlErr != nil || parsed.Scheme == "" {
		return ""
	}
	// An @ that is left over belongs to a password that was cut in two.
	if strings.Contains(parsed.Path+parsed.RawQuery+parsed.Fragment+parsed.Host, "@") {
		return ""
	}
	secrets := []string{parsed.Query().Get("password"), parsed.Query().Get("sslpassword")}
	if password, ok := parsed.User.Password(); ok {
		secrets = append(secrets, password)
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(reason, secret) {
			return ""
		}
	}
	return reason
}
