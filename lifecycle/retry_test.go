package lifecycle_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/db/dbtest"
)

func TestRetryWait(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	for name, test := range map[string]struct {
		retry      any
		failures   int
		retryAfter any
		least      time.Duration
		most       time.Duration
	}{
		"defaults, first":            {nil, 1, nil, time.Second, 1100 * time.Millisecond},
		"defaults, third":            {nil, 3, nil, 4 * time.Second, 4400 * time.Millisecond},
		"defaults, at the maximum":   {nil, 1000, nil, 5 * time.Minute, 330 * time.Second},
		"S6: 10 s doubled to 300 s":  {`{"initial_ms": 10000, "max_ms": 300000, "jitter": 0}`, 5, nil, 160 * time.Second, 160 * time.Second},
		"S6: and no further":         {`{"initial_ms": 10000, "max_ms": 300000, "jitter": 0}`, 6, nil, 300 * time.Second, 300 * time.Second},
		"constant":                   {`{"backoff": "constant", "initial_ms": 500, "jitter": 0}`, 9, nil, 500 * time.Millisecond, 500 * time.Millisecond},
		"constant, above max":        {`{"backoff": "constant", "initial_ms": 5000, "max_ms": 1000, "jitter": 0}`, 1, nil, time.Second, time.Second},
		"Retry-After lengthens":      {`{"jitter": 0}`, 1, "90s", 90 * time.Second, 90 * time.Second},
		"Retry-After never shortens": {`{"initial_ms": 60000, "jitter": 0}`, 1, "1s", time.Minute, time.Minute},
		"Retry-After up to an hour":  {`{"jitter": 0}`, 1, "2 days", time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 20 { // jitter is random
				var wait time.Duration
				err := pool.QueryRow(t.Context(), "select weir.retry_wait($1, $2, $3)", test.retry, test.failures, test.retryAfter).Scan(&wait)
				require.NoError(t, err)
				require.GreaterOrEqual(t, wait, test.least)
				require.LessOrEqual(t, wait, test.most)
			}
		})
	}
}

func TestRetryWants(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	for _, test := range []struct {
		retry     any
		onRequest bool
		want      []string
	}{
		{nil, false, []string{"failed", "crashed", "timed_out"}},
		{`{"jitter": 0}`, false, []string{"failed", "crashed", "timed_out"}},
		{`{"on": []}`, false, nil},
		{`{"on": ["lost", "failed"]}`, false, []string{"failed", "lost"}},
		{nil, true, nil},
		{`{"jitter": 0}`, true, nil},
		{`{"on": ["lost", "timed_out"]}`, true, []string{"timed_out", "lost"}},
	} {
		var got []string
		err := pool.QueryRow(t.Context(), "select array_agg(o::text order by o) from unnest(enum_range(null::weir.step_state)) o where weir.retry_wants($1, o, $2)", test.retry, test.onRequest).Scan(&got)
		require.NoError(t, err)
		require.Equal(t, test.want, got, "%v on request: %v", test.retry, test.onRequest)
	}
}
