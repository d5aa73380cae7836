package expr_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/expr"
)

func scope() expr.Scope {
	return expr.Scope{
		Input: json.RawMessage(`{"name":"ada","n":12345678901234567890,"f":1.10,"t":true,"z":null,"list":[1,{"x":"y"}],"odd key":"o","<":"&"}`),
		Needs: map[string]expr.Need{
			"fetch":   {State: "succeeded", Output: json.RawMessage(`{"body":{"items":[{"id":7}]}}`)},
			"a.b":     {State: "failed"},
			"fetch-2": {State: "succeeded", Output: json.RawMessage(`"text"`)},
			"1":       {State: "succeeded", Output: json.RawMessage(`null`)},
			"state":   {State: "skipped", Output: json.RawMessage(`[]`)},
		},
		RunID: "0190-run", RunName: "nightly", StepKey: "load", Attempt: 3,
	}
}

// evalText evaluates one string.
func evalText(t *testing.T, text string) (string, error) {
	t.Helper()
	with, err := json.Marshal(map[string]string{"v": text})
	require.NoError(t, err)
	out, err := expr.Eval(with, scope())
	if err != nil {
		return "", err
	}
	var got struct{ V json.RawMessage }
	require.NoError(t, json.Unmarshal(out, &got))
	return string(got.V), nil
}

