package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// requireExactly compares JSON byte by byte.
func requireExactly(t *testing.T, want string, got []byte) {
	t.Helper()
	require.Equal(t, want, string(got))
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	got, err := plan.Canonical([]byte(` { "b" : [ 1.0, 1e5, -0 ] , "a":{"z":"\u00e9\/","y":null}, "":true } `))
	require.NoError(t, err)
	requireExactly(t, `{"":true,"a":{"y":null,"z":"é/"},"b":[1.0,1e5,-0]}`, got)
	again, err := plan.Canonical(got)
	require.NoError(t, err)
	require.Equal(t, got, again)

	one, err := plan.Digest([]byte(`{"a":1,"b":"x"}`))
	require.NoError(t, err)
	require.Len(t, one, 32)
	same, err := plan.Digest([]byte("{\n\"b\": \"\\u0078\", \"a\": 1}"))
	require.NoError(t, err)
	require.Equal(t, one, same)
	other, err := plan.Digest([]byte(`{"a":1,"b":"y"}`))
	require.NoError(t, err)
	require.NotEqual(t, one, other)
}

func TestCanonicalRefusesWhatHasNoOneForm(t *testing.T) {
	t.Parallel()
	var syntax *plan.SyntaxError
	_, err := plan.Canonical([]byte("a: 1"))
	require.ErrorAs(t, err, &syntax)
	var faults plan.Faults
	_, err = plan.Digest([]byte(`{"a":1,"a":2}`))
	require.ErrorAs(t, err, &faults)
}

func TestOverride(t *testing.T) {
	t.Parallel()
	const src = "name: p\ninput: {a: 1, b: {c: d}}\nsteps: []\n"
	for _, c := range []struct {
		replacement string
		sets        []string
		want        string
	}{
		{"", nil, `{"name":"p","input":{"a":1,"b":{"c":"d"}},"steps":[]}`},
		{"", []string{"a=2"}, `{"name":"p","input":{"a":2,"b":{"c":"d"}},"steps":[]}`},
		{"", []string{"a=text", `b={"x": [1.0]}`}, `{"name":"p","input":{"a":"text","b":{"x":[1.0]}},"steps":[]}`},
		{"", []string{"n=", "m=a=b", "o=null", `p="5"`}, `{"name":"p","input":{"a":1,"b":{"c":"d"},"n":"","m":"a=b","o":null,"p":"5"},"steps":[]}`},
		{"{x: y}", []string{"a=2", "a=3"}, `{"name":"p","input":{"x":"y","a":3},"steps":[]}`},
		{`{}`, nil, `{"name":"p","input":{},"steps":[]}`},
	} {
		var replacement []byte
		if c.replacement != "" {
			replacement = []byte(c.replacement)
		}
		got, err := plan.Override([]byte(src), replacement, c.sets)
		require.NoError(t, err)
		requireExactly(t, c.want, got)
	}
	got, err := plan.Override([]byte("name: p"), nil, []string{"a=1"})
	require.NoError(t, err)
	requireExactly(t, `{"name":"p","input":{"a":1}}`, got)

	got, err = plan.Override([]byte("name: p\ninput: 5"), nil, []string{"a=1"})
	require.NoError(t, err, "the parser says what is wrong with the plan")
	requireExactly(t, `{"name":"p","input":5}`, got)

	_, err = plan.Override([]byte(src), []byte("[1]"), nil)
	require.EqualError(t, err, "the input must be an object")
	_, err = plan.Override([]byte(src), []byte("a: *b"), nil)
	var syntax *plan.SyntaxError
	require.ErrorAs(t, err, &syntax)
	for _, set := range []string{"a", "=1", ""} {
		_, err = plan.Override([]byte(src), nil, []string{"x=1", set})
		require.EqualError(t, err, "input 2 must be KEY=VALUE")
	}
	_, err = plan.JSON([]byte("a: 1\na: 2"))
	var faults plan.Faults
	require.ErrorAs(t, err, &faults)
	raw, err := plan.JSON([]byte("a: [1.0, yes]"))
	require.NoError(t, err)
	requireExactly(t, `{"a":[1.0,"yes"]}`, raw)
}
