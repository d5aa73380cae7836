package plan_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirqueue/weir/lifecycle/plan"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "250ms": 250 * time.Millisecond, "365d": 365 * 24 * time.Hour, "1d1h1m1s1ms": 25*time.Hour + 61*time.Second + time.Millisecond,
		"0h5s": 5 * time.Second, "007s": 7 * time.Second, "8760h": 365 * 24 * time.Hour, "00000000000000000000000000005s": 5 * time.Second,
	} {
		d, err := plan.ParseDuration(s)
		require.NoError(t, err, s)
		require.Equal(t, want, d, s)
	}
	for s, want := range map[string]string{
		"": "must be a duration", "5": "must be a duration", "s": "must be a duration", "1s1h": "must be a duration", "1s1s": "must be a duration", "1.5h": "must be a duration", "-1s": "must be a duration", "+1s": "must be a duration",
		" 1s": "must be a duration", "1s ": "must be a duration", "1 s": "must be a duration", "1S": "must be a duration", "1us": "must be a duration", "1w": "must be a duration", "1msx": "must be a duration", "１s": "must be a duration",
		"0s": "more than 0", "0d0ms": "more than 0", "366d": "at most 365d", "365d1ms": "at most 365d", "99999999999999999999999999s": "at most 365d", "9223372036854775807ms": "at most 365d",
	} {
		_, err := plan.ParseDuration(s)
		require.ErrorContains(t, err, want, s)
	}
}

func TestFormatDuration(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"1m30s": 90 * time.Second, "1h30m": 90 * time.Minute, "250ms": 250 * time.Millisecond, "1d": 24 * time.Hour, "1d1ms": 24*time.Hour + time.Millisecond, "0s": 0,
		"1s": time.Second + time.Microsecond,
	} {
		require.Equal(t, want, plan.FormatDuration(d))
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, int64(plan.MaxDuration/time.Millisecond)).Draw(t, "ms")) * time.Millisecond
		back, err := plan.ParseDuration(plan.FormatDuration(d))
		require.NoError(t, err)
		require.Equal(t, d, back)
	})
}

// contractForm is the form of durations as contract 1 has it.
var contractForm = regexp.MustCompile(`^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$`)

func TestParseDurationTakesTheFormOfTheContract(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`([0-9]{0,3}(d|h|m|s|ms|x)?){0,6}`).Draw(t, "duration")
		_, err := plan.ParseDuration(s)
		isForm := s != "" && contractForm.MatchString(s)
		require.Equal(t, isForm, err == nil || err.Error() != "must be a duration like 90s, 1h30m or 250ms", "%q: %v", s, err)
	})
}
