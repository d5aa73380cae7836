package plan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/expr"
	"github.com/weirqueue/weir/lifecycle/plan"
)

// builtIn is a plan with one step of a kind that no worker runs.
func builtIn(kind, fields string) string {
	return "name: p\nsteps:\n- {key: a, kind: " + kind + ", " + fields + "}\n"
}

func TestParseTakesWaitAndPlan(t *testing.T) {
	t.Parallel()
	p := mustParse(t, `
name: p
defaults: {queue: slow, priority: 4, grace: 1m, stall_after: 1m, retry: {max_attempts: 5}}
steps:
- {key: signal, kind: wait}
- {key: approval, kind: wait, with: {for: approval}, timeout: 1d, allow_failure: true, run_if: all_finished}
- {key: time, kind: wait, with: {for: time, duration: 30d}}
- {key: until, kind: wait, with: {for: time, until: "2026-07-01T08:00:00+02:00"}}
- {key: later, kind: wait, with: {for: time, until: "${{ input.at }}"}, for_each: "${{ input.all }}"}
- {key: named, kind: plan, with: {plan: load/daily@3, input: {a: "${{ needs.signal.output }}"}}, needs: [signal]}
- {key: chosen, kind: plan, with: {plan: "${{ input.name }}", input: "${{ input }}"}}
- {key: inline, kind: plan, with: {plan: {name: sub, steps: [{key: x, kind: noop, with: {output: "${{ input.y }}"}}]}}}
`)
	expects := []string{"signal", "approval", "time", "time", "children", "run", "run", "run"}
	for i, s := range p.Steps {
		require.Equal(t, expects[i], s.Expects(), s.Key)
		if s.Key != "approval" {
			require.Zero(t, s.Timeout, "%s has no timeout unless it says one", s.Key)
		}
		// The defaults are for workers.
		require.Equal(t, plan.Step{Queue: "default", Priority: 2, Grace: 10 * time.Second, RunsOn: "replica", Retry: plan.Retry{
			MaxAttempts: 1, Backoff: "exponential", Initial: time.Second, Max: 5 * time.Minute, Jitter: 0.1,
		}}, plan.Step{Queue: s.Queue, Priority: s.Priority, Grace: s.Grace, RunsOn: s.RunsOn, StallAfter: s.StallAfter, Retry: s.Retry})
	}
	require.Equal(t, 24*time.Hour, p.Steps[1].Timeout)
	require.Empty(t, p.CheckKinds(map[string]plan.Kind{"noop": {}}), "they need no replica")

	// A timeout in the defaults is for every step.
	p = mustParse(t, "name: p\ndefaults: {timeout: 1h}\nsteps: [{key: a, kind: wait}]")
	require.Equal(t, time.Hour, p.Steps[0].Timeout)
}

// faultsOfWait are fields of a step of kind wait, with their fault.
func faultsOfWait() map[string]string {
	return map[string]string{
		"with: {for: signals}":            "with.for out_of_range",
		"with: {for: 5}":                  "with.for wrong_type",
		"with: {for: '${{ input.for }}'}": "with.for out_of_range", // who decides it must be known beforehand
		"with: {fro: signal}":             "with.fro unknown_field",
		"with: {for: time}":               "with.duration wrong_type",
		"with: {for: time, duration: 1s, until: '2026-07-01T08:00:00Z'}": "with.until out_of_range",
		"with: {for: time, duration: 5}":                                 "with.duration wrong_type",
		"with: {for: time, duration: 0s}":                                "with.duration out_of_range",
		"with: {for: time, duration: 366d}":                              "with.duration out_of_range",
		"with: {for: time, until: soon}":                                 "with.until wrong_type",
		"with: {for: time, duration: '${{ attempt }}s'}":                 "with.duration bad_expression",
		"with: {for: time, until: '${{ item }}'}":                        "with.until bad_expression",
		"with: {for: time, duration: '${{ needs.b.output }}'}":           "with.duration bad_expression",
		"with: {duration: 1s}":                                           "with.duration unknown_field",
		"with: {for: approval, until: '2026-07-01T08:00:00Z'}":           "with.until unknown_field",
		"queue: q":                          "queue unknown_field",
		"priority: 1":                       "priority unknown_field",
		"grace: 1s":                         "grace unknown_field",
		"stall_after: 1s":                   "stall_after unknown_field",
		"retry: {max_attempts: 2}":          "retry unknown_field",
		"runs_on: replica":                  "runs_on unknown_field",
		"concurrency: {key: k, limit: 1}":   "concurrency unknown_field",
		"rate: {key: k, limit: 1, per: 1s}": "rate unknown_field",
		"max_parallel: 2":                   "max_parallel unknown_field",
	}
}

