-- What the picture of everything that is going on is made of. Each reads what is open, at most 100 items of it.

-- name: StateReplicas :many
-- Live replicas, and what each holds.
select
  w.id, w.name, w.host, w.build, w.schema_version, w.started_at, w.seen_at, w.lease_until, w.notify,
  (select count(*) from weir.steps s where s.state = 'running' and s.worker_id = w.id) as running,
  coalesce((select sum(q.value::bigint) from jsonb_each_text(w.queues) q), 0)::bigint as slots
from weir.workers w
where w.gone_at is null and w.type = 'replica'
order by w.started_at, w.id
limit @most;

-- name: StateSchema :one
select version from weir.schema_info where one;

-- name: StateWorkers :many
-- Live remote workers, and what each holds.
select
  w.id, w.name, w.kinds, array(select jsonb_object_keys(w.queues) order by 1)::text[] as queues, w.seen_at, w.lease_until,
  (select count(*) from weir.steps s where s.state = 'running' and s.worker_id = w.id) as running,
  coalesce((select sum(q.value::bigint) from jsonb_each_text(w.queues) q), 0)::bigint as capacity
from weir.workers w
where w.gone_at is null and w.type = 'remote'
order by w.started_at, w.id
limit @most;

-- name: StateSizes :one
-- How many rows there are, about: what statistics say.
select
  coalesce((select c.reltuples from pg_catalog.pg_class c where c.oid = 'weir.runs'::regclass), 0)::float8 as runs,
  coalesce((select c.reltuples from pg_catalog.pg_class c where c.oid = 'weir.steps'::regclass), 0)::float8 as steps;

-- name: StateRunsOpen :many
select r.state, count(*) as n from weir.runs r where r.state in ('running', 'paused') group by r.state;

-- name: StateRunsFinal :many
select r.state, count(*) as n from weir.runs r where r.state in ('succeeded', 'failed', 'cancelled') group by r.state;

-- name: StateStepsOpen :many
-- Steps that are open are steps of open runs.
select s.state, count(*) as n
from weir.runs r
cross join lateral (select o.state from weir.steps o where o.run_id = r.id and o.state in ('pending', 'available', 'running', 'retrying', 'waiting') offset 0) s
where r.state in ('running', 'paused')
group by s.state;

-- name: StateStepsFinal :many
select s.state, count(*) as n from weir.steps s where s.state >= 'succeeded' group by s.state;

-- name: StateTracked :many
-- Open runs, the newest first.
select r.id, r.name, r.created_at, r.start_at
from (
  (select * from weir.runs p where p.state = 'running' order by p.created_at desc, p.id desc limit @most)
  union all
  (select * from weir.runs p where p.state = 'paused' order by p.created_at desc, p.id desc limit @most)
) r
order by r.created_at desc, r.id desc
limit @most;

-- name: StateRunning :many
-- The oldest first.
select s.run_id, r.name, s.key, s.kind, s.attempt, coalesce(s.started_at, s.claimed_at)::timestamptz as since, s.worker_id
from (
  select p.* from weir.steps p
  where p.state = 'running'
  order by coalesce(p.started_at, p.claimed_at), p.run_id, p.step
  limit @most
) s
cross join lateral (select o.name from weir.runs o where o.id = s.run_id limit 1) r
order by coalesce(s.started_at, s.claimed_at), s.run_id, s.step;

-- name: StateRunningCount :one
select count(*) from weir.steps s where s.state = 'running';

-- name: StateHeld :many
-- Steps that are to be tried again, or that wait, the oldest first. When they came to it their last report says, or history, unless
-- too much has happened in the run since.
select
  s.run_id, r.name, s.key, s.kind, s.attempt, s.run_after, coalesce(o.at, h.at, s.created_at)::timestamptz as since, (o.at is not null or h.at is not null)::boolean as since_is_known,
  o.error_code, coalesce(left(o.error_message, 500), '')::text as error_message
from (
  select p.* from weir.steps p
  where p.state = @state and p.state in ('retrying', 'waiting')
  order by coalesce(p.claimed_at, p.created_at)
  limit @most
) s
cross join lateral (select n.name from weir.runs n where n.id = s.run_id limit 1) r
left join weir.outputs o on o.run_id = s.run_id and o.step = s.step and o.attempt = s.attempt
left join lateral (
  select t.at
  from (select t.at, t.step, t.to_state from weir.transitions t where t.run_id = s.run_id order by t.xid desc, t.id desc limit 1000) t
  where o.at is null and t.step = s.step and t.to_state = s.state::text
  limit 1
) h on true
order by coalesce(o.at, h.at) nulls first, s.run_id, s.step;

-- name: StateHeldCount :one
select count(*) from weir.steps s where s.state = @state and s.state in ('retrying', 'waiting');

-- name: StateReconcile :one
select
  p.beat_at, p.swept_at, clock_timestamp()::timestamptz as now,
  (select count(*) from (select from weir.dirty limit 10000) d)::bigint as dirty,
  coalesce((select min(d.at) from (select at from weir.dirty order by id limit 100) d), clock_timestamp())::timestamptz as oldest_dirty_at
from weir.pulse p
where p.one;

-- name: StateQuarantined :many
-- Runs that are set aside, the oldest first.
select q.run_id, left(q.error, 500)::text as error, q.at
from (select * from weir.quarantine limit 10000) q
order by q.at, q.run_id
limit @most;
