-- name: DirtyTake :many
-- The oldest hints, except of runs that are set aside and of shards that somebody else was found to hold. Nothing is
-- locked.
select d.id, d.shard, d.run_id, d.step
from weir.dirty d
where d.shard <> all(@held::smallint[]) and not exists (select from weir.quarantine q where q.run_id = d.run_id and q.retry_at > clock_timestamp())
order by d.id
limit @most;

-- name: DirtyDelete :exec
-- Deletes hints that this transaction serves.
delete from weir.dirty d where d.id = any(@ids::bigint[]);

-- name: DirtyAdd :exec
insert into weir.dirty (shard, run_id, step) select weir.shard_of(run_id), run_id, nullif(step, 0)
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a;

-- name: DirtyTell :exec
select pg_notify('weir_dirty', '');

-- name: RetryDue :many
-- Steps that are due to be tried again, may start and are not dispatched.
select s.run_id, s.step
from weir.steps s
join weir.runs r on r.id = s.run_id
where s.state = 'retrying' and s.run_after <= clock_timestamp() and s.river_job_id is null and s.runs_on = 'replica' and s.cancel_requested_at is null
  and r.state::text = 'running' and r.cancel_requested_at is null and weir.shard_of(s.run_id) <> all(@held::smallint[])
  and (not s.limited or not exists (select from weir.slots l where l.run_id = s.run_id and l.step = s.step and l.waiting_on is not null))
  and not exists (select from weir.quarantine q where q.run_id = s.run_id and q.retry_at > clock_timestamp())
order by s.run_after
limit @most;

-- name: RetryNext :one
-- How many milliseconds until the next step is due to be tried again; -1: none, 0: it is due.
select coalesce((
  select greatest(ceil(extract(epoch from s.run_after - clock_timestamp()) * 1000)::bigint, 0)
  from weir.steps s
  join weir.runs r on r.id = s.run_id
  where s.state = 'retrying' and s.river_job_id is null and s.runs_on = 'replica' and s.cancel_requested_at is null
    and r.state::text = 'running' and r.cancel_requested_at is null
    and (not s.limited or not exists (select from weir.slots l where l.run_id = s.run_id and l.step = s.step and l.waiting_on is not null))
    and not exists (select from weir.quarantine q where q.run_id = s.run_id and q.retry_at > clock_timestamp())
  order by s.run_after
  limit 1
), -1)::bigint as ms;

-- name: RunsCancelling :many
select r.id from weir.runs r
where r.cancel_requested_at is not null and r.finished_at is null
  and not exists (select from weir.quarantine q where q.run_id = r.id and q.retry_at > clock_timestamp())
order by r.id
limit @most;

-- name: RunsResumed :many
-- Of these runs, the steps that may be dispatched or begun and are not. What stands in a line is not looked at again.
select s.run_id, s.step
from weir.runs r
join weir.steps s on s.run_id = r.id
where r.id = any(@ids::uuid[]) and r.state::text = 'running' and r.admitted and r.cancel_requested_at is null and s.river_job_id is null
  and (
    s.state = 'available' or s.state = 'retrying' and s.run_after <= clock_timestamp()
    or s.state = 'pending' and s.needs_open = 0
  )
  and (not s.limited or not exists (select from weir.slots l where l.run_id = s.run_id and l.step = s.step and l.waiting_on is not null))
limit @most;

