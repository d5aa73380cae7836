package lifecycle

import (
	"context"
	"time"
)

// violationsWithin is how long the database may look for violations.
const violationsWithin = 10 * time.Second

// ViolationView is an invariant that is broken.
type ViolationView struct {
	Rule    string
	Run     string // its id; "": it is not about a run
	Step    string // key; "": it is not about a step
	Message string
}

// ViolationList lists the invariants that are broken, at most so many: there should be none. It takes longer than other
// reads, and gives up after 10 s.
func (r *Reader) ViolationList(ctx context.Context, most int) ([]ViolationView, error) {
	limit, err := PageRequest{Limit: most}.limit()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, violationsWithin)
	defer cancel()
	rows, err := r.queries().ViolationViews(ctx, int32(limit))
	if err != nil {
		return nil, readError(err)
	}
	views := make([]ViolationView, len(rows))
	for i, row := range rows {
		views[i] = ViolationView{Rule: row.Rule, Run: row.Run, Step: row.StepKey, Message: row.Message}
	}
	return views, nil
}