func TestEval(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":                                      `"plain"`,
		"":                                           `""`,
		"$ { {{ }} ${ ${x} $$":                       `"$ { {{ }} ${ ${x} $$"`,
		"${{ input.name }}":                          `"ada"`,
		"${{input.name}}":                            `"ada"`,
		"${{\n\tinput.name  }}":                      `"ada"`,
		"${{ input.n }}":                             `12345678901234567890`,
		"${{ input.f }}":                             `1.10`,
		"${{ input.t }}":                             `true`,
		"${{ input.z }}":                             `null`,
		"${{ input.list }}":                          `[1,{"x":"y"}]`,
		"${{ input.list[1].x }}":                     `"y"`,
		`${{ input["odd key"] }}`:                    `"o"`,
		`${{ input['odd key'] }}`:                    `"o"`,
		`${{ input["list"][0] }}`:                    `1`,
		`${{ input["\u006eame"] }}`:                  `"ada"`,
		`${{ input["<"] }}`:                          `"&"`,
		"hi ${{ input.name }}!":                      `"hi ada!"`,
		" ${{ input.name }}":                         `" ada"`,
		"${{ input.n }}${{ input.f }}":               `"123456789012345678901.10"`,
		"${{ input.t }}/${{ input.z }}":              `"true/null"`,
		"x: ${{ input.list }}":                       `"x: [1,{\"x\":\"y\"}]"`,
		"${{ needs.fetch.output }}":                  `{"body":{"items":[{"id":7}]}}`,
		"${{ needs.fetch.output.body.items[0].id }}": `7`,
		"${{ needs.fetch.state }}":                   `"succeeded"`,
		`${{ needs["a.b"].state }}`:                  `"failed"`,
		"${{ needs.fetch-2.output }}":                `"text"`,
		"${{ needs.1.output }}":                      `null`,
		"${{ needs.state.state }}":                   `"skipped"`,
		"${{ needs.state.output }}":                  `[]`,
		"${{ run.id }} ${{ run.name }}":              `"0190-run nightly"`,
		"${{ step.key }}":                            `"load"`,
		"${{ attempt }}":                             `3`,
		"$${{ input.name }}":                         `"${{ input.name }}"`,
		"a$${{ b":                                    `"a${{ b"`,
		"$$${{ x }}":                                 `"$${{ x }}"`,
		"${{ input.name }}$${{ x }}":                 `"ada${{ x }}"`,
		"$${{${{ input.name }}":                      `"${{ada"`,
		`}} ${{ input.name }} }}`:                    `"}} ada }}"`,
	} {
		got, err := evalText(t, text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestEvalOfAWholeInput(t *testing.T) {
	t.Parallel()
	s := scope()
	out, err := expr.Eval(json.RawMessage(`{"a":["${{ input.name }}",{"b":{"${{ input.name }}":"${{ input }}"}}],"n":1.0,"big":123456789012345678901}`), s)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":["ada",{"b":{"${{ input.name }}":`+string(s.Input)+`}}],"n":1.0,"big":123456789012345678901}`, string(out))
	require.Contains(t, string(out), `"n":1.0`)
	require.Contains(t, string(out), `"<":"&"`)

	// Values are not evaluated again.
	s.Input = json.RawMessage(`{"x":"${{ input.x }}"}`)
	out, err = expr.Eval(json.RawMessage(`{"a":"${{ input.x }}","b":"<${{ input.x }}>","c":"${{ input }}"}`), s)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":"${{ input.x }}","b":"<${{ input.x }}>","c":{"x":"${{ input.x }}"}}`, string(out))
}

func TestEvalLeavesLiteralMembersAlone(t *testing.T) {
	t.Parallel()
	with := `{"command":["echo","${{ input.name }}","$${{","${{"],"env":{"command":"${{ input.name }}"}}`
	out, err := expr.Eval(json.RawMessage(with), scope(), "command")
	require.NoError(t, err)
	require.JSONEq(t, `{"command":["echo","${{ input.name }}","$${{","${{"],"env":{"command":"ada"}}`, string(out))

	out, err = expr.Eval(json.RawMessage(`{ "a" : 1.0 }`), scope())
	require.NoError(t, err)
	require.Equal(t, `{ "a" : 1.0 }`, string(out), "without expressions it is the same bytes")
}

func TestEvalSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for text, path := range map[string]string{
		"${{ input.none }}":                   "input.none",
		"x${{ input.none.at.all }}":           "input.none.at.all",
		"${{ input.list[2] }}":                "input.list[2]",
		"${{ input.list.x }}":                 "input.list.x",
		"${{ input.name.x }}":                 "input.name.x",
		"${{ input.name[0] }}":                "input.name[0]",
		"${{ input[0] }}":                     "input[0]",
		"${{ input.z.x }}":                    "input.z.x",
		`${{  needs["a.b"].output  }}`:        `needs["a.b"].output`,
		"${{ needs.fetch.output.body.none }}": "needs.fetch.output.body.none",
	} {
		_, err := evalText(t, text)
		var missing *expr.MissingError
		require.ErrorAs(t, err, &missing, text)
		require.Equal(t, path, missing.Path)
		require.EqualError(t, err, "the expression "+path+" leads nowhere")
	}
}

// bad are texts that are refused at submit, and are an error if they get to a worker all the same.
func bad() map[string]string {
	return map[string]string{
		"${{":                        "not closed",
		"${{ ":                       "not closed",
		"${{ input.a":                "not closed",
		"${{ input.a }":              "one path",
		"${{ input.a } }":            "one path",
		"${{}}":                      "empty",
		"${{  }}":                    "empty",
		"${{ input.a + 1 }}":         "no operators",
		"${{ input.a || input.b }}":  "no operators",
		"${{ .a }}":                  "one path",
		"${{ input. }}":              "one path",
		"${{ input..a }}":            "one path",
		"${{ input a }}":             "one path",
		"${{ input[] }}":             "bracket",
		"${{ input[-1] }}":           "bracket",
		"${{ input[1.5] }}":          "bracket",
		"${{ input[a] }}":            "bracket",
		"${{ input[0 }}":             "bracket",
		"${{ input[ 0 ] }}":          "bracket",
		`${{ input["a] }}`:           "bracket",
		`${{ input["a\x"] }}`:        "bracket",
		`${{ input["a"x] }}`:         "bracket",
		"${{ input[99999999999] }}":  "bracket",
		"${{ 'text' }}":              "one path",
		"${{ ${{ input.a }} }}":      "one path",
		"${{ ünput.a }}":             "one path",
		"${{ inputs.a }}":            "must start with",
		"${{ env.A }}":               "must start with input, needs, run, step or attempt",
		"${{ item.x }}":              "item only in the with of a step that has for_each",
		"${{ steps.fetch.output }}":  "steps only in the output of a plan",
		"${{ Input.a }}":             "must start with",
		"${{ run }}":                 "run.id",
		"${{ run.state }}":           "run.id",
		"${{ run.id.x }}":            "run.id",
		"${{ run[0] }}":              "run.id",
		"${{ step }}":                "step.key",
		"${{ step.kind }}":           "step.key",
		"${{ attempt.x }}":           "attempt",
		"${{ needs }}":               "needs.KEY",
		"${{ needs.fetch }}":         "needs.KEY",
		"${{ needs[0].output }}":     "needs.KEY",
		"${{ needs.fetch.error }}":   "output and its state",
		"${{ needs.fetch[0] }}":      "output and its state",
		"${{ needs.fetch.state.x }}": "state of a need",
		"${{ needs.other.output }}":  "not among this step's needs",
		"${{ needs.a.b.output }}":    "not among this step's needs",
		"${{ secrets.TOKEN }}":       "not supported yet",
	}
}

func TestEvalOfBadExpressionsIsAnError(t *testing.T) {
	t.Parallel()
	for text, want := range bad() {
		_, err := evalText(t, text)
		var wrong *expr.BadError
		require.ErrorAs(t, err, &wrong, text)
		require.ErrorContains(t, err, want, text)
		require.Equal(t, "with.v", wrong.Path)
	}
	_, err := expr.Eval(json.RawMessage(`{"a":"${{`), scope())
	require.Error(t, err)
	s := scope()
	s.Input = json.RawMessage(`{`)
	_, err = expr.Eval(json.RawMessage(`{"a":"${{ input.x }}"}`), s)
	require.ErrorContains(t, err, "read what the expression input.x leads to")
}

func TestEvalIsBounded(t *testing.T) {
	t.Parallel()
	s := scope()
	s.Input = json.RawMessage(`{"x":"` + strings.Repeat("x", 1<<20) + `"}`)
	with := `{"v":[` + strings.Repeat(`"${{ input.x }}",`, 100) + `1]}`
	_, err := expr.Eval(json.RawMessage(with), s)
	require.EqualError(t, err, "with: is larger than 32 MiB after its expressions were evaluated")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	needs := []string{"fetch", "a.b"}
	for text, want := range bad() {
		with, err := json.Marshal(map[string]any{"list": []any{0, map[string]string{"odd key": text}}})
		require.NoError(t, err)
		problems := expr.Check(with, expr.InStep(false, needs...))
		require.NotEmpty(t, problems, text)
		require.Equal(t, `with.list[1]["odd key"]`, problems[0].Path)
		require.Contains(t, problems[0].Message, want, text)
		code := expr.CodeBadExpression
		if strings.Contains(text, "secrets") {
			code = expr.CodeNotSupportedYet
		}
		require.Equal(t, code, problems[0].Code)
		require.NotContains(t, problems[0].Message, "TOKEN")
	}
	for _, text := range []string{"", "plain", "$${{ nonsense", `${{ input.a["b"][0] }} ${{ needs["a.b"].output.x }} ${{ run.id }} ${{ attempt }}`} {
		with, err := json.Marshal(map[string]string{"v": text})
		require.NoError(t, err)
		require.Empty(t, expr.Check(with, expr.InStep(false, needs...)), text)
	}
}

func TestCheckFindsEveryProblem(t *testing.T) {
	t.Parallel()
	with := `{"b":"${{ x }} ${{ input.a + }} ${{ input.ok }} ${{ needs.b.output }} ${{","a":["${{ }}"],"command":["${{"]}`
	problems := expr.Check(json.RawMessage(with), expr.InStep(false), "command")
	paths := make([]string, len(problems))
	for i, p := range problems {
		paths[i] = p.Path
	}
	require.Equal(t, []string{"with.a[0]", "with.b", "with.b", "with.b", "with.b"}, paths)
	require.Len(t, expr.Check(json.RawMessage(`["${{ }}"]`), expr.InStep(false)), 1)
	require.Equal(t, "is not JSON", expr.Check(json.RawMessage(`"${{`), expr.InStep(false))[0].Message)
}

func TestEvalSeesTheItem(t *testing.T) {
	t.Parallel()
	s := scope()
	s.Item, s.Index = json.RawMessage(`{"a":{"b":[true,"x"]}}`), 41
	out, err := expr.Eval(json.RawMessage(`{"v":["${{ item.a.b[0] }}","${{ item }}","${{ index }}","no ${{ index }}: ${{ item.a.b[1] }}"]}`), s)
	require.NoError(t, err)
	require.JSONEq(t, `{"v":[true,{"a":{"b":[true,"x"]}},41,"no 41: x"]}`, string(out))
	_, err = expr.Eval(json.RawMessage(`{"v":"${{ item.none }}"}`), s)
	require.EqualError(t, err, "the expression item.none leads nowhere")
	s.Item = json.RawMessage(`null`)
	out, err = expr.Eval(json.RawMessage(`{"v":"${{ item }}"}`), s)
	require.NoError(t, err)
	require.JSONEq(t, `{"v":null}`, string(out))
	_, err = expr.Eval(json.RawMessage(`{"v":"${{ index }}"}`), scope())
	var wrong *expr.BadError
	require.ErrorAs(t, err, &wrong, "without an item there is no index")
}

func TestEvalText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"${{ input.list }}": `[1,{"x":"y"}]`, "a/${{ input.name }}": `"a/ada"`, "plain": `"plain"`, "${{ input.n }}": `12345678901234567890`,
	} {
		got, err := expr.EvalText(text, scope())
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	_, err := expr.EvalText("${{ input.none }}", scope())
	require.EqualError(t, err, "the expression input.none leads nowhere")
	_, err = expr.EvalText("${{ item }}", scope())
	require.ErrorContains(t, err, "an expression has item only")
}

