package client

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"net/http"

	"github.com/google/uuid"
)

const contentType = "application/json"

// RunSubmit submits a plan, which is JSON. With key "" it makes an Idempotency-Key of its own: repeating the call inside
// never makes a second run. A caller that may itself call again brings the key.
func (w *Weir) RunSubmit(ctx context.Context, plan json.RawMessage, key string) (Answer[Run], error) {
	if key == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return Answer[Run]{}, err
		}
		key = id.String()
	}
	return call[Run](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.RunSubmitWithBody(ctx, &RunSubmitParams{IdempotencyKey: &key}, contentType, bytes.NewReader(plan))
	})
}

// RunByKey has a run under a key: the live one of the key with keep, or else a new one, as onConflict says (keep, replace or
// queue). idempotencyKey is as key of [Weir.RunSubmit].
func (w *Weir) RunByKey(ctx context.Context, key string, onConflict RunBykeyParamsOnConflict, plan json.RawMessage, idempotencyKey string) (Answer[Run], error) {
	if err := made(&idempotencyKey); err != nil {
		return Answer[Run]{}, err
	}
	params := &RunBykeyParams{OnConflict: &onConflict, IdempotencyKey: &idempotencyKey}
	return call[Run](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.RunBykeyWithBody(ctx, key, params, contentType, bytes.NewReader(plan))
	})
}

// RunRerun does a run again that has ended. key is as that of [Weir.RunSubmit].
func (w *Weir) RunRerun(ctx context.Context, run uuid.UUID, how Rerun, key string) (Answer[Run], error) {
	if err := made(&key); err != nil {
		return Answer[Run]{}, err
	}
	return call[Run](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.RunRerun(ctx, run, &RunRerunParams{IdempotencyKey: &key}, how)
	})
}

// made gives a call that makes something an Idempotency-Key, unless it has one.
func made(key *string) error {
	if *key != "" {
		return nil
	}
	id, err := uuid.NewV7()
	*key = id.String()
	return err
}

// RunPause has nothing of a run start any more. Asking again changes nothing.
func (w *Weir) RunPause(ctx context.Context, run uuid.UUID) (Answer[Run], error) {
	return call[Run](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.RunPause(ctx, run) })
}

// RunResume has a run that was paused go on. Asking again changes nothing.
func (w *Weir) RunResume(ctx context.Context, run uuid.UUID) (Answer[Run], error) {
	return call[Run](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.RunResume(ctx, run) })
}

// RunGet reads a run.
func (w *Weir) RunGet(ctx context.Context, run uuid.UUID) (Answer[Run], error) {
	return call[Run](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.RunGet(ctx, run) })
}

// RunPlan reads the plan of a run, every default filled in.
func (w *Weir) RunPlan(ctx context.Context, run uuid.UUID) (Answer[json.RawMessage], error) {
	return call[json.RawMessage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.RunPlan(ctx, run) })
}

// RunCancel asks for a run to be cancelled. Asking again changes nothing.
func (w *Weir) RunCancel(ctx context.Context, run uuid.UUID, reason string) (Answer[Run], error) {
	return call[Run](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.RunCancel(ctx, run, cancel(reason))
	})
}

// RunPage reads one page of the list of runs, newest first.
func (w *Weir) RunPage(ctx context.Context, params RunListParams) (Answer[RunPage], error) {
	return call[RunPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.RunList(ctx, &params) })
}

// Runs goes through the list of runs, newest first, page by page.
func (w *Weir) Runs(ctx context.Context, params RunListParams) iter.Seq2[Answer[Run], error] {
	return pages[Run](ctx, params.Cursor, func(ctx context.Context, cursor *string) (Answer[rawPage], error) {
		params.Cursor = cursor
		return call[rawPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.RunList(ctx, &params) })
	})
}

// TransitionPage reads one page of the history of a run.
func (w *Weir) TransitionPage(ctx context.Context, run uuid.UUID, params TransitionListParams) (Answer[TransitionPage], error) {
	return call[TransitionPage](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.TransitionList(ctx, run, &params)
	})
}

// Transitions goes through the history of a run up to now. With the ID of the last one that was seen as Cursor it goes on
// from there, and misses nothing.
func (w *Weir) Transitions(ctx context.Context, run uuid.UUID, params TransitionListParams) iter.Seq2[Answer[Transition], error] {
	return pages[Transition](ctx, params.Cursor, func(ctx context.Context, cursor *string) (Answer[rawPage], error) {
		params.Cursor = cursor
		return call[rawPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.TransitionList(ctx, run, &params) })
	})
}

// LogPage reads one page of what the steps of a run wrote.
func (w *Weir) LogPage(ctx context.Context, run uuid.UUID, params LogListParams) (Answer[LogPage], error) {
	return call[LogPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.LogList(ctx, run, &params) })
}

// Logs goes through what the steps of a run wrote up to now, step by step. With the ID of the last line of a step as
// Cursor, and that Step, it goes on from there.
func (w *Weir) Logs(ctx context.Context, run uuid.UUID, params LogListParams) iter.Seq2[Answer[Log], error] {
	return pages[Log](ctx, params.Cursor, func(ctx context.Context, cursor *string) (Answer[rawPage], error) {
		params.Cursor = cursor
		return call[rawPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.LogList(ctx, run, &params) })
	})
}

// cancel is the body of a request to cancel.
func cancel(reason string) Cancel {
	if reason == "" {
		return Cancel{}
	}
	return Cancel{Reason: &reason}
}
