-- name: LogAppend :exec
-- Stores the lines that are not stored yet, of attempts that exist. A line is a sign of life of an attempt that may
-- stall; a mark of the sender where lines are missing says that silence means nothing any more.
with line as materialized (
  select l.run_id, l.step, l.attempt, l.seq, l.at, l.stream, l.level, l.text, l.truncated,
    s.state = 'running' and s.attempt = l.attempt and s.stall_after is not null as heard
  from (
    select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@attempts::int[]) as attempt, unnest(@seqs::bigint[]) as seq, unnest(@ats::timestamptz[]) as at,
      unnest(@streams::text[]) as stream, unnest(@levels::text[]) as level, unnest(@texts::text[]) as text, unnest(@truncateds::boolean[]) as truncated
  ) l
  join weir.steps s on s.run_id = l.run_id and s.step = l.step
  where l.attempt between 1 and s.attempt
), stored as (
  insert into weir.logs (run_id, step, attempt, seq, at, stream, level, text, truncated)
  select run_id, step, attempt, seq, at, stream, level, text, truncated from line
  order by run_id, step, attempt, seq
  on conflict do nothing
)
insert into weir.heard (run_id, step, attempt, at)
select run_id, step, attempt, max(case when truncated and stream = 'log' then 'infinity' else clock_timestamp() end)
from line
where heard
group by run_id, step, attempt
order by run_id, step
on conflict (run_id, step) do update
set attempt = excluded.attempt, at = case when heard.attempt = excluded.attempt then greatest(heard.at, excluded.at) else excluded.at end;

-- name: ProgressSet :exec
-- The last word of each attempt counts; a newer attempt's word more than an older one's.
with word as materialized (
  select distinct on (l.run_id, l.step) l.run_id, l.step, l.attempt, l.percent, l.message,
    s.state = 'running' and s.attempt = l.attempt and s.stall_after is not null as heard
  from (
    select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@attempts::int[]) as attempt, unnest(@percents::real[]) as percent, unnest(@messages::text[]) as message, generate_series(1, cardinality(@runs::uuid[])) as place
  ) l
  join weir.steps s on s.run_id = l.run_id and s.step = l.step
  where l.attempt between 1 and s.attempt
  order by l.run_id, l.step, l.attempt desc, l.place desc
), stored as (
  insert into weir.progress (run_id, step, attempt, percent, message)
  select run_id, step, attempt, nullif(percent, -1), message from word
  order by run_id, step
  on conflict (run_id, step) do update
  set attempt = excluded.attempt, percent = excluded.percent, message = excluded.message, at = excluded.at
  where progress.attempt <= excluded.attempt
)
insert into weir.heard (run_id, step, attempt)
select run_id, step, attempt from word
where heard
order by run_id, step
on conflict (run_id, step) do update
set attempt = excluded.attempt, at = case when heard.attempt = excluded.attempt then greatest(heard.at, excluded.at) else excluded.at end;
