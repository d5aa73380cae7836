package client

import (
	"context"
	"net/http"
)

// Version says what runs there.
func (w *Weir) Version(ctx context.Context) (Answer[VersionInfo], error) {
	return call[VersionInfo](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.VersionGet(ctx) })
}

// Health says whether the process there lives.
func (w *Weir) Health(ctx context.Context) (Answer[Health], error) {
	return call[Health](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.HealthGet(ctx) })
}

// Ready says whether the process there should get requests. It is a [Problem] if not.
func (w *Weir) Ready(ctx context.Context) (Answer[Health], error) {
	return call[Health](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.ReadyGet(ctx) })
}
