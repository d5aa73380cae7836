package lifecycle

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

const maxDepth = 512 // of JSON; PostgreSQL's own stack gives out later

// storable reports whether PostgreSQL's jsonb takes the bytes: JSON in UTF-8, no \u0000, not too deep.
func storable(raw json.RawMessage) bool {
	return utf8.Valid(raw) && json.Valid(raw) && !hasNull(raw) && depth(raw) <= maxDepth
}

func storableText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// hasNull reports whether valid JSON has an escaped NUL in a string.
func hasNull(raw []byte) bool {
	for rest := raw; ; {
		i := bytes.Index(rest, []byte(`\u0000`))
		if i < 0 {
			return false
		}
		slashes := 0
		for i-1-slashes >= 0 && rest[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return true
		}
		rest = rest[i+6:]
	}
}

// depth is how deep valid JSON is nested.
func depth(raw []byte) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}
