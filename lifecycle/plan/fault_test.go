package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// faultsOf gives the faults of a text as "path code", and requires that there are some.
func faultsOf(t *testing.T, src string) []string {
	t.Helper()
	_, err := plan.Parse([]byte(src))
	var faults plan.Faults
	require.ErrorAs(t, err, &faults, "of %s", src)
	return brief(faults)
}

func brief(faults plan.Faults) []string {
	out := make([]string, len(faults))
	for i, f := range faults {
		out[i] = strings.TrimPrefix(f.Path+" "+f.Code, " ")
	}
	return out
}

// inStep is a plan with one step, which has more fields than key and kind.
func inStep(fields string) string {
	return "name: p\nsteps:\n- {key: a, kind: noop, " + fields + "}\n"
}

func inPlan(fields string) string {
	return "name: p\n" + fields + "\nsteps:\n- {key: a, kind: noop}\n"
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		// the plan as a whole
		"":                                    "empty_plan",
		"# nothing\n":                         "empty_plan",
		"---\n":                               "empty_plan",
		"just words":                          "wrong_type",
		"[]":                                  "wrong_type",
		"name: p":                             "steps empty_plan",
		"name: p\nsteps: []":                  "steps empty_plan",
		"name: p\nsteps: {}":                  "steps wrong_type",
		"name: p\nsteps: null":                "steps wrong_type",
		"name: p\nsteps: [x]":                 "steps[0] wrong_type",
		"steps: [{key: a, kind: k}]":          "name wrong_type",
		"name: P\nsteps: [{key: a, kind: k}]": "name out_of_range",
		// fields of the plan
		inPlan("version: 2"):                                    "version out_of_range",
		inPlan("version: '1'"):                                  "version wrong_type",
		inPlan("descrption: x"):                                 "descrption unknown_field",
		inPlan("description: 5"):                                "description wrong_type",
		inPlan("description: " + strings.Repeat("x", 4097)):     "description out_of_range",
		inPlan("input: [1]"):                                    "input wrong_type",
		inPlan("input: "):                                       "input wrong_type",
		inPlan("labels: {a: 1}"):                                "labels.a wrong_type",
		inPlan("labels: {A: x}"):                                "labels.A out_of_range",
		inPlan(`labels: {a: "x\ny"}`):                           "labels.a out_of_range",
		inPlan("labels: {a: " + strings.Repeat("x", 257) + "}"): "labels.a out_of_range",
		inPlan("labels: {" + manyLabels(33) + "}"):              "labels out_of_range",
		inPlan("on_failure: stop"):                              "on_failure out_of_range",
		inPlan("defaults: {key: x}"):                            "defaults.key unknown_field",
		inPlan("defaults: {runs_on: remote}"):                   "defaults.runs_on not_supported_yet",
		inPlan("defaults: {retry: {tries: 2}}"):                 "defaults.retry.tries unknown_field",
		// fields of a step
		"name: p\nsteps: [{kind: k}]":           "steps[0].key wrong_type",
		"name: p\nsteps: [{key: a}]":            "steps[0].kind wrong_type",
		"name: p\nsteps: [{key: 1, kind: k}]":   "steps[0].key wrong_type",
		"name: p\nsteps: [{key: a b, kind: k}]": "steps[0].key out_of_range",
		"name: p\nsteps: [{key: a, kind: K}]":   "steps[0].kind out_of_range",
		inStep("with: 5"):                       "steps[0].with wrong_type",
		inStep("needs: a"):                      "steps[0].needs wrong_type",
		inStep("needs: [5]"):                    "steps[0].needs[0] wrong_type",
		inStep("needs: ['b c']"):                "steps[0].needs[0] out_of_range",
		inStep("needs: [b]"):                    "steps[0].needs[0] unknown_need",
		inStep("needs: [a]"):                    "steps[0].needs[0] self_need",
		inStep("run_if: always"):                "steps[0].run_if out_of_range",
		inStep("allow_failure: 'yes'"):          "steps[0].allow_failure wrong_type",
		inStep("allow_failure: yes"):            "steps[0].allow_failure wrong_type", // a string in YAML 1.2
		inStep("timeout: 5"):                    "steps[0].timeout wrong_type",
		inStep("timeout: 5 minutes"):            "steps[0].timeout wrong_type",
		inStep("timeout: 0s"):                   "steps[0].timeout out_of_range",
		inStep("timeout: 366d"):                 "steps[0].timeout out_of_range",
		inStep("grace: 11m"):                    "steps[0].grace out_of_range",
		inStep("stall_after: never"):            "steps[0].stall_after wrong_type",
		inStep("queue: Big"):                    "steps[0].queue out_of_range",
		inStep("priority: 0"):                   "steps[0].priority out_of_range",
		inStep("priority: 5"):                   "steps[0].priority out_of_range",
		inStep("priority: 1.5"):                 "steps[0].priority wrong_type",
		inStep("priority: high"):                "steps[0].priority wrong_type",
		inStep("priority: 1e400"):               "steps[0].priority out_of_range",
		inStep("runs_on: remote"):               "steps[0].runs_on not_supported_yet",
		inStep("runs_on: moon"):                 "steps[0].runs_on out_of_range",
		inStep("retry: 3"):                      "steps[0].retry wrong_type",
		inStep("retry: {max_attempts: 1001}"):   "steps[0].retry.max_attempts out_of_range",
		inStep("retry: {on: failed}"):           "steps[0].retry.on wrong_type",
		inStep("retry: {on: [skipped]}"):        "steps[0].retry.on[0] out_of_range",
		inStep("retry: {on: [lost, lost]}"):     "steps[0].retry.on[1] duplicate_key",
		inStep("retry: {backoff: linear}"):      "steps[0].retry.backoff out_of_range",
		inStep("retry: {initial: 1}"):           "steps[0].retry.initial wrong_type",
		inStep("retry: {jitter: 1.1}"):          "steps[0].retry.jitter out_of_range",
		inStep("retry: {jitter: '0'}"):          "steps[0].retry.jitter wrong_type",
		// expressions
		inStep("with: {output: '${{ x'}"):                          "steps[0].with.output bad_expression",
		inStep("with: {output: [{q r: '${{ needs.b.output }}'}]}"): `steps[0].with.output[0]["q r"] bad_expression`,
		inStep("with: {output: '${{ secrets.A }}'}"):               "steps[0].with.output not_supported_yet",
		// what is checked of a kind before kinds are known
		"name: p\nsteps: [{key: a, kind: sleep, with: {duration: 2h}}]":   "steps[0].with.duration out_of_range",
		"name: p\nsteps: [{key: a, kind: sleep, with: {duration: soon}}]": "steps[0].with.duration wrong_type",
		// what no plan can hold, wherever it stands
		inStep(`with: {output: "a\0b"}`):                       "steps[0].with.output out_of_range",
		inStep(`with: {"a\0b": 1}`):                            `steps[0].with["a\x00b"] out_of_range`,
		inStep("with: {a: 1, a: 2}"):                           "steps[0].with.a duplicate_key",
		inStep("with: {a: 1e309}"):                             "steps[0].with.a out_of_range",
		inStep("with: {a: 1e-999999999999999999}"):             "steps[0].with.a out_of_range",
		inStep("with: {a: " + strings.Repeat("1", 1001) + "}"): "steps[0].with.a out_of_range",
		inStep("with: {a: .inf}"):                              "steps[0].with.a wrong_type",
		inStep("with: {a: !!str 5}"):                           "steps[0].with.a wrong_type",
		inStep("with: {a: !mine {b: 5}}"):                      "steps[0].with.a wrong_type",
		inStep("with: {a: ! 5}"):                               "steps[0].with.a wrong_type",
		inStep("with: {5: a}"):                                 "steps[0].with wrong_type",
		inStep("with: {[a]: a}"):                               "steps[0].with wrong_type",
		inStep("with: {!!str a: a}"):                           "steps[0].with wrong_type",
		inStep("with: {<<: {a: b}}"):                           "steps[0].with unknown_field",
		inStep("with: &w {a: *w}"):                             "steps[0].with.a wrong_type",
		inStep("with: {a: " + strings.Repeat("[", 97) + strings.Repeat("]", 97) + "}"): "steps[0].with.a" + strings.Repeat("[0]", 96) + " out_of_range",
	} {
		require.Equal(t, []string{want}, faultsOf(t, src), "of %s", src)
	}
}

