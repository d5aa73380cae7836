package plan_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

const fetchSchema = `{
	"type": "object", "required": ["url"], "additionalProperties": false,
	"properties": {
		"url": {"type": "string", "minLength": 3, "maxLength": 60},
		"method": {"type": "string", "enum": ["GET", "PUT"]},
		"retries": {"type": "integer", "minimum": 0, "maximum": 5, "enum": [0, 1, 2, 9]},
		"headers": {"type": "object", "additionalProperties": {"type": "string"}},
		"expect": {"type": ["null", "array"], "minItems": 1, "maxItems": 2, "items": {"type": ["integer", "string"]}},
		"body": {},
		"auth": {"type": "object", "required": ["user"], "additionalProperties": false, "properties": {"user": {"type": "string"}}},
		"either": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]}
	}
}`

func kindsOf(t *testing.T, schemas map[string]string) map[string]plan.Kind {
	t.Helper()
	kinds := map[string]plan.Kind{}
	for name, schema := range schemas {
		k, err := plan.NewKind(json.RawMessage(schema))
		require.NoError(t, err)
		kinds[name] = k
	}
	return kinds
}

func withText(kind, with string) string {
	return `{"name":"p","steps":[{"key":"a","kind":"` + kind + `","with":` + with + `}]}`
}

func TestCheckKindsComparesWithTheSchema(t *testing.T) {
	t.Parallel()
	kinds := kindsOf(t, map[string]string{"fetch": fetchSchema, "any": "", "exec": `{"type":"object","additionalProperties":false,
		"properties":{"command":{"type":"array","items":{"type":"string","maxLength":12}},"env":{"type":"object","additionalProperties":{"type":"string"}}}}`})
	for with, want := range map[string]string{
		`{"url":"http://x"}`:                                        "",
		`{"url":"${{ input.u }}"}`:                                  "",
		`{"url":"${{ input.u }}","retries":"${{ input.n }}"}`:       "",
		`{"url":"http://x","headers":"${{ input.h }}"}`:             "",
		`{"url":"http://x","headers":{"a":"x ${{ input.h }}"}}`:     "",
		`{"url":"http://x","body":{"deep":["${{ input.h }}",{}]}}`:  "",
		`{"url":"http://x","expect":null}`:                          "",
		`{"url":"http://x","either":true}`:                          "",
		`{}`:                                                        "steps[0].with.url wrong_type",
		`{"url":5}`:                                                 "steps[0].with.url wrong_type",
		`{"url":"$${{ literal }}","retries":"$${{ 5 }}"}`:           "steps[0].with.retries wrong_type",
		`{"url":"x"}`:                                               "steps[0].with.url out_of_range",
		`{"url":"` + strings.Repeat("x", 61) + `"}`:                 "steps[0].with.url out_of_range",
		`{"url":"http://x","methd":"GET"}`:                          "steps[0].with.methd unknown_field",
		`{"url":"${{ input.u }}","methd":"GET"}`:                    "steps[0].with.methd unknown_field",
		`{"url":"http://x","method":"POST"}`:                        "steps[0].with.method out_of_range",
		`{"url":"http://x","retries":6}`:                            "steps[0].with.retries out_of_range",
		`{"url":"http://x","retries":1.5}`:                          "steps[0].with.retries wrong_type",
		`{"url":"http://x","retries":9}`:                            "steps[0].with.retries out_of_range",
		`{"url":"http://x","headers":{"a":1,"b c":null}}`:           `steps[0].with.headers.a wrong_type,steps[0].with.headers["b c"] wrong_type`,
		`{"url":"http://x","headers":{"a":1,"b":"${{ input.x }}"}}`: "steps[0].with.headers.a wrong_type",
		`{"url":"http://x","expect":[]}`:                            "steps[0].with.expect out_of_range",
		`{"url":"http://x","expect":[1,2,3]}`:                       "steps[0].with.expect out_of_range",
		`{"url":"http://x","expect":[1,true]}`:                      "steps[0].with.expect[1] wrong_type",
		`{"url":"http://x","auth":{}}`:                              "steps[0].with.auth.user wrong_type",
		`{"url":"http://x","auth":{"user":"u","pass":"x"}}`:         "steps[0].with.auth.pass unknown_field",
		`{"url":"http://x","either":"x"}`:                           "steps[0].with wrong_type", // only the whole schema tells
	} {
		p := mustParse(t, withText("fetch", with))
		require.Equal(t, want, strings.Join(brief(p.CheckKinds(kinds)), ","), "of %s", with)
		p = mustParse(t, withText("any", with))
		require.Empty(t, p.CheckKinds(kinds))
	}
	// The command of exec has no expressions: the text counts as it is.
	p := mustParse(t, withText("exec", `{"command":["${{ too long }}"],"env":{"A":"${{ input.a }}"}}`))
	require.Equal(t, []string{"steps[0].with.command[0] out_of_range"}, brief(p.CheckKinds(kinds)))
}

func TestCheckKindsNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	kinds := map[string]plan.Kind{"noop": {}, "fetch": {}}
	p := mustParse(t, "name: p\nsteps: [{key: a, kind: fetc}, {key: b, kind: exec}, {key: c, kind: other}, {key: d, kind: noop}]")
	faults := p.CheckKinds(kinds)
	require.Equal(t, []string{"steps[0].kind unknown_kind", "steps[1].kind exec_disabled", "steps[2].kind unknown_kind"}, brief(faults))
	require.Contains(t, faults[0].Message, "did you mean fetch?")
	require.Contains(t, faults[1].Message, "--enable-exec")
	require.NotContains(t, faults[2].Message, "mean")
	require.Empty(t, mustParse(t, inStep("needs: []")).CheckKinds(kinds))
}

func TestCheckKindsSuggestsMembers(t *testing.T) {
	t.Parallel()
	kinds := kindsOf(t, map[string]string{"fetch": fetchSchema})
	faults := mustParse(t, withText("fetch", `{"url":"http://x","retrys":1}`)).CheckKinds(kinds)
	require.Len(t, faults, 1)
	require.Equal(t, "is not known, did you mean retries?", faults[0].Message)
	faults = mustParse(t, withText("fetch", `{"uri":"secret-value"}`)).CheckKinds(kinds)
	require.Equal(t, []string{"steps[0].with.url wrong_type", "steps[0].with.uri unknown_field"}, brief(faults))
	require.NotContains(t, faults.Error(), "secret-value")
}

func TestCheckKindsCompilesWhatIsNotCompiled(t *testing.T) {
	t.Parallel()
	p := mustParse(t, withText("fetch", `{"url":5}`))
	require.Equal(t, []string{"steps[0].with.url wrong_type"}, brief(p.CheckKinds(map[string]plan.Kind{"fetch": {Input: json.RawMessage(fetchSchema)}})))
	require.Empty(t, p.CheckKinds(map[string]plan.Kind{"fetch": {Input: json.RawMessage(`{"type":`)}}), "a handler checks for itself")
	for _, schema := range []string{`{"type":`, `{"$ref":"#/$defs/none"}`, `{"type":5}`} {
		_, err := plan.NewKind(json.RawMessage(schema))
		require.Error(t, err)
	}
}

func TestAKindIsUsedByMany(t *testing.T) {
	t.Parallel()
	kinds := kindsOf(t, map[string]string{"fetch": fetchSchema})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				p, err := plan.ParseJSON([]byte(withText("fetch", `{"url":"http://x","expect":[200]}`)))
				if err != nil || len(p.CheckKinds(kinds)) > 0 {
					t.Error("a good plan was refused")
				}
			}
		})
	}
	wg.Wait()
}
