-- name: StepNamed :many
-- Counts how often in a row the worker did not name what it holds; answers what it did not name twice. What was claimed
-- after the heartbeat before this one is not counted: its start may have crossed this one. Locked rows have time.
with counted as (
  update weir.steps s
  set unnamed = case when h.named then 0 else s.unnamed + 1 end
  from (
    select o.run_id, o.step, n.run_id is not null as named
    from weir.steps o
    left join (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@attempts::int[]) as attempt) n on n.run_id = o.run_id and n.step = o.step and n.attempt = o.attempt
    where o.state = 'running' and o.worker_id = @worker::uuid
      and (n.run_id is not null and o.unnamed > 0 or n.run_id is null and o.claimed_at < @previous::timestamptz)
    order by o.run_id, o.step
    for no key update of o skip locked
  ) h
  where s.run_id = h.run_id and s.step = h.step
  returning s.run_id, s.step, s.attempt, s.unnamed
)
select run_id, step, attempt from counted where unnamed >= 2 order by run_id, step;

-- name: StepGone :many
-- What of the attempts that a worker names is not its own any more.
select h.run_id::uuid as run_id, h.step::int as step, h.attempt::int as attempt
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@attempts::int[]) as attempt) h
where not exists (
  select from weir.steps s
  where s.run_id = h.run_id and s.step = h.step and s.state = 'running' and s.attempt = h.attempt and s.worker_id = @worker::uuid
);
