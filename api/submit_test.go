package api

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSubmitIsIdempotent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const key = "Idempotency-Key: k"
	first := b.ask(http.MethodPost, "/v1/runs", onePlan, key)
	require.Equal(t, http.StatusCreated, first.StatusCode, "%s", first.body)

	again := b.ask(http.MethodPost, "/v1/runs", "{\"steps\": [ {\"kind\":\"noop\", \"key\": \"\\u0061\"} ],\n \"name\": \"one\"}", key)
	require.Equal(t, http.StatusOK, again.StatusCode, "the same plan, written otherwise: %s", again.body)
	require.Equal(t, "true", again.Header.Get("Weir-Idempotent-Replay"))
	require.Equal(t, first.json(t)["id"], again.json(t)["id"])
	conforms(t, "Run", again.body)

	p := problem(t, b.ask(http.MethodPost, "/v1/runs", strings.Replace(onePlan, "one", "two", 1), key), http.StatusConflict, "idempotency_conflict")
	require.Nil(t, p["allowed"])
	require.Equal(t, 1, scan[int](b, `select count(*) from weir.runs`))

	other := b.ask(http.MethodPost, "/v1/runs", onePlan, "Idempotency-Key: l")
	require.Equal(t, http.StatusCreated, other.StatusCode)
	require.Equal(t, http.StatusCreated, b.ask(http.MethodPost, "/v1/runs", onePlan).StatusCode, "without a key each is a run of its own")
	require.Equal(t, 3, scan[int](b, `select count(*) from weir.runs`))
}

func TestSubmitsWithOneKeyAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const callers = 10
	answers := make([]answer, callers)
	var wait sync.WaitGroup
	for i := range callers {
		wait.Go(func() { answers[i] = b.ask(http.MethodPost, "/v1/runs", onePlan, "Idempotency-Key: k") })
	}
	wait.Wait()
	created := 0
	for _, a := range answers {
		require.Contains(t, []int{http.StatusCreated, http.StatusOK}, a.StatusCode, "%s", a.body)
		require.Equal(t, answers[0].json(t)["id"], a.json(t)["id"])
		if a.StatusCode == http.StatusCreated {
			created++
		}
	}
	require.Equal(t, 1, created)
	require.Equal(t, 1, scan[int](b, `select count(*) from weir.runs`))
}

