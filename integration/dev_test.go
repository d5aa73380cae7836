//go:build linux

package integration_test

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/cluster"
	client "github.com/weirqueue/weir/openapi/client/go"
)

// TestDevComesUpAndLeavesNothing starts `weir dev` as the user of this test, and as nobody if that is root. It runs a
// plan, ends at Ctrl-C with everything that it had started, PostgreSQL and commands included, and has the history the
// next time. Killed with -9 it leaves nothing either.
func TestDevComesUpAndLeavesNothing(t *testing.T) {
	t.Parallel()
	t.Run("as this user", func(t *testing.T) {
		t.Parallel()
		testDev(t, nil)
	})
	t.Run("as nobody", func(t *testing.T) {
		t.Parallel()
		nobody, err := user.Lookup("nobody")
		if os.Getuid() != 0 || err != nil {
			t.Skip("only root can become another user")
		}
		uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
		require.NoError(t, err)
		gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
		require.NoError(t, err)
		testDev(t, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)})
	})
}

func testDev(t *testing.T, as *syscall.Credential) {
	t.Helper()
	c := cluster.New(t, cluster.Config{})
	home := filepath.Join(c.Dir, "home")
	require.NoError(t, os.Mkdir(home, 0o711))
	if as != nil {
		require.NoError(t, os.Chown(home, int(as.Uid), int(as.Gid)))
	}
	start := func() *cluster.Replica {
		t.Helper()
		return c.Dev(c.CommandAs(as, home, "dev", "--data", filepath.Join(home, "data"), "--listen", "127.0.0.1:0", "--replicas", "2", "--shutdown-grace", "100ms"))
	}
	end := func(r *cluster.Replica, how func(*cluster.Replica)) {
		t.Helper()
		for _, one := range []string{"sleep 1234567", "postgres"} { // processes that are found, so that it means something when none is
			c.Until(one+" runs", func() bool { return strings.Contains(strings.Join(c.Left(), "\n"), one) })
		}
		how(r)
		c.NothingLeft()
	}
	interrupt := func(r *cluster.Replica) {
		r.Signal(syscall.SIGINT)
		require.Zero(t, r.Wait())
	}

	first := start()
	plan := filepath.Join(home, "history.yaml")
	require.NoError(t, os.WriteFile(plan, []byte(`
name: history
steps:
  - {key: greet, kind: exec, with: {command: [sh, -c, 'echo "\"hello\"" >$WEIR_OUTPUT; echo said']}}
  - {key: repeat, kind: noop, needs: [greet], with: {output: "${{ needs.greet.output }}"}}
`), 0o644))
	submit := c.CommandAs(as, home, "submit", "history.yaml", "--wait", "--server", first.Server)
	require.Zero(t, submit.Wait(), submit.Stderr())
	run, err := uuid.Parse(strings.SplitN(submit.Stdout(), "\n", 2)[0])
	require.NoError(t, err, "the id stands alone on the first line")
	long := c.Submit(first, "{name: long, steps: [{key: a, kind: exec, with: {command: [sleep, '1234567']}}]}")
	for attempt := int64(1); ; attempt++ {
		answer, err := first.Client.StepGet(t.Context(), run, "repeat")
		require.NoError(t, err)
		require.JSONEq(t, `"hello"`, string(answer.Value.Output))
		var logs []string
		for line, err := range first.Client.Logs(t.Context(), run, client.LogListParams{}) {
			require.NoError(t, err)
			logs = append(logs, line.Value.Text)
		}
		require.Contains(t, logs, "said")
		c.Until("the long step runs", func() bool {
			answer, err := first.Client.StepGet(t.Context(), long, "a")
			require.NoError(t, err)
			return answer.Value.State == client.StepStateRunning && answer.Value.Attempt == attempt
		})
		if attempt == 2 {
			end(first, func(r *cluster.Replica) { r.Kill() })
			return
		}
		end(first, interrupt)
		first = start()
	}
}
