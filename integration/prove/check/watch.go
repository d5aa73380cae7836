//go:build linux

package check

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/integration/prove/ledger"
)

const (
	lookEvery  = 250 * time.Millisecond
	hintsEvery = 4                // looks: how often it looks for what was forgotten
	lookWithin = 10 * time.Second // of one look; then the connection is given up
	newsMost   = 5000             // transitions read at once
)

// Watcher looks at a database while a cluster lives on it: it follows the history, keeps each row as it was when it
// became final, counts what limits are held, and looks for what reconcile should be told of and is not.
type Watcher struct {
	url    string
	logger *slog.Logger

	// Of Run alone.
	conn   *pgx.Conn
	xid    string // the place in the history behind which it is: (xid, id)
	id     int64
	unread []place // what was seen to become final and is not read yet
	looks  int

	mu        sync.Mutex
	snapshots []Snapshot
	moves     []Move
	most      map[string]Sample
	lost      []Forgotten
	told      map[todo]bool // lost
}

// place names a step by its run and ordinal, or the run itself: 0.
type place struct {
	run  uuid.UUID
	step int
}

// NewWatcher makes a Watcher of the database that the URL leads to, past every proxy.
func NewWatcher(url string, logger *slog.Logger) *Watcher {
	return &Watcher{url: url, logger: logger, xid: "0", most: map[string]Sample{}, told: map[todo]bool{}}
}

// Run looks every 250 ms, until the context ends; then for the last time, so that nothing is missed. What goes wrong is logged,
// and tried again on a new connection. The error is that of the last look.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.hangUp(ctx)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	well := true
	for {
		err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			w.hangUp(ctx)
			if well {
				w.logger.Info("the watcher sees nothing", "error", err)
			}
			well = false
		case !well:
			w.logger.Info("the watcher sees again")
			well = true
		}
		select {
		case <-ctx.Done():
			w.hangUp(ctx)
			return w.lastLook(context.WithoutCancel(ctx))
		case <-tick.C:
		}
	}
}

// lastLook looks until what has happened so far can be read: a transaction that is open, in any database of the server,
// keeps what came after it behind the horizon. One that stays open is waited for only so long.
func (w *Watcher) lastLook(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	if err := w.look(ctx); err != nil {
		return err
	}
	var until string
	if err := w.conn.QueryRow(ctx, `select pg_snapshot_xmax(pg_current_snapshot())::text`).Scan(&until); err != nil {
		return fmt.Errorf("look for the last time: %w", err)
	}
	for reached := false; !reached && ctx.Err() == nil; {
		if err := w.conn.QueryRow(ctx, `select pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8`, until).Scan(&reached); err != nil {
			return fmt.Errorf("look for the last time: %w", err)
		}
		if err := w.look(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Snapshots are the rows that were seen final, as they were then.
func (w *Watcher) Snapshots() []Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.snapshots)
}

// Samples are, for each key of a limit, the most that was seen of it.
func (w *Watcher) Samples() []Sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	samples := make([]Sample, 0, len(w.most))
	for _, s := range w.most {
		samples = append(samples, s)
	}
	slices.SortFunc(samples, func(a, b Sample) int { return compare(a.Key, b.Key) })
	return samples
}

// Forgotten is what reconcile had to do at some time, and was not told of.
func (w *Watcher) Forgotten() []Forgotten {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lost)
}

// Moves are the transitions in order of (xid, id).
func (w *Watcher) Moves() []Move {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.moves)
}

// look does everything once.
func (w *Watcher) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	if w.conn == nil {
		conn, err := dial(ctx, w.url)
		if err != nil {
			return err
		}
		w.conn = conn
	}
	if err := w.follow(ctx); err != nil {
		return fmt.Errorf("follow the history: %w", err)
	}
	if err := w.read(ctx); err != nil {
		return fmt.Errorf("read what is final: %w", err)
	}
	if err := w.sample(ctx); err != nil {
		return fmt.Errorf("count what limits are held: %w", err)
	}
	w.looks++
	if w.looks%hintsEvery != 0 {
		return nil
	}
	if err := w.forgotten(ctx); err != nil {
		return fmt.Errorf("look for what was forgotten: %w", err)
	}
	return nil
}

// dial connects as the checks read: times in UTC, and plans that do not take tables of a minute ago for empty ones.
func dial(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the URL of the database: %w", err)
	}
	config.RuntimeParams["timezone"] = "UTC"
	config.RuntimeParams["application_name"] = "watcher"
	config.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return conn, nil
}

func (w *Watcher) hangUp(ctx context.Context) {
	if w.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = w.conn.Close(ctx)
	w.conn = nil
}

// follow reads what is new in the history.
func (w *Watcher) follow(ctx context.Context) error {
	for {
		rows, err := w.conn.Query(ctx, newsSQL, w.xid, w.id, newsMost)
		if err != nil {
			return err
		}
		news, err := pgx.CollectRows(rows, pgx.RowToStructByPos[newMove])
		if err != nil {
			return err
		}
		if len(news) == 0 {
			return nil
		}
		now := ledger.Now()
		w.mu.Lock()
		for _, n := range news {
			at := place{n.Run, n.Ordinal}
			w.moves = append(w.moves, Move{
				ID: n.ID, Run: n.Run, Step: n.Key, Ordinal: n.Ordinal, Attempt: n.Attempt, From: n.From, To: n.To,
				Cause: n.Cause, Actor: n.Actor, Seen: now,
			})
			if at.step > 0 && stepIsFinal(n.To) || at.step == 0 && runIsFinal(n.To) {
				w.unread = append(w.unread, at)
			}
		}
		w.mu.Unlock()
		last := news[len(news)-1]
		w.xid, w.id = last.XID, last.ID
		if len(news) < newsMost {
			return nil
		}
	}
}

// read keeps the rows that have become final, and the steps that their runs were born with.
func (w *Watcher) read(ctx context.Context) error {
	for len(w.unread) > 0 {
		part := w.unread[:min(len(w.unread), 1000)]
		var runs, wholes []uuid.UUID
		var steps []int32
		for _, p := range part {
			if p.step == 0 {
				wholes = append(wholes, p.run)
				continue
			}
			runs, steps = append(runs, p.run), append(steps, int32(p.step))
		}
		found, err := rowsOf(ctx, w.conn, stepRowsSQL, runs, steps)
		if err != nil {
			return err
		}
		ended, err := rowsOf(ctx, w.conn, runRowsSQL, wholes)
		if err != nil {
			return err
		}
		reused, err := rowsOf(ctx, w.conn, reusedRowsSQL, wholes)
		if err != nil {
			return err
		}
		now := ledger.Now()
		w.mu.Lock()
		for _, r := range slices.Concat(found, ended, reused) {
			w.snapshots = append(w.snapshots, Snapshot{Run: r.Run, Step: r.Step, Seen: now, Row: r.Row})
		}
		w.mu.Unlock()
		w.unread = w.unread[len(part):]
	}
	return nil
}

// sample counts who holds which limit.
func (w *Watcher) sample(ctx context.Context) error {
	rows, err := w.conn.Query(ctx, samplesSQL)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[held])
	if err != nil {
		return err
	}
	now := ledger.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range found {
		was, known := w.most[f.Key]
		now := Sample{
			At: now, Key: f.Key, Held: max(f.Held, was.Held), Running: max(f.Running, was.Running),
			Administered: max(f.Administered, was.Administered),
		}
		if !known || now.Held > was.Held || now.Running > was.Running || now.Administered > was.Administered {
			w.most[f.Key] = now
		}
	}
	return nil
}
