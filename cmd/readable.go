package cmd

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// moment is a time for people who may want to paste it.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// instant is a time in a stream, where the order of what is close together matters.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// span is how long something took: two units at most.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(d, 0)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d/time.Millisecond)
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
}

// between is the span of two times, the second of which may be yet to come: then until now.
func between(from, to *time.Time, now time.Time) string {
	switch {
	case from == nil:
		return ""
	case to != nil:
		return span(to.Sub(*from))
	}
	return span(now.Sub(*from))
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// escapes are the sequences by which a program colours its text, moves the cursor, or names the window.
var escapes = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?|[PX^_][^\x1b]*(\x1b\\\\)?|[ -/]*[0-~])")

// fromStep is one line that a step wrote as it may be shown: without escape sequences and control characters. Tabs
// stay.
func fromStep(text string) string {
	parts := strings.Split(escapes.ReplaceAllString(text, ""), "\t")
	for i, part := range parts {
		parts[i] = printable(part)
	}
	return strings.Join(parts, "\t")
}

// value is what a pointer points to, or nothing.
func value[T ~string](text *T) string {
	if text == nil {
		return ""
	}
	return string(*text)
}
