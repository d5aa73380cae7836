package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
)

// PlanPut puts a plan, which is JSON, under its name. The plan that is the latest version already makes no new one.
func (w *Weir) PlanPut(ctx context.Context, name string, plan json.RawMessage) (Answer[NamedPlan], error) {
	return call[NamedPlan](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.PlanPutWithBody(ctx, name, contentType, bytes.NewReader(plan))
	})
}

// PlanGet reads a version of a named plan; 0: the latest.
func (w *Weir) PlanGet(ctx context.Context, name string, version int) (Answer[NamedPlan], error) {
	return call[NamedPlan](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.PlanGet(ctx, name, &PlanGetParams{Version: optional(version)})
	})
}

// PlanPage reads one page of the list of named plans, by name.
func (w *Weir) PlanPage(ctx context.Context, params PlanListParams) (Answer[NamedPlanPage], error) {
	return call[NamedPlanPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.PlanList(ctx, &params) })
}

// PlanVersionPage reads one page of the versions of a named plan, newest first.
func (w *Weir) PlanVersionPage(ctx context.Context, name string, params PlanVersionsParams) (Answer[NamedPlanPage], error) {
	return call[NamedPlanPage](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.PlanVersions(ctx, name, &params)
	})
}

// PlanDiff compares two versions of a named plan. from 0: the one before to; to 0: the latest.
func (w *Weir) PlanDiff(ctx context.Context, name string, from, to int) (Answer[Difference], error) {
	return call[Difference](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.PlanDiff(ctx, name, &PlanDiffParams{From: optional(from), To: optional(to)})
	})
}

// optional is nothing for 0.
func optional(n int) *int64 {
	if n == 0 {
		return nil
	}
	value := int64(n)
	return &value
}
