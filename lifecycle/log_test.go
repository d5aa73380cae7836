package lifecycle

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestLogLinesAreStoredOnce(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	h := g.running(g.worker(), "")
	at := time.Now().Truncate(time.Microsecond)
	line := LogLine{Run: h.Run, Step: 1, Attempt: 1, Seq: 1, At: at, Stream: "stdout", Text: "one"}
	two := line
	two.Seq, two.Stream, two.Level, two.Text, two.Truncated = 2, "log", "warn", "two", true
	none, later := line, line
	none.Run = uuid.New()
	later.Attempt = 2
	require.NoError(t, g.e.LogAppend(t.Context(), nil))
	require.NoError(t, g.e.LogAppend(t.Context(), []LogLine{line, two, none, later}))
	line.Text = "another"
	require.NoError(t, g.e.LogAppend(t.Context(), []LogLine{line, two}))
	require.Equal(t, []string{"1 1 stdout  one false", "1 2 log warn two true"}, ask[[]string](g, "select array_agg(format('%s %s %s %s %s %s', attempt, seq, stream, level, text, truncated::text) order by attempt, seq) from weir.logs"))
	require.True(t, ask[bool](g, "select bool_and(at = $1) from weir.logs", at))
	require.Zero(t, ask[int](g, "select count(*) from weir.heard"), "only of steps that may stall")
}

func TestLogLinesOfAnAttemptThatEnded(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	h := g.running(g.worker(), "stall_after = '1 second'")
	g.sql("update weir.steps set state = 'failed', river_job_id = null, finished_at = clock_timestamp() where run_id = $1", h.Run)
	require.NoError(t, g.e.LogAppend(t.Context(), []LogLine{{Run: h.Run, Step: 1, Attempt: 1, Seq: 1, Stream: "stdout"}}))
	require.Equal(t, 1, ask[int](g, "select count(*) from weir.logs"))
	require.Zero(t, ask[int](g, "select count(*) from weir.heard"))
}

func TestProgressIsTheLastWord(t *testing.T) {
	t.Parallel()
	g := newGarden(t)
	h := g.running(g.worker(), "")
	half, all := 50.0, 100.0
	word := func() string {
		return ask[string](g, "select format('%s %s %s', attempt, coalesce(percent::text, '-'), message) from weir.progress where run_id = $1", h.Run)
	}
	require.NoError(t, g.e.ProgressSet(t.Context(), nil))
	require.NoError(t, g.e.ProgressSet(t.Context(), []Progress{{Hold: h, Percent: &half, Message: "half"}, {Hold: Hold{Run: uuid.New(), Step: 1, Attempt: 1}}}))
	require.Equal(t, "1 50 half", word())
	require.NoError(t, g.e.ProgressSet(t.Context(), []Progress{{Hold: h, Message: "first"}, {Hold: h, Message: "last"}}))
	require.Equal(t, "1 - last", word())
	g.sql("update weir.steps set state = 'retrying', run_after = now(), river_job_id = null where run_id = $1", h.Run)
	g.sql("update weir.steps set state = 'running', attempt = 2, claimed_at = clock_timestamp() where run_id = $1", h.Run)
	second := Hold{Run: h.Run, Step: 1, Attempt: 2}
	require.NoError(t, g.e.ProgressSet(t.Context(), []Progress{{Hold: second, Percent: &all, Message: "second"}, {Hold: h, Message: "late"}}))
	require.NoError(t, g.e.ProgressSet(t.Context(), []Progress{{Hold: h, Message: "later"}}))
	require.Equal(t, "2 100 second", word())
	require.Equal(t, 1, ask[int](g, "select count(*) from weir.progress"))
}
