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
-- dependants are cancelled too. Of a run that fails (on_failure: cancel) only what runs after success, and their other
-- dependants are told. A step whose child
-- run goes on waits for its end: RunCancelChildren asks for that.
with acting as materialized (
  select set_config('weir.actor', @actor::text, true) as actor
), held as materialized (
  select
    s.run_id, s.step, coalesce(r.cancel_cause, case when r.cancel_requested_at is null then 'failure_policy' else 'cancel_requested' end::weir.cause) as cause,
    r.cancel_requested_at is null as spares
  from acting
  cross join weir.runs r
  join weir.steps s on s.run_id = r.id
  where r.id = any(@ids::uuid[]) and (r.cancel_requested_at is not null or r.failing_at is not null and s.run_if = 'all_succeeded') and r.state::text in ('running', 'paused')
    and s.state::text in ('pending', 'available', 'retrying', 'waiting') and s.waiting_for is distinct from 'run'
  order by s.run_id, s.step
  limit @most
  for no key update of s
)
update weir.steps s set
  state = 'cancelled', cause = h.cause, finished_at = clock_timestamp(), settled = not h.spares or s.dependants <= 1000, river_job_id = null, waiting_for = null
from held h
where s.run_id = h.run_id and s.step = h.step and s.state in ('pending', 'available', 'retrying', 'waiting')
returning s.run_id, s.step, s.state, s.cause, s.allow_failure, s.dependants, s.settled, h.spares::boolean as spares;

