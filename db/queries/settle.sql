-- name: StepSettle :many
-- Marks the end of steps as counted, once each, as long as they have no more than 1,000 dependants together. Answers
-- what it settled and what it leaves for the next transaction. Those that are too many by themselves are left to
-- NeedsCountAhead.
with asked as materialized (
  select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step
), held as materialized (
  select s.run_id, s.step, s.dependants, s.state, s.cause, s.allow_failure, s.parent, s.expects
  from asked a
  join weir.steps s on s.run_id = a.run_id and s.step = a.step
  where s.state >= 'succeeded' and not s.settled and s.dependants <= 1000
  order by s.run_id, s.step
  for no key update of s
), summed as materialized (
  select h.*, sum(h.dependants) over (order by h.run_id, h.step) <= 1000 as fits from held h
), done as (
  update weir.steps s set settled = true
  from summed h
  where h.fits and s.run_id = h.run_id and s.step = h.step and not s.settled
  returning s.run_id, s.step
)
select h.run_id, h.step, h.state, h.cause, h.allow_failure, h.dependants, h.parent, h.expects, (d.step is not null)::boolean as settled
from summed h
left join done d on d.run_id = h.run_id and d.step = h.step;

-- name: StepWide :many
-- Of these steps, the ones that ended and have too many dependants to be settled in one transaction.
select s.run_id, s.step, s.state, s.cause, s.allow_failure
from (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
join weir.steps s on s.run_id = a.run_id and s.step = a.step
where s.state >= 'succeeded' and not s.settled and s.dependants > 1000;

-- name: NeedsCountAhead :many
-- Takes up to so many edges of a wide step that are not counted yet.
with edge as materialized (
  select n.run_id, n.need, n.step from weir.needs n where n.run_id = @run_id and n.need = @need and not n.counted order by n.step limit @most for no key update
)
update weir.needs n set counted = true
from edge e
where n.run_id = e.run_id and n.need = e.need and n.step = e.step
returning n.step;

-- name: StepSettleWide :many
-- Settles a wide step once all of its edges are counted.
update weir.steps s set settled = true
where s.run_id = @run_id and s.step = @step and s.state >= 'succeeded' and not s.settled
  and not exists (select from weir.needs n where n.run_id = s.run_id and n.need = s.step and not n.counted)
returning s.run_id, s.step, s.state, s.cause, s.allow_failure, s.dependants;

-- name: NeedsOf :many
-- The dependants of steps that were settled just now.
select n.run_id, n.need, n.step
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
join weir.needs n on n.run_id = a.run_id and n.need = a.step
where not n.counted;

-- name: NeedsSettle :many
-- Counts ended needs into their dependants and moves those that this decides: available with a River job, or skipped.
-- Skipped ones are settled at once where the caller goes on with them. Limited ones get no job yet. Those that wait for
-- something from outside stay pending, and are for the caller to begin.
with asked as materialized (
  select
    unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@ended::int[]) as ended, unnest(@failed::int[]) as failed,
    unnest(@allowed::int[]) as allowed, unnest(@neutral::int[]) as neutral
  from (select set_config('weir.actor', @actor::text, true)) a
), held as materialized (
  select
    s.run_id, s.step, s.run_if, s.dependants, s.runs_on, s.expects, s.limited, s.needs_open - a.ended as needs_open, s.needs_failed + a.failed as needs_failed,
    s.needs_allowed + a.allowed as needs_allowed, s.needs_neutral + a.neutral as needs_neutral
  from asked a
  join weir.steps s on s.run_id = a.run_id and s.step = a.step
  where s.state::text = 'pending' and (a.ended > 0 or s.needs_open = 0)
  order by s.run_id, s.step
  for no key update of s
), judged as materialized (
  select
    h.*, r.state as run_state, coalesce(r.cancel_cause, case when r.cancel_requested_at is null then 'failure_policy' else 'cancel_requested' end::weir.cause) as cancel_cause,
    case
      when r.cancel_requested_at is not null then 'cancelled'
      when h.run_if = 'all_succeeded' and h.needs_failed > 0 then 'skipped'
      when not r.admitted then 'pending'
      when h.run_if = 'all_succeeded' and r.failing_at is not null then 'cancelled'
      when h.needs_open > 0 then 'pending'
      when h.run_if = 'all_succeeded' and h.needs_neutral > 0 then 'skipped'
      when h.run_if = 'any_failed' and h.needs_failed + h.needs_allowed = 0 then 'skipped'
      when h.expects is not null then 'pending'
      else 'available'
    end::weir.step_state as to_state, r.start_at is not null as starts_later, r.admitted
  from held h
  join weir.runs r on r.id = h.run_id
), moved as (
  update weir.steps s set
    needs_open = j.needs_open, needs_failed = j.needs_failed, needs_allowed = j.needs_allowed, needs_neutral = j.needs_neutral, state = j.to_state,
    cause = case
      when j.to_state = 'available' then case when j.starts_later and s.needs_total = 0 then 'start_at' else 'needs_met' end
      when j.to_state = 'cancelled' then j.cancel_cause::text
      when j.to_state = 'skipped' then case when j.run_if = 'all_succeeded' and j.needs_failed > 0 then 'upstream_failed' else 'run_if' end
      else s.cause::text
    end::weir.cause,
    river_job_id = case when j.to_state = 'available' and j.run_state = 'running' and j.runs_on = 'replica' and not s.limited and s.cancel_requested_at is null then nextval('weir.river_job_id_seq') end,
    finished_at = case when j.to_state in ('skipped', 'cancelled') then clock_timestamp() end,
    settled = j.to_state in ('skipped', 'cancelled') and j.dependants <= 1000 and @settle::boolean
  from judged j
  where s.run_id = j.run_id and s.step = j.step and s.state::text = 'pending'
  returning
    s.run_id, s.step, s.state, s.cause, s.settled, s.allow_failure, s.dependants, s.kind, s.queue, s.priority, s.river_job_id,
    s.state = 'pending' and s.needs_open = 0 and s.expects is not null and j.admitted as begins
), job as (
  insert into weir.river_job (id, args, kind, queue, priority, max_attempts)
  select river_job_id, jsonb_build_object('run', run_id, 'step', step), kind, queue, priority, 1 from moved where river_job_id is not null
  returning queue
), told as (
  select count(pg_notify('weir.river_insert', '{"queue": ' || to_json(queue) || '}')) as queues from (select distinct queue from job) q
)
select m.run_id, m.step, m.state, m.cause, m.settled, m.allow_failure, m.dependants, m.begins::boolean as begins
from moved m
cross join told
where told.queues >= 0 and (m.state <> 'pending' or m.begins);

