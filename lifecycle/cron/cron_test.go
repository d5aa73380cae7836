package cron_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirqueue/weir/lifecycle/cron"
)

func parse(t require.TestingT, expression, zone string) *cron.Schedule {
	in, err := cron.Zone(zone)
	require.NoError(t, err)
	s, err := cron.Parse(expression, in, time.ParseDuration)
	require.NoError(t, err, expression)
	return s
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return parsed
}

// slots are the first slots after a time, as the clocks of the zone show them.
func slots(t *testing.T, expression, zone, after string, n int) []string {
	t.Helper()
	s := parse(t, expression, zone)
	in, err := cron.Zone(zone)
	require.NoError(t, err)
	var all []string
	for next := at(t, after); len(all) < n; {
		next = s.Next(next)
		require.Equal(t, time.UTC, next.Location())
		all = append(all, next.In(in).Format("2006-01-02T15:04:05-07:00"))
	}
	return all
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expression, zone, after string
		want                    []string
	}{
		{"* * * * * *", "UTC", "2026-05-04T12:00:00.5Z", []string{"2026-05-04T12:00:01+00:00", "2026-05-04T12:00:02+00:00"}},
		{"* * * * * *", "UTC", "2026-05-04T12:00:00Z", []string{"2026-05-04T12:00:01+00:00"}},
		{"30 2 * * *", "Asia/Kathmandu", "2026-05-04T12:00:00Z", []string{"2026-05-05T02:30:00+05:45", "2026-05-06T02:30:00+05:45"}},
		{"0 9 * * mon-fri", "UTC", "2026-05-08T10:00:00Z", []string{"2026-05-11T09:00:00+00:00"}},
		{"0 0 13 * fri", "UTC", "2026-05-09T10:00:00Z", []string{"2026-05-13T00:00:00+00:00", "2026-05-15T00:00:00+00:00"}},
		{"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", []string{"2104-02-29T00:00:00+00:00"}},
		{"@daily", "America/New_York", "2026-05-04T12:00:00Z", []string{"2026-05-05T00:00:00-04:00"}},
		{"@every 90s", "UTC", "2026-05-04T12:00:00Z", []string{"2026-05-04T12:01:30+00:00", "2026-05-04T12:03:00+00:00"}},
		{"@every 7h", "UTC", "1970-01-01T00:00:00Z", []string{"1970-01-01T07:00:00+00:00", "1970-01-01T14:00:00+00:00"}},
	} {
		require.Equal(t, c.want, slots(t, c.expression, c.zone, c.after, len(c.want)), c.expression)
	}
}

