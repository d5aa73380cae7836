package plan_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

func mustParse(t *testing.T, src string) *plan.Plan {
	t.Helper()
	p, err := plan.Parse([]byte(src))
	require.NoError(t, err, "of %s", src)
	return p
}

func TestParseFillsInDefaults(t *testing.T) {
	t.Parallel()
	p := mustParse(t, "name: p\nsteps:\n- {key: a, kind: noop}\n- {key: b, kind: exec, needs: [c, a]}\n- {key: c, kind: sleep, with: {duration: 5s}}")
	retry := plan.Retry{MaxAttempts: 1, Backoff: "exponential", Initial: time.Second, Max: 5 * time.Minute, Jitter: 0.1}
	step := plan.Step{
		Key: "a", Kind: "noop", With: json.RawMessage(`{}`), RunIf: "all_succeeded", Timeout: 10 * time.Minute,
		Grace: 10 * time.Second, Retry: retry, Queue: "default", Priority: 2, RunsOn: "replica",
	}
	b, c := step, step
	b.Key, b.Kind, b.Queue, b.Needs, b.NeedOrdinals = "b", "exec", "exec", []string{"c", "a"}, []int{3, 1}
	c.Key, c.Kind, c.Timeout, c.With = "c", "sleep", 65*time.Second, json.RawMessage(`{"duration":"5s"}`)
	require.Equal(t, &plan.Plan{
		Name: "p", Input: json.RawMessage(`{}`), Labels: map[string]string{}, OnFailure: "continue", Steps: []plan.Step{step, b, c},
	}, p)
}

func TestParseTakesWhatIsSaid(t *testing.T) {
	t.Parallel()
	p := mustParse(t, `
version: 1
name: team/build.x-1
description: |
  two
  lines
input: {n: 12345678901234567890, big: 1.10}
labels: {team: "a b", empty: ""}
on_failure: continue
defaults:
  queue: slow
  priority: 4
  timeout: 1h
  grace: 1m
  stall_after: 2m
  retry: {max_attempts: 3, on: [lost], backoff: constant, initial: 10s, max: 1d, jitter: 0}
  runs_on: replica
steps:
- key: A.1
  kind: exec
  with: {command: [sh, -c, "echo ${{ not an expression"]}
- key: b
  kind: sleep
  with: {duration: "${{ input.d }}"}
  needs: [A.1]
  run_if: all_finished
  allow_failure: true
  queue: quick
  priority: 1
  timeout: 250ms
  grace: 1s
  stall_after: 3s
  retry: {max_attempts: 2}
`)
	require.Equal(t, "team/build.x-1", p.Name)
	require.Equal(t, "two\nlines\n", p.Description)
	require.JSONEq(t, `{"n": 12345678901234567890, "big": 1.10}`, string(p.Input))
	require.Contains(t, string(p.Input), "1.10", "numbers keep their digits")
	require.Equal(t, map[string]string{"team": "a b", "empty": ""}, p.Labels)
	require.Equal(t, plan.Step{
		Key: "A.1", Kind: "exec", With: json.RawMessage(`{"command":["sh","-c","echo ${{ not an expression"]}`), RunIf: "all_succeeded",
		Timeout: time.Hour, Grace: time.Minute, StallAfter: 2 * time.Minute, Queue: "slow", Priority: 4, RunsOn: "replica",
		Retry: plan.Retry{MaxAttempts: 3, On: []string{"lost"}, Backoff: "constant", Initial: 10 * time.Second, Max: 24 * time.Hour},
	}, p.Steps[0])
	require.Equal(t, plan.Step{
		Key: "b", Kind: "sleep", With: json.RawMessage(`{"duration":"${{ input.d }}"}`), Needs: []string{"A.1"}, NeedOrdinals: []int{1},
		RunIf: "all_finished", AllowFailure: true, Timeout: 250 * time.Millisecond, Grace: time.Second, StallAfter: 3 * time.Second,
		Queue: "quick", Priority: 1, RunsOn: "replica",
		// The step's own policy replaces that of the defaults whole.
		Retry: plan.Retry{MaxAttempts: 2, Backoff: "exponential", Initial: time.Second, Max: 5 * time.Minute, Jitter: 0.1},
	}, p.Steps[1])
}

