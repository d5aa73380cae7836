package replica

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/weirqueue/weir/api"
	"github.com/weirqueue/weir/db"
	"github.com/weirqueue/weir/lifecycle"
)

// readyWithin bounds how long /readyz waits for the database.
const readyWithin = 2 * time.Second

// handler is the API, or the part of it that tells how the replica is.
func (r *replica) handler(loopback bool, riverUI http.Handler) http.Handler {
	return api.New(api.Config{
		Lifecycle: r.engine, Build: api.Build(r.cfg.Build), BuildName: r.cfg.Build.String(),
		Schema: r.schema.seen, Ready: r.readiness, Logger: r.cfg.Logger, Loopback: loopback, OperateOnly: r.cfg.NoAPI,
		Notify: r.notify, Telemetry: r.telemetry.read, RiverUI: riverUI,
		Tokens: lifecycle.NewTokens(r.pool), NoTokens: r.noTokens, Auth: api.Auth(r.cfg.Auth), TLS: r.cfg.TLSCert != "", RateLimit: r.cfg.RateLimit, MaxRequests: r.cfg.MaxRequests,
	})
}

// readiness is an error while the replica should get no requests.
func (r *replica) readiness(ctx context.Context) error {
	switch {
	case r.draining.Load():
		return &lifecycle.Error{Code: lifecycle.CodeShuttingDown, Message: "this replica shuts down", Retryable: true}
	case !r.ready.Load():
		return &lifecycle.Error{Code: lifecycle.CodeOverloaded, Message: "this replica is starting", Retryable: true}
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	err := r.schema.runOnce(ctx)
	var mismatch *db.SchemaError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &mismatch):
		return &lifecycle.Error{Code: lifecycle.CodeDatabaseUnavailable, Message: mismatch.What, Err: err, Retryable: true}
	}
	return &lifecycle.Error{Code: lifecycle.CodeDatabaseUnavailable, Message: "the database does not answer", Err: err, Retryable: true}
}

// notify is how the replica learns of news.
func (r *replica) notify() api.NotifyState {
	status := r.listener.Status()
	return api.NotifyState{Mode: string(status.Mode), Lag: status.Lag, Since: status.Since}
}