// What the clocks skip in spring is made up for when they are right again: each slot once.
func TestNextWhereClocksArePutForward(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expression, zone, after string
		want                    []string
	}{
		{"30 2 * * *", "Europe/Berlin", "2026-03-27T23:00:00Z", []string{"2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		{"0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T23:00:00Z", []string{"2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:00:00+02:00"}},
		{"0 2 * * *", "America/New_York", "2026-03-08T00:00:00-05:00", []string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"}},
		{"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", []string{"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"}},
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", []string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"0 12 * * *", "Pacific/Apia", "2011-12-29T23:00:00Z", []string{"2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"}},
		{"*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", []string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"}},
		{"@hourly", "Europe/Berlin", "2026-03-28T23:30:00Z", []string{"2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"}},
		{"@every 30m", "Europe/Berlin", "2026-03-29T00:30:00Z", []string{"2026-03-29T03:00:00+02:00"}},
	} {
		require.Equal(t, c.want, slots(t, c.expression, c.zone, c.after, len(c.want)), c.expression)
	}
}

// What the clocks show twice in autumn counts once, unless the expression is for every hour.
func TestNextWhereClocksArePutBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expression, zone, after string
		want                    []string
	}{
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", []string{"2026-10-26T02:30:00+01:00"}},
		{"*/30 1-2 * * *", "Europe/Berlin", "2026-10-24T23:15:00Z", []string{
			"2026-10-25T01:30:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-26T01:00:00+01:00",
		}},
		{"0 3 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", []string{"2026-10-25T03:00:00+01:00"}},
		{"*/30 * * * *", "Europe/Berlin", "2026-10-25T00:15:00Z", []string{
			"2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:00:00+01:00",
		}},
		{"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", []string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
	} {
		require.Equal(t, c.want, slots(t, c.expression, c.zone, c.after, len(c.want)), c.expression)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		"":                           "must have 5 fields",
		"* * * *":                    "must have 5 fields",
		"* * * * * * *":              "must have 5 fields",
		"@reboot":                    "must have 5 fields",
		"60 * * * *":                 "has no good minute",
		"99 * * * * *":               "has no good second",
		"* 24 * * *":                 "has no good hour",
		"* * 0 * *":                  "has no good day of month",
		"* * * hello *":              "has no good month",
		"* * * * 8":                  "has no good day of week",
		"*/0 * * * *":                "has no good minute",
		"0 0 30 2 *":                 "is never due",
		"TZ=UTC 0 0 * * *":           "must not name a time zone",
		"CRON_TZ=Asia/Tokyo @daily":  "must not name a time zone",
		"@every 0s":                  "whole seconds",
		"@every 1500ms":              "whole seconds",
		"@every":                     "must have 5 fields",
		"@every soon":                "whole seconds",
		string(make([]byte, 300)):    "at most 256",
		"0 0 * * * ; drop table you": "must have 5 fields",
	} {
		_, err := cron.Parse(expression, time.UTC, time.ParseDuration)
		require.ErrorContains(t, err, want, "%q", expression)
		if expression != "" {
			require.NotContains(t, err.Error(), "hello")
		}
	}
	for _, zone := range []string{"", "Local", "Mars/Olympus", "../../etc/passwd"} {
		_, err := cron.Zone(zone)
		require.ErrorIs(t, err, cron.ErrZone, zone)
	}
}

func TestLast(t *testing.T) {
	t.Parallel()
	hourly := parse(t, "0 * * * *", "UTC")
	require.Equal(t, at(t, "2026-05-04T12:00:00Z"), hourly.Last(at(t, "2026-05-01T12:00:00Z"), at(t, "2026-05-04T12:59:59Z")))
	require.Equal(t, at(t, "2026-05-04T12:00:00Z"), hourly.Last(at(t, "2026-05-04T11:59:59Z"), at(t, "2026-05-04T12:00:00Z")))
	require.Zero(t, hourly.Last(at(t, "2026-05-04T12:00:00Z"), at(t, "2026-05-04T12:59:59Z")))
	require.Zero(t, hourly.Last(at(t, "2026-05-04T12:00:00Z"), at(t, "2026-05-03T12:00:00Z")))
}

// Slots come one after another, whatever the expression and the zone: none is left out when it is asked for from another
// time in between, and the last one before a time is the one after which there is none.
func TestSlotsAreOneSequence(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"}
	expressions := []string{"30 2 * * *", "*/20 * * * *", "0 */3 * * *", "15 0,1,2,3 * * *", "0 0 * * 0", "@every 90m", "10 59 23 31 12 *"}
	rapid.Check(t, func(t *rapid.T) {
		s := parse(t, rapid.SampledFrom(expressions).Draw(t, "expression"), rapid.SampledFrom(zones).Draw(t, "zone"))
		from := time.Unix(rapid.Int64Range(1_200_000_000, 1_900_000_000).Draw(t, "from"), 0).UTC()
		slot := s.Next(from)
		require.True(t, slot.After(from))
		if gap := int64(slot.Sub(from) / time.Second); gap > 1 {
			between := from.Add(time.Duration(rapid.Int64Range(0, gap-1).Draw(t, "between")) * time.Second)
			require.Equal(t, slot, s.Next(between))
		}
		next := s.Next(slot)
		require.True(t, next.After(slot))
		require.Equal(t, slot, s.Last(from, next.Add(-time.Second)))
		require.Equal(t, next, s.Last(from, next))
	})
}
