package client

import (
	"context"
	"net/http"
)

// Queues lists every queue, by name.
func (w *Weir) Queues(ctx context.Context) (Answer[QueuePage], error) {
	return call[QueuePage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.QueueList(ctx) })
}

// QueuePause keeps every replica from starting steps of a queue. Asking again changes nothing.
func (w *Weir) QueuePause(ctx context.Context, queue string) (Answer[Queue], error) {
	return call[Queue](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.QueuePause(ctx, queue) })
}

// QueueResume has the replicas go on with a queue that was paused.
func (w *Weir) QueueResume(ctx context.Context, queue string) (Answer[Queue], error) {
	return call[Queue](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.QueueResume(ctx, queue) })
}
