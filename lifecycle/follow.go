package lifecycle

import (
	"context"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/weirqueue/weir/db/queries"
)

// How often the history is looked at while somebody follows a run.
const (
	followEvery  = 250 * time.Millisecond // without being told
	followSoon   = 20 * time.Millisecond  // the least between two looks, and the first wait for a transaction that is still open
	followWithin = 10 * time.Second       // one look
)

// follower looks for everybody who follows a run, and tells those whose run has news. Each look is one query for the
// history and, while attempts that are followed run, one for their logs, however many follow. While nobody follows, it
// does nothing.
type follower struct {
	q      *queries.Queries
	nudge  <-chan struct{}
	logger *slog.Logger

	since uint64 // everything before this xid was looked at; 0: nothing yet. Only for run

	mu      sync.Mutex
	watches map[*watch]struct{}
	came    chan struct{} // somebody came
}

// watch is somebody who follows a run.
type watch struct {
	f    *follower
	run  uuid.UUID
	news chan struct{}

	// Guarded by f.mu.
	asked bool           // the look that goes on asks for this run
	logs  []attemptPlace // the attempts that are followed
}

// attemptPlace is a place in the log of an attempt: the last line that was seen.
type attemptPlace struct {
	step    int32
	attempt int32
	seq     int64
}

func newFollower(q *queries.Queries, nudge <-chan struct{}, logger *slog.Logger) *follower {
	return &follower{q: q, nudge: nudge, logger: logger, watches: map[*watch]struct{}{}, came: make(chan struct{}, 1)}
}

// watch registers somebody. Whatever becomes visible after it has returned is told.
func (f *follower) watch(run uuid.UUID) *watch {
	w := &watch{f: f, run: run, news: make(chan struct{}, 1)}
	f.mu.Lock()
	f.watches[w] = struct{}{}
	f.mu.Unlock()
	signal(f.came)
	return w
}

// close ends the watch. It may be repeated.
func (w *watch) close() {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	delete(w.f.watches, w)
}

// follow says which logs are followed, and from where on.
func (w *watch) follow(logs []attemptPlace) {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	w.logs = logs
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has not taken the last one yet
	}
}

// run looks until ctx ends.
func (f *follower) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	failed, soon := false, followSoon
	for {
		if f.nobody() {
			f.since = 0
			select {
			case <-ctx.Done():
				return nil
			case <-f.came:
			}
		}
		held, err := f.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !failed {
			f.logger.Warn("the history cannot be followed now", "error", err)
		}
		failed = err != nil
		wait := followEvery
		if held {
			wait, soon = soon, min(2*soon, followEvery)
		} else {
			soon = followSoon
		}
		if !f.rest(ctx, timer, wait) {
			return nil
		}
	}
}

// rest waits until it is time for the next look.
func (f *follower) rest(ctx context.Context, timer *time.Timer, wait time.Duration) bool {
	timer.Reset(followSoon)
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	}
	timer.Reset(max(wait-followSoon, 0))
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-f.nudge:
	case <-f.came:
	}
	return true
}

func (f *follower) nobody() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watches) == 0
}

// look asks once for everybody. held: there is more, which an open transaction holds back.
func (f *follower) look(ctx context.Context) (held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, followWithin)
	defer cancel()
	runs, logs, whose := f.asked()
	since := f.since
	if since == 0 {
		since = math.MaxUint64
	}
	news, err := f.q.HistoryNews(ctx, queries.HistoryNewsParams{Since: strconv.FormatUint(since, 10), Runs: runs})
	if err != nil {
		return false, readError(err)
	}
	horizon, err := strconv.ParseUint(news.Horizon, 10, 64)
	if err != nil {
		return false, err
	}
	lines := map[*watch]bool{}
	if len(logs.Runs) > 0 {
		places, err := f.q.LogNews(ctx, logs)
		if err != nil {
			return false, readError(err)
		}
		for _, place := range places {
			lines[whose[place-1]] = true
		}
	}
	all := f.since == 0 || horizon < f.since // the first look, or another history
	f.since = horizon
	f.tell(all, news.News, lines)
	return news.Held, nil
}

// asked is what to ask for.
func (f *follower) asked() (runs []uuid.UUID, logs queries.LogNewsParams, whose []*watch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := make(map[uuid.UUID]bool, len(f.watches))
	for w := range f.watches {
		w.asked = true
		if !known[w.run] {
			known[w.run], runs = true, append(runs, w.run)
		}
		for _, place := range w.logs {
			logs.Runs, logs.Steps = append(logs.Runs, w.run), append(logs.Steps, place.step)
			logs.Attempts, logs.Seqs = append(logs.Attempts, place.attempt), append(logs.Seqs, place.seq)
			whose = append(whose, w)
		}
	}
	return runs, logs, whose
}

// tell wakes those who have news, and those who came while the question was asked.
func (f *follower) tell(all bool, runs []uuid.UUID, lines map[*watch]bool) {
	news := make(map[uuid.UUID]bool, len(runs))
	for _, run := range runs {
		news[run] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watches {
		if all || !w.asked || news[w.run] || lines[w] {
			signal(w.news)
		}
	}
}