func TestFaultsOfWait(t *testing.T) {
	t.Parallel()
	for fields, want := range faultsOfWait() {
		require.Equal(t, []string{"steps[0]." + want}, faultsOf(t, builtIn("wait", fields)), "of %s", fields)
	}
	_, err := plan.Parse([]byte(builtIn("wait", "retry: {max_attempts: 2}")))
	require.EqualError(t, err, "steps[0].retry: means nothing for a step of kind wait: it has no attempts")
}

const sub = "name: sub, steps: [{key: x, kind: noop}]"

// faultsOfPlansInPlans are fields of a step of kind plan, with their faults.
func faultsOfPlansInPlans() map[string]string {
	return map[string]string{
		"with: {}":                 "with.plan wrong_type",
		"timeout: 1h":              "with.plan wrong_type",
		"with: {plan: 5}":          "with.plan wrong_type",
		"with: {plan: [a]}":        "with.plan wrong_type",
		"with: {plan: Load}":       "with.plan out_of_range",
		"with: {plan: load@0}":     "with.plan out_of_range",
		"with: {plan: load@x}":     "with.plan out_of_range",
		"with: {plan: load@}":      "with.plan out_of_range",
		"with: {plan: '${{ x }}'}": "with.plan bad_expression",
		"with: {plan: a, input: {n: '${{ attempt }}'}}":                                "with.input.n bad_expression",
		"with: {plan: a, input: [1]}":                                                  "with.input wrong_type",
		"with: {plan: a, inputs: {}}":                                                  "with.inputs unknown_field",
		"with: {plan: a, input: {b: '${{ needs.b.output }}'}}":                         "with.input.b bad_expression",
		"with: {plan: {}}":                                                             "with.plan.name wrong_type,with.plan.steps empty_plan",
		"with: {plan: {name: s, steps: []}}":                                           "with.plan.steps empty_plan",
		"with: {plan: {name: s, stepz: 1, steps: [{key: x, kind: noop, needs: [y]}]}}": "with.plan.stepz unknown_field,with.plan.steps[0].needs[0] unknown_need",
		"with: {plan: {name: s, steps: [{key: x, kind: noop, needs: [y]}, {key: y, kind: noop, needs: [x]}]}}":         "with.plan.steps[0].needs[0] cycle",
		"with: {plan: {name: s, steps: [{key: x, kind: noop}, {key: x, kind: noop}]}}":                                 "with.plan.steps[1].key duplicate_key",
		"with: {plan: {name: s, steps: [{key: x, kind: noop, with: {output: '${{ needs.y.output }}'}}]}}":              "with.plan.steps[0].with.output bad_expression",
		"with: {plan: {name: s, output: '${{ steps.a.output }}', steps: [{key: x, kind: noop}]}}":                      "with.plan.output bad_expression",
		"for_each: '${{ input.a }}', with: {plan: {name: s, steps: [{key: x, kind: noop, with: {a: '${{ item }}'}}]}}": "with.plan.steps[0].with.a bad_expression",
		"queue: q, with: {plan: {" + sub + "}}":                                                                        "queue unknown_field",
		"retry: {max_attempts: 2}, with: {plan: {" + sub + "}}":                                                        "retry unknown_field",
	}
}

