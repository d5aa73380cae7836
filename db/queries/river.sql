-- name: RiverStuck :many
-- Dispatched steps whose River job was fetched at least 10 s ago, and not before since, and that were never started under
-- it: their dispatch is taken back, and reconcile makes another one. The job of a worker that is gone is discarded; one
-- that lives ends its own.
with fetched as materialized (
  select j.id,
    case when j.args->>'run' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then (j.args->>'run')::uuid end as run_id,
    case when j.args->>'step' ~ '^[0-9]{1,9}$' then (j.args->>'step')::int end as step
  from weir.river_job j
  where j.state = 'running' and j.attempted_at < clock_timestamp() - interval '10 seconds' and j.attempted_at > clock_timestamp() - sqlc.arg('since_ms')::bigint * interval '1 millisecond'
), unstarted as materialized (
  select f.id, s.run_id, s.step
  from fetched f
  join weir.steps s on s.run_id = f.run_id and s.step = f.step and s.river_job_id = f.id
  join weir.pulse p on p.one and p.beat_at > clock_timestamp() - interval '3 seconds' and p.steady_since <= clock_timestamp() - interval '10 seconds'
  where s.state in ('available', 'retrying')
  order by s.run_id, s.step
  limit 1000
  for no key update of s skip locked
), stuck as materialized (
  select u.id, u.run_id, u.step, exists (
    select from unnest(j.attempted_by) a
    join weir.workers w on w.id = case when a ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then a::uuid end
    where w.gone_at is null
  ) as alive
  from unstarted u
  join weir.river_job j on j.id = u.id
), cleared as (
  update weir.steps s
  set river_job_id = null
  from stuck k
  where s.run_id = k.run_id and s.step = k.step
  returning s.run_id, s.step
), hinted as (
  insert into weir.dirty (shard, run_id, step)
  select weir.shard_of(run_id), run_id, step from cleared
), discarded as (
  update weir.river_job j
  set state = 'discarded', finalized_at = clock_timestamp()
  from stuck k
  where j.id = k.id and j.state = 'running' and not k.alive
)
select id, run_id, step, alive::boolean as alive from stuck;

-- name: RiverAhead :execrows
-- Lets River fetch now what it would not before the clock is where it was when it went back. Only these are read, however
-- long the queues are.
update weir.river_job j
set scheduled_at = clock_timestamp()
where j.state = 'available' and j.id in (
  select a.id
  from weir.river_queue q
  cross join generate_series(1, 4) priority
  cross join lateral (
    select a.id from weir.river_job a
    where a.state = 'available' and a.queue = q.name and a.priority = priority and a.scheduled_at > clock_timestamp() + interval '1 second'
    order by a.scheduled_at
    limit 1000
    for no key update skip locked
  ) a
);

-- name: RiverDiscard :exec
-- Ends the River jobs of attempts that were lost.
update weir.river_job
set state = 'discarded', finalized_at = clock_timestamp()
where id = any (@ids::bigint[]) and state = 'running';

-- name: RiverLeft :execrows
-- Ends the River jobs that workers which are gone had fetched, and that no step is dispatched with any more: the attempt
-- had ended, and its worker with it before River noted that.
update weir.river_job j
set state = 'discarded', finalized_at = clock_timestamp()
from weir.pulse p
where j.state = 'running' and j.attempted_at < clock_timestamp() - interval '10 seconds'
  and p.one and p.beat_at > clock_timestamp() - interval '3 seconds' and p.steady_since <= clock_timestamp() - interval '10 seconds'
  and not exists (
    select from unnest(j.attempted_by) a
    join weir.workers w on w.id = case when a ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then a::uuid end
    where w.gone_at is null
  )
  and not exists (
    select from weir.steps s
    where s.run_id = case when j.args->>'run' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then (j.args->>'run')::uuid end
      and s.step = case when j.args->>'step' ~ '^[0-9]{1,9}$' then (j.args->>'step')::int end and s.river_job_id = j.id
  );

-- name: RiverInterfered :many
-- Dispatched steps of these runs whose River job has ended without a start, and running ones whose River job was
-- cancelled or is not there any more. (River itself discards jobs that run for more than an hour: that means nothing.)
select s.run_id, s.step, s.state, s.river_job_id::bigint as token, coalesce(j.state::text, 'deleted')::text as river_state
from (select unnest(@ids::uuid[]) as id) a
cross join lateral (
  select * from weir.steps s where s.run_id = a.id and s.river_job_id is not null and s.state in ('available', 'retrying', 'running') and s.runs_on = 'replica' offset 0
) s
left join weir.river_job j on j.id = s.river_job_id
where (
  s.state in ('available', 'retrying') and (j.id is null or j.state in ('completed', 'discarded', 'cancelled'))
  or s.state = 'running' and s.cancel_requested_at is null and (j.id is null or j.state = 'cancelled')
);

-- name: RiverTakeBack :many
-- Takes the dispatch of steps back, and has reconcile make another one.
with held as materialized (
  select s.run_id, s.step
  from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@tokens::bigint[]) as token) a
  join weir.steps s on s.run_id = a.run_id and s.step = a.step and s.river_job_id = a.token
  where s.state in ('available', 'retrying')
  order by s.run_id, s.step
  for no key update of s
), cleared as (
  update weir.steps s set river_job_id = null from held h where s.run_id = h.run_id and s.step = h.step returning s.run_id, s.step
), hinted as (
  insert into weir.dirty (shard, run_id, step) select weir.shard_of(run_id), run_id, step from cleared
)
select run_id, step from cleared;

-- name: RiverCancel :many
-- Cancels steps because somebody cancelled or deleted their River jobs.
with held as materialized (
  select s.run_id, s.step, a.code, a.message
  from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@tokens::bigint[]) as token, unnest(@codes::text[]) as code, unnest(@messages::text[]) as message) a
  join weir.steps s on s.run_id = a.run_id and s.step = a.step and s.river_job_id = a.token
  where s.state in ('available', 'retrying')
  order by s.run_id, s.step
  for no key update of s
), cancelled as (
  update weir.steps s
  set state = 'cancelled', cause = 'cancel_requested', finished_at = clock_timestamp(), river_job_id = null
  from held h
  where s.run_id = h.run_id and s.step = h.step
  returning s.run_id, s.step, s.attempt, h.code, h.message
), told as (
  insert into weir.outputs (run_id, step, attempt, error_code, error_message, error_retryable)
  select run_id, step, attempt, code, message, true from cancelled
  on conflict do nothing
)
select run_id, step from cancelled;

-- name: RiverStop :many
-- Asks for the cancellation of running steps because somebody cancelled or deleted their River jobs.
with held as materialized (
  select s.run_id, s.step, a.message
  from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@tokens::bigint[]) as token, unnest(@messages::text[]) as message) a
  join weir.steps s on s.run_id = a.run_id and s.step = a.step and s.river_job_id = a.token
  where s.state = 'running' and s.cancel_requested_at is null
  order by s.run_id, s.step
  for no key update of s
)
update weir.steps s
set cancel_requested_at = clock_timestamp(), cancel_requested_by = 'river', cancel_reason = h.message
from held h
where s.run_id = h.run_id and s.step = h.step
returning s.run_id, s.step;
