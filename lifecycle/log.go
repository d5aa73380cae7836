package lifecycle

import (
	"context"
	"fmt"

	"github.com/weirqueue/weir/db/queries"
)

// LogAppend stores log lines; one that is stored already is left out, and so is one of an attempt that never was. The
// texts have to be valid UTF-8 without NUL and at most 16 KiB long. Lines of an attempt that has ended are kept too:
// they are evidence and change nothing.
func (e *Engine) LogAppend(ctx context.Context, lines []LogLine) error {
	if len(lines) == 0 {
		return nil
	}
	var p queries.LogAppendParams
	for _, l := range lines {
		p.Runs = append(p.Runs, l.Run)
		p.Steps = append(p.Steps, int32(l.Step))
		p.Attempts = append(p.Attempts, int32(l.Attempt))
		p.Seqs = append(p.Seqs, l.Seq)
		p.Ats = append(p.Ats, l.At)
		p.Streams = append(p.Streams, l.Stream)
		p.Levels = append(p.Levels, l.Level)
		p.Texts = append(p.Texts, l.Text)
		p.Truncateds = append(p.Truncateds, l.Truncated)
	}
	if err := e.q.LogAppend(ctx, p); err != nil {
		return fmt.Errorf("store %d log lines: %w", len(lines), mapError(err))
	}
	return nil
}

// ProgressSet stores how far attempts say they are: the last word of each step, the newest attempt's. Words about
// attempts that never were are left out.
func (e *Engine) ProgressSet(ctx context.Context, words []Progress) error {
	if len(words) == 0 {
		return nil
	}
	var p queries.ProgressSetParams
	for _, w := range words {
		percent := float32(-1) // unknown
		if w.Percent != nil {
			percent = float32(min(max(*w.Percent, 0), 100))
		}
		p.Runs = append(p.Runs, w.Run)
		p.Steps = append(p.Steps, int32(w.Step))
		p.Attempts = append(p.Attempts, int32(w.Attempt))
		p.Percents = append(p.Percents, percent)
		p.Messages = append(p.Messages, w.Message)
	}
	if err := e.q.ProgressSet(ctx, p); err != nil {
		return fmt.Errorf("store the progress of %d attempts: %w", len(words), mapError(err))
	}
	return nil
}
