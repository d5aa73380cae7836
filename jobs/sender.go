package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/weirqueue/weir/lifecycle"
)

// Bounds of what an attempt may send.
const (
	maxLine        = 16 << 10 // bytes of a log line
	maxLog         = 10 << 20 // bytes of all lines of an attempt
	maxLogLines    = 100_000
	maxBuffered    = 1 << 20 // bytes of lines that wait to be sent
	maxBatch       = 256 << 10
	maxBatchLines  = 1000
	lineOverhead   = 64 // what a line costs beside its text
	maxProgressMsg = 1 << 10

	flushEvery    = 200 * time.Millisecond
	sendTimeout   = 5 * time.Second
	writePatience = 2 * time.Second // how long a writer waits for a slow database before lines are dropped
)

// sender ships the log lines and the progress of one attempt, in batches. Its goroutine starts with the first line and
// ends with close. It holds at most 1 MiB: a writer that is faster than the database waits for it, up to two seconds;
// then lines are dropped, and a line in their place says how many.
type sender struct {
	lc      Lifecycle
	hold    lifecycle.Hold
	logger  *slog.Logger
	dropped func(lines int)

	ctx    context.Context // of every call; ends when close's patience does
	cancel context.CancelFunc
	some   chan struct{}   // there is something to send
	now    chan struct{}   // there is enough, or no more will come
	hurry  <-chan struct{} // closed when writers should not wait any more: the attempt is to end
	done   chan struct{}   // closed when the goroutine ended; nil until it starts

	mu       sync.Mutex
	buf      []lifecycle.LogLine
	buffered int // bytes in buf
	total    int // bytes of all lines so far
	seq      int64
	prog     *lifecycle.Progress
	room     chan struct{} // closed and replaced when buf shrinks
	skipped  int           // lines dropped since the last one that was kept
	full     bool          // the 10 MiB are used up
	closed   bool
}

