package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// pulse is how long the database has been there without a gap, by its own clock.
type pulse struct {
	mine        bool // this beat is ours: nobody else did within the last 900 ms
	steadySince time.Time
	now         time.Time
}

// beat writes the second's beat, unless another replica has. A gap of more than 3 s, or a clock that went back, restarts
// steadySince: whoever was not heard of may only have been kept from it. Decisions read weir.pulse again, in the
// statement that makes them: this replica itself may have been frozen since.
func (e *Engine) beat(ctx context.Context) (pulse, error) {
	row, err := e.q.PulseBeat(ctx)
	if errors.Is(err, pgx.ErrNoRows) { // somebody deleted the row
		if err := e.q.PulseCreate(ctx); err != nil {
			return pulse{}, fmt.Errorf("begin the pulse again: %w", mapError(err))
		}
		row, err = e.q.PulseBeat(ctx)
	}
	if err != nil {
		return pulse{}, fmt.Errorf("beat: %w", mapError(err))
	}
	return pulse{mine: row.Beat, steadySince: row.SteadySince, now: row.Now}, nil
}
