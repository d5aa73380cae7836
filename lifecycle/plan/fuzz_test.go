package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

var seeds = []string{
	"", "name: p\nsteps: [{key: a, kind: noop}]", `{"name":"p","steps":[{"key":"a","kind":"noop","with":{"a":[1,2.50,"x",null,true]}}]}`,
	"name: p\ninput: &i {a: 1e5, b: [x, ~, yes, 0x1F, 0o7, .5]}\nsteps:\n- key: a\n  kind: exec\n  needs: [b]\n  with: {command: [x], env: *i}\n- {key: b, kind: sleep, with: {duration: 1m30s}, retry: {max_attempts: 3, on: [lost]}}",
	"a: &a [*a]", "<<: {a: b}", "!!map {a: !x b}", "a: 1\n---\nb", "? [a]\n: b", "%YAML 1.2\n---\nname: |\n  x\n", `{"a":"\ud83d\ude00\u0000\ud800"}`,
	`{"name":"p","steps":[{"key":"a","kind":"k","needs":["b","a","c"]},{"key":"b","kind":"k","needs":["a"]},{"key":"a","kind":"k"}]}`,
	`{"name":"p","steps":[{"key":"a","kind":"k","with":{"x":"${{ needs.b.output[0][\"q\"] }} $${{"}}]}`, "[[[[[[[[[[{}]]]]]]]]]]",
	"name: p\nstart_at: 2026-07-01T08:00:00Z\ntimeout: 1h\nmax_parallel: 2\nconcurrency: {key: 'a/${{ input.a }}', limit: 1}\nrate: {key: r, limit: 1, per: 1s}\noutput: [1, '${{ steps.a.output }}']\nsteps:\n- {key: a, kind: noop, for_each: '${{ input.a }}', max_parallel: 2, with: {x: '${{ item.b[0] }}${{ index }}'}, rate: {key: '${{ run.id }}', limit: 2, per: 1m}}",
	"name: p\nsteps: [{key: a, kind: wait, with: {for: time, until: '2026-07-01T08:00:00Z'}}, {key: b, kind: wait, with: {for: approval}}, {key: c, kind: plan, with: {plan: a@1, input: '${{ input }}'}}]",
	`{"name":"p","delay":"1s","steps":[{"key":"c","kind":"plan","with":{"plan":{"name":"q","steps":[{"key":"d","kind":"wait"},{"key":"e","kind":"plan","with":{"plan":{"name":"r"}}}]},"input":{}}}]}`,
	"\t", "\xef\xbb\xbfname: p", "- - - a: {b: [",
}

// requireSound checks what holds for every answer.
func requireSound(t *testing.T, p *plan.Plan, err error) {
	t.Helper()
	var faults plan.Faults
	var syntax *plan.SyntaxError
	switch {
	case err == nil:
		require.NotEmpty(t, p.Steps)
		require.True(t, json.Valid(p.Input))
		for _, s := range p.Steps {
			require.True(t, json.Valid(s.With) && utf8.Valid(s.With))
			require.Len(t, s.NeedOrdinals, len(s.Needs))
			require.True(t, s.Timeout > 0 || plan.BuiltIn(s.Kind))
			if s.Kind == plan.KindPlan && !bytes.Contains(s.With, []byte("${{")) {
				sub, err := plan.ParseSubPlan(s.With)
				require.NoError(t, err)
				require.Equal(t, sub.Plan == nil, sub.Name != "")
			}
			if s.Kind == plan.KindWait && !bytes.Contains(s.With, []byte("${{")) {
				w, err := plan.ParseWait(s.With)
				require.NoError(t, err)
				require.Equal(t, w.For == plan.WaitTime, w.Duration > 0 || w.Until != nil)
				require.True(t, s.ForEach != "" || s.Expects() == w.For)
			}
		}
		require.True(t, p.StartAt == nil || p.Delay == 0)
		if resolved, faults := p.Resolved("0190"); len(faults) == 0 {
			again, faults := resolved.Resolved("other")
			require.Empty(t, faults)
			require.Same(t, resolved, again, "no expression is left")
		}
		_ = p.CheckKinds(map[string]plan.Kind{"noop": {Input: json.RawMessage(fetchSchema)}})
	case errors.As(err, &faults):
		require.NotEmpty(t, faults)
		require.Nil(t, p)
	default:
		require.ErrorAs(t, err, &syntax)
		require.Nil(t, p)
	}
}

// decoded is the value of a JSON text, numbers as they are written.
func decoded(t *testing.T, src []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&v))
	return v
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := plan.Parse(src)
		requireSound(t, p, err)
		if err != nil {
			return
		}
		// As JSON it is the same plan.
		raw, err := plan.JSON(src)
		require.NoError(t, err)
		again, err := plan.ParseJSON(raw)
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := plan.ParseJSON(src)
		requireSound(t, p, err)
		var syntax *plan.SyntaxError
		require.Equal(t, json.Valid(src) && utf8.Valid(src), !errors.As(err, &syntax), "what is JSON: %v", err)
		if canonical, err := plan.Canonical(src); err == nil {
			require.Equal(t, decoded(t, src), decoded(t, canonical))
		}
		if err != nil {
			return
		}
		// What the YAML reader takes of it, it reads as the same plan. (A blank line in front hides that it is JSON.)
		asYAML, err := plan.Parse(append([]byte("# \n"), src...))
		if !errors.As(err, &syntax) {
			require.NoError(t, err)
			require.Equal(t, p, asYAML)
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"", "1d2h3m4s5ms", "90s", "0s", "1ms1s", "999999999999999999999d", "1h1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := plan.ParseDuration(s)
		if err != nil {
			require.Zero(t, d)
			return
		}
		require.Regexp(t, contractForm, s)
		require.True(t, d > 0 && d <= plan.MaxDuration)
		again, err := plan.ParseDuration(plan.FormatDuration(d))
		require.NoError(t, err)
		require.Equal(t, d, again)
	})
}