// newSender makes the sender of an attempt. ctx is of its calls, and is not the attempt's: that one's end, attempt.Done,
// only makes writers stop waiting.
func newSender(
	ctx, attempt context.Context, lc Lifecycle, hold lifecycle.Hold, logger *slog.Logger, dropped func(int),
) *sender {
	s := &sender{
		lc: lc, hold: hold, logger: logger, dropped: dropped, hurry: attempt.Done(),
		some: make(chan struct{}, 1), now: make(chan struct{}, 1), room: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// line adds a line. Text beyond 16 KiB is cut; truncated says that the caller cut already.
func (s *sender) line(at time.Time, stream, level, text string, truncated bool) {
	text = clean(text)
	if len(text) > maxLine {
		text, truncated = cut(text, maxLine), true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && !s.full && s.buffered > maxBuffered && s.skipped == 0 {
		s.waitForRoom()
	}
	switch {
	case s.closed || s.full:
		return
	case s.total+len(text) > maxLog || s.seq >= maxLogLines:
		s.full = true
		s.add(at, "log", "warn", fmt.Sprintf("the log is cut here: it reached %d MiB or %d lines", maxLog>>20, maxLogLines), true)
		return
	case s.buffered > maxBuffered:
		s.skipped++
		return
	}
	s.total += len(text)
	s.add(at, stream, level, text, truncated)
}

// waitForRoom waits, unlocked, until the buffer shrank, the sender ends or patience does.
func (s *sender) waitForRoom() {
	patience := time.NewTimer(writePatience)
	defer patience.Stop()
	for !s.closed && s.buffered > maxBuffered {
		room := s.room
		s.mu.Unlock()
		timeUp := false
		select {
		case <-room:
		case <-s.hurry:
			timeUp = true
		case <-patience.C:
			timeUp = true
		}
		s.mu.Lock()
		if timeUp {
			return
		}
	}
}

func (s *sender) markSkipped(at time.Time) {
	if s.skipped == 0 {
		return
	}
	n := s.skipped
	s.skipped = 0
	s.add(at, "log", "warn", fmt.Sprintf("%d lines were dropped here: the log could not be stored in time", n), true)
	s.dropped(n)
}

func (s *sender) add(at time.Time, stream, level, text string, truncated bool) {
	s.seq++
	s.buf = append(s.buf, lifecycle.LogLine{
		Run: s.hold.Run, Step: s.hold.Step, Attempt: s.hold.Attempt, Seq: s.seq, At: at,
		Stream: stream, Level: level, Text: text, Truncated: truncated,
	})
	s.buffered += len(text) + lineOverhead
	s.start()
	if s.buffered >= maxBatch {
		signal(s.now)
	}
}

// progress notes how far the attempt is.
func (s *sender) progress(percent float64, text string) {
	p := lifecycle.Progress{Hold: s.hold, Message: cut(clean(text), maxProgressMsg)}
	if percent >= 0 && percent <= 100 && !math.IsNaN(percent) {
		p.Percent = &percent
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.prog = &p
	s.start()
}

// start makes sure that somebody sends, soon.
func (s *sender) start() {
	if s.done == nil {
		s.done = make(chan struct{})
		go s.run()
	}
	signal(s.some)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run sends until the sender is closed and empty, or its context ends.
func (s *sender) run() {
	defer close(s.done)
	for {
		select {
		case <-s.some:
		case <-s.ctx.Done():
			return
		}
		gather := time.NewTimer(flushEvery)
		select {
		case <-gather.C:
		case <-s.now:
		case <-s.ctx.Done():
		}
		gather.Stop()
		for failures := 0; s.more(); {
			if s.flush() {
				failures = 0
				continue
			}
			failures++
			again := time.NewTimer(jittered(failures, flushEvery, 2*time.Second))
			select {
			case <-again.C:
			case <-s.ctx.Done():
				again.Stop()
				return
			}
		}
		if s.over() {
			return
		}
	}
}

func (s *sender) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.buf) > 0 || s.prog != nil
}

func (s *sender) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed && len(s.buf) == 0 && s.prog == nil
}

// flush sends one batch and the progress. It answers false when the same should be tried again later.
func (s *sender) flush() bool {
	s.mu.Lock()
	n, size := 0, 0
	for n < len(s.buf) && n < maxBatchLines && size < maxBatch {
		size += len(s.buf[n].Text) + lineOverhead
		n++
	}
	batch := s.buf[:n:n]
	prog := s.prog
	s.prog = nil
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(s.ctx, sendTimeout)
	defer cancel()
	if prog != nil {
		if err := s.lc.ProgressSet(ctx, []lifecycle.Progress{*prog}); err != nil && s.ctx.Err() == nil {
			s.logger.Debug("progress was not stored", "error", err)
		}
	}
	if n == 0 {
		return true
	}
	err := s.lc.LogAppend(ctx, batch)
	switch {
	case err == nil:
		s.drop(n, size)
	case ctx.Err() != nil || lifecycle.IsRetryable(err):
		return false
	default: // never sent again
		s.logger.Warn("log lines were refused", "lines", n, "error", err)
		s.dropped(n)
		s.drop(n, size)
	}
	return true
}

// drop forgets the first n lines, which are stored or given up, and lets a writer go on.
func (s *sender) drop(n, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = append([]lifecycle.LogLine(nil), s.buf[n:]...)
	s.buffered -= size
	s.markSkipped(time.Now())
	s.makeRoom()
}

func (s *sender) makeRoom() {
	close(s.room)
	s.room = make(chan struct{})
}

// close sends what is left for as long as ctx allows, and ends the sender. Lines that come later are ignored.
func (s *sender) close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	s.makeRoom()
	done := s.done
	s.mu.Unlock()
	defer s.cancel()
	if done == nil {
		return
	}
	signal(s.some)
	signal(s.now)
	select {
	case <-done:
	case <-ctx.Done():
		s.cancel()
		<-done
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if lost := len(s.buf) + s.skipped; lost > 0 {
		s.logger.Warn("log lines were lost: the log could not be stored in time", "lines", lost)
		s.dropped(lost)
	}
}
