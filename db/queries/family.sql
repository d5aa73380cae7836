-- name: FamilyPut :exec
insert into weir.families (run_id, step, total, items)
select unnest(@runs::uuid[]), unnest(@steps::int[]), unnest(@totals::int[]), unnest(@items::jsonb[]);

-- name: FamiliesToExpand :many
-- Of these steps, the fan-outs that have no child yet for some of their items.
select f.run_id, f.step, s.kind, i."with"
from (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
cross join lateral (select * from weir.families f where f.run_id = a.run_id and f.step = a.step offset 0) f
cross join lateral (select * from weir.steps s where s.run_id = a.run_id and s.step = a.step offset 0) s
cross join lateral (select * from weir.runs r where r.id = a.run_id offset 0) r
left join weir.step_inputs i on i.run_id = a.run_id and i.step = a.step
where f.expanded < f.total and s.state::text = 'waiting' and s.cancel_requested_at is null and r.cancel_requested_at is null and not (r.failing_at is not null and s.run_if = 'all_succeeded')
order by f.run_id, f.step;

-- name: FamilyExpand :one
-- Makes child steps for the next items of a fan-out: numbered after the last step of the run, dispatched at once unless
-- they are limited, the run is paused, or no worker claims them. Once for each item: the family's row says how far it is.
with acting as materialized (
  select set_config('weir.actor', @actor::text, true) as actor
), family as materialized (
  select f.run_id, f.step, f.total, f.expanded, f.items, least(f.total - f.expanded, @most::int) as n
  from acting
  cross join weir.families f
  where f.run_id = @run_id and f.step = @step and f.expanded < f.total
  for no key update of f
), run as materialized (
  select r.id, r.steps_total, r.state, r.max_parallel from weir.runs r join family f on f.run_id = r.id for no key update of r
), child as materialized (
  select f.run_id, r.steps_total + (row_number() over (order by e.place))::int as step, f.step as parent, (e.place - 1)::int as item, e.value
  from family f
  join run r on r.id = f.run_id
  cross join lateral jsonb_array_elements(f.items) with ordinality e(value, place)
  where e.place > f.expanded and e.place <= f.expanded + f.n
), counted as (
  update weir.runs r set steps_total = r.steps_total + f.n, steps_open = r.steps_open + f.n
  from family f
  where r.id = f.run_id
), made as (
  insert into weir.steps (
    run_id, step, key, kind, queue, priority, run_if, allow_failure, max_attempts, timeout, grace, stall_after, retry, runs_on, expects, parent, item, limited, state, river_job_id
  )
  select
    c.run_id, c.step, s.key || '[' || c.item || ']', s.kind, s.queue, s.priority, case when s.run_if = 'all_succeeded' then s.run_if else 'all_finished' end, s.allow_failure,
    s.max_attempts, s.timeout, s.grace, s.stall_after, s.retry, s.runs_on, nullif(@expects::text, ''), c.parent, c.item, l.limited,
    case when @expects::text = '' then 'available' else 'pending' end::weir.step_state,
    case when @expects::text = '' and not l.limited and r.state = 'running' and s.runs_on = 'replica' then nextval('weir.river_job_id_seq') end
  from child c
  join weir.steps s on s.run_id = c.run_id and s.step = c.parent
  join run r on r.id = c.run_id
  left join weir.policies p on p.run_id = s.run_id and p.step = s.step
  cross join lateral (
    select coalesce(p.concurrency_key is not null or p.rate_key is not null or p.max_parallel is not null, false) or r.max_parallel is not null and @expects::text = '' as limited
  ) l
  returning run_id, step, kind, queue, priority, river_job_id, limited
), kept as (
  insert into weir.items (run_id, parent, item, step, value) select run_id, parent, item, step, value from child
), hinted as (
  insert into weir.dirty (shard, run_id, step)
  select case when m.limited and @expects::text = '' then 16 else weir.shard_of(m.run_id) end, m.run_id, m.step from made m where m.river_job_id is null
), moved as (
  update weir.families f set expanded = f.expanded + g.n, items = case when f.expanded + g.n < f.total then f.items end
  from family g
  where f.run_id = g.run_id and f.step = g.step
  returning f.expanded, f.total
), job as (
  insert into weir.river_job (id, args, kind, queue, priority, max_attempts)
  select river_job_id, jsonb_build_object('run', run_id, 'step', step), kind, queue, priority, 1 from made where river_job_id is not null
  returning queue
), told as (
  select count(pg_notify('weir.river_insert', '{"queue": ' || to_json(queue) || '}')) as queues from (select distinct queue from job) q
)
select (m.total - m.expanded)::int as missing from moved m cross join told where told.queues >= 0;

-- name: FamilyCount :many
-- Counts children that were settled just now. Answers the fan-outs that are complete by it.
with asked as materialized (
  select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@ended::int[]) as ended, unnest(@failed::int[]) as failed
), held as materialized (
  select a.* from asked a join weir.families f on f.run_id = a.run_id and f.step = a.step order by a.run_id, a.step for no key update of f
), counted as (
  update weir.families f set ended = f.ended + h.ended, failed = f.failed + h.failed
  from held h
  where f.run_id = h.run_id and f.step = h.step
  returning f.run_id, f.step, f.ended, f.total
)
select run_id, step from counted where ended = total;

