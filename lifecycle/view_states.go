package lifecycle

import (
	"context"

	"github.com/google/uuid"
)

// RunStates answers the states of runs. Runs that are not there are left out of the answer.
func (r *Reader) RunStates(ctx context.Context, runs []uuid.UUID) (map[uuid.UUID]RunState, error) {
	rows, err := r.queries().RunStates(ctx, runs)
	if err != nil {
		return nil, readError(err)
	}
	states := make(map[uuid.UUID]RunState, len(rows))
	for _, row := range rows {
		states[row.ID] = RunState(row.State)
	}
	return states, nil
}
