package lifecycle

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirqueue/weir/db/queries"
)

// Config says how an Engine works. Pool and Replica are required.
type Config struct {
	Pool     *pgxpool.Pool
	Replica  uuid.UUID    // this process: its worker id, and the actor of what its reconcile does
	Logger   *slog.Logger // nil: discards
	Observer Observer     // nil: nobody
	// ObserverFailed is called whenever the observer has panicked; nil: nobody counts.
	ObserverFailed func()

	Lease        time.Duration   // of a worker; 15s
	PollInterval time.Duration   // how often to look without being told, about; 1s; negative: never
	Nudge        <-chan struct{} // weir_dirty was notified: look now; nil: never
	Refresh      <-chan struct{} // weir_refresh was notified: somebody asks for a full pass; nil: never
	FollowNudge  <-chan struct{} // the same, for those who follow runs

	pauses *pauses // where a test holds the engine; nil: nowhere
}

// Engine does what happens to runs and steps, and reads them. All methods may be called concurrently.
type Engine struct {
	*Reader

	cfg      Config
	pool     *pgxpool.Pool
	q        *queries.Queries
	logger   *slog.Logger
	observer Observer
	actor    string // reconcile:ID
	dirty    chan struct{}
	asked    chan struct{} // somebody asked here for a full pass
	bulks    chan struct{} // there may be an operation on many runs to go on with
	soon     *alarm
	fires    *alarm // when to look at the schedules
	pauses   *pauses
	known    kindCache
	follower *follower // looks for those who follow runs

	submits  *group[Submission, Submitted]
	larges   *group[Submission, Submitted] // of plans that take so long that no other should wait for them
	starts   *group[StartRequest, StartAnswer]
	finishes *group[Report, FinishAnswer]
}

// New returns an Engine that answers calls. Its loops run in [Engine.Run].
func New(c Config) *Engine {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observer == nil {
		c.Observer = Unobserved{}
	}
	if c.Lease == 0 {
		c.Lease = 15 * time.Second
	}
	if c.PollInterval == 0 {
		c.PollInterval = time.Second
	}
	if c.pauses == nil {
		c.pauses = faults(c.Logger)
	}
	e := &Engine{
		Reader: NewReader(c.Pool), cfg: c, pool: c.Pool, q: queries.New(c.Pool), logger: c.Logger, observer: c.Observer,
		actor: "reconcile:" + c.Replica.String(), dirty: make(chan struct{}, 1), asked: make(chan struct{}, 1), bulks: make(chan struct{}, 1),
		soon: newAlarm(), fires: newAlarm(), pauses: c.pauses,
	}
	e.follower = newFollower(e.q, c.FollowNudge, c.Logger)
	e.submits = newGroup(submitMost, 2, e.submitFlush).sized(sizeOfSubmission, submitLarge, submitWithin)
	e.larges = newGroup(1, 1, e.submitFlush).sized(sizeOfSubmission, submitLarge, submitWithin)
	e.starts = newGroup(startMost, 2, e.startFlush)
	e.finishes = newGroup(finishMost, 2, e.finishFlush).sized(sizeOfReport, finishLarge, 0)
	return e
}

// observe tells the observer something, whatever the observer does.
func (e *Engine) observe(tell func(Observer)) {
	defer func() {
		if v := recover(); v != nil {
			e.logger.Error("the observer of the lifecycle panicked", "panic", fmt.Sprint(v))
			if e.cfg.ObserverFailed != nil {
				e.cfg.ObserverFailed()
			}
		}
	}()
	tell(e.observer)
}

// nudge makes reconcile look now.
func (e *Engine) nudge() {
	select {
	case e.dirty <- struct{}{}:
	default:
	}
}

// txBegin bounds how long a transaction waits for a lock, and how long the database waits for a process that stands still
// inside of one: it may hold a shard, or steps.
const txBegin = "begin isolation level read committed; set local lock_timeout = '250ms'; set local idle_in_transaction_session_timeout = '5s'"

// inTx does something in one transaction, READ COMMITTED, within the bounds of txBegin.
func (e *Engine) inTx(ctx context.Context, do func(tx pgx.Tx, q *queries.Queries) error) error {
	return pgx.BeginTxFunc(ctx, e.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, BeginQuery: txBegin}, func(tx pgx.Tx) error { return do(tx, e.q.WithTx(tx)) })
}
