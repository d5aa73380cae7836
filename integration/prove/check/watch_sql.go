//go:build linux

package check

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// newsSQL reads the history behind a place, up to where nothing older is open any more. Its parts are looked up by the
// primary key of transitions and of steps.
const newsSQL = `
select t.xid::text, t.id, t.run_id, coalesce(t.step, 0),
  coalesce((select s.key from weir.steps s where s.run_id = t.run_id and s.step = t.step), ''),
  coalesce(t.attempt, 0), t.from_state, t.to_state, t.cause::text, t.actor
from weir.transitions t
where t.xid < pg_snapshot_xmin(pg_current_snapshot()) and (t.xid, t.id) > ($1::text::xid8, $2::bigint)
order by t.xid, t.id
limit $3::int`

type newMove struct {
	XID          string
	ID           int64
	Run          uuid.UUID
	Ordinal      int
	Key          string
	Attempt      int
	From, To     string
	Cause, Actor string
}

// A row of steps or runs as it is kept: with a digest of its outputs.
const (
	stepRow = `
select s.run_id, s.step, to_jsonb(s) || jsonb_build_object('~outputs', (
  select md5(string_agg(to_jsonb(o)::text, ',' order by o.attempt)) from weir.outputs o where o.run_id = s.run_id and o.step = s.step))
from weir.steps s`
	runRow = `
select r.id, 0, to_jsonb(r) || jsonb_build_object('~outputs', (select md5(to_jsonb(o)::text) from weir.run_outputs o where o.run_id = r.id))
from weir.runs r`

	stepRowsSQL   = stepRow + ` where (s.run_id, s.step) in (select a.run, a.step from unnest($1::uuid[], $2::int[]) a(run, step))`
	runRowsSQL    = runRow + ` where r.id = any($1::uuid[])`
	reusedRowsSQL = stepRow + ` where s.run_id = any($1::uuid[]) and s.reused_from is not null`
)

type keptRow struct {
	Run  uuid.UUID
	Step int
	Row  json.RawMessage
}

// querier is a connection, a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// rowsOf reads rows as they are kept. For a first argument without elements there are none.
func rowsOf(ctx context.Context, q querier, sql string, args ...any) ([]keptRow, error) {
	if len(args) > 0 {
		if ids, ok := args[0].([]uuid.UUID); ok && len(ids) == 0 {
			return nil, nil
		}
	}
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[keptRow])
}

// samplesSQL counts for each key who holds a slot of it, and, whatever the slots say, how many steps under it run.
const samplesSQL = `
with held as (
  select h.key, count(*) as n from weir.slots l cross join lateral unnest(l.holds) h(key) where l.waiting_on is null group by h.key
), running as materialized (
  select s.run_id, s.step, s.parent, coalesce(s.parent, s.step) as asks from weir.steps s where s.state = 'running' and s.limited
), going as (
  select p.concurrency_key as key, count(*) as n
  from running s join weir.policies p on p.run_id = s.run_id and p.step = s.asks
  where p.concurrency_key is not null
  group by 1
  union all
  select '~each/' || s.run_id || '/' || s.parent, count(*)
  from running s join weir.policies p on p.run_id = s.run_id and p.step = s.parent
  where p.max_parallel is not null
  group by 1
  union all
  select '~run/' || r.id, count(*) from running s join weir.runs r on r.id = s.run_id where r.max_parallel is not null group by 1
)
select k.key, coalesce(h.n, 0)::int, coalesce(g.n, 0)::int, coalesce(t.administered, 0)
from (select key from held union select key from going) k
left join held h on h.key = k.key
left join going g on g.key = k.key
left join weir.limits t on t.key = k.key`

type held struct {
	Key                         string
	Held, Running, Administered int
}
