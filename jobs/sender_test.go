package jobs

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/lifecycle"
)

func aSender(t *testing.T, f *fake) (*sender, *counts) {
	t.Helper()
	obs := &counts{n: map[string]int{}}
	s := newSender(t.Context(), t.Context(), f, lifecycle.Hold{Run: uuid.New(), Attempt: 1}, slog.New(slog.DiscardHandler),
		func(n int) { obs.add("lines dropped", n) })
	return s, obs
}

func (s *sender) closeWithin(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	s.close(ctx)
}

func TestLinesComeInBatchesAndInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var batches []int
		f := &fake{logs: func(_ context.Context, lines []lifecycle.LogLine) error {
			mu.Lock()
			defer mu.Unlock()
			batches = append(batches, len(lines))
			return nil
		}}
		got := func() []int {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(batches)
		}
		s, _ := aSender(t, f)
		for range 50 {
			s.line(time.Now(), "stdout", "", "text", false)
		}
		synctest.Wait()
		require.Empty(t, got(), "it gathers")
		time.Sleep(flushEvery)
		synctest.Wait()
		require.Equal(t, []int{50}, got())
		s.line(time.Now(), "stdout", "", "last", false)
		s.closeWithin(time.Second)
		require.Equal(t, []int{50, 1}, got(), "the rest is sent at the end")
		for i, l := range f.logged() {
			require.Equal(t, int64(i+1), l.Seq)
		}
		s.line(time.Now(), "stdout", "", "after the end", false)
		require.Len(t, f.logged(), 51)
	})
}

func TestLinesAreMadeStorable(t *testing.T) {
	t.Parallel()
	f := &fake{}
	s, _ := aSender(t, f)
	s.line(time.Now(), "stdout", "", "a\x00b\xffc", false)
	s.line(time.Now(), "stdout", "", strings.Repeat("é", maxLine), false)
	s.closeWithin(time.Second)
	lines := f.logged()
	require.Equal(t, "ab\uFFFDc", lines[0].Text)
	require.False(t, lines[0].Truncated)
	require.Len(t, lines[1].Text, maxLine)
	require.True(t, lines[1].Truncated)
}

func TestLogIsCutVisibly(t *testing.T) {
	t.Parallel()
	f := &fake{}
	s, obs := aSender(t, f)
	for range 2 * maxLog / maxLine {
		s.line(time.Now(), "stdout", "", strings.Repeat("x", maxLine), false)
	}
	s.closeWithin(5 * time.Second)
	lines := f.logged()
	require.Len(t, lines, maxLog/maxLine+1)
	last := lines[len(lines)-1]
	require.True(t, last.Truncated)
	require.Contains(t, last.Text, "10 MiB")
	require.Zero(t, obs.of("lines dropped"))
}

func TestLogOfManyLinesIsCutVisibly(t *testing.T) {
	t.Parallel()
	f := &fake{}
	s, _ := aSender(t, f)
	for range maxLogLines + 1000 {
		s.line(time.Now(), "stdout", "", "1", false)
	}
	s.closeWithin(20 * time.Second)
	require.Len(t, f.logged(), maxLogLines+1)
	require.True(t, f.logged()[maxLogLines].Truncated)
}

// A database that is away for a while costs lines only beyond what is buffered, and says so in the log.
func TestSlowLogDropsVisibly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		away.Store(true)
		f := &fake{}
		f.logs = func(context.Context, []lifecycle.LogLine) error {
			if away.Load() {
				return unavailable()
			}
			return nil
		}
		s, obs := aSender(t, f)
		began := time.Now()
		for range 200 {
			s.line(time.Now(), "stdout", "", strings.Repeat("x", maxLine), false)
		}
		require.Equal(t, writePatience, time.Since(began), "the writer waits once, and not for long")
		away.Store(false)
		time.Sleep(5 * time.Second)
		s.line(time.Now(), "stdout", "", "again", false)
		s.closeWithin(time.Second)
		lines := f.logged()
		mark := lines[len(lines)-2]
		require.Contains(t, mark.Text, "lines were dropped here")
		require.True(t, mark.Truncated)
		require.Equal(t, "again", lines[len(lines)-1].Text)
		require.Equal(t, 200-(len(lines)-2), obs.of("lines dropped"))
	})
}

func TestRefusedLinesAreNotSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		f := &fake{logs: func(context.Context, []lifecycle.LogLine) error {
			if calls++; calls == 1 {
				return errors.New("no")
			}
			return nil
		}}
		s, obs := aSender(t, f)
		s.line(time.Now(), "log", "info", "refused", false)
		time.Sleep(time.Second)
		s.line(time.Now(), "log", "info", "taken", false)
		s.closeWithin(time.Second)
		require.Equal(t, 2, calls)
		require.Equal(t, "taken", f.logged()[0].Text)
		require.Equal(t, 1, obs.of("lines dropped"))
	})
}

func TestHangingLogDelaysTheEndForABoundedTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, obs := aSender(t, &fake{logs: func(ctx context.Context, _ []lifecycle.LogLine) error { return hang(ctx) }})
		s.line(time.Now(), "log", "info", "text", false)
		time.Sleep(time.Second)
		began := time.Now()
		s.closeWithin(maxFlush)
		require.Equal(t, maxFlush, time.Since(began))
		require.Equal(t, 1, obs.of("lines dropped"))
	})
}

func TestLastProgressIsSent(t *testing.T) {
	t.Parallel()
	f := &fake{}
	s, _ := aSender(t, f)
	s.progress(10, "a")
	s.progress(120, "b\x00")
	s.closeWithin(time.Second)
	require.Len(t, f.progress, 1)
	require.Nil(t, f.progress[0].Percent)
	require.Equal(t, "b", f.progress[0].Message)
}
