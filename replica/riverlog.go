package replica

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// riverLogEvery is how often River may say the same thing. While the database is away it would otherwise say at every
// poll of every queue that it is.
const riverLogEvery = 10 * time.Second

// riverLogger lets River's warnings through, the same one now and then.
func riverLogger(logger *slog.Logger) *slog.Logger {
	said := &said{at: map[string]time.Time{}, since: map[string]int{}}
	return slog.New(&riverLog{Handler: logger.Handler(), said: said, every: riverLogEvery}).With("component", "river")
}

// riverLog is a handler that drops what is below a warning, and what was said a moment ago.
type riverLog struct {
	slog.Handler

	said  *said
	every time.Duration
}

// said is what was logged, by message. River's messages are constants, so there are not many.
type said struct {
	mu    sync.Mutex
	at    map[string]time.Time
	since map[string]int // how often it was dropped since then
}

// again notes that a message is to be logged. It answers false if it was a moment ago, else how often it was dropped
// since.
func (s *said) again(message string, now time.Time, every time.Duration) (repeated int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, was := s.at[message]; was && now.Sub(last) < every {
		s.since[message]++
		return 0, false
	}
	repeated = s.since[message]
	s.at[message], s.since[message] = now, 0
	return repeated, true
}

// Enabled implements slog.Handler.
func (h *riverLog) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *riverLog) Handle(ctx context.Context, record slog.Record) error {
	repeated, ok := h.said.again(record.Message, record.Time, h.every)
	if !ok {
		return nil
	}
	if repeated > 0 {
		record.AddAttrs(slog.Int("repeated", repeated))
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h *riverLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &riverLog{Handler: h.Handler.WithAttrs(attrs), said: h.said, every: h.every}
}

// WithGroup implements slog.Handler.
func (h *riverLog) WithGroup(name string) slog.Handler {
	return &riverLog{Handler: h.Handler.WithGroup(name), said: h.said, every: h.every}
}
