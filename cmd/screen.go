package cmd

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// screen redraws a few lines at the bottom of a terminal in place.
type screen struct {
	out    io.Writer
	size   func() (width, height int)
	colour bool
	drawn  int // lines that are there now
}

// sized is a terminal that is no file.
type sized interface{ Size() (width, height int) }

// newScreen is stdout as a screen, or nil where it is none.
func newScreen(inv *invocation) *screen {
	if inv.getenv("TERM") == "dumb" {
		return nil
	}
	s := &screen{out: inv.stdout, colour: inv.getenv("NO_COLOR") == ""}
	if out, ok := inv.stdout.(sized); ok {
		s.size = out.Size
		return s
	}
	out, ok := inv.stdout.(*os.File)
	if !ok || !isTerminal(out) {
		return nil
	}
	s.size = func() (width, height int) {
		width, height, err := term.GetSize(int(out.Fd()))
		if err != nil {
			return 0, 0
		}
		return width, height
	}
	return s
}

// The least that a terminal is taken to have, and what it has if it does not say.
const (
	minWidth, minHeight     = 20, 4
	usualWidth, usualHeight = 80, 24
)

// room is how many columns and lines may be drawn.
func (s *screen) room() (width, height int) {
	width, height = s.size()
	if width <= 0 || height <= 0 {
		width, height = usualWidth, usualHeight
	}
	return max(width, minWidth), max(height-1, minHeight)
}

// draw puts the lines where the last ones were. Lines that are too wide are cut by the terminal.
func (s *screen) draw(lines []string) error {
	var b bytes.Buffer
	s.rewind(&b)
	b.WriteString("\x1b[?7l") // no wrapping: one line is one line
	b.WriteString(strings.Join(lines, "\n"))
	b.WriteString("\n\x1b[?7h")
	s.drawn = len(lines)
	return s.write(b.Bytes())
}

// clear takes the lines away, so that something else can be written.
func (s *screen) clear() error {
	var b bytes.Buffer
	s.rewind(&b)
	s.drawn = 0
	return s.write(b.Bytes())
}

func (s *screen) rewind(b *bytes.Buffer) {
	if s.drawn > 0 {
		fmt.Fprintf(b, "\x1b[%dA\r\x1b[J", s.drawn)
	}
}

func (s *screen) write(text []byte) error {
	if _, err := s.out.Write(text); err != nil {
		return fmt.Errorf("draw on the terminal: %w", err)
	}
	return nil
}
