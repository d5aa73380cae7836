package cmd

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestState(t *testing.T) {
	t.Parallel()
	a := asked{server: served(t)}
	a.run = submitted(t, a.server, "name: a\nsteps: [{key: a, kind: wait}]")
	require.Eventually(t, func() bool {
		var state struct{ Waiting struct{ Total int } }
		a.json(t, &state, "state")
		return state.Waiting.Total == 1
	}, patience, 20*time.Millisecond)
	table := a.answer(t, "state")
	for _, said := range []string{"REPLICA", "QUEUE", "default", "WAITING", a.run} {
		require.Contains(t, table, said)
	}
}