-- name: RunCancelChildren :many
-- Asks for the cancellation of the child runs that steps wait for, of runs (step 0) and steps that are being cancelled
-- themselves, up to so many. One that is paused is resumed for it when its time is over.
with acting as materialized (
  select set_config('weir.actor', @actor::text, true) as actor
), above as materialized (
  select a.run_id, a.step, r.cancel_requested_at, r.cancel_requested_by, r.cancel_cause, r.failing_at
  from (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
  cross join lateral (
    select r.cancel_requested_at, r.cancel_requested_by, r.cancel_cause, r.failing_at
    from weir.runs r
    where r.id = a.run_id and (a.step > 0 or r.cancel_requested_at is not null or r.failing_at is not null)
    offset 0
  ) r
), below as materialized (
  select a.*, c.id, c.parent_step
  from above a
  cross join lateral (select c.id, c.parent_step, c.state, c.cancel_requested_at from weir.runs c where c.parent_run = a.run_id and a.step = 0 offset 0) c
  where c.state::text in ('running', 'paused') and c.cancel_requested_at is null
  union all
  select a.*, c.id, a.step
  from above a
  cross join lateral (select c.id, c.state, c.cancel_requested_at from weir.runs c where c.parent_run = a.run_id and c.parent_step = a.step and a.step > 0 offset 0) c
  where c.state::text in ('running', 'paused') and c.cancel_requested_at is null
), found as materialized (
  select b.id, coalesce(b.cancel_cause, s.cancel_cause, case when b.cancel_requested_at is null and s.cancel_requested_at is null then 'failure_policy'::weir.cause end) as cause,
    coalesce(b.cancel_requested_by, s.cancel_requested_by, acting.actor) as asked_by
  from acting
  cross join below b
  cross join lateral (
    select s.state, s.waiting_for, s.run_if, s.cancel_requested_at, s.cancel_requested_by, s.cancel_cause from weir.steps s where s.run_id = b.run_id and s.step = b.parent_step offset 0
  ) s
  where s.state::text = 'waiting' and s.waiting_for = 'run'
    and (b.cancel_requested_at is not null or s.cancel_requested_at is not null or b.failing_at is not null and s.run_if = 'all_succeeded')
), child as materialized (
  select c.id, f.cause, f.asked_by
  from found f
  join weir.runs c on c.id = f.id
  where c.state::text in ('running', 'paused') and c.cancel_requested_at is null
  order by c.id
  limit @most
  for no key update of c
)
update weir.runs r set
  state = case when h.cause = 'run_timeout' then 'running' else r.state end, cause = case when h.cause = 'run_timeout' and r.state = 'paused' then h.cause else r.cause end,
  cancel_requested_at = clock_timestamp(), cancel_requested_by = h.asked_by, cancel_cause = h.cause, cancel_reason = 'the run above it is cancelled'
from child h
where r.id = h.id
returning r.id;

-- name: FamilyCancel :many
-- Asks for the cancellation of the children of fan-outs that have ended without them, some at a time.
with acting as materialized (
  select set_config('weir.actor', @actor::text, true) as actor
), child as materialized (
  select c.run_id, c.step, coalesce(s.cancel_requested_by, acting.actor) as asked_by, s.cancel_cause
  from acting
  cross join (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step order by 1, 2) a
  cross join lateral (
    select s.cancel_requested_by, s.cancel_cause from weir.steps s
    where s.run_id = a.run_id and s.step = a.step and s.expects = 'children' and s.state::text in ('cancelled', 'failed', 'skipped')
    offset 0
  ) s
  cross join lateral (select i.step from weir.items i where i.run_id = a.run_id and i.parent = a.step offset 0) i
  cross join lateral (
    select c.run_id, c.step from weir.steps c
    where c.run_id = a.run_id and c.step = i.step and c.state::text in ('pending', 'available', 'running', 'retrying', 'waiting') and c.cancel_requested_at is null
    for no key update
    offset 0
  ) c
  limit @most
)
update weir.steps s set cancel_requested_at = clock_timestamp(), cancel_requested_by = h.asked_by, cancel_cause = h.cancel_cause, cancel_reason = 'the step that it is a child of has ended'
from child h
where s.run_id = h.run_id and s.step = h.step
returning s.run_id, s.step;

-- name: StepCancelOpen :execrows
-- Cancels those of these steps whose own cancellation was asked for and that no worker holds.
with asked as materialized (
  select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step
  from (select set_config('weir.actor', @actor::text, true)) a
), held as materialized (
  select s.run_id, s.step
  from asked a
  join weir.steps s on s.run_id = a.run_id and s.step = a.step
  where s.cancel_requested_at is not null and s.state in ('pending', 'available', 'retrying', 'waiting') and s.waiting_for is distinct from 'run'
  order by s.run_id, s.step
  for no key update of s
)
update weir.steps s set state = 'cancelled', cause = coalesce(s.cancel_cause, 'cancel_requested'), finished_at = clock_timestamp(), river_job_id = null, waiting_for = null
from held h
where s.run_id = h.run_id and s.step = h.step and s.state in ('pending', 'available', 'retrying', 'waiting');

-- name: StopsOfRuns :many
-- Asks the workers that hold steps of runs that are being cancelled to stop them.
insert into weir.stops (run_id, step, attempt, worker_id, cause, give_up_at, grace)
select
  s.run_id, s.step, s.attempt, s.worker_id, coalesce(r.cancel_cause, case when r.cancel_requested_at is null then 'failure_policy' else 'cancel_requested' end::weir.cause),
  clock_timestamp() + s.grace + interval '2 seconds', s.grace
from weir.runs r
join weir.steps s on s.run_id = r.id
where r.id = any(@ids::uuid[]) and (r.cancel_requested_at is not null or r.failing_at is not null and s.run_if = 'all_succeeded') and r.state::text in ('running', 'paused') and s.state = 'running'
on conflict do nothing
returning worker_id;

-- name: StopsOfSteps :many
-- The same for steps whose own cancellation was asked for.
insert into weir.stops (run_id, step, attempt, worker_id, cause, give_up_at, grace)
select s.run_id, s.step, s.attempt, s.worker_id, coalesce(s.cancel_cause, 'cancel_requested'), clock_timestamp() + s.grace + interval '2 seconds', s.grace
from (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
join weir.steps s on s.run_id = a.run_id and s.step = a.step
where s.cancel_requested_at is not null and s.state::text = 'running'
on conflict do nothing
returning worker_id;

-- name: StopsTell :exec
select pg_notify('weir_stop', '');
