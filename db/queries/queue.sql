-- What is known of River's table of queues stands here, and in TestRiverObeysPauses.

-- name: QueueList :many
-- Every queue that a live replica works, that River knows, or where steps wait or run. Steps that wait for a worker have a River
-- job: its index counts them, and finds the names without reading the rows.
with recursive waiting as (
  (select j.queue as name from weir.river_job j where j.state = 'available' order by j.queue limit 1)
  union all
  select next.name from waiting w
  cross join lateral (select j.queue as name from weir.river_job j where j.state = 'available' and j.queue > w.name order by j.queue limit 1) next
), running as materialized (
  select s.queue as name, count(*) as steps from weir.steps s where s.state = 'running' group by s.queue
), known as (
  select q.name from weir.river_queue q
  union
  select w.name from waiting w
  union
  select r.name from running r
  union
  select jsonb_object_keys(w.queues) from weir.workers w where w.gone_at is null and w.lease_until > clock_timestamp()
)
select
  k.name::text as name, q.paused_at,
  (select count(*) from weir.river_job j where j.state = 'available' and j.queue = k.name) as available,
  coalesce(r.steps, 0)::bigint as running, coalesce(o.oldest_at, clock_timestamp())::timestamptz as oldest_at -- of none: now
from known k
left join weir.river_queue q on q.name = k.name
left join running r on r.name = k.name
left join lateral (
  select j.scheduled_at as oldest_at
  from generate_series(1, 4) p (priority)
  cross join lateral (
    select j.scheduled_at from weir.river_job j where j.state = 'available' and j.queue = k.name and j.priority = p.priority order by j.scheduled_at limit 1
  ) j
  order by j.scheduled_at
  limit 1
) o on true
where sqlc.narg('only')::text is null or k.name = sqlc.narg('only')::text
order by k.name;

-- name: QueuePause :exec
-- As River's own client does, and also where no replica has worked the queue yet: River's upsert leaves paused_at alone.
with paused as (
  insert into weir.river_queue (name, created_at, metadata, paused_at, updated_at)
  values (@name, clock_timestamp(), '{}', clock_timestamp(), clock_timestamp())
  on conflict (name) do update set
    paused_at = coalesce(weir.river_queue.paused_at, excluded.paused_at),
    updated_at = case when weir.river_queue.paused_at is null then excluded.updated_at else weir.river_queue.updated_at end
  returning name
)
select pg_notify('weir.river_control', json_build_object('action', 'pause', 'queue', name)::text) from paused;

-- name: QueueResume :exec
with resumed as (
  update weir.river_queue set paused_at = null, updated_at = case when paused_at is not null then clock_timestamp() else updated_at end
  where name = @name
  returning name
)
select pg_notify('weir.river_control', json_build_object('action', 'resume', 'queue', name)::text) from resumed;

-- name: QueuesPaused :many
select name from weir.river_queue where paused_at is not null order by name;

-- name: QueuesKeep :exec
-- River forgets a queue that no replica has worked for a day. One that is paused stays so.
update weir.river_queue set updated_at = clock_timestamp() where paused_at is not null and updated_at < clock_timestamp() - interval '1 hour';
