-- name: TransitionViews :many
-- limit 1: each step is looked up by its key, however many steps the planner thinks a run has.
select t.xid::text as xid, t.id, t.at, t.run_id, coalesce(t.step, 0)::int as step, coalesce(s.key, '')::text as step_key, t.attempt, t.from_state, t.to_state, t.actor, t.cause, t.detail
from weir.transitions t
left join lateral (select x.key from weir.steps x where x.run_id = t.run_id and x.step = t.step limit 1) s on true
where t.run_id = @run
  and (t.xid, t.id) > ((@after_xid::text)::xid8, @after_id::bigint)
  and t.xid < pg_snapshot_xmin(pg_current_snapshot())
order by t.xid, t.id
limit @max;

-- name: HistoryEpoch :one
select epoch from weir.schema_info;

-- name: LogViews :many
select l.run_id, l.step, s.key as step_key, l.attempt, l.seq, l.at, l.stream, l.level, l.text, l.truncated
from weir.logs l
cross join lateral (select x.key from weir.steps x where x.run_id = l.run_id and x.step = l.step limit 1) s
where l.run_id = @run
  and l.step between @first_step and @last_step
  and (l.step, l.attempt, l.seq) > (@after_step::int, @after_attempt::int, @after_seq::bigint)
  and (sqlc.narg(attempt)::int is null or l.attempt = sqlc.narg(attempt)::int)
order by l.step, l.attempt, l.seq
limit @max;