-- name: RunSettle :many
-- Counts settled steps into their runs, and ends the runs whose last step this was. The first failure of a run with
-- on_failure: cancel marks it as failing. What timed out as a whole has failed; it ends once it is not paused.
with asked as materialized (
  select unnest(@runs::uuid[]) as id, unnest(@ended::int[]) as ended, unnest(@failed::int[]) as failed
  from (select set_config('weir.actor', @actor::text, true)) a
), held as materialized (
  select
    r.id, r.state, r.cancel_requested_at, r.cancel_cause, r.steps_open - a.ended as steps_open, r.steps_failed + a.failed as steps_failed,
    coalesce(r.cancel_cause = 'run_timeout', false) as timed_out
  from asked a
  join weir.runs r on r.id = a.id
  where r.state::text in ('running', 'paused') and (a.ended > 0 or r.steps_open = 0)
  order by r.id
  for no key update of r
)
update weir.runs r set
  steps_open = h.steps_open, steps_failed = h.steps_failed,
  state = case
    when h.steps_open > 0 then h.state
    when h.cancel_requested_at is not null and not h.timed_out then 'cancelled'
    when h.state = 'paused' then h.state
    when h.steps_failed > 0 or h.timed_out then 'failed'
    else 'succeeded'
  end,
  cause = case
    when h.steps_open > 0 then r.cause
    when h.cancel_requested_at is not null and not h.timed_out then coalesce(h.cancel_cause, 'cancel_requested')
    when h.state = 'paused' then r.cause
    when h.timed_out then 'run_timeout'
    else 'steps_final'
  end,
  failing_at = case
    when r.failing_at is null and r.on_failure = 'cancel' and h.steps_failed > 0 and h.steps_open > 0 and h.cancel_requested_at is null then clock_timestamp()
    else r.failing_at
  end,
  finished_at = case when h.steps_open = 0 and (h.state = 'running' or h.cancel_requested_at is not null and not h.timed_out) then clock_timestamp() end
from held h
where r.id = h.id
returning
  r.id, r.name, r.state, (extract(epoch from coalesce(r.finished_at, r.created_at) - r.created_at) * 1000)::bigint as took_ms,
  r.wants_output, (r.limited or r.parent_run is not null)::boolean as watched, (r.failing_at is not null and r.steps_open > 0)::boolean as failing;
