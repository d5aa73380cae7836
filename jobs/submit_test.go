package jobs

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// decodes reports whether a handler of this input takes `with`.
func decodes[In any](t *testing.T, with string) bool {
	t.Helper()
	c, err := newCodec[In]()
	require.NoError(t, err)
	_, err = c.decode(json.RawMessage(with))
	return err == nil
}

// What is refused at submit is what the handler would refuse, and the other way round; only texts with expressions are
// judged later.
func TestSubmitJudgesAsTheHandlerDoes(t *testing.T) {
	t.Parallel()
	reg := NewRegistry()
	require.NoError(t, RegisterBuiltin(reg, BuiltinConfig{EnableExec: true}))
	kinds := map[string]plan.Kind{}
	for _, k := range reg.Kinds() {
		compiled, err := plan.NewKind(k.Input)
		require.NoError(t, err)
		kinds[k.Name] = compiled
	}
	for _, c := range []struct{ kind, with, fault string }{
		{"noop", `{}`, ""},
		{"noop", `{"output":{"a":[1,null]}}`, ""},
		{"noop", `{"output":null,"outputs":1}`, "steps[0].with.outputs"},
		{"sleep", `{"duration":"5s"}`, ""},
		{"sleep", `{}`, "steps[0].with.duration"},
		{"sleep", `{"duration":5}`, "steps[0].with.duration"},
		{"http", `{"url":"https://example.org"}`, ""},
		{"http", `{"url":"https://example.org","method":"POST","headers":{"a":"b"},"body":[1],"expect":[200,"3xx"],"redirects":10,"max_response":1}`, ""},
		{"http", `{"url":"https://example.org","headers":{"a":1}}`, "steps[0].with.headers.a"},
		{"http", `{"url":"https://example.org","expect":[99]}`, "steps[0].with.expect[0]"},
		{"http", `{"url":"https://example.org","expect":["2x"]}`, "steps[0].with"},
		{"http", `{"url":"https://example.org","redirects":11}`, "steps[0].with.redirects"},
		{"http", `{"url":"https://example.org","max_response":0}`, "steps[0].with.max_response"},
		{"http", `{"URL":"https://example.org"}`, "steps[0].with.url"},
		{"exec", `{"command":["true"]}`, ""},
		{"exec", `{"command":["echo","${{ input.x }}"]}`, ""},
		{"exec", `{"command":["true"],"env":{"A":"b"},"stdin":null,"workspace":"run","cleanup":"never","cwd":"x","success_codes":[0,3],"output":"none"}`, ""},
		{"exec", `{"command":[]}`, "steps[0].with.command"},
		{"exec", `{"command":"true"}`, "steps[0].with.command"},
		{"exec", `{"command":["true",1]}`, "steps[0].with.command[1]"},
		{"exec", `{"command":["true"],"workspace":"mine"}`, "steps[0].with.workspace"},
		{"exec", `{"command":["true"],"success_codes":[256]}`, "steps[0].with.success_codes[0]"},
		{"exec", `{"command":["true"],"env":{"A":1}}`, "steps[0].with.env.A"},
		{"exec", `{"comand":["true"]}`, "steps[0].with.command"},
	} {
		p, err := plan.ParseJSON([]byte(`{"name":"p","steps":[{"key":"a","kind":"` + c.kind + `","with":` + c.with + `}]}`))
		require.NoError(t, err, c.with)
		faults := p.CheckKinds(kinds)
		fits := map[string]func(*testing.T, string) bool{
			"noop": decodes[noopInput], "sleep": decodes[sleepInput], "http": decodes[httpInput], "exec": decodes[execInput],
		}[c.kind](t, c.with)
		require.Equal(t, c.fault == "", fits, "the handler of %s about %s", c.kind, c.with)
		if c.fault == "" {
			require.Empty(t, faults, c.with)
			continue
		}
		require.NotEmpty(t, faults, c.with)
		require.Equal(t, c.fault, faults[0].Path, c.with)
	}

	p, err := plan.ParseJSON([]byte(`{"name":"p","steps":[{"key":"a","kind":"http","with":{"url":"${{ input.u }}","expect":"${{ input.e }}","redirects":"${{ input.r }}"}}]}`))
	require.NoError(t, err)
	require.Empty(t, p.CheckKinds(kinds))
}