func TestEvalValueSeesTheSteps(t *testing.T) {
	t.Parallel()
	s := expr.Scope{
		Input: json.RawMessage(`{"a":1}`), RunID: "0190", RunName: "nightly",
		Steps: map[string]expr.Need{"x": {State: "succeeded", Output: json.RawMessage(`{"n":1.50}`)}, "a.b": {State: "skipped"}},
	}
	for value, want := range map[string]string{
		`"${{ steps.x.output.n }}"`: `1.50`,
		`{"of":["${{ steps[\"a.b\"].state }}","${{ run.id }}/${{ run.name }}",1.0,null],"in":"${{ input }}"}`: `{"in":{"a":1},"of":["skipped","0190/nightly",1.0,null]}`,
		`[ 1.0 ]`: `[ 1.0 ]`,
	} {
		got, err := expr.EvalValue(json.RawMessage(value), s)
		require.NoError(t, err, value)
		require.Equal(t, want, string(got))
	}
	_, err := expr.EvalValue(json.RawMessage(`["${{ steps[\"a.b\"].output }}"]`), s)
	require.EqualError(t, err, `the expression steps["a.b"].output leads nowhere`)
	_, err = expr.EvalValue(json.RawMessage(`["${{ needs.x.output }}"]`), s)
	require.EqualError(t, err, "output[0]: an expression asks for a step that is not among this step's needs")
	_, err = expr.EvalValue(json.RawMessage(`["${{`), s)
	require.EqualError(t, err, "output: is not JSON")
}

func TestStepsOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"a", "b.c", "d"}, expr.StepsOf(json.RawMessage(
		`{"x":["${{ steps.d.state }} $${{ steps.e.output }}",{"y":"${{ steps[\"b.c\"].output }}${{ steps.a.output.z }}"},1],"${{ steps.f.output }}":"${{ input.g }}"}`,
	)))
	require.Empty(t, expr.StepsOf(json.RawMessage(`"${{ steps }} ${{ steps[0] }} ${{"`)))
	require.Empty(t, expr.StepsOf(json.RawMessage(`{`)))
}

func TestCheckList(t *testing.T) {
	t.Parallel()
	in := expr.InStep(true, "fetch")
	for _, text := range []string{"${{ input }}", "${{ input.a[0].b }}", "${{needs.fetch.output}}", `${{ needs["fetch"].output.items }}`} {
		require.Empty(t, expr.CheckList(text, in), text)
	}
	for text, want := range map[string]string{
		"": "one expression and nothing else", "input.a": "one expression and nothing else", " ${{ input.a }}": "one expression and nothing else",
		"${{ input.a }} ": "one expression and nothing else", "$${{ input.a }}": "one expression and nothing else",
		"${{ input.a": "not closed", "${{ needs.other.output }}": "not among", "${{ needs.fetch.state }}": "never give a list",
		"${{ item }}": "never give a list", "${{ run.id }}": "never give a list", "${{ attempt }}": "never give a list",
		"${{ steps.fetch.output }}": "steps only in the output",
	} {
		problems := expr.CheckList(text, in)
		require.Len(t, problems, 1, text)
		require.Contains(t, problems[0].Message, want, text)
	}
}

