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

// State reads everything that is going on there. What could not be told is listed under degraded.
func (w *Weir) State(ctx context.Context) (Answer[State], error) {
	return call[State](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.StateGet(ctx) })
}

// Refresh asks for a full pass over what is due, now. Who asks while one is asked for already shares it.
func (w *Weir) Refresh(ctx context.Context) (Answer[Refresh], error) {
	return call[Refresh](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.Refresh(ctx) })
}

// Session says who the calls of this client are, and what they may do.
func (w *Weir) Session(ctx context.Context) (Answer[Session], error) {
	return call[Session](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.SessionGet(ctx) })
}

// SessionCreate exchanges a token for a session, whose cookie the jar of Config.HTTP keeps if it has one.
func (w *Weir) SessionCreate(ctx context.Context, token string) (Answer[Session], error) {
	return call[Session](ctx, w, func(ctx context.Context) (*http.Response, error) {
		return w.client.SessionCreate(ctx, SessionRequest{Token: token})
	})
}

// SessionDelete ends the session whose cookie the jar of Config.HTTP keeps.
func (w *Weir) SessionDelete(ctx context.Context) (Answer[Session], error) {
	return call[Session](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.SessionDelete(ctx) })
}

// LatePage reads one page of the reports that came too late to count, newest first.
func (w *Weir) LatePage(ctx context.Context, params LateListParams) (Answer[LateReportPage], error) {
	return call[LateReportPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.LateList(ctx, &params) })
}

// ViolationPage reads what in the database contradicts the rules: nothing, unless somebody has gone around them.
func (w *Weir) ViolationPage(ctx context.Context, params ViolationListParams) (Answer[ViolationPage], error) {
	return call[ViolationPage](ctx, w, func(ctx context.Context) (*http.Response, error) { return w.client.ViolationList(ctx, &params) })
}