func TestParseGivesSleepTimeForAnyDuration(t *testing.T) {
	t.Parallel()
	p := mustParse(t, "name: p\nsteps: [{key: a, kind: sleep, with: {duration: '${{ input.d }}'}}, {key: b, kind: sleep}]")
	require.Equal(t, 61*time.Minute, p.Steps[0].Timeout)
	require.Equal(t, 61*time.Minute, p.Steps[1].Timeout)
}

func TestParseReadsYAMLByItsCoreSchema(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"yes":                     `"yes"`,
		"on":                      `"on"`,
		"2001-01-01":              `"2001-01-01"`,
		"12:30:45":                `"12:30:45"`,
		"1_000":                   `"1_000"`,
		"0777":                    "777",
		"0o17":                    "15",
		"0x1F":                    "31",
		"0b11":                    `"0b11"`,
		"+5":                      "5",
		"-0":                      "-0",
		"-0x1":                    `"-0x1"`,
		".5":                      "0.5",
		"5.":                      "5.0",
		"-.5e+3":                  "-0.5e+3",
		"1.2.3":                   `"1.2.3"`,
		"12345678901234567890123": "12345678901234567890123",
		"1.10":                    "1.10",
		"~":                       "null",
		"NULL":                    "null",
		"True":                    "true",
		"FALSE":                   "false",
		"tRue":                    `"tRue"`,
		"'true'":                  `"true"`,
		`"5"`:                     `"5"`,
		"[a, 1, {b: }]":           `["a",1,{"b":null}]`,
		"{y: n}":                  `{"y":"n"}`,
		`"\u00e9\U0001F600\n\""`:  `"é😀\n\""`,
		`"\x7f"`:                  "\"\x7f\"",
		`"\x01<&>"`:               `"\u0001<&>"`,
		"'<<'":                    `"<<"`,
	} {
		p := mustParse(t, "name: p\nsteps:\n- key: a\n  kind: noop\n  with: {output: "+src+"}\n")
		require.Equal(t, `{"output":`+want+`}`, string(p.Steps[0].With), "of %s", src)
	}
}

func TestParseFollowsAliases(t *testing.T) {
	t.Parallel()
	p := mustParse(t, `
name: p
input: {k: &k b, shared: &shared {list: &l [1, *k], *k : 2}}
steps:
- {key: a, kind: noop, with: {output: *shared, more: *l}}
`)
	requireExactly(t, `{"output":{"list":[1,"b"],"b":2},"more":[1,"b"]}`, p.Steps[0].With)

	bomb := "name: p\ninput:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := range 12 {
		bomb += fmt.Sprintf("  a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9))
	}
	faults := faultsOf(t, bomb+"steps: [{key: a, kind: noop}]")
	require.Len(t, faults, 1)
	require.Contains(t, faults[0], "out_of_range")
}

func TestParseKeepsJSONExactly(t *testing.T) {
	t.Parallel()
	with := `{"n":[0,-0,1e5,1E+5,1.50,123456789012345678901234567890.5],"s":"a\"\\/\b\f\n\r\té😀\u0001","":{"t":true,"f":false,"z":null}}`
	src := `{"name":"p","steps":[{"key":"a","kind":"noop","with":` + with + `}]}`
	for _, parse := range []func([]byte) (*plan.Plan, error){plan.Parse, plan.ParseJSON} {
		p, err := parse([]byte(src))
		require.NoError(t, err)
		require.Equal(t, strings.NewReplacer(`\b`, `\u0008`, `\f`, `\u000c`).Replace(with), string(p.Steps[0].With))
	}
	p, err := plan.ParseJSON([]byte(strings.ReplaceAll(src, "é", `\u00E9\ud83d\ude00\/`)))
	require.NoError(t, err)
	require.Contains(t, string(p.Steps[0].With), "é😀/")
}

