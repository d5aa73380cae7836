package cron_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle/cron"
)

// FuzzParse: whatever is read has a next slot, which comes later, and whatever is not is refused with an error.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"* * * * *", "*/5 0-23/2 1,15 jan-mar mon-fri", "0 0 12 * * ?", "@daily", "@every 90s", "@every", "0 0 29 2 *", "60 * * * *", "TZ=UTC * * * * *",
		"1-1/9 * * * *", "22-2 * * * *", "* * L * *", "H * * * *", "\x00", "9999999999999999999 * * * *",
	} {
		f.Add(seed, int64(1_800_000_000))
	}
	zone, err := cron.Zone("Europe/Berlin")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, expression string, at int64) {
		s, err := cron.Parse(expression, zone, time.ParseDuration)
		if err != nil {
			require.Nil(t, s)
			return
		}
		from := time.Unix(at%(1<<33), 0)
		if next := s.Next(from); !next.IsZero() {
			require.True(t, next.After(from), "%q: %s is not after %s", expression, next, from)
		}
	})
}
