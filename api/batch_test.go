package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func batchOf(runs ...string) string { return `{"runs": [` + strings.Join(runs, ", ") + `]}` }

func (b *bundle) runCount() int { return scan[int](b, `select count(*)::int from weir.runs`) }

// ids are the runs of an answer.
func batchIDs(t *testing.T, a answer) []string {
	t.Helper()
	conforms(t, "Batch", a.body)
	var ids []string
	for _, run := range a.json(t)["runs"].([]any) {
		ids = append(ids, run.(map[string]any)["id"].(string))
	}
	return ids
}

func TestBatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, http.StatusCreated, b.ask(http.MethodPut, "/v1/plans/nightly", strings.Replace(onePlan, "one", "nightly", 1)).StatusCode)
	body := batchOf(onePlan, twoInLine, `{"plan": "nightly@1", "labels": {"a": "b"}}`)
	a := b.ask(http.MethodPost, "/v1/runs:batch", body)
	require.Equal(t, http.StatusCreated, a.StatusCode, "%s", a.body)
	ids := batchIDs(t, a)
	var names []string
	for _, id := range ids {
		names = append(names, b.get("/v1/runs/" + id)["name"].(string))
	}
	require.Equal(t, []string{"one", "two", "nightly"}, names)
	b.finish(b.startStep(mustID(t, ids[0]), 1), "succeeded")
	require.NotEqual(t, ids, batchIDs(t, b.ask(http.MethodPost, "/v1/runs:batch", body)), "without a key these are others")
}

// TestBatchIsRepeatable has one batch for a key.
func TestBatchIsRepeatable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	key := "Idempotency-Key: " + strings.Repeat("k", 255)
	single := b.ask(http.MethodPost, "/v1/runs", onePlan, key)
	require.Equal(t, http.StatusCreated, single.StatusCode)
	body := batchOf(onePlan, onePlan, twoInLine)
	a := b.ask(http.MethodPost, "/v1/runs:batch", body, key)
	require.Equal(t, http.StatusCreated, a.StatusCode, "%s", a.body)
	require.Empty(t, a.Header.Get("Weir-Idempotent-Replay"))
	again := b.ask(http.MethodPost, "/v1/runs:batch", strings.ReplaceAll(body, " ", ""), key)
	require.Equal(t, http.StatusOK, again.StatusCode)
	require.Equal(t, "true", again.Header.Get("Weir-Idempotent-Replay"))
	require.Equal(t, batchIDs(t, a), batchIDs(t, again))
	require.Equal(t, 4, b.runCount())
	for _, other := range []string{batchOf(onePlan), batchOf(onePlan, onePlan, twoInLine, onePlan), batchOf(twoInLine, onePlan, onePlan)} {
		problem(t, b.ask(http.MethodPost, "/v1/runs:batch", other, key), http.StatusConflict, "idempotency_conflict")
	}
	require.Equal(t, 4, b.runCount(), "all or nothing")
}

// TestBatchFaults names the run of each fault, and stores nothing.
func TestBatchFaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	unknownNeed := `{"name": "x", "steps": [{"key": "a", "kind": "noop"}, {"key": "b", "kind": "noop", "needs": ["c"]}]}`
	p := problem(t, b.ask(http.MethodPost, "/v1/runs:batch", batchOf(onePlan, unknownNeed, `{"name": "x", "steps": []}`, `7`)), http.StatusUnprocessableEntity, "plan_invalid")
	locations := map[string]string{}
	for _, e := range p["errors"].([]any) {
		locations[e.(map[string]any)["location"].(string)] = e.(map[string]any)["code"].(string)
	}
	require.Equal(t, map[string]string{"body.runs[1].steps[1].needs[0]": "unknown_need", "body.runs[2].steps": "empty_plan", "body.runs[3]": "wrong_type"}, locations)

	nobody := `{"name": "x", "steps": [{"key": "a", "kind": "nobody"}]}`
	p = problem(t, b.ask(http.MethodPost, "/v1/runs:batch", batchOf(nobody, onePlan, nobody)), http.StatusUnprocessableEntity, "plan_invalid")
	require.Len(t, p["errors"], 2)
	require.Equal(t, "body.runs[2].steps[0].kind", p["errors"].([]any)[1].(map[string]any)["location"])

	p = problem(t, b.ask(http.MethodPost, "/v1/runs:batch", batchOf(onePlan, `{"plan": "nobody"}`)), http.StatusNotFound, "not_found")
	require.Equal(t, "body.runs[1].plan", p["errors"].([]any)[0].(map[string]any)["location"])

	many := make([]string, 1500)
	for i := range many {
		many[i] = `{}`
	}
	p = problem(t, b.ask(http.MethodPost, "/v1/runs:batch", batchOf(many...)), http.StatusUnprocessableEntity, "plan_invalid")
	require.Len(t, p["errors"], 1000)

	for _, body := range []string{`{}`, `{"runs": []}`, `{"runs": {}}`, `{"runs": null}`, `{"runs": [], "x": 1}`, batchOf(strings.Split(strings.Repeat("{} ", 10_001), " ")[:10_001]...)} {
		problem(t, b.ask(http.MethodPost, "/v1/runs:batch", body), http.StatusUnprocessableEntity, "invalid_request")
	}
	problem(t, b.ask(http.MethodPost, "/v1/runs:batch", `{"runs": [`), http.StatusBadRequest, "invalid_request")
	require.Zero(t, b.runCount())
}

// TestBatchOfTenThousand stores as many as there may be.
func TestBatchOfTenThousand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	runs := make([]string, 10_000)
	for i := range runs {
		runs[i] = fmt.Sprintf(`{"name": "run-%d", "steps": [{"key": "a", "kind": "noop"}]}`, i)
	}
	a := b.ask(http.MethodPost, "/v1/runs:batch", batchOf(runs...), "Idempotency-Key: all")
	require.Equal(t, http.StatusCreated, a.StatusCode, "%.500s", a.body)
	ids := batchIDs(t, a)
	require.Len(t, ids, 10_000)
	require.Equal(t, "run-9999", scan[string](b, `select name from weir.runs where id = $1`, ids[9999]))
	again := b.ask(http.MethodPost, "/v1/runs:batch", batchOf(runs...), "Idempotency-Key: all")
	require.Equal(t, http.StatusOK, again.StatusCode)
	require.Equal(t, ids, batchIDs(t, again))
	require.Equal(t, 10_000, b.runCount())
}
