package plan

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// MaxDuration is the longest duration that a plan can have: 365 days.
const MaxDuration = 365 * day

const day = 24 * time.Hour

// durationPattern is the form of durations as JSON Schema has it, where not empty; durationForm says it to people.
const (
	durationPattern = `^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$`
	durationForm    = "must be a duration like 90s, 1h30m or 250ms"
)

// What is wrong with a duration.
var (
	errDurationForm = errors.New(durationForm)
	errDurationZero = errors.New("must be more than 0")
	errDurationLong = errors.New("must be at most 365d")
)

// units are the parts of a duration, in their order.
var units = [...]struct {
	name string
	size time.Duration
}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}

// ParseDuration reads a duration as plans write it: whole numbers with the units d, h, m, s, ms in this order, each at most
// once. It is more than 0 and at most 365d.
func ParseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, errDurationForm
	}
	var sum time.Duration
	long := false
	next := 0
	for s != "" {
		var number string
		number, s = digits(s)
		unit := 0
		for unit < len(s) && (s[unit] < '0' || s[unit] > '9') {
			unit++
		}
		k := next
		for k < len(units) && units[k].name != s[:unit] {
			k++
		}
		if number == "" || k == len(units) {
			return 0, errDurationForm
		}
		next, s = k+1, s[unit:]
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n > int64(MaxDuration/units[k].size) {
			long = true
			continue
		}
		sum += time.Duration(n) * units[k].size
	}
	switch {
	case long || sum > MaxDuration:
		return 0, errDurationLong
	case sum == 0:
		return 0, errDurationZero
	}
	return sum, nil
}

// FormatDuration writes a duration in the one form that answers have: 1h30m, 250ms. What is finer than a millisecond is cut
// off; 0 is 0s.
func FormatDuration(d time.Duration) string {
	var b strings.Builder
	for _, u := range units {
		if n := int64(d / u.size); n > 0 {
			b.WriteString(strconv.FormatInt(n, 10) + u.name)
			d %= u.size
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}