-- name: FamiliesOver :many
-- Of these steps, the fan-outs whose children have all ended.
select f.run_id, f.step, f.total, f.failed
from (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
cross join lateral (select * from weir.families f where f.run_id = a.run_id and f.step = a.step offset 0) f
cross join lateral (select * from weir.steps s where s.run_id = a.run_id and s.step = a.step offset 0) s
where f.ended = f.total and s.state::text = 'waiting' and s.waiting_for = 'children'
order by f.run_id, f.step;

-- name: FamilyOutputSize :one
-- How many bytes the outputs of the children of a fan-out take as text, about; as they are stored, where that is too much
-- already: what is large is not read.
with kept as materialized (
  select o.run_id, o.step, o.attempt, pg_column_size(o.output) as packed
  from weir.items i
  join weir.steps s on s.run_id = i.run_id and s.step = i.step
  join weir.outputs o on s.has_output and o.run_id = s.run_id and o.step = s.step and o.attempt = s.attempt
  where i.run_id = @run_id and i.parent = @step
), summed as materialized (
  select coalesce(sum(packed), 0)::bigint as packed from kept
)
select case
  when t.packed > @most::bigint then t.packed
  else (
    select coalesce(sum(octet_length(o.output::text) + 1), 0)
    from kept k
    join weir.outputs o on o.run_id = k.run_id and o.step = k.step and o.attempt = k.attempt
  )
end::bigint as bytes
from summed t;

-- name: FamilyOutput :one
-- The outputs of the children of a fan-out, in order; null for one that has none.
select coalesce(jsonb_agg(coalesce(o.output, 'null') order by i.item), '[]')::jsonb as output
from weir.items i
join weir.steps s on s.run_id = i.run_id and s.step = i.step
left join weir.outputs o on s.has_output and o.run_id = s.run_id and o.step = s.step and o.attempt = s.attempt
where i.run_id = @run_id and i.parent = @step;

-- name: RunOutputTemplates :many
select p.run_id, p.output, ri.input, r.name
from weir.policies p
join weir.runs r on r.id = p.run_id
left join weir.run_inputs ri on ri.run_id = p.run_id
where p.run_id = any(@ids::uuid[]) and p.step = 0 and p.output is not null;

-- name: RunOutputSteps :many
-- What an output sees of the steps that it names.
select s.key, s.state, o.output
from weir.steps s
left join weir.outputs o on s.has_output and o.run_id = coalesce(s.reused_from, s.run_id) and o.step = s.step and o.attempt = s.attempt
where s.run_id = @run_id and s.key = any(@keys::text[]);

-- name: RunOutputPut :exec
insert into weir.run_outputs (run_id, output, output_error) values (@run_id, case when @has_output::boolean then @output::jsonb end, case when not @has_output::boolean then @output_error::jsonb end)
on conflict do nothing;
