package db

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ConnectError says why the database cannot be used at all: a URL that cannot be read, a host that does
// not answer, a refused password, a missing database. It never contains the password.
type ConnectError struct {
	// What is wrong, in one line without a full stop.
	What string
	// Hint is what to do about it: a command where there is one. Empty: nothing better than What.
	Hint string
	// SQLState of the server's refusal; empty if no server answered.
	SQLState string

	err error
}

// Error is What.
func (e *ConnectError) Error() string { return e.What }

// Try is the line to print after "try:".
func (e *ConnectError) Try() string { return e.Hint }

// Unwrap is the driver's error.
func (e *ConnectError) Unwrap() error { return e.err }

// connectError explains an error of a first connection. The end of ctx is handed on as it is.
func connectError(ctx context.Context, config *pgx.ConnConfig, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("connect to the database: %w", ctx.Err())
	}
	where := address(config)
	result := &ConnectError{err: err}
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok {
		result.SQLState = refusal.Code
		result.What, result.Hint = explainRefusal(refusal, config, where)
		return result
	}
	result.What, result.Hint = explainNetwork(err, config, where)
	return result
}

// explainRefusal is for a server that answered, and said no.
func explainRefusal(refusal *pgconn.PgError, config *pgx.ConnConfig, where string) (what, hint string) {
	switch refusal.Code {
	case "28P01":
		return fmt.Sprintf("PostgreSQL at %s refuses the password of user %q", where, config.User),
			"check user and password in --database-url with " + psql(config)
	case "28000":
		return fmt.Sprintf("PostgreSQL at %s does not let user %q in: %s", where, config.User, refusal.Message),
			"check the user, sslmode and the server's pg_hba.conf with " + psql(config)
	case "3D000":
		return fmt.Sprintf("there is no database %q at %s", config.Database, where),
			"createdb" + clientFlags(config) + " " + config.Database
	case "53300":
		return fmt.Sprintf("PostgreSQL at %s has no connection left: %s", where, refusal.Message),
			"raise max_connections there, or lower --pool-size"
	case "57P03":
		return fmt.Sprintf("PostgreSQL at %s is not ready: %s", where, refusal.Message),
			"wait for it with pg_isready" + clientFlags(config)
	case "08P01":
		if strings.Contains(refusal.Message, "startup parameter") {
			return fmt.Sprintf("the connection pooler at %s refuses our timeouts: %s", where, refusal.Message),
				"say that it is PgBouncer (--pgbouncer), or add the parameter to its ignore_startup_parameters"
		}
	}
	return fmt.Sprintf("PostgreSQL at %s refuses the connection: %s (SQLSTATE %s)", where, refusal.Message, refusal.Code),
		psql(config)
}

// explainNetwork is for a server that never answered.
func explainNetwork(err error, config *pgx.ConnConfig, where string) (what, hint string) {
	ready := "pg_isready" + clientFlags(config)
	var unknownHost *net.DNSError
	var unknownAuthority x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	var netErr net.Error
	switch {
	case errors.As(err, &unknownHost):
		return fmt.Sprintf("the database's host %q is not known: %s", config.Host, unknownHost.Err), "check the host in --database-url"
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens at %s: connection refused", where),
			"is PostgreSQL running there? " + ready + " tells; 'weir dev' brings its own"
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("there is no PostgreSQL socket at %s", where),
			"is PostgreSQL running here? " + ready + " tells; 'weir dev' brings its own"
	case errors.As(err, &certificate), errors.As(err, &unknownAuthority):
		return fmt.Sprintf("the certificate of PostgreSQL at %s is not trusted: %s", where, lastLine(err)),
			"give its authority with sslrootcert=FILE in --database-url"
	case strings.Contains(err.Error(), "server refused TLS"):
		return fmt.Sprintf("PostgreSQL at %s speaks no TLS, and the URL asks for it", where),
			"sslmode=disable in --database-url, if the way there is safe without"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return fmt.Sprintf("PostgreSQL at %s does not answer within %s", where, config.ConnectTimeout),
			"check host, port and firewall with " + ready
	}
	return fmt.Sprintf("PostgreSQL at %s cannot be reached: %s", where, lastLine(err)), ready
}

// address is host:port, or the socket, of the first server that the URL names.
func address(config *pgx.ConnConfig) string {
	if strings.HasPrefix(config.Host, "/") {
		return config.Host
	}
	return net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
}

// clientFlags are the flags that bring PostgreSQL's own clients to the same server.
func clientFlags(config *pgx.ConnConfig) string {
	flags := fmt.Sprintf(" -h %s -p %d", config.Host, config.Port)
	if config.User != "" {
		flags += " -U " + config.User
	}
	return flags
}

// psql is the command that tries the same connection by hand, without the password.
func psql(config *pgx.ConnConfig) string {
	if strings.HasPrefix(config.Host, "/") {
		return "psql" + clientFlags(config) + " " + config.Database
	}
	target := url.URL{Scheme: "postgres", User: url.User(config.User), Host: address(config), Path: "/" + config.Database}
	return "psql '" + target.String() + "'"
}

// lastLine is the innermost reason of the driver's error: it tries several addresses, a line for each.
func lastLine(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