func TestParseJSONIsStrict(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		``, ` `, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{a:1}`, `{'a':1}`, `[1,]`, `[1`, `[`, `{"a" 1}`, `[1 2]`, `{} {}`,
		`nul`, `tru`, `True`, `01`, `-`, `1.`, `.5`, `1e`, `1e+`, `+1`, `0x1`, `NaN`, `"`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"a\tb\"", "\"\\n\nb\"",
		"\xef\xbb\xbf{}", "{}\x00", `// {}`, "name: p", "\"\xff\"", strings.Repeat("[", 20_000), strings.Repeat(`{"a":`, 20_000),
	} {
		_, err := plan.ParseJSON([]byte(src))
		var syntax *plan.SyntaxError
		require.ErrorAs(t, err, &syntax, "of %q", src)
		require.Positive(t, syntax.Line)
	}
	_, err := plan.ParseJSON([]byte("{\n\"name\": \"p\",\n\"steps\": x}"))
	require.EqualError(t, err, "line 3: a value is expected here: an object, a list, a string in double quotes, a number, true, false or null")
}

func TestParseJSONHasTheSameFaults(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`{"name":"p","name":"q","steps":[{"key":"a","kind":"k"}]}`:                        "name duplicate_key",
		`{"name":"p","steps":[{"key":"a","kind":"k","with":{"x":{"a":1,"a":1}}}]}`:        "steps[0].with.x.a duplicate_key",
		`{"name":"p","steps":[{"key":"a","kind":"k","with":{"x":"\u0000"}}]}`:             "steps[0].with.x out_of_range",
		`{"name":"p","steps":[{"key":"a","kind":"k","with":{"x":"\ud800"}}]}`:             "steps[0].with.x out_of_range",
		`{"name":"p","steps":[{"key":"a","kind":"k","with":{"x":"\udc00\ud800x"}}]}`:      "steps[0].with.x out_of_range,steps[0].with.x out_of_range",
		`{"name":"p","steps":[{"key":"a","kind":"k","with":{"x":1e999}}]}`:                "steps[0].with.x out_of_range",
		`{"name":"p","steps":[{"key":"a","kind":"k","with":{"x":` + nested(96) + `}}]}`:   "",
		`{"name":"p","steps":[{"key":"a","kind":"k","with":{"x":` + nested(97) + `}}]}`:   "steps[0].with.x" + strings.Repeat("[0]", 96) + " out_of_range",
		`{"name":"p","steps":[{"key":"a","kind":"k","with":{"x":` + nested(5000) + `}}]}`: "steps[0].with.x" + strings.Repeat("[0]", 96) + " out_of_range",
		`[]`: "wrong_type", `null`: "empty_plan", `5`: "wrong_type",
	} {
		_, err := plan.ParseJSON([]byte(src))
		if want == "" {
			require.NoError(t, err)
			continue
		}
		var faults plan.Faults
		require.ErrorAs(t, err, &faults)
		require.Equal(t, want, strings.Join(brief(faults), ","))
	}
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limits plan.Limits
		src    string
		want   string
	}{
		"body":   {plan.Limits{Body: 10}, inStep("needs: []"), "out_of_range"},
		"steps":  {plan.Limits{Steps: 2}, manySteps(3), "steps too_many_steps"},
		"input":  {plan.Limits{Input: 10}, inPlan("input: {a: 12345678}"), "input out_of_range"},
		"with":   {plan.Limits{With: 10}, inStep("with: {output: 123}"), "steps[0].with out_of_range"},
		"values": {plan.Limits{Values: 3}, inStep("needs: []"), "out_of_range"},
		"needs": {
			plan.Limits{Needs: 2},
			"name: p\nsteps: [{key: a, kind: k}, {key: b, kind: k, needs: [a]}, {key: c, kind: k, needs: [a, b]}, {key: d, kind: k, needs: [a]}]",
			"steps[2].needs out_of_range",
		},
	} {
		for _, parse := range []func([]byte) (*plan.Plan, error){c.limits.Parse, c.limits.ParseJSON} {
			_, err := parse([]byte(c.src))
			if _, ok := errors.AsType[*plan.SyntaxError](err); ok {
				continue // YAML for the JSON reader
			}
			var faults plan.Faults
			require.ErrorAs(t, err, &faults, name)
			require.Equal(t, c.want, brief(faults)[0], name)
		}
	}
	p, err := plan.Parse([]byte(manySteps(100_000)))
	require.NoError(t, err)
	require.Len(t, p.Steps, 100_000)
}

func TestValuesBeyondTheLimitCostNothing(t *testing.T) {
	t.Parallel()
	_, err := plan.Limits{Values: 10}.ParseJSON([]byte(`{"name":"p","input":{"a":[` + strings.Repeat("1,", 1000) + `1]},"steps":[{"key":"a","kind":"k"}]}`))
	var faults plan.Faults
	require.ErrorAs(t, err, &faults)
	require.Equal(t, "out_of_range", brief(faults)[0])
}