// TestM8BadPlans submits what is wrong with plans: 422 with the path, and nothing is stored.
func TestM8BadPlans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	many := `{"name": "many", "steps": [` + strings.TrimSuffix(strings.Repeat(`{"key": "a", "kind": "noop"},`, 100_001), ",") + `]}`
	for name, test := range map[string]struct{ plan, location, code string }{
		"duplicate key":   {`{"name": "p", "steps": [{"key": "a", "kind": "noop"}, {"key": "a", "kind": "noop"}]}`, "body.steps[1].key", "duplicate_key"},
		"unknown need":    {`{"name": "p", "steps": [{"key": "a", "kind": "noop", "needs": ["nonsense"]}]}`, "body.steps[0].needs[0]", "unknown_need"},
		"self need":       {`{"name": "p", "steps": [{"key": "a", "kind": "noop", "needs": ["a"]}]}`, "body.steps[0].needs[0]", "self_need"},
		"unknown kind":    {`{"name": "p", "steps": [{"key": "a", "kind": "nonsense"}]}`, "body.steps[0].kind", "unknown_kind"},
		"exec disabled":   {`{"name": "p", "steps": [{"key": "a", "kind": "exec", "with": {"command": ["true"]}}]}`, "body.steps[0].kind", "exec_disabled"},
		"empty plan":      {`{"name": "p", "steps": []}`, "body.steps", "empty_plan"},
		"too many steps":  {many, "body.steps", "too_many_steps"},
		"unknown field":   {`{"name": "p", "steps": [{"key": "a", "kind": "noop", "tiemout": "1s"}]}`, "body.steps[0].tiemout", "unknown_field"},
		"wrong type":      {`{"name": "p", "steps": [{"key": "a", "kind": "noop", "timeout": 5}]}`, "body.steps[0].timeout", "wrong_type"},
		"null character":  {`{"name": "p", "description": "a\u0000b", "steps": [{"key": "a", "kind": "noop"}]}`, "body.description", "out_of_range"},
		"null in a value": {`{"name": "p", "input": {"x": ["a\u0000b"]}, "steps": [{"key": "a", "kind": "noop"}]}`, "body.input.x[0]", "out_of_range"},
		"half surrogate":  {`{"name": "p", "input": {"x": "\ud800"}, "steps": [{"key": "a", "kind": "noop"}]}`, "body.input.x", "out_of_range"},
		"not yet":         {`{"name": "p", "matrix": "1h", "steps": [{"key": "a", "kind": "noop"}]}`, "body.matrix", "not_supported_yet"},
		"a list":          {`[]`, "body", "wrong_type"},
		"null":            {`null`, "body", "empty_plan"},
	} {
		a := b.ask(http.MethodPost, "/v1/runs", test.plan)
		p := problem(t, a, http.StatusUnprocessableEntity, "plan_invalid")
		first := p["errors"].([]any)[0].(map[string]any)
		require.Equal(t, test.code, first["code"], name)
		require.Equal(t, test.location, first["location"], name)
		require.NotContains(t, string(a.body), "nonsense", "what was sent is not echoed")
	}
	cycle := problem(t, b.ask(http.MethodPost, "/v1/runs", `{"name": "p", "steps": [
		{"key": "a", "kind": "noop", "needs": ["c"]}, {"key": "b", "kind": "noop", "needs": ["a"]}, {"key": "c", "kind": "noop", "needs": ["b"]}]}`),
		http.StatusUnprocessableEntity, "plan_invalid")["errors"].([]any)[0].(map[string]any)
	require.Equal(t, "cycle", cycle["code"])
	require.Len(t, cycle["detail"], 3, "the keys, in order")

	both := problem(t, b.ask(http.MethodPost, "/v1/runs", `{"name": "NO", "steps": [{"key": "a", "kind": "noop", "needs": ["a"]}]}`), http.StatusUnprocessableEntity, "plan_invalid")
	require.Len(t, both["errors"], 2, "every fault at once")

	for name, deep := range map[string]string{
		"too deep for a plan": `{"name": "p", "input": {"x": ` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}, "steps": [{"key": "a", "kind": "noop"}]}`,
		"too deep to read":    strings.Repeat("[", 1_000_000),
	} {
		a := b.ask(http.MethodPost, "/v1/runs", deep)
		require.Contains(t, []int{http.StatusBadRequest, http.StatusUnprocessableEntity}, a.StatusCode, name)
	}
	require.Zero(t, scan[int](b, `select count(*) from weir.runs`), "nothing is stored")
	require.Zero(t, scan[int](b, `select count(*) from weir.steps`))
}

func TestSubmitTooLarge(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.Limits.Body = 1 << 20 })
	large := fmt.Sprintf(`{"name": "p", "description": %q, "steps": []}`, strings.Repeat("x", 1<<20))
	problem(t, b.ask(http.MethodPost, "/v1/runs", large), http.StatusRequestEntityTooLarge, "too_large")

	// The same without a length that is told before.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/runs", strings.NewReader(large))
	require.NoError(t, err)
	r.ContentLength = -1
	r.Host = "localhost"
	r.Header.Set("Content-Type", "application/json")
	problem(t, serve(t, b.handler, r), http.StatusRequestEntityTooLarge, "too_large")
}

// TestKindsAreLookedUp registers a kind after it was missing: it counts at once.
func TestKindsAreLookedUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(onePlan)
	mine := strings.Replace(onePlan, "noop", "mine", 1)
	problem(t, b.ask(http.MethodPost, "/v1/runs", mine), http.StatusUnprocessableEntity, "plan_invalid")
	b.exec(`insert into weir.kinds (kind, input_schema) values ('mine', '{"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": false}')`)
	b.submit(mine)
	p := problem(t, b.ask(http.MethodPost, "/v1/runs", `{"name": "p", "steps": [{"key": "a", "kind": "mine", "with": {"n": "nonsense"}}]}`), http.StatusUnprocessableEntity, "plan_invalid")
	require.Equal(t, "body.steps[0].with.n", p["errors"].([]any)[0].(map[string]any)["location"])
}
