package replica

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Timeouts of the HTTP server. The one on writing is package api's: an answer that is followed goes on as long as somebody
// reads.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 2 * time.Minute // of a whole request, 32 MiB of it
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	serveEndWithin    = 5 * time.Second // for requests in flight, when everything else has ended
)

// serve answers requests until ctx ends, and then lets those in flight end.
func (r *replica) serve(ctx context.Context, listener net.Listener) error {
	riverUI, err := r.newRiverUI()
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           r.handler(OnLoopback(r.cfg.Listen), riverUI),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(r.cfg.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), serveEndWithin)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		_ = server.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
