package api

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/weirqueue/weir/lifecycle/plan"
)

// timestamp is a time in JSON: RFC 3339, UTC, microseconds, Z.
type timestamp time.Time

const timestampFormat = "2006-01-02T15:04:05.000000Z"

// MarshalText implements encoding.TextMarshaler.
func (t timestamp) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, timestampFormat), nil
}

// Schema implements huma.SchemaProvider.
func (timestamp) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Examples: []any{"2026-05-04T12:00:00.123456Z"}}
}

// timestampOf is null for nil.
func timestampOf(t *time.Time) *timestamp {
	return (*timestamp)(t)
}

// duration is a time span in JSON, in the canonical form of contract 1: 90s is 1m30s.
type duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d duration) MarshalText() ([]byte, error) {
	return []byte(plan.FormatDuration(time.Duration(d))), nil
}

// Schema implements huma.SchemaProvider.
func (duration) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Pattern: `^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$`, Examples: []any{"1h30m"},
	}
}

// durationOf is null for 0, which stands for none.
func durationOf(d time.Duration) *duration {
	if d == 0 {
		return nil
	}
	return (*duration)(&d)
}

// textOrNull is null for "".
func textOrNull[T ~string](text T) *string {
	if text == "" {
		return nil
	}
	value := string(text)
	return &value
}

// idOrNull is null for nil.
func idOrNull(id *uuid.UUID) *string {
	if id == nil {
		return nil
	}
	text := id.String()
	return &text
}

// cleanText reports whether the database can hold the text.
func cleanText(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }
