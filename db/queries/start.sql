-- name: StepStart :many
-- Claims the steps whose dispatch token is shown, for a worker whose lease is alive. A row that somebody else has
-- locked is left out rather than waited for.
with asked as materialized (
  select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@tokens::bigint[]) as token
  from (select set_config('weir.actor', '@worker', true)) a
), alive as materialized (
  select id from weir.workers where id = @worker::uuid and gone_at is null and lease_until > clock_timestamp() for key share
), held as materialized (
  select s.run_id, s.step, s.parent, s.item
  from (select * from asked order by run_id, step) a
  cross join lateral (
    select s.run_id, s.step, s.parent, s.item
    from weir.steps s
    where s.run_id = a.run_id and s.step = a.step and s.river_job_id = a.token and s.state::text in ('available', 'retrying') and s.cancel_requested_at is null
      and s.queue not in (select q.name from weir.river_queue q where q.paused_at is not null)
    for no key update skip locked
    offset 0
  ) s
)
update weir.steps s set
  state = 'running', cause = 'claimed', attempt = s.attempt + 1, worker_id = w.id, claimed_at = clock_timestamp(),
  started_at = clock_timestamp(), deadline_at = clock_timestamp() + s.timeout, run_after = null, unnamed = 0
from held h
cross join alive w
join weir.runs r on r.id = h.run_id
left join weir.step_inputs i on i.run_id = h.run_id and i.step = coalesce(h.parent, h.step)
left join weir.run_inputs ri on ri.run_id = h.run_id
left join lateral (
  select t.value, u.needs_total
  from weir.items t
  join weir.steps u on u.run_id = t.run_id and u.step = t.parent
  where h.parent is not null and t.run_id = h.run_id and t.parent = h.parent and t.item = h.item
) c on true
where s.run_id = h.run_id and s.step = h.step
  and r.state::text = 'running' and r.cancel_requested_at is null and (r.failing_at is null or s.run_if <> 'all_succeeded')
returning
  s.run_id, s.step, coalesce(s.river_job_id, 0)::bigint as token, s.attempt, s.key, s.kind, r.name as run_name, coalesce(c.needs_total, s.needs_total)::int as needs_total, s.failures, s.max_attempts, s.deadline_at,
  coalesce((extract(epoch from s.timeout) * 1000)::bigint, 0)::bigint as timeout_ms, (extract(epoch from s.grace) * 1000)::bigint as grace_ms,
  coalesce((extract(epoch from s.stall_after) * 1000)::bigint, 0)::bigint as stall_ms, i."with", ri.input, coalesce(s.item, -1)::int as item, c.value as item_value;

-- name: StepClaimed :many
-- The attempts that a worker has already got with these tokens: the answer to a Start whose first answer was lost.
select
  s.run_id, s.step, a.token::bigint as token, s.attempt, s.key, s.kind, r.name as run_name, coalesce(c.needs_total, s.needs_total)::int as needs_total, s.failures, s.max_attempts, s.deadline_at,
  coalesce((extract(epoch from s.timeout) * 1000)::bigint, 0)::bigint as timeout_ms, (extract(epoch from s.grace) * 1000)::bigint as grace_ms,
  coalesce((extract(epoch from s.stall_after) * 1000)::bigint, 0)::bigint as stall_ms, i."with", ri.input, coalesce(s.item, -1)::int as item, c.value as item_value,
  coalesce((extract(epoch from s.deadline_at - clock_timestamp()) * 1000)::bigint, 0)::bigint as remaining_ms
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@tokens::bigint[]) as token) a
join weir.steps s on s.run_id = a.run_id and s.step = a.step and s.river_job_id = a.token
join weir.runs r on r.id = s.run_id
left join weir.step_inputs i on i.run_id = s.run_id and i.step = coalesce(s.parent, s.step)
left join weir.run_inputs ri on ri.run_id = s.run_id
left join lateral (
  select t.value, u.needs_total
  from weir.items t
  join weir.steps u on u.run_id = t.run_id and u.step = t.parent
  where s.parent is not null and t.run_id = s.run_id and t.parent = s.parent and t.item = s.item
) c on true
where s.state::text = 'running' and s.worker_id = @worker::uuid;

-- name: StepNeeds :many
-- What steps see of their direct needs. Needs are final, so this never changes. Children of a fan-out see what it needs.
select n.run_id, c.step, s.key, s.state, o.output
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
cross join lateral (select c.run_id, c.step, coalesce(c.parent, c.step) as asks from weir.steps c where c.run_id = a.run_id and c.step = a.step offset 0) c
join weir.needs n on n.run_id = c.run_id and n.step = c.asks
join weir.steps s on s.run_id = n.run_id and s.step = n.need
left join weir.outputs o on s.has_output and o.run_id = coalesce(s.reused_from, s.run_id) and o.step = s.step and o.attempt = s.attempt;

-- name: StepLook :many
-- What steps are now, and who made them so: for answers to whoever came too late. Only with history is the actor read from
-- there, which takes as long as the run's history is; else it is who the row names.
select
  s.run_id, s.step, s.state, s.attempt, s.report, s.river_job_id, s.worker_id, s.created_at,
  (s.cancel_requested_at is not null or r.cancel_requested_at is not null or r.failing_at is not null and s.run_if = 'all_succeeded')::boolean as cancelling, r.state as run_state,
  exists (select from weir.river_queue q where q.name = s.queue and q.paused_at is not null) as queue_paused,
  coalesce(t.actor, case
    when @history::boolean then null
    when s.cancel_requested_by is not null then s.cancel_requested_by
    when r.cancel_requested_by is not null then r.cancel_requested_by
    when s.state = 'running' and s.runs_on = 'remote' then 'worker:' || s.worker_id
    when s.state = 'running' then 'replica:' || s.worker_id
  end, r.created_by)::text as actor,
  coalesce(t.at, case when not @history::boolean then coalesce(s.finished_at, s.cancel_requested_at, r.cancel_requested_at, s.claimed_at) end, s.created_at)::timestamptz as at
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
join weir.steps s on s.run_id = a.run_id and s.step = a.step
join weir.runs r on r.id = s.run_id
left join lateral (
  select actor, at from weir.transitions t where @history::boolean and t.run_id = s.run_id and t.step = s.step order by t.xid desc, t.id desc limit 1
) t on true;

-- name: StepTakeBack :exec
-- Takes the dispatch of steps that were not started back, so that they are dispatched again: those of paused runs on
-- resume, others at once, into their paused queue if that is what kept them. The hint is also for a run that is resumed meanwhile: who resumed it has still seen the token.
with cleared as (
  update weir.steps s set river_job_id = null
  from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@tokens::bigint[]) as token) a
  join weir.runs r on r.id = a.run_id
  where s.run_id = a.run_id and s.step = a.step and s.river_job_id = a.token and s.state::text in ('available', 'retrying') and (
    r.state::text = 'paused' or not @only_paused::boolean or exists (select from weir.river_queue q where q.name = s.queue and q.paused_at is not null)
  )
  returning s.run_id, s.step, s.limited
)
insert into weir.dirty (shard, run_id, step)
select weir.shard_of(run_id), run_id, step from cleared
union all
select 16, run_id, step from cleared where limited;

-- name: WorkerIsAlive :one
select exists (select from weir.workers where id = @worker::uuid and gone_at is null and lease_until > clock_timestamp());