func manyLabels(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "l%d: x, ", i)
	}
	return b.String()
}

func TestReservedFieldsAreNotIgnored(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"for_each", "if", "matrix", "cache"} {
		require.Equal(t, []string{name + " not_supported_yet"}, faultsOf(t, inPlan(name+": x")))
	}
	for _, name := range []string{"if", "matrix", "cache"} {
		require.Equal(t, []string{"steps[0]." + name + " not_supported_yet"}, faultsOf(t, inStep(name+": x")))
	}
}

// M8: every fault of a bad plan at once, each with its path, in the order of the text.
func TestM8BadPlansNameEveryFault(t *testing.T) {
	t.Parallel()
	_, err := plan.Parse([]byte(`
name: bad
discription: all of it is wrong
steps:
  - {key: a, kind: noop, needs: [c]}
  - {key: b, kind: noop, needs: [a, b, nowhere]}
  - {key: c, kind: noop, needs: [b]}
  - {key: a, kind: noop}
  - {key: d, kind: nop, timeout: 90}
  - {key: e, kind: exec, with: {command: ["true"]}}
`))
	var faults plan.Faults
	require.ErrorAs(t, err, &faults)
	require.Equal(t, []string{
		"discription unknown_field",
		"steps[0].needs[0] cycle",
		"steps[1].needs[1] self_need",
		"steps[1].needs[2] unknown_need",
		"steps[3].key duplicate_key",
		"steps[4].timeout wrong_type",
	}, brief(faults))
	require.Contains(t, faults[0].Message, "did you mean description?")
	require.Equal(t, []string{"a", "c", "b"}, faults[1].Detail, "the cycle is named, in order")
	require.Contains(t, faults[1].Message, "a needs c needs b needs a")
	require.Equal(t, []int{3, 5, 6, 6, 8, 9}, lines(faults))

	// The kinds are looked at when the rest is right.
	good, err := plan.Parse([]byte("name: p\nsteps: [{key: d, kind: nop}, {key: e, kind: exec}]"))
	require.NoError(t, err)
	require.Equal(t, []string{"steps[0].kind unknown_kind", "steps[1].kind exec_disabled"}, brief(good.CheckKinds(map[string]plan.Kind{"noop": {}})))

	require.Equal(t, []string{"steps empty_plan"}, faultsOf(t, `{"name": "p", "steps": []}`))
	require.Equal(t, []string{"steps too_many_steps"}, faultsOf(t, manySteps(100_001)))
}

