-- name: WorkerRegister :exec
insert into weir.workers (id, name, type, host, pid, build, schema_version, kinds, queues, lease_until)
values (@id, @name, 'replica', @host, @pid, @build, @schema_version, @kinds, @queues, clock_timestamp() + sqlc.arg('lease_ms')::bigint * interval '1 millisecond')
on conflict (id) do update
set name = excluded.name, host = excluded.host, pid = excluded.pid, build = excluded.build, schema_version = excluded.schema_version,
  kinds = excluded.kinds, queues = excluded.queues, seen_at = excluded.seen_at, lease_until = excluded.lease_until, gone_at = null;

-- name: WorkerLeave :exec
update weir.workers set gone_at = clock_timestamp() where id = @id and gone_at is null;

-- name: WorkerNotify :exec
update weir.workers set notify = @notify where id = @id and notify <> @notify;

-- name: WorkerRenew :one
-- previous is when it was heard of before. clock_timestamp() is read after the row is locked.
update weir.workers w
set seen_at = clock_timestamp(), lease_until = clock_timestamp() + sqlc.arg('lease_ms')::bigint * interval '1 millisecond', gone_at = null
from (select o.id, o.seen_at, o.gone_at from weir.workers o where o.id = @id for no key update) was
where w.id = was.id
returning was.seen_at as previous, (was.gone_at is not null)::boolean as was_gone;

-- name: WorkerStops :many
select run_id, step, attempt, cause, (extract(epoch from grace) * 1000)::bigint as grace_ms from weir.stops where worker_id = @worker_id order by run_id, step;

-- name: WorkerExpire :many
-- Whoever was not heard of for a lease in which the database was there is gone. A seen_at in the future is from before
-- the clock went back: whoever lives has been heard of since. A Start in flight holds a key share lock on the row.
update weir.workers w
set gone_at = clock_timestamp()
from (
  select o.id
  from weir.workers o
  join weir.pulse p on p.one and p.beat_at > clock_timestamp() - interval '3 seconds' and p.steady_since <= clock_timestamp() - greatest(o.lease_until - o.seen_at, sqlc.arg('lease_ms')::bigint * interval '1 millisecond')
  where o.gone_at is null and (o.lease_until < clock_timestamp() or o.seen_at > clock_timestamp() + interval '1 second')
  order by o.id
  for update of o skip locked
) dead
where w.id = dead.id
returning w.id, w.name, w.seen_at;

-- name: WorkerDead :many
-- Workers that hold running steps and are gone, because they left or their lease ran out, or have no row. Hops from worker to worker along
-- steps_running, so that it costs as much as there are workers.
with recursive holder as (
  (select s.worker_id from weir.steps s where s.state = 'running' order by s.worker_id limit 1)
  union all
  select (select s.worker_id from weir.steps s where s.state = 'running' and s.worker_id > h.worker_id order by s.worker_id limit 1)
  from holder h
  where h.worker_id is not null
)
select h.worker_id::uuid as worker_id
from holder h
left join weir.workers w on w.id = h.worker_id
join weir.pulse p on p.one and p.beat_at > clock_timestamp() - interval '3 seconds' and p.steady_since <= clock_timestamp() - sqlc.arg('lease_ms')::bigint * interval '1 millisecond'
where h.worker_id is not null and (w.id is null or w.gone_at is not null);

-- name: WorkerLockDead :one
-- Locks the row of a worker that is gone, and says whether it still is. One without a row is.
select coalesce((select w.gone_at is not null from weir.workers w where w.id = @id for update), true)::boolean as dead;
