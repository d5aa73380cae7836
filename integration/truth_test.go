//go:build linux

package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	"github.com/weirqueue/weir/lifecycle"
)

// status is the code with which a replica answers a request.
func status(t *testing.T, method, url, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// working are the numbers of the commands of a replica that note in the ledger.
func working(r *cluster.Replica) (pids []string) {
	for _, process := range r.Left() {
		if pid, rest, _ := strings.Cut(process, " "); strings.Contains(rest, "/work.sh") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestS5ATruthThatFailsStopsNothing has the sources of truth fail from which follows what is pointless: who asks makes a
// mistake, the database is away when it is asked for, and every pass of reconcile fails. Each time what runs goes on as
// if nothing had been, nothing is cancelled afterwards either, and a cancellation that was asked for comes as soon as it
// can.
func TestS5ATruthThatFailsStopsNothing(t *testing.T) {
	t.Parallel()
	server := cluster.NewServer(t)
	c := cluster.New(t, cluster.Config{URL: server.URL, Flags: append(quick(), "--queue", "exec=8")})
	r := c.Serve()
	const path = "/v1/runs/by-key/item-7?on_conflict=replace"
	plan := func(name, file string) string {
		return fmt.Sprintf(`{"name": %q, "steps": [{"key": "a", "kind": "exec", "with": {"command": [%q, "until", %q]}}, {"key": "b", "kind": "noop", "needs": ["a"]}]}`,
			name, c.Dir+"/work.sh", file)
	}
	var live, pointless struct{ ID uuid.UUID }
	require.NoError(t, json.Unmarshal(put(t, r, path, plan("live", "live")), &live))
	require.NoError(t, json.Unmarshal(post(t, r, "/v1/runs", plan("pointless", "never")), &pointless))
	for _, run := range []uuid.UUID{live.ID, pointless.ID} {
		c.Until("it has started", func() bool { return c.Noted(cluster.Entry{What: "start", Run: run, Step: "a"}) })
	}
	history := c.History(live.ID)
	commands := working(r)
	require.Len(t, commands, 2)

	// Who asks makes a mistake.
	require.Equal(t, http.StatusUnprocessableEntity, status(t, http.MethodPut, r.Server+path, `{"name": "bad", "steps": [{"key": "a", "kind": "noop", "needs": ["a"]}]}`))

	// The database is away.
	server.Stop()
	require.Equal(t, http.StatusServiceUnavailable, status(t, http.MethodPut, r.Server+path, plan("refused", "never")))
	require.Equal(t, http.StatusServiceUnavailable, status(t, http.MethodPost, r.Server+"/v1/runs/"+live.ID.String()+"/cancel", `{}`))
	require.Equal(t, commands, working(r), "everything lives")
	server.Start()
	c.Pool.Reset()

	// Every pass fails.
	c.Exec(`create function public.fails() returns trigger language plpgsql as $$ begin raise exception using errcode = '53100', message = 'no room'; end $$`)
	c.Exec(`create trigger fails before update of steps_open, state on weir.runs for each row execute function public.fails()`)
	c.Exec(`create trigger fails before insert on weir.stops for each row execute function public.fails()`)
	post(t, r, "/v1/runs/"+pointless.ID.String()+"/cancel", `{"reason": "its item was closed"}`)
	r.Logged("a pass of reconcile failed and is made again.*no room")
	require.Equal(t, commands, working(r), "everything lives")
	require.Equal(t, history, c.History(live.ID))
	require.Equal(t, lifecycle.StepRunning, c.Step(pointless.ID, "a").State)
	c.Touch("live")
	r.Logged("the report is offered again.*outcome=succeeded.*no room")
	c.Exec(`drop function public.fails cascade`)

	require.Equal(t, lifecycle.RunSucceeded, c.RunEnds(live.ID))
	require.Equal(t, lifecycle.RunCancelled, c.RunEnds(pointless.ID))
	require.True(t, cluster.Value[bool](c, `select cancel_requested_at is null from weir.runs where id = $1`, live.ID))
	require.Equal(t, 2, cluster.Value[int](c, `select count(*)::int from weir.runs`), "what was refused is not there")
	c.NeverTwice()
	c.NoViolations()
}