func TestFaultsOfPlansInPlans(t *testing.T) {
	t.Parallel()
	for fields, want := range faultsOfPlansInPlans() {
		wants := strings.Split(want, ",")
		for i := range wants {
			wants[i] = "steps[0]." + wants[i]
		}
		require.Equal(t, wants, faultsOf(t, builtIn("plan", fields)), "of %s", fields)
	}
	// A child would wait for the slot that the run above it holds.
	require.Equal(t, []string{"steps[0].with.plan.concurrency.key out_of_range"}, faultsOf(t,
		"name: p\nconcurrency: {key: k, limit: 1}\nsteps: [{key: a, kind: plan, with: {plan: {concurrency: {key: k, limit: 1}, "+sub+"}}}]"))
	require.Equal(t, []string{"steps[0].with.plan.concurrency.key out_of_range"}, faultsOf(t,
		builtIn("plan", "concurrency: {key: k, limit: 1}, with: {plan: {concurrency: {key: k, limit: 1}, "+sub+"}}")))
	mustParse(t, builtIn("plan", "concurrency: {key: k, limit: 1}, rate: {key: k, limit: 1, per: 1s}, with: {plan: {concurrency: {key: l, limit: 1}, "+sub+"}}"))
	// The same expression can be another key there.
	mustParse(t, "name: p\nconcurrency: {key: '${{ input.k }}', limit: 1}\nsteps: [{key: a, kind: plan, with: {plan: {concurrency: {key: '${{ input.k }}', limit: 1}, "+sub+"}}}]")
}

// inside is a plan that stands in so many others.
func inside(levels int) string {
	text := `{"name":"p","steps":[{"key":"a","kind":"noop"}]}`
	for range levels {
		text = `{"name":"p","steps":[{"key":"a","kind":"plan","with":{"plan":` + text + `}}]}`
	}
	return text
}

func TestPlansInPlansAreBounded(t *testing.T) {
	t.Parallel()
	mustParse(t, inside(plan.MaxDepth))
	faults := faultsOf(t, inside(plan.MaxDepth+1))
	require.Equal(t, []string{strings.Repeat("steps[0].with.plan.", 8) + "steps[0].with.plan out_of_range"}, faults)

	two := `{"name":"p","steps":[{"key":"a","kind":"plan","with":{"plan":{"name":"q","steps":[{"key":"x","kind":"noop"},{"key":"y","kind":"noop"}]}}}]}`
	_, err := plan.Limits{Steps: 3}.ParseJSON([]byte(two))
	require.NoError(t, err)
	_, err = plan.Limits{Steps: 2}.ParseJSON([]byte(two))
	require.ErrorContains(t, err, "steps[0].with.plan.steps: brings the plan, with those inside it, to 3 steps, at most 2 are allowed")
}

func TestCheckKindsLooksIntoPlansInPlans(t *testing.T) {
	t.Parallel()
	kinds := kindsOf(t, map[string]string{"fetch": fetchSchema})
	p := mustParse(t, `
name: p
steps:
- {key: named, kind: plan, with: {plan: other}}
- key: inline
  kind: plan
  with:
    plan:
      name: q
      steps:
      - {key: x, kind: nothing}
      - {key: y, kind: plan, with: {plan: {name: r, steps: [{key: z, kind: fetch, with: {url: 5}}]}}}
`)
	require.Equal(t, []string{
		"steps[1].with.plan.steps[0].kind unknown_kind",
		"steps[1].with.plan.steps[1].with.plan.steps[0].with.url wrong_type",
	}, brief(p.CheckKinds(kinds)))
}

