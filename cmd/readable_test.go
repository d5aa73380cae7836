package cmd

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0ms", 0: "0ms", 999 * time.Microsecond: "0ms", 250 * time.Millisecond: "250ms", 1999 * time.Millisecond: "1.9s",
		59*time.Second + 999*time.Millisecond: "59s", time.Minute: "1m00s", time.Hour - time.Second: "59m59s", time.Hour: "1h00m",
		25*time.Hour + time.Minute: "1d01h", 1000 * time.Hour: "41d16h",
	} {
		require.Equal(t, want, span(d), d)
	}
}

func TestFromStep(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":                        "plain",
		"ok\tpkg\t1s":                  "ok\tpkg\t1s",
		"\x1b[1;31mred\x1b[0m":         "red",
		"\x1b]0;title\x07text":         "text",
		"\x1b]8;;http://x\x1b\\link":   "link",
		"a\x1b]52;c;aGk=":              "a",
		"\x1bPq#0\x1b\\after":          "after",
		"\x1b(B\x1b[?25lx\x1b7":        "x",
		"\x1b[31":                      "31",
		"50%\r100%\b\a":                "50%100%",
		"a\u009b31mb\u0085c\x7f":       "a31mbc",
		"\u202eevil\u2066\u2028\u200f": "evil",
		"two\nlines":                   "two lines",
		"Größe 漢字 🚀":                   "Größe 漢字 🚀",
		"\x1b\x1b[31mtwice":            "twice",
		"\x1b[\x1b[31mnested\x1b[0m":   "nested",
	} {
		got := fromStep(text)
		require.Equal(t, want, got, "%q", text)
		require.NotContains(t, got, "\x1b")
	}
}

func TestEscapeControls(t *testing.T) {
	t.Parallel()
	require.Equal(t, "[\"\\u009b31m\\u007f\\u202e\u00e9\"]", string(escapeControls([]byte("[\"\u009b31m\x7f\u202e\u00e9\"]"))))
	require.Equal(t, "{\n}\n", string(escapeControls([]byte("{\n}\n"))))
}

func TestQuoted(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"": "''", "plan.yaml": "plan.yaml", "a=b": "a=b", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "~": "'~'"} {
		require.Equal(t, want, quoted(word))
	}
}
