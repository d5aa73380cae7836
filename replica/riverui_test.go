package replica

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
	"github.com/weirqueue/weir/lifecycle"
)

// riverUser is somebody who presses the buttons of River UI.
type riverUser struct {
	*running

	t    *testing.T
	base string
}

func newRiverUser(t *testing.T, pool *pgxpool.Pool) *riverUser {
	t.Helper()
	u := &riverUser{t: t}
	u.running = runReplica(t, pool, func(c *Config) {
		ready := c.Ready
		c.Ready = func(a net.Addr) {
			u.base = "http://" + a.String() + "/riverui"
			ready(a)
		}
	})
	return u
}

// press does what a button does, as the pages do it.
func (u *riverUser) press(method, path string, body any) {
	u.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(u.t, err)
	request, err := http.NewRequestWithContext(u.t.Context(), method, u.base+"/api"+path, bytes.NewReader(text))
	require.NoError(u.t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(u.t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(u.t, err)
	require.Less(u.t, response.StatusCode, 300, "%s %s: %s", method, path, answer)
}

// job presses a button of the row of a step.
func (u *riverUser) job(button string, run uuid.UUID) {
	u.t.Helper()
	var job int64
	require.Eventually(u.t, func() bool {
		err := u.pool.QueryRow(u.t.Context(), `select id from weir.river_job where args ->> 'run' = $1 order by id desc limit 1`, run.String()).Scan(&job)
		return err == nil
	}, patience, time.Millisecond)
	u.press(http.MethodPost, "/jobs/"+button, map[string]any{"ids": []string{strconv.FormatInt(job, 10)}})
}

// sweep has the sweep come now, which otherwise comes once a minute.
func (u *riverUser) sweep() {
	u.t.Helper()
	_, err := u.pool.Exec(u.t.Context(), `update weir.pulse set swept_at = swept_at - interval '1 hour'`)
	require.NoError(u.t, err)
}

const (
	quickPlan = `{"name": "quick", "steps": [{"key": "a", "kind": "noop"}, {"key": "b", "kind": "noop", "needs": ["a"]}]}`
	slowPlan  = `{"name": "slow", "steps": [{"key": "a", "kind": "sleep", "with": {"duration": "30m"}, "grace": "1s"}]}`
)

// TestW1ButtonsOfRiverUI presses what there is to press, and every step comes to say what happened.
func TestW1ButtonsOfRiverUI(t *testing.T) {
	t.Parallel()
	u := newRiverUser(t, dbtest.Pool(t))

	done := submit(t, u.pool, quickPlan)
	succeeds(t, u.pool, done)
	u.job("retry", done)

	slow := submit(t, u.pool, slowPlan)
	stepBecomes(t, u.pool, slow, "a", lifecycle.StepRunning)
	u.job("cancel", slow)
	u.sweep()
	step := stepBecomes(t, u.pool, slow, "a", lifecycle.StepCancelled)
	require.Equal(t, lifecycle.CauseCancelRequested, step.Cause)

	u.press(http.MethodPut, "/queues/default/pause", struct{}{})
	reader := lifecycle.NewReader(u.pool)
	cancelled, deleted, waiting := submit(t, u.pool, quickPlan), submit(t, u.pool, quickPlan), submit(t, u.pool, quickPlan)
	for _, run := range []uuid.UUID{cancelled, deleted, waiting} {
		why, err := reader.StepWhy(t.Context(), run, "a")
		require.NoError(t, err)
		require.Equal(t, lifecycle.ReasonQueuePaused, why.Reasons[0].Code)
	}
	u.job("cancel", cancelled)
	u.job("delete", deleted)
	u.sweep()
	for _, run := range []uuid.UUID{cancelled, deleted} {
		require.Equal(t, lifecycle.CauseCancelRequested, stepBecomes(t, u.pool, run, "a", lifecycle.StepCancelled).Cause)
		stepBecomes(t, u.pool, run, "b", lifecycle.StepSkipped)
	}
	u.press(http.MethodPut, "/queues/default/resume", struct{}{})
	succeeds(t, u.pool, waiting)

	again, err := reader.StepGet(t.Context(), done, "a")
	require.NoError(t, err)
	require.Equal(t, lifecycle.StepSucceeded, again.State)
	require.Equal(t, 1, again.Attempt, "the job that was retried by hand has started nothing")
	nothingIsBroken(t, u.pool)
}

// TestRiverUIIsServed reads the page and what belongs to it, and nothing of it comes from elsewhere.
func TestRiverUIIsServed(t *testing.T) {
	t.Parallel()
	u := newRiverUser(t, dbtest.Pool(t))
	for path, want := range map[string]string{
		"/": "<title>River</title>", "/jobs": "<title>River</title>", "/api/queues": `"name":"default"`,
		"/api/jobs?state=available&kinds=noop&kinds=sleep&queues=default&queues=exec": `"data":[]`,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.base+path, http.NoBody)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.Contains(t, string(text), want)
		require.NotContains(t, strings.ReplaceAll(string(text), "http://www.w3.org", ""), "http://")
		require.Contains(t, response.Header.Get("Content-Security-Policy"), "default-src 'none'")
	}
}

// TestRiverUIAsksForTokens: who may read looks, and only who may operate presses.
func TestRiverUIAsksForTokens(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	tokens := lifecycle.NewTokens(pool)
	secrets := map[string]string{"nobody": "", "stranger": "weir_0000000000000000000000000000000000000000000"}
	for _, scope := range []string{"read", "operate", "submit", "admin"} {
		_, secret, err := tokens.TokenCreate(t.Context(), lifecycle.TokenRequest{Name: scope, Scopes: []string{scope}, Actor: "local"})
		require.NoError(t, err)
		secrets[scope] = secret
	}
	u := newRiverUser(t, pool)
	for who, want := range map[string]struct{ look, press int }{
		"nobody":   {http.StatusUnauthorized, http.StatusUnauthorized},
		"stranger": {http.StatusUnauthorized, http.StatusUnauthorized},
		"submit":   {http.StatusForbidden, http.StatusForbidden},
		"read":     {http.StatusOK, http.StatusForbidden},
		"operate":  {http.StatusForbidden, http.StatusOK},
		"admin":    {http.StatusOK, http.StatusOK},
	} {
		require.Equal(t, want.look, u.status(http.MethodGet, "/queues", secrets[who]), who)
		require.Equal(t, want.press, u.status(http.MethodPut, "/queues/default/pause", secrets[who]), who)
	}
}

// status is what somebody with a token is answered.
func (u *riverUser) status(method, path, token string) int {
	u.t.Helper()
	request, err := http.NewRequestWithContext(u.t.Context(), method, u.base+"/api"+path, strings.NewReader("{}"))
	require.NoError(u.t, err)
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(u.t, err)
	require.NoError(u.t, response.Body.Close())
	return response.StatusCode
}
