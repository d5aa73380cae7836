package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
)

// RunsBatch submits up to 10,000 runs, all or none; each is a plan, or the name of one, as [Weir.RunSubmit] takes it. The
// answer has their ids in the same order. key is as key of [Weir.RunSubmit].
func (w *Weir) RunsBatch(ctx context.Context, runs []json.RawMessage, key string) (Answer[Batch], error) {
	if err := made(&key); err != nil {
		return Answer[Batch]{}, err
	}
	body, err := json.Marshal(map[string]any{"runs": runs})
	if err != nil {
		return Answer[Batch]{}, err
	}
	return call[Batch](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.RunsBatchWithBody(ctx, &RunsBatchParams{IdempotencyKey: &key}, contentType, bytes.NewReader(body))
	})
}