func lines(faults plan.Faults) []int {
	out := make([]int, len(faults))
	for i, f := range faults {
		out[i] = f.Line
	}
	return out
}

func manySteps(n int) string {
	var b strings.Builder
	b.WriteString(`{"name": "many", "steps": [`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"key":"s%d","kind":"noop"}`, i)
	}
	b.WriteString("]}")
	return b.String()
}

func TestFaultsNeverEchoValues(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-Hunter2"
	src := fmt.Sprintf(`
name: "%[1]s"
version: "%[1]s"
on_failure: %[1]s
labels: {a: "%[1]s\n"}
defaults: {queue: %[1]s, retry: {on: [%[1]s]}}
steps:
  - {key: "%[1]s!", kind: "%[1]s", needs: [%[1]s], run_if: %[1]s, timeout: %[1]s, grace: "%[1]s"}
  - {key: b, kind: sleep, with: {duration: "%[1]s", x: "${{ %[1]s", y: "${{ needs.%[1]s.output }}"}}
  - "%[1]s"
`, secret)
	_, err := plan.Parse([]byte(src))
	var faults plan.Faults
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, 16)
	require.NotContains(t, fmt.Sprintf("%+v", faults), secret)
	_, err = plan.Parse([]byte(fmt.Sprintf(`
name: p
start_at: "%[1]s"
delay: "%[1]s"
timeout: "%[1]s"
max_parallel: "%[1]s"
concurrency: {key: "%[1]s!", limit: "%[1]s", strategy: "%[1]s"}
rate: {key: "${{ %[1]s }}", limit: "%[1]s", per: "%[1]s"}
output: "${{ steps.%[1]s.output }}"
steps:
  - {key: a, kind: wait, queue: "%[1]s", with: {for: "%[1]s"}}
  - {key: b, kind: wait, with: {for: time, until: "%[1]s", duration: "%[1]s"}}
  - {key: c, kind: plan, with: {plan: "%[1]s", input: "%[1]s"}}
  - {key: d, kind: noop, for_each: "%[1]s"}
  - {key: e, kind: plan, with: {plan: {name: "%[1]s", steps: [{key: x, kind: noop, needs: [%[1]s]}]}}}
`, secret)))
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, 22)
	require.NotContains(t, fmt.Sprintf("%+v", faults), secret)
	for _, text := range []string{"a: *" + secret, "a: [" + secret, "%" + secret, `{"a": ` + secret, "a: !x!" + secret + " 1", "\x01" + secret} {
		_, err := plan.Parse([]byte(text))
		var syntax *plan.SyntaxError
		require.ErrorAs(t, err, &syntax, "of %q", text)
		require.NotContains(t, err.Error(), secret)
	}
}

func TestFaultsHaveCodesOfTheClosedList(t *testing.T) {
	t.Parallel()
	require.Len(t, plan.Codes(), 13)
	for _, src := range []string{"", "x: y", inStep("needs: [b, a]"), inPlan("timeout: 5 m")} {
		_, err := plan.Parse([]byte(src))
		var faults plan.Faults
		require.ErrorAs(t, err, &faults)
		for _, f := range faults {
			require.True(t, slices.Contains(plan.Codes(), f.Code), f.Code)
		}
	}
}

func TestFaultsAsAnError(t *testing.T) {
	t.Parallel()
	_, err := plan.Parse([]byte("nam: p\nsteps: []"))
	require.EqualError(t, err, "name: is missing\nnam: is not known, did you mean name?\nsteps: has no steps: a plan needs at least one")
	_, err = plan.Parse(nil)
	require.EqualError(t, err, "there is no plan in it")
}

func TestFaultsAreListedUpToALimit(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "x%d: 1\n", i)
	}
	faults := faultsOf(t, b.String())
	require.Len(t, faults, 1001)
	require.Equal(t, "x0 unknown_field", faults[0])
	require.Equal(t, "out_of_range", faults[1000])
}

func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	for src, line := range map[string]int{
		"a: b\n  c: d":               2,
		"steps:\n\t- x":              2,
		"a: [b":                      0,
		"a: *b":                      1,
		"a: 1\n---\nb: 2":            2,
		"a: 1\nb: \xff":              2,
		"{\"a\": 1,\n\"b\": tru\x01": 0,
	} {
		_, err := plan.Parse([]byte(src))
		var syntax *plan.SyntaxError
		require.ErrorAs(t, err, &syntax, "of %q", src)
		if line > 0 {
			require.Equal(t, line, syntax.Line, "of %q: %v", src, err)
		}
		var faults plan.Faults
		require.NotErrorAs(t, err, &faults)
	}
}
