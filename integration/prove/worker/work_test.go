//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/weirqueue/weir/integration/prove/ledger"
	"github.com/weirqueue/weir/jobs"
)

func newWorker(t *testing.T) (w *worker, notes func() []string) {
	t.Helper()
	dir := t.TempDir()
	book, err := ledger.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = book.Close() })
	return &worker{replica: "01", ledger: book}, func() (list []string) {
		entries, err := ledger.Read(dir)
		require.NoError(t, err)
		for _, e := range entries {
			require.Equal(t, ledger.Entry{At: e.At, PID: os.Getpid(), What: e.What, Run: uuid.Max, Step: "a", Attempt: 2, Replica: "01", Note: e.Note}, e)
			list = append(list, e.What+": "+e.Note)
		}
		return list
	}
}

func second(ctx context.Context) context.Context {
	return jobs.NewContext(ctx, &jobs.Attempt{Run: uuid.Max, Step: "a", Attempt: 2})
}

func TestWork(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		acts  []act
		notes []string
		fails string
		out   string
	}{
		"ok":        {[]act{{Do: "fail"}, {Do: "ok", Lines: 2, Tell: true}, {Do: "panic"}}, []string{"start: work ok 0ms", "end: ok"}, "", `{"list":[0,1,2],"n":3,"text":"drawn"}`},
		"last":      {[]act{{Do: "fail"}}, []string{"start: work fail 0ms", "end: fail"}, errFailed.Error(), ""},
		"permanent": {[]act{{Do: "permanent"}}, []string{"start: work permanent 0ms", "end: permanent"}, errFailed.Error(), ""},
		"later":     {[]act{{Do: "later"}}, []string{"start: work later 0ms", "end: later"}, errFailed.Error(), ""},
		"unknown":   {[]act{{Do: "dance"}}, []string{"start: work dance 0ms", "end: dance"}, "nothing that an attempt can do", ""},
		"null":      {[]act{{Do: "ok", Output: "null"}}, []string{"start: work ok 0ms", "end: ok"}, "", "null"},
		"nothing":   {nil, nil, "attempts is empty", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, notes := newWorker(t)
			out, err := w.work(second(t.Context()), work{Attempts: test.acts})
			require.Equal(t, test.notes, notes())
			if test.fails != "" {
				require.ErrorContains(t, err, test.fails)
				return
			}
			require.NoError(t, err)
			text, err := json.Marshal(out)
			require.NoError(t, err)
			require.JSONEq(t, test.out, string(text))
		})
	}
}

func TestWorkEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for _, a := range []act{{Do: "hang"}, {Do: "ignore", For: 20}, {Do: "ok", For: 600_000}, {Do: "ok", For: 600_000, Lines: 3}} {
		w, notes := newWorker(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := w.work(second(ctx), work{Attempts: []act{a}})
			done <- err
		}()
		require.Eventually(t, func() bool { return len(notes()) == 1 }, time.Minute, time.Millisecond)
		cancel(errors.New("enough"))
		require.ErrorIs(t, <-done, context.Canceled)
		require.Equal(t, "end: context: enough", notes()[1])
	}
}

// An execution that is not in the ledger must not look as if all were well.
func TestNoLedger(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { _, _ = (&worker{}).work(second(t.Context()), work{Attempts: []act{{Do: "ok"}}}) })
	w, _ := newWorker(t)
	require.NoError(t, w.ledger.Close())
	require.Panics(t, func() { _, _ = w.work(second(t.Context()), work{Attempts: []act{{Do: "ok"}}}) })
}

func TestPanicIsNotedBefore(t *testing.T) {
	t.Parallel()
	w, notes := newWorker(t)
	require.PanicsWithValue(t, "it panics, as it was told to", func() {
		_, _ = w.work(second(t.Context()), work{Attempts: []act{{Do: "panic"}}})
	})
	require.Equal(t, []string{"start: work panic 0ms", "end: panic"}, notes())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = w.work(second(t.Context()), work{Attempts: []act{{Do: "exit"}}})
	}()
	<-gone
	require.Equal(t, []string{"start: work exit 0ms", "end: exit"}, notes()[2:])
}
