-- name: RunCancelRequest :one
-- Asks for the cancellation of a run. The first request counts.
with told as (select set_config('weir.actor', @actor::text, true) as actor)
update weir.runs r set cancel_requested_at = clock_timestamp(), cancel_requested_by = @actor::text, cancel_reason = nullif(@reason::text, '')
from told
where r.id = @run_id and r.state in ('running', 'paused') and r.cancel_requested_at is null
returning r.id;

-- name: RunLook :one
select r.state, r.cancel_requested_at, r.cancel_requested_by, r.finished_at, r.created_at,
  coalesce(t.actor, r.created_by)::text as actor, coalesce(t.at, r.created_at)::timestamptz as at
from weir.runs r
left join lateral (
  select actor, at from weir.transitions t where t.run_id = r.id and t.step is null order by t.xid desc, t.id desc limit 1
) t on true
where r.id = @run_id;

-- name: StepCancelRequest :one
with told as (select set_config('weir.actor', @actor::text, true) as actor)
update weir.steps s set cancel_requested_at = clock_timestamp(), cancel_requested_by = @actor::text, cancel_reason = nullif(@reason::text, '')
from told
where s.run_id = @run_id and s.key = @key and s.state < 'succeeded' and s.cancel_requested_at is null
returning s.run_id, s.step;

-- name: RunCancelOpen :many
-- Cancels what no worker holds of runs whose cancellation was asked for, up to so many steps, settled at once: their
-- dependants are cancelled too.
with acting as materialized (
  select set_config('weir.actor', @actor::text, true) as actor
), held as materialized (
  select s.run_id, s.step
  from acting
  cross join weir.runs r
  join weir.steps s on s.run_id = r.id
  where r.id = any(@ids::uuid[]) and r.cancel_requested_at is not null and r.state::text in ('running', 'paused')
    and s.state::text in ('pending', 'available', 'retrying', 'waiting')
  order by s.run_id, s.step
  limit @most
  for no key update of s
)
update weir.steps s set state = 'cancelled', cause = 'cancel_requested', finished_at = clock_timestamp(), settled = true, river_job_id = null, waiting_for = null
from held h
where s.run_id = h.run_id and s.step = h.step and s.state in ('pending', 'available', 'retrying', 'waiting')
returning s.run_id, s.step, s.state, s.cause, s.allow_failure;

-- name: StepCancelOpen :execrows
-- Cancels those of these steps whose own cancellation was asked for and that no worker holds.
with asked as materialized (
  select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step
  from (select set_config('weir.actor', @actor::text, true)) a
), held as materialized (
  select s.run_id, s.step
  from asked a
  join weir.steps s on s.run_id = a.run_id and s.step = a.step
  where s.cancel_requested_at is not null and s.state in ('pending', 'available', 'retrying', 'waiting')
  order by s.run_id, s.step
  for no key update of s
)
update weir.steps s set state = 'cancelled', cause = 'cancel_requested', finished_at = clock_timestamp(), river_job_id = null, waiting_for = null
from held h
where s.run_id = h.run_id and s.step = h.step and s.state in ('pending', 'available', 'retrying', 'waiting');

-- name: StopsOfRuns :many
-- Asks the workers that hold steps of runs that are being cancelled to stop them.
insert into weir.stops (run_id, step, attempt, worker_id, cause, give_up_at, grace)
select s.run_id, s.step, s.attempt, s.worker_id, 'cancel_requested', clock_timestamp() + s.grace + interval '2 seconds', s.grace
from weir.runs r
join weir.steps s on s.run_id = r.id
where r.id = any(@ids::uuid[]) and r.cancel_requested_at is not null and r.state::text in ('running', 'paused') and s.state = 'running'
on conflict do nothing
returning worker_id;

-- name: StopsOfSteps :many
-- The same for steps whose own cancellation was asked for.
insert into weir.stops (run_id, step, attempt, worker_id, cause, give_up_at, grace)
select s.run_id, s.step, s.attempt, s.worker_id, 'cancel_requested', clock_timestamp() + s.grace + interval '2 seconds', s.grace
from (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
join weir.steps s on s.run_id = a.run_id and s.step = a.step
where s.cancel_requested_at is not null and s.state::text = 'running'
on conflict do nothing
returning worker_id;

-- name: StopsTell :exec
select pg_notify('weir_stop', '');
