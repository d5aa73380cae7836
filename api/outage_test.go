package api

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// TestDatabaseAway calls everything while nobody listens where the database should be.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	pool, err := pgxpool.New(t.Context(), "postgres://weir@"+address+"/weir?sslmode=disable")
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	handler := New(Config{Lifecycle: lifecycle.New(lifecycle.Config{Pool: pool, Replica: uuid.New()})})
	for call, body := range map[string]string{
		"GET /v1/runs": "", "GET " + someRun: "", "GET " + someRun + "/plan": "", "GET " + someRun + "/steps": "", "GET " + someRun + "/steps/a": "",
		"GET " + someRun + "/steps/a/why": "", "GET " + someRun + "/transitions": "", "GET " + someRun + "/logs": "",
		"GET /v1/state": "", "POST /v1/refresh": "", "POST /v1/runs": onePlan, "POST " + someRun + "/cancel": "{}", "POST " + someRun + "/steps/a/cancel": "",
	} {
		method, path, _ := strings.Cut(call, " ")
		problem(t, ask(t, handler, method, path, body), http.StatusServiceUnavailable, "database_unavailable")
	}
	require.Equal(t, http.StatusOK, ask(t, handler, http.MethodGet, "/healthz", "").StatusCode, "the process lives all the same")
}

// slow is a Lifecycle that waits for the end of the call.
type slow struct{ Lifecycle }

func (slow) RunPlan(ctx context.Context, _ uuid.UUID) (*plan.Plan, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestCallsEnd(t *testing.T) {
	t.Parallel()
	handler := New(Config{Lifecycle: slow{}, Within: time.Millisecond})
	problem(t, ask(t, handler, http.MethodGet, someRun+"/plan", ""), http.StatusGatewayTimeout, "timed_out")
}

// TestOperateOnly is a replica that serves no API: it says how it is, and nothing else.
func TestOperateOnly(t *testing.T) {
	t.Parallel()
	handler := New(Config{Lifecycle: broken{}, OperateOnly: true})
	for _, path := range []string{"/healthz", "/readyz", "/v1/version"} {
		require.Equal(t, http.StatusOK, ask(t, handler, http.MethodGet, path, "").StatusCode, path)
	}
	problem(t, ask(t, handler, http.MethodGet, "/v1/runs", ""), http.StatusNotFound, "not_found")
	problem(t, ask(t, handler, http.MethodPost, "/v1/runs", onePlan), http.StatusNotFound, "not_found")
}
