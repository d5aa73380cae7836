package jobs

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"time"
)

// logHandler is a slog.Handler that writes records into the log of an attempt: the message, then its attributes as
// key=value; time and level are columns of their own.
type logHandler struct {
	exec  *execution
	attrs func(slog.Handler) slog.Handler // groups and attributes so far
}

func newLogHandler(e *execution) *logHandler {
	return &logHandler{exec: e, attrs: func(h slog.Handler) slog.Handler { return h }}
}

// Enabled implements slog.Handler: every level is kept.
func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	var buf bytes.Buffer
	// A record without time and message is written as `level=L msg="" ` and the attributes.
	text := h.attrs(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.Level(-1 << 20)}))
	bare := slog.NewRecord(time.Time{}, slog.LevelInfo, "", 0)
	r.Attrs(func(a slog.Attr) bool { bare.AddAttrs(a); return true })
	if err := text.Handle(ctx, bare); err != nil {
		return err
	}
	attrs := strings.TrimSpace(strings.TrimPrefix(buf.String(), `level=INFO msg=""`))
	line := r.Message
	if attrs != "" {
		line += " " + attrs
	}
	h.exec.log("log", levelName(r.Level), line)
	return nil
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{exec: h.exec, attrs: func(t slog.Handler) slog.Handler { return h.attrs(t).WithAttrs(attrs) }}
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{exec: h.exec, attrs: func(t slog.Handler) slog.Handler { return h.attrs(t).WithGroup(name) }}
}

func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	}
	return "error"
}
