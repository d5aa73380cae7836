// Package cron says when a schedule is due: cron expressions in a time zone. It knows no database and no clock.
//
// A slot is a time at which a schedule is due, a whole second. Where clocks are put forward or back, this package does
// what cron has always done: a time that the clocks skip is made up for as soon as they are right again, and a time that
// comes twice counts the first time. Only an expression for every hour follows the hours as they pass, of which such a
// day has 23 or 25.
package cron

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	_ "time/tzdata" // for machines that bring no zones: containers with nothing but the binary

	"github.com/netresearch/go-cron"
)

// What is wrong with an expression or a zone. The texts go on after the name of what was given, and never repeat it.
var (
	ErrZone    = errors.New("is not a time zone like Europe/Berlin or UTC")
	ErrFields  = errors.New("must have 5 fields (minute, hour, day of month, month, day of week), or 6 with seconds first, or be @yearly, @monthly, @weekly, @daily, @hourly or @every DURATION")
	ErrPrefix  = errors.New("must not name a time zone: timezone does")
	ErrNever   = errors.New("is never due: there is no such date")
	ErrEvery   = errors.New("must have a duration in whole seconds after @every, like 90s or 1h30m, of at most 365d")
	ErrTooLong = errors.New("must be at most 256 characters long")
)

const (
	maxExpression = 256
	searchYears   = 10 // the 29th of February can be 8 years away
	everyHour     = 1<<24 - 1
	every         = "@every "
)

// fieldForms are the fields of an expression, and what may stand in them.
var fieldForms = [...]struct{ name, values string }{
	{"second", "0 to 59"},
	{"minute", "0 to 59"},
	{"hour", "0 to 23"},
	{"day of month", "1 to 31"},
	{"month", "1 to 12 or jan to dec"},
	{"day of week", "0 to 7 or sun to sat"},
}

// Schedule is an expression in a time zone. It may be used concurrently.
type Schedule struct {
	zone *time.Location
	spec *cron.SpecSchedule // in times without a zone, which UTC stands for; nil: period
	// period is how far slots are apart, counted from 1970 on; 0: spec.
	period time.Duration
}

// Zone is the time zone of that name in the IANA database. The error is ErrZone.
func Zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" { // what the machine has is not the same everywhere
		return nil, ErrZone
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, ErrZone
	}
	return zone, nil
}

// Parse reads an expression: five fields, six with seconds first, @daily and the like, or @every with a duration that
// duration reads. Day of month and day of week, if both are given, each suffice. The error says what is wrong.
func Parse(expression string, zone *time.Location, duration func(string) (time.Duration, error)) (*Schedule, error) {
	expression = strings.TrimSpace(expression)
	switch {
	case len(expression) > maxExpression:
		return nil, ErrTooLong
	case strings.HasPrefix(expression, "TZ=") || strings.HasPrefix(expression, "CRON_TZ="):
		return nil, ErrPrefix
	case strings.HasPrefix(expression, every):
		period, err := duration(strings.TrimSpace(expression[len(every):]))
		if err != nil || period < time.Second || period%time.Second != 0 {
			return nil, ErrEvery
		}
		return &Schedule{zone: zone, period: period}, nil
	}
	spec, err := parse(expression)
	if err != nil {
		return nil, explain(expression)
	}
	s := &Schedule{zone: zone, spec: spec}
	if s.Next(time.Unix(0, 0)).IsZero() {
		return nil, ErrNever
	}
	return s, nil
}

func parse(expression string) (*cron.SpecSchedule, error) {
	parser := cron.MustNewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom)
	parsed, err := parser.WithMaxSearchYears(searchYears).Parse(expression)
	if err != nil {
		return nil, err
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, ErrFields
	}
	spec.Location = time.UTC
	return spec, nil
}

// explain says what is wrong with an expression that cannot be read: the library's own errors repeat it.
func explain(expression string) error {
	fields := strings.Fields(expression)
	skipped := len(fieldForms) - len(fields)
	if strings.HasPrefix(expression, "@") || skipped != 0 && skipped != 1 {
		return ErrFields
	}
	for i, field := range fields {
		alone := []string{"*", "*", "*", "*", "*", "*"}
		alone[i+skipped] = field
		if _, err := parse(strings.Join(alone, " ")); err != nil {
			form := fieldForms[i+skipped]
			return fmt.Errorf("has no good %s: * or values from %s, with - for ranges, commas between, and / before a step", form.name, form.values)
		}
	}
	return ErrFields
}

// Next is the first slot after a time. It is zero if there is none, which Parse makes sure of for times near ours.
func (s *Schedule) Next(after time.Time) time.Time {
	after = after.Truncate(time.Second)
	var slot time.Time
	switch {
	case s.period > 0:
		slot = s.nextPeriod(after)
	case s.spec.Hour&everyHour == everyHour:
		slot = s.nextPassing(after)
	default:
		slot = s.nextFixed(after)
	}
	if slot.IsZero() {
		return slot
	}
	return slot.UTC()
}

// Last is the newest slot after one time and not after another; zero if there is none.
func (s *Schedule) Last(after, until time.Time) time.Time {
	low, high := after.Unix(), until.Unix()
	is := func(at int64) bool { // whether there is a slot between at and until
		slot := s.Next(time.Unix(at, 0))
		return !slot.IsZero() && !slot.After(until)
	}
	if low >= high || !is(low) {
		return time.Time{}
	}
	for high-low > 1 {
		if middle := low + (high-low)/2; is(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return s.Next(time.Unix(low, 0))
}

// nextPeriod counts whole periods since 1970.
func (s *Schedule) nextPeriod(after time.Time) time.Time {
	seconds := int64(s.period / time.Second)
	passed := int64(math.Floor(float64(after.Unix()) / float64(seconds)))
	return time.Unix((passed+1)*seconds, 0)
}

// nextPassing follows the hours as they pass: what clocks skip is no time, and what comes twice is two times.
func (s *Schedule) nextPassing(after time.Time) time.Time {
	for local := after.In(s.zone); ; {
		_, offset := local.Zone()
		_, end := local.ZoneBounds()
		ahead := time.Duration(offset) * time.Second
		wall := s.spec.Next(after.UTC().Add(ahead))
		if wall.IsZero() {
			return wall
		}
		if slot := wall.Add(-ahead); end.IsZero() || slot.Before(end) {
			return slot
		}
		local, after = end, end.Add(-time.Second)
	}
}

// nextFixed goes through the times that the clocks on the wall show.
func (s *Schedule) nextFixed(after time.Time) time.Time {
	for wall := asShown(after.In(s.zone)); ; {
		if wall = s.spec.Next(wall); wall.IsZero() {
			return wall
		}
		if slot := shownAt(wall, s.zone); slot.After(after) {
			return slot
		}
	}
}

// asShown is the time that the clocks of the zone show, as if they stood in UTC.
func asShown(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// shownAt is when the clocks of a zone show a time first, or, where they skip it, when they have.
func shownAt(wall time.Time, zone *time.Location) time.Time {
	year, month, day := wall.Date()
	hour, minute, second := wall.Clock()
	at := time.Date(year, month, day, hour, minute, second, 0, zone)
	start, end := at.ZoneBounds()
	switch shown := asShown(at); {
	case shown.After(wall):
		return start
	case shown.Before(wall):
		return end
	case start.IsZero():
		return at
	}
	_, before := start.Add(-time.Second).Zone()
	if earlier := wall.Add(-time.Duration(before) * time.Second); earlier.Before(start) {
		return earlier
	}
	return at
}
