-- name: StepEnd :many
-- Ends steps that wait, with their output or error, settled at once where they have no more than 1,000 dependants: the
-- caller goes on with them.
with asked as materialized (
  select
    unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@to_states::text[])::weir.step_state as to_state, unnest(@causes::text[])::weir.cause as cause,
    unnest(@has_outputs::boolean[]) as has_output, unnest(@outputs::jsonb[]) as output, unnest(@output_errors::jsonb[]) as output_error,
    unnest(@error_codes::text[]) as error_code, unnest(@error_messages::text[]) as error_message
  from (select set_config('weir.actor', @actor::text, true)) a
), held as materialized (
  select a.*
  from (select * from asked order by run_id, step) a
  cross join lateral (
    select s.step from weir.steps s where s.run_id = a.run_id and s.step = a.step and s.state::text = 'waiting' for no key update offset 0
  ) s
), done as (
  update weir.steps s set
    state = h.to_state, cause = h.cause, waiting_for = null, finished_at = clock_timestamp(), has_output = h.has_output, settled = s.dependants <= 1000
  from held h
  where s.run_id = h.run_id and s.step = h.step and s.state::text = 'waiting'
  returning s.run_id, s.step, s.attempt, s.state, s.cause, s.settled, s.allow_failure, s.dependants, s.parent, h.has_output as keeps, h.output, h.output_error, h.error_code, h.error_message
), kept as (
  insert into weir.outputs (run_id, step, attempt, output, output_error, error_code, error_message, error_retryable)
  select
    run_id, step, attempt, case when keeps then output end, nullif(output_error, 'null'), nullif(error_code, ''), case when error_code <> '' then error_message end,
    case when error_code <> '' then false end
  from done
  where keeps or output_error <> 'null' or error_code <> ''
  on conflict (run_id, step, attempt) do nothing
)
select run_id, step, state, cause, settled, allow_failure, dependants, parent from done;

-- name: WaitsDue :many
-- Steps that have waited for a time that has come, or beyond their timeout. A step that waits for its child run to stop is
-- not looked at again.
select s.run_id, s.step
from weir.steps s
where s.state = 'waiting' and s.waiting_for <> 'decision' and (s.run_after is not null or s.deadline_at is not null) and least(s.run_after, s.deadline_at) <= clock_timestamp()
  and s.last_outcome is null and weir.shard_of(s.run_id) <> all(@held::smallint[])
  and not exists (select from weir.quarantine q where q.run_id = s.run_id and q.retry_at > clock_timestamp())
order by least(s.run_after, s.deadline_at)
limit @most;

