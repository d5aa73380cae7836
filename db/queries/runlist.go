package queries

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// RunListParams narrows [Queries.RunList]. The zero value of a field does not narrow.
type RunListParams struct {
	State         *WeirRunState
	Name          string
	Labels        map[string]string // all of them
	CreatedAfter  *time.Time        // at or after
	CreatedBefore *time.Time        // before
	After         *RunListCursor    // what comes after it in the list
	Max           int32
}

// RunListCursor is a place in the list of runs: the run that was read last.
type RunListCursor struct {
	CreatedAt time.Time
	ID        uuid.UUID
}

// The parts that a list of runs is composed of. A dollar stands for the number of its argument. Every combination
// uses an index, which the test of this file makes sure of: a query with `$1 is null or state = $1` for each filter
// would use none.
const (
	runListSelect        = "-- name: RunList :many\nselect id from weir.runs"
	runListState         = "state = $"
	runListName          = "name = $"
	runListLabels        = "labels <> '{}' and labels @> $"
	runListCreatedAfter  = "created_at >= $"
	runListCreatedBefore = "created_at < $"
	runListCursor        = "(created_at, id) < ($, $)"
	runListOrder         = "order by created_at desc, id desc limit $"
)

// RunList gives the ids of runs, newest first.
func (q *Queries) RunList(ctx context.Context, arg RunListParams) ([]uuid.UUID, error) {
	sql, args, err := arg.compose()
	if err != nil {
		return nil, err
	}
	rows, err := q.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []uuid.UUID
	for rows.Next() {
		var id uuid.UUID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// compose puts the parts together that the parameters ask for.
func (p RunListParams) compose() (string, []any, error) {
	var where []string
	var args []any
	add := func(part string, values ...any) string {
		for _, value := range values {
			args = append(args, value)
			part = strings.Replace(part, "$", "\x00"+strconv.Itoa(len(args)), 1)
		}
		return strings.ReplaceAll(part, "\x00", "$")
	}
	if p.State != nil {
		where = append(where, add(runListState, *p.State))
	}
	if p.Name != "" {
		where = append(where, add(runListName, p.Name))
	}
	if len(p.Labels) > 0 {
		labels, err := json.Marshal(p.Labels)
		if err != nil {
			return "", nil, err
		}
		where = append(where, add(runListLabels, string(labels)))
	}
	if p.CreatedAfter != nil {
		where = append(where, add(runListCreatedAfter, *p.CreatedAfter))
	}
	if p.CreatedBefore != nil {
		where = append(where, add(runListCreatedBefore, *p.CreatedBefore))
	}
	if p.After != nil {
		where = append(where, add(runListCursor, p.After.CreatedAt, p.After.ID))
	}
	sql := runListSelect
	if len(where) > 0 {
		sql += "\nwhere " + strings.Join(where, "\n  and ")
	}
	return sql + "\n" + add(runListOrder, p.Max), args, nil
}
