//go:build linux

package workload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/weirqueue/weir/integration/prove/check"
	"github.com/weirqueue/weir/integration/prove/ledger"
)

// Config says what is done to whom. Seed, Database, Servers and Command are required.
type Config struct {
	Seed     uint64
	Database string          // the URL of the database: for looking, and for tampering with River's jobs
	Servers  func() []string // base URLs of the APIs that should be up now; called for every call
	Command  string          // the path of the binary that steps of kind exec run
	Logger   *slog.Logger    // nil: discards

	Rate        float64       // submits per second at the most; 0 = 10
	Outstanding int           // acknowledged runs that have not ended, at the most; 0 = 60
	Interfere   time.Duration // between two acts on River's jobs; 0 = 700ms; less: none
}

// Bounds of patience.
const (
	callWithin   = 10 * time.Second       // of one call
	lookWithin   = 5 * time.Second        // of one look into the database
	knownWithin  = 3 * time.Minute        // what was submitted is asked for so long after the end, until it is known
	between      = 100 * time.Millisecond // two looks at the database
	pausedFor    = 3 * time.Second        // a pause that nobody has ended is ended
	maxBackoff   = time.Second
	firstBackoff = 25 * time.Millisecond
)

// Workload is everything that happens to a cluster from outside, faults of machines and networks apart. Its methods may
// be called concurrently, Run and Settle one after the other.
type Workload struct {
	config Config
	plans  Plans
	pool   *pgxpool.Pool
	river  *river.Client[pgxTx]
	http   *http.Client

	mu       sync.Mutex
	acks     []check.Ack
	runs     map[string]uuid.UUID        // what was acknowledged, by Idempotency-Key and place in the batch
	asked    map[string]bool             // Idempotency-Keys
	open     map[uuid.UUID]chan struct{} // acknowledged runs that have not ended; closed when they have
	counts   map[string]int
	problems []error
}

// New prepares a workload; it calls nobody.
func New(config Config) (*Workload, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Rate == 0 {
		config.Rate = 10
	}
	if config.Outstanding == 0 {
		config.Outstanding = 60
	}
	if config.Interfere == 0 {
		config.Interfere = 700 * time.Millisecond
	}
	if config.Servers == nil || config.Command == "" {
		return nil, errors.New("prepare the workload: Servers and Command are required")
	}
	settings, err := pgxpool.ParseConfig(config.Database)
	if err != nil {
		return nil, fmt.Errorf("prepare the workload: %w", err)
	}
	settings.MaxConns = 4
	settings.ConnConfig.ConnectTimeout = lookWithin
	pool, err := pgxpool.NewWithConfig(context.Background(), settings)
	if err != nil {
		return nil, fmt.Errorf("prepare the workload: %w", err)
	}
	tamperer, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Schema: "weir", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("prepare the workload: %w", err)
	}
	return &Workload{
		config: config, plans: Plans{Seed: config.Seed, Command: config.Command}, pool: pool, river: tamperer,
		http: &http.Client{Timeout: callWithin, Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: lookWithin}},
		runs: map[string]uuid.UUID{}, asked: map[string]bool{}, open: map[uuid.UUID]chan struct{}{}, counts: map[string]int{},
	}, nil
}

// Close gives up the connections.
func (w *Workload) Close() {
	w.pool.Close()
	w.http.CloseIdleConnections()
}

// Acks are the answers that promised a run, so far. The live run that on_conflict keep answers has no Key: none was taken
// for it.
func (w *Workload) Acks() []check.Ack {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]check.Ack(nil), w.acks...)
}

// Asked are the Idempotency-Keys that were sent so far, also those of which no answer came.
func (w *Workload) Asked() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.asked))
}

// asks notes that an Idempotency-Key is sent.
func (w *Workload) asks(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[key] = true
}

// Counts are what was done, how often: submits, what the operator did, what was done to River's jobs, refusals by code.
func (w *Workload) Counts() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.counts)
}

