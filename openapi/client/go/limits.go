package client

import (
	"context"
	"net/http"
)

// LimitPage reads one page of the limits, by key.
func (w *Weir) LimitPage(ctx context.Context, params LimitListParams) (Answer[LimitPage], error) {
	return call[LimitPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.LimitList(ctx, &params) })
}

// LimitGet reads the limit of a key, and who holds its slots.
func (w *Weir) LimitGet(ctx context.Context, key string) (Answer[Limit], error) {
	return call[Limit](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.LimitGet(ctx, key) })
}

// LimitSet sets the limit of a key, whatever plans say.
func (w *Weir) LimitSet(ctx context.Context, key string, limit int) (Answer[Limit], error) {
	return call[Limit](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.LimitSet(ctx, key, LimitSet{Limit: int64(limit)})
	})
}

// LimitUnset goes back to the limit that plans say.
func (w *Weir) LimitUnset(ctx context.Context, key string) (Answer[Limit], error) {
	return call[Limit](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.LimitUnset(ctx, key) })
}
