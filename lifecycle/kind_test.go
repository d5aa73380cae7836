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

// A plan is compared with the kinds at submit; a kind that another replica has just registered counts at once.
func TestPlansAreComparedWithTheKinds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(planOf(step("a")))
	other := step("a")
	other.Kind = "http"
	var refused *Error
	_, err := b.Submit(t.Context(), Submission{Plan: planOf(other), Actor: "local"})
	require.ErrorAs(t, err, &refused)
	require.Equal(t, CodePlanInvalid, refused.Code)
	require.Equal(t, []string{"steps[0].kind", "unknown_kind"}, []string{refused.Faults[0].Path, refused.Faults[0].Code})
	_, err = b.SubmitMany(t.Context(), []Submission{{Plan: planOf(step("a")), Actor: "local"}, {Plan: planOf(other), Actor: "local"}})
	require.ErrorAs(t, err, &refused)
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = SubmitTx(t.Context(), tx, planOf(other))
	require.ErrorAs(t, err, &refused)
	require.NoError(t, tx.Rollback(t.Context()))
	require.Equal(t, 1, scan[int](b, `select count(*)::int from weir.runs`))

	b.exec(`insert into weir.kinds (kind, input_schema) values ('http', '{"type": "object", "required": ["url"]}')`)
	_, err = b.Submit(t.Context(), Submission{Plan: planOf(other), Actor: "local"})
	require.ErrorAs(t, err, &refused, "its schema counts too")
	other.With = json.RawMessage(`{"url": "http://localhost"}`)
	b.submit(planOf(other))
}
