package cmd

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQueueCommands(t *testing.T) {
	t.Parallel()
	a := asked{server: served(t)}
	require.Equal(t, "queue default is paused: 0 steps of it still running, 0 steps waiting\n", a.answer(t, "queue", "pause", "default"))
	a.run = submitted(t, a.server, "name: a\nsteps: [{key: a, kind: noop}]")
	require.Equal(t, `QUEUE  PAUSED  AVAILABLE  RUNNING  OLDEST
default  since MOMENT  1  0  SPAN
exec  no  0  0  -
`, a.still(a.answer(t, "queue", "list")))
	require.Equal(t, "default\nexec\n", a.answer(t, "queue", "list", "-q"))
	require.JSONEq(t, a.raw(t, "/v1/queues"), a.answer(t, "queue", "list", "-o", "json"))
	require.Contains(t, a.answer(t, "why", a.run, "a"), "queue_paused: its queue is paused")

	var queue struct{ Paused bool }
	a.json(t, &queue, "queue", "resume", "default")
	require.False(t, queue.Paused)
	require.Eventually(t, func() bool {
		var run struct{ State string }
		a.json(t, &run, "run", a.run)
		return run.State == "succeeded"
	}, patience, 20*time.Millisecond)

	code, stdout, stderr := runs(t, "queue", "pause", "gpu", "--server", a.server)
	require.Equal(t, exitError, code)
	require.Empty(t, stdout)
	require.Equal(t, "weir: there is no such queue: no replica has worked it, and no step waits in it\ntry: weir queue list --server "+a.server+"\n", stderr)
	code, _, stderr = runs(t, "queue", "pause", "G P U", "--server", a.server)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "the name of a queue")
}