func TestEvalWith(t *testing.T) {
	t.Parallel()
	scope := expr.Scope{
		Input: json.RawMessage(`{"a":1,"name":"load"}`), Needs: map[string]expr.Need{}, Item: json.RawMessage(`{"x":"y"}`), Index: 2,
	}
	for _, c := range []struct{ kind, with, want string }{
		{"noop", `{"output":"${{ input.a }}"}`, `{"output":1}`},
		{"exec", `{"command":["${{ input.a }}"],"stdin":"${{ item }}"}`, `{"command":["${{ input.a }}"],"stdin":{"x":"y"}}`},
		{"plan", `{"plan":"${{ input.name }}","input":{"i":"${{ index }}"}}`, `{"plan":"load","input":{"i":2}}`},
		{"plan", `{"plan":{"name":"${{ input.a }}"},"input":"${{ item }}"}`, `{"plan":{"name":"${{ input.a }}"},"input":{"x":"y"}}`},
		{"wait", `{"for":"time","duration":"${{ input.a }}s"}`, `{"for":"time","duration":"1s"}`},
	} {
		got, err := plan.EvalWith(c.kind, json.RawMessage(c.with), scope)
		require.NoError(t, err)
		require.JSONEq(t, c.want, string(got))
	}
	_, err := plan.EvalWith("wait", json.RawMessage(`{"for":"time","duration":"${{ input.none }}"}`), scope)
	var missing *expr.MissingError
	require.ErrorAs(t, err, &missing)
}

func TestParseWait(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC)
	for with, want := range map[string]plan.Wait{
		`{}`:                             {For: plan.WaitSignal},
		`{"for":"approval"}`:             {For: plan.WaitApproval},
		`{"for":"time","duration":"1m"}`: {For: plan.WaitTime, Duration: time.Minute},
		`{"for":"time","until":"2026-07-01T08:00:00Z"}`: {For: plan.WaitTime, Until: &at},
	} {
		got, err := plan.ParseWait(json.RawMessage(with))
		require.NoError(t, err, with)
		require.Equal(t, want, got)
	}
	for with, want := range map[string]string{
		`{"for":"time","duration":1}`:             "with.duration: is a number, must be a duration like 90s, 1h30m or 250ms",
		`{"for":"time","until":"x"}`:              "with.until: must be a time like 2026-07-01T08:00:00Z",
		`{"for":"time","until":"${{ input.x }}"}`: "with: holds an expression that was not evaluated",
		`{"for":"time"}`:                          "with.duration: is missing: waiting for time needs a duration, or until",
		`{`:                                       "line 1: the name of a member is expected here",
	} {
		_, err := plan.ParseWait(json.RawMessage(with))
		require.ErrorContains(t, err, want)
	}
}

func TestParseSubPlan(t *testing.T) {
	t.Parallel()
	s, err := plan.ParseSubPlan(json.RawMessage(`{"plan":"load/x@12","input":{"a":1.0}}`))
	require.NoError(t, err)
	require.Equal(t, plan.SubPlan{Name: "load/x", Version: 12, Input: json.RawMessage(`{"a":1.0}`)}, s)
	s, err = plan.ParseSubPlan(json.RawMessage(`{"plan":` + inside(1) + `}`))
	require.NoError(t, err)
	require.Equal(t, mustParse(t, inside(1)), s.Plan)
	require.Equal(t, inside(1), string(s.Text))
	require.Nil(t, s.Input)
	for with, want := range map[string]string{
		`{"plan":{"name":"p","steps":[]}}`:   "with.plan.steps: has no steps",
		`{"plan":7}`:                         "with.plan: is a number",
		`{"plan":"a","input":"${{ item }}"}`: "with: holds an expression that was not evaluated",
		`{"plan":"${{ item }}"}`:             "with: holds an expression that was not evaluated",
		`{"plan":"a","input":"text"}`:        "with.input: is a string, must be an object",
	} {
		_, err := plan.ParseSubPlan(json.RawMessage(with))
		require.ErrorContains(t, err, want)
	}
}

func TestParseRef(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"a": "a 0 true", "a/b.c-d@1": "a/b.c-d 1 true", "a@999999999": "a 999999999 true",
		"": " 0 false", "A": " 0 false", "a@0": " 0 false", "a@01": " 0 false", "a@1@2": " 0 false", "a@-1": " 0 false", "a@9999999999": " 0 false",
	} {
		name, version, ok := plan.ParseRef(ref)
		require.Equal(t, want, fmt.Sprint(name, " ", version, " ", ok), ref)
	}
}
