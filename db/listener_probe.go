package db

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// errDeaf is the error of a probe that was sent and did not arrive.
var errDeaf = errors.New("notifications do not arrive: does the URL for listening lead to another database, or through a connection pooler?")

// unsentError is the error of a probe that could not be sent: it says nothing about hearing.
type unsentError struct{ err error }

// Error says that nothing was sent.
func (e *unsentError) Error() string { return "send a notification to ourselves: " + e.err.Error() }

// Unwrap is why.
func (e *unsentError) Unwrap() error { return e.err }

// probe finds out whether a connection hears what the pool notifies. It notifies from another connection
// than the one that listens: one behind a pooler hears itself and nothing else.
type probe struct {
	conn    *pgx.Conn
	pool    *pgxpool.Pool
	channel string
	timeout time.Duration
}

// newProbe makes up a private channel, which conn has to listen to.
func newProbe(conn *pgx.Conn, pool *pgxpool.Pool, timeout time.Duration) *probe {
	return &probe{conn: conn, pool: pool, channel: "weir_probe_" + strings.ToLower(rand.Text()), timeout: timeout}
}

// run sends a nonce and waits for it; lag is how long that took. What else arrives meanwhile goes to others.
func (p *probe) run(ctx context.Context, others func(channel, payload string)) (lag time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	nonce := rand.Text()
	sent := time.Now()
	if _, err := p.pool.Exec(ctx, "select pg_notify($1, $2)", p.channel, nonce); err != nil {
		return 0, &unsentError{err}
	}
	for {
		notification, err := p.conn.WaitForNotification(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return 0, errDeaf
		case err != nil:
			return 0, fmt.Errorf("wait for a notification to ourselves: %w", err)
		case notification.Channel != p.channel:
			others(notification.Channel, notification.Payload)
		case notification.Payload == nonce:
			return time.Since(sent), nil
		}
	}
}

// ping makes sure that the listening connection is alive.
func (p *probe) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	if err := p.conn.Ping(ctx); err != nil {
		return fmt.Errorf("ping the listening connection: %w", err)
	}
	return nil
}
