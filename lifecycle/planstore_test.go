package lifecycle

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// put puts a plan and gives its version.
func (b *bundle) put(text string) int {
	b.t.Helper()
	p, _, err := b.PlanPut(b.t.Context(), putOf(b.t, text))
	require.NoError(b.t, err)
	return p.Version
}

func putOf(t *testing.T, text string) PlanPutRequest {
	t.Helper()
	parsed, err := plan.ParseJSON([]byte(text))
	require.NoError(t, err)
	return PlanPutRequest{Plan: parsed, Text: json.RawMessage(text), Actor: "local"}
}

// named is a plan of one noop with that output.
func named(output string) string {
	return fmt.Sprintf(`{"name": "load/daily", "description": "d", "labels": {"team": "data"}, "input": {"day": 1, "deep": {"a": 1}},
		"steps": [{"key": "a", "kind": "noop", "with": {"output": %q}}]}`, output)
}

func TestPlanPut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, made, err := b.PlanPut(t.Context(), putOf(t, named("one")))
	require.NoError(t, err)
	require.True(t, made)
	require.Equal(t, 1, first.Version)
	require.Equal(t, "d", first.Description)

	var shuffled map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(named("one")), &shuffled))
	text, err := json.MarshalIndent(shuffled, "", "\t")
	require.NoError(t, err)
	same, made, err := b.PlanPut(t.Context(), putOf(t, string(text)))
	require.NoError(t, err)
	require.False(t, made, "the same plan, written in another way")
	require.Equal(t, first, same)

	require.Equal(t, 2, b.put(named("two")))
	require.Equal(t, 2, b.put(named("two")))
	require.Equal(t, 3, b.put(named("one")), "who goes back gets what they ask for")
	latest, err := b.PlanGet(t.Context(), "load/daily", 0)
	require.NoError(t, err)
	require.Equal(t, 3, latest.Version)
	require.Equal(t, first.Digest, latest.Digest)
	require.JSONEq(t, named("one"), string(latest.Plan))
	second, err := b.PlanGet(t.Context(), "load/daily", 2)
	require.NoError(t, err)
	require.JSONEq(t, named("two"), string(second.Plan))
	_, err = b.PlanGet(t.Context(), "load/daily", 4)
	requireCode(t, CodeNotFound, err)
	_, err = b.PlanGet(t.Context(), "load", 0)
	requireCode(t, CodeNotFound, err)
}

// requireCode is an error with that code; it gives the faults.
func requireCode(t *testing.T, code string, err error) []plan.Fault {
	t.Helper()
	var known *Error
	require.ErrorAs(t, err, &known)
	require.Equal(t, code, known.Code, "%v", err)
	return known.Faults
}