func (w *Workload) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[what]++
}

// problem notes what must not be. Run and Settle return it.
func (w *Workload) problem(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	w.config.Logger.Error("the workload met what must not be", "error", err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, err)
}

func (w *Workload) problemsSoFar() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.problems...)
}

// ack notes an answer that promised a run: the nth one of its Idempotency-Key.
func (w *Workload) ack(t taken, key string, nth int) {
	at := fmt.Sprintf("%s %d", key, nth)
	w.mu.Lock()
	before, again := w.runs[at]
	if t.others {
		key, nth, again = "", 0, false
	} else {
		w.runs[at] = t.run
	}
	w.acks = append(w.acks, check.Ack{Run: t.run, Key: key, Nth: nth, Name: t.name, At: ledger.Now()})
	if _, open := w.open[t.run]; !open && !again {
		w.open[t.run] = make(chan struct{})
	}
	w.counts["acknowledged"]++
	w.mu.Unlock()
	if again && before != t.run {
		w.problem("two answers to the Idempotency-Key %s name two runs: %s and %s", key, before, t.run)
	}
}

// outstanding is how many acknowledged runs have not ended, as far as is known.
func (w *Workload) outstanding() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.open)
}

// ended is closed when a run has ended.
func (w *Workload) ended(run uuid.UUID) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if done, open := w.open[run]; open {
		return done
	}
	done := make(chan struct{})
	close(done)
	return done
}

// watch looks which acknowledged runs have ended, until ctx ends.
func (w *Workload) watch(ctx context.Context) {
	for pause(ctx, between) {
		w.look(ctx)
	}
}

func (w *Workload) look(ctx context.Context) {
	w.mu.Lock()
	open := make([]uuid.UUID, 0, len(w.open))
	for run := range w.open {
		open = append(open, run)
	}
	w.mu.Unlock()
	final, err := list[uuid.UUID](ctx, w, `select id from weir.runs where id = any($1) and finished_at is not null`, open)
	if err != nil {
		w.config.Logger.Debug("the workload cannot look for the ends of runs", "error", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, run := range final {
		if done, open := w.open[run]; open {
			close(done)
			delete(w.open, run)
		}
	}
}

// pause waits, and is false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Run submits until ctx ends, and goes on until it is known of everything that was submitted whether it was taken. The
// error says what must not be: a plan with faults that was taken, a good one that was refused, one key with two runs, an
// answer that never came.
func (w *Workload) Run(ctx context.Context) error {
	rest, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var helpers, submits sync.WaitGroup
	helpers.Go(func() { w.watch(rest) })
	helpers.Go(func() { w.operate(rest, false) })
	helpers.Go(func() { w.interfere(ctx) })
	w.putPlans(ctx)
	w.putSchedules(ctx)

	known, knownCancel := context.WithCancel(rest)
	defer knownCancel()
	stop := context.AfterFunc(ctx, func() {
		if pause(rest, knownWithin) {
			knownCancel()
		}
	})
	defer stop()
	tick := time.NewTicker(time.Duration(float64(time.Second) / w.config.Rate))
	defer tick.Stop()
	var inFlight sync.WaitGroup
	slots := make(chan struct{}, w.config.Outstanding)
	for i := 0; ctx.Err() == nil; i++ {
		select {
		case <-ctx.Done():
			continue
		case <-tick.C:
		}
		for ctx.Err() == nil && w.outstanding() >= w.config.Outstanding {
			pause(ctx, between)
		}
		select {
		case <-ctx.Done():
			continue
		case slots <- struct{}{}:
		}
		submits.Go(func() {
			for _, follow := range w.submit(ctx, known, i) {
				inFlight.Go(follow)
			}
			<-slots
		})
	}
	submits.Wait()
	inFlight.Wait()
	w.dropSchedules(known)
	cancel()
	helpers.Wait()
	return w.problemsSoFar()
}
