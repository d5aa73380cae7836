package lifecycle

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirqueue/weir/db/queries"
)

// Refreshing is the answer to a request for a full pass.
type Refreshing struct {
	RequestedAt time.Time
	// Coalesced says that somebody had asked before, and that the pass had not begun: it serves both.
	Coalesced bool
}

// Refresh asks for a full pass now, by whichever replica comes first: it begins after this, goes through every open run,
// and has reconcile look at what is left to do. It does not wait for it. Where notifications do not arrive, the pass
// begins within a second.
func (e *Engine) Refresh(ctx context.Context) (Refreshing, error) {
	row, err := e.q.RefreshAsk(ctx)
	if errors.Is(err, pgx.ErrNoRows) { // somebody deleted the row
		if err := e.q.PulseCreate(ctx); err != nil {
			return Refreshing{}, mapError(err)
		}
		row, err = e.q.RefreshAsk(ctx)
	}
	if err != nil {
		return Refreshing{}, mapError(err)
	}
	return e.refreshing(ctx, row)
}

func (e *Engine) refreshing(ctx context.Context, row queries.RefreshAskRow) (Refreshing, error) {
	select {
	case e.asked <- struct{}{}:
	default:
	}
	if err := e.q.RefreshTell(ctx); err != nil { // it is asked for all the same
		e.logger.Warn("the others could not be told that a full pass is asked for", "error", err)
	}
	return Refreshing{RequestedAt: *row.RefreshAskedAt, Coalesced: row.Coalesced}, nil
}

// refreshes makes the full passes that are asked for, until ctx ends.
func (e *Engine) refreshes(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.asked:
		case <-e.cfg.Refresh:
		}
		e.nudge()
		e.tick(ctx, "make the full pass that was asked for", e.sweepOnce)
	}
}
