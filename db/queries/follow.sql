-- name: HistoryNews :one
-- Which of the runs have transitions from a place in the history up to where nothing older is open any more: one range of
-- the history for everybody who follows. held: there is more, behind a transaction that is still open.
select
  pg_snapshot_xmin(pg_current_snapshot())::text as horizon,
  array(
    select distinct t.run_id
    from (
      select x.run_id from weir.transitions x
      where x.xid >= (@since::text)::xid8 and x.xid < pg_snapshot_xmin(pg_current_snapshot())
      offset 0
    ) t
    where t.run_id in (select unnest(@runs::uuid[]))
  )::uuid[] as news,
  exists (select from weir.transitions x where x.xid >= pg_snapshot_xmin(pg_current_snapshot()) order by x.xid limit 1) as held;

-- name: LogNews :many
-- Which of the attempts have log lines behind those that were seen, by their place in the question, from 1.
select a.place::int as place
from (
  select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@attempts::int[]) as attempt, unnest(@seqs::bigint[]) as seq,
    generate_series(1, cardinality(@runs::uuid[])) as place
) a
cross join lateral (
  select from weir.logs l where l.run_id = a.run_id and l.step = a.step and l.attempt = a.attempt and l.seq > a.seq limit 1
) l
order by a.place;

-- name: AttemptsBefore :one
-- Whether anything of the run had run at a place of its history.
select exists (
  select from weir.transitions t
  where t.run_id = @run and (t.xid, t.id) <= ((@xid::text)::xid8, @id::bigint) and t.step is not null and t.to_state = 'running'
) as ran;

-- name: AttemptsRunningSince :many
-- The attempts that ran at a place of the history and still do, and the last line of each.
with live as materialized (
  select s.run_id, s.step, s.attempt from weir.steps s where s.run_id = @run and s.state = 'running'
)
select l.step, l.attempt,
  coalesce((
    select x.seq from weir.logs x where x.run_id = l.run_id and x.step = l.step and x.attempt = l.attempt
    order by x.run_id desc, x.step desc, x.attempt desc, x.seq desc limit 1
  ), 0)::bigint as seq
from live l
where exists (
  select from weir.transitions t
  where t.run_id = @run and (t.xid, t.id) <= ((@xid::text)::xid8, @id::bigint)
    and t.step = l.step and t.attempt = l.attempt and t.to_state = 'running'
);

-- name: RunOver :one
-- Whether the run is final, and nothing of its history is behind a place of it. No row: there is no such run.
select (r.state in ('succeeded', 'failed', 'cancelled') and not exists (
  select from weir.transitions t where t.run_id = r.id and (t.xid, t.id) > ((@xid::text)::xid8, @id::bigint)
))::bool as is_over
from weir.runs r where r.id = @run;