-- name: StepDispatch :many
-- Gives steps that may start and have no token a River job and its token. Limited ones only when they hold their slots, and
-- keep them: a slot that the gate looks at just now is passed over, since it may be about to be given to somebody else. The
-- gate says what becomes of it.
with asked as materialized (
  select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step
), held as materialized (
  select s.run_id, s.step, s.limited
  from asked a
  join weir.steps s on s.run_id = a.run_id and s.step = a.step
  where s.river_job_id is null and s.runs_on = 'replica' and s.cancel_requested_at is null
    and (s.state::text = 'available' or s.state::text = 'retrying' and s.run_after <= clock_timestamp())
    and (not s.limited or exists (select from weir.slots l where l.run_id = s.run_id and l.step = s.step and l.waiting_on is null))
  order by s.run_id, s.step
  for no key update of s
), slot as materialized (
  select h.run_id, h.step
  from held h
  cross join lateral (
    select from weir.slots l where l.run_id = h.run_id and l.step = h.step and l.waiting_on is null for key share skip locked offset 0
  ) l
  where h.limited
), moved as (
  update weir.steps s set river_job_id = nextval('weir.river_job_id_seq')
  from held h
  join weir.runs r on r.id = h.run_id
  where s.run_id = h.run_id and s.step = h.step and s.river_job_id is null and s.state::text in ('available', 'retrying')
    and r.state::text = 'running' and r.cancel_requested_at is null
    and (not h.limited or exists (select from slot l where l.run_id = h.run_id and l.step = h.step))
  returning s.run_id, s.step, s.kind, s.queue, s.priority, s.river_job_id
), job as (
  insert into weir.river_job (id, args, kind, queue, priority, max_attempts)
  select river_job_id, jsonb_build_object('run', run_id, 'step', step), kind, queue, priority, 1 from moved
  returning queue
), told as (
  select count(pg_notify('weir.river_insert', '{"queue": ' || to_json(queue) || '}')) as queues from (select distinct queue from job) q
)
select m.run_id, m.step from moved m cross join told where told.queues >= 0;

-- name: StepsSpecial :many
-- Of these steps, those that wait for something from outside or need slots: most passes have none.
select s.run_id, s.step, s.limited, coalesce(s.expects, '')::text as expects, s.state::text as state
from (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
cross join lateral (
  select s.run_id, s.step, s.limited, s.expects, s.state from weir.steps s where s.run_id = a.run_id and s.step = a.step and (s.limited or s.expects is not null) offset 0
) s;

-- name: GateAsk :execrows
-- Shows the gate those of these steps that may start but for a slot, those that hold one and may not start, and runs that
-- are held back. Also those that hold one and were passed over, since the gate looks at it just now: it may do so without a
-- hint in the table, and fail.
insert into weir.dirty (shard, run_id, step)
select 16, a.run_id, a.step
from (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
cross join lateral (
  select s.state, s.run_after, s.needs_open, s.expects, s.cancel_requested_at, s.runs_on from weir.steps s
  where s.run_id = a.run_id and s.step = a.step and s.limited and s.river_job_id is null
  offset 0
) s
cross join lateral (select r.state, r.admitted, r.cancel_requested_at from weir.runs r where r.id = a.run_id offset 0) r
left join lateral (select l.run_id, l.waiting_on from weir.slots l where l.run_id = a.run_id and l.step = a.step offset 0) l on true
where (
    l.waiting_on is null and (l.run_id is null or s.runs_on = 'replica') and r.state::text = 'running' and r.admitted and r.cancel_requested_at is null and s.cancel_requested_at is null
      and (s.state::text = 'available' or s.state::text = 'retrying' and s.run_after <= clock_timestamp() or s.state::text = 'pending' and s.needs_open = 0 and s.expects is not null)
    or l.waiting_on is null and l.run_id is not null and (r.state::text <> 'running' or s.state::text = 'retrying' and s.run_after > clock_timestamp())
)
union all
select 16, r.id, null
from weir.runs r
where r.id = any(@wholes::uuid[]) and not r.admitted and r.state::text = 'running'
  and not exists (select from weir.slots l where l.run_id = r.id and l.step = 0 and l.waiting_on is not null);

-- name: QuarantineAdd :exec
insert into weir.quarantine (run_id, error, sqlstate) values (@run_id, @error, @sqlstate)
on conflict (run_id) do update set
  error = excluded.error, sqlstate = excluded.sqlstate, tries = weir.quarantine.tries + 1,
  retry_at = clock_timestamp() + least(interval '10 seconds' * 2 ^ least(weir.quarantine.tries, 10), interval '10 minutes');

-- name: QuarantineEnd :many
delete from weir.quarantine where run_id = any(@runs::uuid[]) and retry_at <= clock_timestamp() returning run_id;

-- name: QuarantineOver :exec
-- Forgets the runs that were set aside and that nothing has been left to do about since.
delete from weir.quarantine q
where q.retry_at < clock_timestamp() - interval '1 minute' and q.run_id not in (select d.run_id from weir.dirty d);
