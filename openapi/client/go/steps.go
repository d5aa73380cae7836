package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/google/uuid"
)

// StepGet reads a step of a run, by its key.
func (w *Weir) StepGet(ctx context.Context, run uuid.UUID, step string) (Answer[Step], error) {
	return call[Step](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.StepGet(ctx, run, step) })
}

// StepWhy says why a step is, or is not, running.
func (w *Weir) StepWhy(ctx context.Context, run uuid.UUID, step string) (Answer[Why], error) {
	return call[Why](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.StepWhy(ctx, run, step) })
}

// StepCancel asks for a step to be cancelled. Asking again changes nothing.
func (w *Weir) StepCancel(ctx context.Context, run uuid.UUID, step, reason string) (Answer[Step], error) {
	return call[Step](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.StepCancel(ctx, run, step, cancel(reason))
	})
}

// StepPage reads one page of the steps of a run, in the order of the plan.
func (w *Weir) StepPage(ctx context.Context, run uuid.UUID, params StepListParams) (Answer[StepPage], error) {
	return call[StepPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.StepList(ctx, run, &params) })
}

// Steps goes through the steps of a run, in the order of the plan, page by page.
func (w *Weir) Steps(ctx context.Context, run uuid.UUID, params StepListParams) iter.Seq2[Answer[Step], error] {
	return pages[Step](ctx, params.Cursor, func(ctx context.Context, cursor *string) (Answer[rawPage], error) {
		params.Cursor = cursor
		return call[rawPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.StepList(ctx, run, &params) })
	})
}