func TestWhatAPlaceSees(t *testing.T) {
	t.Parallel()
	key := expr.Visible{Input: true, Run: true}
	require.Empty(t, expr.CheckText("${{ input.a }}/${{ run.id }}", key))
	problems := expr.CheckText("${{ needs.a.output }} ${{ step.key }} ${{ x }}", key)
	require.Len(t, problems, 3)
	require.Equal(t, "an expression here cannot ask for needs; it must start with input or run", problems[0].Message)
	require.Equal(t, "an expression must start with input or run", problems[2].Message)
	require.Equal(t, "an expression must start with run", expr.CheckText("${{ x }}", expr.Visible{Run: true})[0].Message)
}

func TestHas(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": false, "x": false, "${ {": false, "${{": true, "x ${{ y": true, "$${{": false, "$${{ ${{": true, "$${{${{": true, "$$${{": false,
	} {
		require.Equal(t, want, expr.Has(text), text)
	}
}

func FuzzEval(f *testing.F) {
	for text := range bad() {
		f.Add(text)
	}
	for _, text := range []string{"", "x", "${{ input.list[1].x }}", `a ${{ needs["a.b"].state }} $${{ b ${{ attempt }}`, "${{ input['odd key'] }}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		with, err := json.Marshal(map[string]any{"v": []string{text}, "literal": text})
		require.NoError(t, err)
		s := scope()
		needs := make([]string, 0, len(s.Needs))
		for key := range s.Needs {
			needs = append(needs, key)
		}
		s.Item, s.Index = json.RawMessage(`{"a":[1]}`), 2
		problems := expr.Check(with, expr.InStep(true, needs...), "literal")
		out, err := expr.Eval(with, s, "literal")
		var wrong *expr.BadError
		var missing *expr.MissingError
		switch {
		case err == nil:
			require.Empty(t, problems)
			var got, was struct{ Literal string }
			require.NoError(t, json.Unmarshal(out, &got))
			require.NoError(t, json.Unmarshal(with, &was))
			require.Equal(t, was.Literal, got.Literal)
		case len(problems) > 0:
			// What is refused at submit is an error at run time, unless a path before it leads nowhere.
			require.Error(t, err)
		default:
			require.ErrorAs(t, err, &missing)
			require.NotErrorAs(t, err, &wrong)
		}
		if !expr.Has(text) {
			require.Empty(t, problems)
			require.NoError(t, err)
		}
		// A text that can give a list is one expression, which is evaluated to what it leads to.
		if expr.CheckList(text, expr.InStep(true, needs...)) == nil {
			require.Empty(t, problems)
			if value, err := expr.EvalText(text, s); err == nil {
				require.True(t, json.Valid(value))
			}
		}
	})
}
