package cmd

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDetailLines(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][]string{
		`null`: nil, `false`: nil, `""`: nil, `0`: {"0"}, `"word"`: {"word"}, `true`: {"true"}, `[]`: {},
		`[{"step": "a", "state": "running", "cause": "claimed"}]`:                               {"a is running (claimed)"},
		`[{"run": "r", "step": null, "at": "2026-05-04T12:00:00Z"}, {"run": "r", "step": "a"}]`: {"run r since 2026-05-04T12:00:00Z", "run r step a"},
		`[{"step": "a", "state": "running"}, {"step": "b", "state": "available"}]`:              {"a is running", "b is available"},
	} {
		require.Equal(t, want, detailLines([]byte(raw)), raw)
	}
}

func TestWhySaysWhoIsBefore(t *testing.T) {
	t.Parallel()
	a := asked{server: served(t)}
	const text = "name: x\nsteps: [{key: a, kind: sleep, with: {duration: 1h}, concurrency: {key: db, limit: 1}}]"
	first := submitted(t, a.server, text)
	a.run = submitted(t, a.server, text)
	require.Eventually(t, func() bool {
		var why struct{ Reasons []struct{ Code string } }
		a.json(t, &why, "why", a.run, "a")
		return len(why.Reasons) == 1 && why.Reasons[0].Code == "concurrency"
	}, patience, 20e6)
	require.Equal(t, `a is available
  concurrency: it waits for a slot of db, as number 1 in line: 1 of 1 are taken
    holders: run `+first+` step a since MOMENT
    key: db
    limit: 1
    position: 1
    used: 1
`, anyMoment.ReplaceAllString(a.answer(t, "why", a.run, "a"), "MOMENT"))
}
