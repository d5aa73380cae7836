package plan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithInput(t *testing.T) {
	t.Parallel()
	p := mustParse(t, inPlan("input: {a: 1, b: {c: 2}}"))
	for _, input := range []string{"", "{}"} {
		same, faults := p.WithInput(json.RawMessage(input))
		require.Empty(t, faults)
		require.Same(t, p, same)
	}
	got, faults := p.WithInput(json.RawMessage(`{"b": {"d": 1.50}, "e": null}`))
	require.Empty(t, faults)
	requireExactly(t, `{"a":1,"b":{"d":1.50},"e":null}`, got.Input) // top level only
	require.Equal(t, p.Steps, got.Steps)
	requireExactly(t, `{"a":1,"b":{"c":2}}`, p.Input)

	for input, want := range map[string]string{
		`[1]`:            "input wrong_type",
		`{`:              "input wrong_type",
		`{"a":1,"a":2}`:  "input.a duplicate_key",
		`{"a":"\u0000"}`: "input.a out_of_range",
		`{"a":"` + strings.Repeat("x", 1<<20) + `"}`: "input out_of_range",
	} {
		_, faults := p.WithInput(json.RawMessage(input))
		require.Equal(t, []string{want}, brief(faults))
	}
}
