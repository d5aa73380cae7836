package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/google/uuid"
)

// SchedulePut makes or changes a schedule; the body is a [ScheduleBody] as JSON.
func (w *Weir) SchedulePut(ctx context.Context, name string, body json.RawMessage) (Answer[Schedule], error) {
	return call[Schedule](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.SchedulePutWithBody(ctx, name, contentType, bytes.NewReader(body))
	})
}

// ScheduleGet reads a schedule.
func (w *Weir) ScheduleGet(ctx context.Context, name string) (Answer[Schedule], error) {
	return call[Schedule](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.ScheduleGet(ctx, name) })
}

// SchedulePage reads one page of the list of schedules, by name.
func (w *Weir) SchedulePage(ctx context.Context, params ScheduleListParams) (Answer[SchedulePage], error) {
	return call[SchedulePage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.ScheduleList(ctx, &params) })
}

// ScheduleDelete takes a schedule away; the answer is what it was.
func (w *Weir) ScheduleDelete(ctx context.Context, name string) (Answer[Schedule], error) {
	return call[Schedule](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.ScheduleDelete(ctx, name) })
}

// SchedulePause has a schedule fire nothing. Pausing it again changes nothing.
func (w *Weir) SchedulePause(ctx context.Context, name string) (Answer[Schedule], error) {
	return call[Schedule](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.SchedulePause(ctx, name) })
}

// ScheduleResume has a paused schedule go on from now.
func (w *Weir) ScheduleResume(ctx context.Context, name string) (Answer[Schedule], error) {
	return call[Schedule](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.ScheduleResume(ctx, name) })
}

// ScheduleTrigger runs a schedule now. With key "" it makes an Idempotency-Key of its own, as [Weir.RunSubmit] does.
func (w *Weir) ScheduleTrigger(ctx context.Context, name, key string) (Answer[Run], error) {
	if key == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return Answer[Run]{}, err
		}
		key = id.String()
	}
	return call[Run](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.ScheduleTrigger(ctx, name, &ScheduleTriggerParams{IdempotencyKey: &key})
	})
}

// ScheduleNext tells the next n slots of a schedule.
func (w *Weir) ScheduleNext(ctx context.Context, name string, n int) (Answer[SlotPage], error) {
	return call[SlotPage](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.ScheduleNext(ctx, name, &ScheduleNextParams{N: optional(n)})
	})
}