// Puts that come at the same time: one version for the same plan, and numbers without gaps for others.
func TestPlanPutRaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const clients, plans = 24, 8
	versions := make([]int, clients)
	requests := make([]PlanPutRequest, clients)
	for i := range requests {
		requests[i] = putOf(t, named("same"))
	}
	race := func() (made int) {
		var group sync.WaitGroup
		var mu sync.Mutex
		for i := range clients {
			group.Go(func() {
				p, isNew, err := b.PlanPut(t.Context(), requests[i])
				if err != nil {
					t.Errorf("put: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				versions[i] = p.Version
				if isNew {
					made++
				}
			})
		}
		group.Wait()
		return made
	}
	require.Equal(t, 1, race())
	require.Equal(t, slices.Repeat([]int{1}, clients), versions)

	for i := range requests {
		requests[i] = putOf(t, named(fmt.Sprint("plan ", i%plans)))
	}
	made := race()
	require.GreaterOrEqual(t, made, plans)
	all := slices.Compact(slices.Sorted(slices.Values(versions)))
	require.Len(t, all, made)
	for i, version := range all {
		require.Equal(t, i+2, version, "no number is left out")
	}
	require.Equal(t, made+1, scan[int](b, `select count(*)::int from weir.plans`))
}

func TestPlanLists(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 5 {
		for v := range i + 1 {
			b.put(fmt.Sprintf(`{"name": "p%d", "description": "v%d", "steps": [{"key": "a", "kind": "noop"}]}`, i, v+1))
		}
	}
	var names []string
	for request := (PageRequest{Limit: 2}); ; {
		page, err := b.PlanList(t.Context(), request)
		require.NoError(t, err)
		for _, p := range page.Items {
			names = append(names, fmt.Sprintf("%s@%d %s", p.Name, p.Version, p.Description))
			require.Nil(t, p.Plan)
		}
		if request.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	require.Equal(t, []string{"p0@1 v1", "p1@2 v2", "p2@3 v3", "p3@4 v4", "p4@5 v5"}, names)
	var versions []int
	for request := (PageRequest{Limit: 2}); ; {
		page, err := b.PlanVersions(t.Context(), "p4", request)
		require.NoError(t, err)
		for _, p := range page.Items {
			versions = append(versions, p.Version)
		}
		if request.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	require.Equal(t, []int{5, 4, 3, 2, 1}, versions)
	_, err := b.PlanVersions(t.Context(), "p5", PageRequest{})
	requireCode(t, CodeNotFound, err)
	for _, cursor := range []string{"x", nameCursor(planCursorLetter, ""), nameCursor(scheduleCursorLetter, "p1"), nameCursor(planCursorLetter, "\xff")} {
		_, err = b.PlanList(t.Context(), PageRequest{Cursor: cursor})
		requireCode(t, CodeInvalidRequest, err)
	}
}

func TestPlanDiff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(named("one"))
	_, err := b.PlanDiff(t.Context(), "load/daily", 0, 0)
	requireCode(t, CodeInvalidRequest, err)
	b.put(named("two"))
	b.put(named("three"))
	diff, err := b.PlanDiff(t.Context(), "load/daily", 0, 0)
	require.NoError(t, err)
	require.Equal(t, &PlanDifference{Name: "load/daily", From: 2, To: 3, Diff: `--- load/daily@2
+++ load/daily@3
@@ -10,4 +10,4 @@
   - key: a
     kind: noop
     with:
-      output: two
+      output: three
`}, diff)
	diff, err = b.PlanDiff(t.Context(), "load/daily", 1, 1)
	require.NoError(t, err)
	require.Empty(t, diff.Diff)
	_, err = b.PlanDiff(t.Context(), "load/daily", 1, 9)
	requireCode(t, CodeNotFound, err)
}

// Input members replace the plan's, labels are put over them, and the run says which version it runs.
func TestPlanNamed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(named("one"))
	b.put(named("two"))
	found, err := b.PlanNamed(t.Context(), plan.Named{
		Name: "load/daily", Version: 1, Input: json.RawMessage(`{"deep": {"b": 2}, "more": null}`), Labels: map[string]string{"team": "ops", "env": "test"},
	}, plan.Limits{})
	require.NoError(t, err)
	require.Equal(t, 1, found.Version)
	require.JSONEq(t, `{"day": 1, "deep": {"b": 2}, "more": null}`, string(found.Plan.Input))
	require.Equal(t, map[string]string{"team": "ops", "env": "test"}, found.Plan.Labels)
	run, err := b.Submit(t.Context(), Submission{Plan: found.Plan, PlanVersion: found.Version, Actor: "local"})
	require.NoError(t, err)
	require.Equal(t, 1, scan[int](b, `select plan_version from weir.runs where id = $1`, run.ID))
	require.Nil(t, scan[*int](b, `select plan_version from weir.runs where id = $1`, b.submit(planOf(step("a")))))

	_, err = b.PlanNamed(t.Context(), plan.Named{Name: "load/daily", Input: json.RawMessage(`{"big": "0123456789"}`)}, plan.Limits{Input: 40})
	require.Equal(t, "input", requireCode(t, CodePlanInvalid, err)[0].Path)
}
