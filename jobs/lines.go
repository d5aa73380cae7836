package jobs

import "bytes"

// lineWriter cuts a stream into log lines. A line that is too long keeps its beginning and is marked. It is written to
// by one goroutine.
type lineWriter struct {
	exec   *execution
	stream string
	buf    []byte
	over   bool   // the line in buf goes on, but no more of it is kept
	last   string // the last line that was not blank
}

func newLineWriter(e *execution, stream string) *lineWriter {
	return &lineWriter{exec: e, stream: stream}
}

// Write implements io.Writer; it never fails. Every byte is a sign of life.
func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	w.exec.alive()
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		if room := maxLine + 1 - len(w.buf); len(line) > room {
			line, w.over = line[:room], true
		}
		w.buf = append(w.buf, line...)
		if ended {
			w.flush()
		}
		p = rest
	}
	return n, nil
}

// end writes a last line that has no newline.
func (w *lineWriter) end() {
	if len(w.buf) > 0 {
		w.flush()
	}
}

func (w *lineWriter) flush() {
	text := string(bytes.TrimSuffix(w.buf, []byte("\r")))
	if len(bytes.TrimSpace(w.buf)) > 0 {
		w.last = text
	}
	w.exec.line(w.stream, "", text, w.over)
	w.buf, w.over = w.buf[:0], false
}
