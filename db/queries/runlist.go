package queries

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// RunListParams narrows [Queries.RunList]. The zero value of a field does not narrow.
type RunListParams struct {
	State         *WeirRunState
	Name          string
	Labels        map[string]string // all of them
	CreatedAfter  *time.Time        // at or after
	CreatedBefore *time.Time        // before
	NotCancelling bool              // those whose cancellation was not asked for
	NotChildren   bool              // those that are not steps of other runs
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
	runPlacesSelect      = "-- name: RunPlaces :many\nselect created_at, id from weir.runs"
	runCountSelect       = "-- name: RunCount :one\nselect count(*) from weir.runs"
	runListState         = "state = $"
	runListName          = "name = $"
	runListLabels        = "labels <> '{}' and labels @> $"
	runListCreatedAfter  = "created_at >= $"
	runListCreatedBefore = "created_at < $"
	runListNotCancelling = "cancel_requested_at is null"
	runListNotChildren   = "parent_run is null"
	runListCursor        = "(created_at, id) < ($, $)"
	runListOrder         = "order by created_at desc, id desc limit $"
)

// RunList gives the ids of runs, newest first.
func (q *Queries) RunList(ctx context.Context, arg RunListParams) ([]uuid.UUID, error) {
	sql, args, err := arg.compose(runListSelect, runListOrder)
	if err != nil {
		return nil, err
	}
	rows, err := q.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// RunPlaces gives the places of runs in the list.
func (q *Queries) RunPlaces(ctx context.Context, arg RunListParams) ([]RunListCursor, error) {
	sql, args, err := arg.compose(runPlacesSelect, runListOrder)
	if err != nil {
		return nil, err
	}
	rows, err := q.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[RunListCursor])
}

// RunCount gives how many runs there are, whatever Max says.
func (q *Queries) RunCount(ctx context.Context, arg RunListParams) (count int64, err error) {
	sql, args, err := arg.compose(runCountSelect, "")
	if err != nil {
		return 0, err
	}
	err = q.db.QueryRow(ctx, sql, args...).Scan(&count)
	return count, err
}

// compose puts the parts together that the parameters ask for.
func (p RunListParams) compose(what, order string) (string, []any, error) {
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
	if p.NotCancelling {
		where = append(where, runListNotCancelling)
	}
	if p.NotChildren {
		where = append(where, runListNotChildren)
	}
	if p.After != nil {
		where = append(where, add(runListCursor, p.After.CreatedAt, p.After.ID))
	}
	sql := what
	if len(where) > 0 {
		sql += "\nwhere " + strings.Join(where, "\n  and ")
	}
	if order != "" {
		sql += "\n" + add(order, p.Max)
	}
	return sql, args, nil
}
