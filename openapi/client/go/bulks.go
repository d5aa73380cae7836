package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"
)

// BulkCount counts the runs that match, and does nothing to them. action is cancel, pause, resume or rerun.
func (w *Weir) BulkCount(ctx context.Context, action BulkAction, request BulkRequest) (Answer[BulkCount], error) {
	request.DryRun = new(true)
	return call[BulkCount](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.bulk(ctx, action, request, nil) })
}

// BulkStart has something done to every run that matches, in the background. With key "" it makes an Idempotency-Key of its
// own: repeating the call inside never makes a second operation.
func (w *Weir) BulkStart(ctx context.Context, action BulkAction, request BulkRequest, key string) (Answer[Bulk], error) {
	if key == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return Answer[Bulk]{}, err
		}
		key = id.String()
	}
	request.DryRun = nil
	return call[Bulk](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.bulk(ctx, action, request, &key) })
}

// bulk calls the action's own path.
func (w *Weir) bulk(ctx context.Context, action BulkAction, request BulkRequest, key *string) (*http.Response, error) {
	switch action {
	case BulkActionCancel:
		return w.client.RunsCancel(ctx, &RunsCancelParams{IdempotencyKey: key}, request)
	case BulkActionPause:
		return w.client.RunsPause(ctx, &RunsPauseParams{IdempotencyKey: key}, request)
	case BulkActionResume:
		return w.client.RunsResume(ctx, &RunsResumeParams{IdempotencyKey: key}, request)
	case BulkActionRerun:
		return w.client.RunsRerun(ctx, &RunsRerunParams{IdempotencyKey: key}, request)
	}
	return nil, fmt.Errorf("%q is nothing that can be done to runs", action)
}

// BulkGet reads how far an operation is.
func (w *Weir) BulkGet(ctx context.Context, bulk uuid.UUID) (Answer[Bulk], error) {
	return call[Bulk](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.BulkGet(ctx, bulk) })
}

// BulkCancel does it to no more runs. Asking again changes nothing.
func (w *Weir) BulkCancel(ctx context.Context, bulk uuid.UUID) (Answer[Bulk], error) {
	return call[Bulk](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.BulkCancel(ctx, bulk) })
}

// BulkPage reads one page of the list of operations, newest first.
func (w *Weir) BulkPage(ctx context.Context, params BulkListParams) (Answer[BulkPage], error) {
	return call[BulkPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.BulkList(ctx, &params) })
}
