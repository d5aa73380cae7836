package plan_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/plan"
)

const small = `{"name": "p", "labels": {"a": "b"}, "input": {"x": 1, "y": {"z": 2}}, "steps": [{"key": "a", "kind": "noop"}]}`

func TestParseSubmit(t *testing.T) {
	t.Parallel()
	p, named, err := plan.Limits{}.ParseSubmit([]byte(small))
	require.NoError(t, err)
	require.Nil(t, named)
	require.Equal(t, "p", p.Name)
	p, named, err = plan.Limits{}.ParseSubmit([]byte(`{"plan": "a/b@12", "input": {"n": 1.50}, "labels": {"l": "v"}}`))
	require.NoError(t, err)
	require.Nil(t, p)
	require.Equal(t, &plan.Named{Name: "a/b", Version: 12, Input: json.RawMessage(`{"n":1.50}`), Labels: map[string]string{"l": "v"}}, named)

	for text, path := range map[string]string{
		`{"name": "p", "plan": "p", "steps": [{"key": "a", "kind": "noop"}]}`: "plan", // a plan with a member that none has
		`{"plan": null}`:             "plan",
		`{"plan": "p@0"}`:            "plan",
		`{"plan": "p", "input": 1}`:  "input",
		`{"plan": "p", "Input": {}}`: "Input",
		`{"plan": "p", "input": {"a": "0123456789012345678901234567890"}}`: "input",
		`{"input": {}, "labels": {}}`:                                      "name",
		`7`:                                                                "",
	} {
		_, _, err := plan.Limits{Input: 30}.ParseSubmit([]byte(text))
		var faults plan.Faults
		require.ErrorAs(t, err, &faults, text)
		require.Equal(t, path, faults[0].Path, text)
	}
	_, _, err = plan.Limits{}.ParseSubmit([]byte(`{"plan": `))
	var syntax *plan.SyntaxError
	require.ErrorAs(t, err, &syntax)
}

func TestParseWith(t *testing.T) {
	t.Parallel()
	p, err := plan.Limits{}.ParseWith([]byte(small), json.RawMessage(`{"y": null, "new": [1]}`), map[string]string{"a": "c", "d": "e"})
	require.NoError(t, err)
	require.JSONEq(t, `{"x": 1, "y": null, "new": [1]}`, string(p.Input))
	require.Equal(t, map[string]string{"a": "c", "d": "e"}, p.Labels)
	p, err = plan.Limits{}.ParseWith([]byte(`{"name": "p", "steps": [{"key": "a", "kind": "noop"}]}`), json.RawMessage(`{"x": 1}`), map[string]string{"a": "b"})
	require.NoError(t, err)
	require.JSONEq(t, `{"x": 1}`, string(p.Input))
	require.Equal(t, map[string]string{"a": "b"}, p.Labels)
	p, err = plan.Limits{}.ParseWith([]byte(small), nil, nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"x": 1, "y": {"z": 2}}`, string(p.Input))
	many := map[string]string{}
	for i := range 32 {
		many[string(rune('b'+i%25))+string(rune('a'+i/25))] = "x"
	}
	_, err = plan.Limits{}.ParseWith([]byte(small), nil, many)
	var faults plan.Faults
	require.ErrorAs(t, err, &faults)
	require.Equal(t, "labels", faults[0].Path)
}

func TestParseSchedule(t *testing.T) {
	t.Parallel()
	s, err := plan.Limits{}.ParseSchedule([]byte(`{"plan": "p", "cron": "@daily"}`))
	require.NoError(t, err)
	require.Equal(t, &plan.Schedule{
		Plan: "p", Input: json.RawMessage("{}"), Cron: "@daily", Timezone: "UTC", Overlap: "skip", Missed: "once", Window: 24 * time.Hour,
	}, s)
	s, err = plan.Limits{}.ParseSchedule([]byte(`{"plan": "p@2", "cron": "@every 1m30s", "timezone": "Asia/Tokyo", "jitter": "0s", "overlap": "queue", "missed": "all",
		"window": "30d", "paused": false, "input": {"a": 1}}`))
	require.NoError(t, err)
	require.Equal(t, &plan.Schedule{
		Plan: "p", Version: 2, Input: json.RawMessage(`{"a":1}`), Cron: "@every 1m30s", Timezone: "Asia/Tokyo", Overlap: "queue", Missed: "all", Window: 30 * 24 * time.Hour,
		Paused: new(false),
	}, s)
	when, err := s.When()
	require.NoError(t, err)
	require.Equal(t, 90*time.Second, when.Next(time.Unix(0, 0)).Sub(time.Unix(0, 0)))

	_, err = plan.Limits{}.ParseSchedule([]byte(`{"plan": "P", "cron": "@every 2h1d", "timezone": "", "jitter": "9999d", "overlap": "ski", "missed": 1, "window": "0s", "paused": 0, "at": 1}`))
	var faults plan.Faults
	require.ErrorAs(t, err, &faults)
	paths := make([]string, len(faults))
	for i, fault := range faults {
		paths[i] = fault.Path
	}
	require.Equal(t, []string{"plan", "cron", "timezone", "jitter", "overlap", "missed", "window", "paused", "at"}, paths, "all of them at once, in order")
	require.Contains(t, faults.Error(), "did you mean skip")
}

// FuzzParseSubmit: what can be submitted is a plan or names one, and never both.
func FuzzParseSubmit(f *testing.F) {
	for _, seed := range append(seeds, small, `{"plan": "a@1", "input": {"x": [1]}, "labels": {"a": "b"}}`, `{"plan": {}}`) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, named, err := plan.Limits{}.ParseSubmit(text)
		require.Equal(t, err == nil, (p == nil) != (named == nil))
		if named != nil {
			merged, err := plan.Limits{}.ParseWith([]byte(small), named.Input, named.Labels)
			if err == nil {
				requireSound(t, merged, nil)
			}
		}
	})
}

// FuzzParseSchedule: what is read is due some time.
func FuzzParseSchedule(f *testing.F) {
	f.Add([]byte(`{"plan": "p@2", "cron": "*/5 * * * *", "timezone": "Asia/Tokyo", "jitter": "0s", "overlap": "queue", "missed": "all", "window": "30d", "paused": false}`))
	f.Add([]byte(`{"plan": "p", "cron": "@every 90s", "input": {"a": 1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := plan.Limits{}.ParseSchedule(text)
		if err != nil {
			require.Nil(t, s)
			return
		}
		when, err := s.When()
		require.NoError(t, err)
		require.False(t, when.Next(time.Unix(1_800_000_000, 0)).IsZero())
	})
}