-- name: WaitsOver :many
-- Of these steps, those whose wait is over by the clock: because the time has come, or because it has run out.
select s.run_id, s.step, s.waiting_for::text as waiting_for, (s.run_after is not null and s.run_after <= clock_timestamp() and (s.deadline_at is null or s.run_after <= s.deadline_at))::boolean as came
from (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
join weir.steps s on s.run_id = a.run_id and s.step = a.step
where s.state::text = 'waiting' and s.waiting_for in ('signal', 'approval', 'time', 'run') and least(s.run_after, s.deadline_at) <= clock_timestamp()
order by s.run_id, s.step
for no key update of s;

-- name: ChildrenTimeOut :many
-- Asks for the cancellation of child runs whose step has run out of time, and marks the step.
with acting as materialized (
  select set_config('weir.actor', @actor::text, true) as actor
), marked as (
  update weir.steps s set last_outcome = 'timed_out'
  from acting, (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
  where s.run_id = a.run_id and s.step = a.step and s.state::text = 'waiting' and s.waiting_for = 'run' and s.last_outcome is null
  returning s.run_id, s.step
)
update weir.runs c set cancel_requested_at = clock_timestamp(), cancel_requested_by = acting.actor, cancel_cause = 'deadline', cancel_reason = 'the step that waits for it timed out'
from acting, marked m
where c.parent_run = m.run_id and c.parent_step = m.step and c.state::text in ('running', 'paused') and c.cancel_requested_at is null
returning c.id;

-- name: ChildrenOver :many
-- Of these steps, those whose child run has ended.
select
  s.run_id, s.step, c.id as child, c.state, c.cause, (s.last_outcome is not null)::boolean as timed_out, o.output, o.output_error,
  (s.cancel_requested_at is not null or r.cancel_requested_at is not null)::boolean as cancelling
from (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step order by 1, 2) a
cross join lateral (
  select s.run_id, s.step, s.last_outcome, s.cancel_requested_at from weir.steps s
  where s.run_id = a.run_id and s.step = a.step and s.state::text = 'waiting' and s.waiting_for = 'run'
  for no key update
  offset 0
) s
cross join lateral (
  select c.id, c.state, c.cause from weir.runs c
  where c.parent_run = a.run_id and c.parent_step = a.step and c.state::text in ('succeeded', 'failed', 'cancelled')
  offset 0
) c
cross join lateral (select r.cancel_requested_at from weir.runs r where r.id = a.run_id offset 0) r
left join weir.run_outputs o on o.run_id = c.id
order by s.run_id, s.step;

-- name: RunsOverdue :many
-- Runs that have taken longer than their timeout. One that is paused again after its timeout is resumed again.
select r.id
from weir.runs r
where r.deadline_at is not null and r.finished_at is null and r.deadline_at <= clock_timestamp()
  and (r.cancel_requested_at is null or r.cancel_cause = 'run_timeout' and r.state::text = 'paused')
  and not exists (select from weir.quarantine q where q.run_id = r.id and q.retry_at > clock_timestamp())
order by r.deadline_at
limit @most;

-- name: RunsTimeOut :many
-- Resumes those of these runs that are over their timeout and paused, and asks for the cancellation of all of them.
with acting as materialized (
  select set_config('weir.actor', @actor::text, true) as actor
), over as materialized (
  select r.id
  from acting
  cross join weir.runs r
  where r.id = any(@ids::uuid[]) and r.state::text in ('running', 'paused') and r.deadline_at <= clock_timestamp()
    and (r.cancel_requested_at is null or r.cancel_cause = 'run_timeout' and r.state::text = 'paused')
  order by r.id
  for no key update of r
)
update weir.runs r set
  state = 'running', cause = case when r.state = 'paused' then 'run_timeout' else r.cause end,
  cancel_requested_at = coalesce(r.cancel_requested_at, clock_timestamp()), cancel_requested_by = coalesce(r.cancel_requested_by, acting.actor),
  cancel_cause = 'run_timeout', cancel_reason = coalesce(r.cancel_reason, 'the run took longer than its timeout')
from over o, acting
where r.id = o.id
returning r.id;

-- name: DueNext :one
-- How many milliseconds until a wait, a run or a start is due, or a rate has its next token; -1: none, 0: something is. What
-- was set aside is not waited for.
select coalesce((
  select greatest(ceil(extract(epoch from d.at - clock_timestamp()) * 1000)::bigint, 0)
  from (
    (select least(s.run_after, s.deadline_at) as at from weir.steps s where s.state = 'waiting' and s.waiting_for <> 'decision' and (s.run_after is not null or s.deadline_at is not null) and s.last_outcome is null
      and not exists (select from weir.quarantine q where q.run_id = s.run_id and q.retry_at > clock_timestamp())
    order by least(s.run_after, s.deadline_at) limit 1)
    union all
    (select r.deadline_at from weir.runs r where r.deadline_at is not null and r.finished_at is null and r.cancel_requested_at is null
      and not exists (select from weir.quarantine q where q.run_id = r.id and q.retry_at > clock_timestamp())
    order by r.deadline_at limit 1)
    union all
    (select l.due_at from weir.slots l where l.due_at is not null order by l.due_at limit 1)
    union all
    (select t.due_at from weir.rates t where t.due_at is not null order by t.due_at limit 1)
  ) d
  order by d.at
  limit 1
), -1)::bigint as ms;
