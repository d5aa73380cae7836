package lifecycle

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKindsRegister(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	require.NoError(t, g.e.WorkerRegister(t.Context(), Worker{ID: g.e.cfg.Replica, Build: "build-1"}))
	object := json.RawMessage(`{"type": "object"}`)
	require.NoError(t, g.e.KindsRegister(t.Context(), nil))
	require.NoError(t, g.e.KindsRegister(t.Context(), []Kind{{Name: "noop", Input: object}, {Name: "http"}}))
	require.NoError(t, g.e.KindsRegister(t.Context(), []Kind{{Name: "http", Output: object}}))
	list, err := g.e.KindList(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Kind{{Name: "http", Output: object}, {Name: "noop", Input: object}}, list)
	require.Equal(t, "build-1", ask[string](g, "select build from weir.kinds where kind = 'http'"))
}

func TestKindsAreRememberedForAWhile(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	require.NoError(t, g.e.KindsRegister(t.Context(), []Kind{{Name: "noop"}}))
	kinds, err := g.e.kinds(t.Context(), "noop")
	require.NoError(t, err)
	require.Len(t, kinds, 1)
	g.sql("insert into weir.kinds (kind) values ('http')") // another replica did
	kinds, err = g.e.kinds(t.Context(), "noop", "http")
	require.NoError(t, err)
	require.Contains(t, kinds, "http", "what is not known is looked for at once")
	kinds, err = g.e.kinds(t.Context(), "nothing")
	require.NoError(t, err)
	require.NotContains(t, kinds, "nothing")
}
