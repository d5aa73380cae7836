-- name: StepDecide :many
-- Ends attempts that nobody ends: to retrying where the retry policy wants it, attempts are left and nobody asked to
-- cancel, to waiting for a decision where on_failure says so, else to the outcome. An attempt that has ended by now is left alone. worker: only what this one holds.
with held as materialized (
  select s.run_id, s.step, s.river_job_id,
    case
      when r.cancel_cause = 'run_timeout' and @outcome::weir.step_state = 'cancelled' then 'timed_out'
      when c.cancelling or not @counts::boolean then @outcome::weir.step_state
      when s.failures + 1 < s.max_attempts and weir.retry_wants(s.retry, @outcome::weir.step_state, @on_request::boolean) then 'retrying'
      when r.on_failure = 'pause' and not s.allow_failure then 'waiting'
      else @outcome::weir.step_state
    end as to_state
  from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@attempts::int[]) as attempt) d
  join weir.steps s on s.run_id = d.run_id and s.step = d.step
  join weir.runs r on r.id = s.run_id
  cross join lateral (
    select s.cancel_requested_at is not null or r.cancel_requested_at is not null or r.failing_at is not null and s.run_if = 'all_succeeded' as cancelling
  ) c
  where s.state = 'running' and s.attempt = d.attempt and s.worker_id = coalesce(sqlc.narg('worker')::uuid, s.worker_id)
  order by s.run_id, s.step
  for no key update of s
), ended as (
  update weir.steps s
  set state = h.to_state,
    waiting_for = case when h.to_state = 'waiting' then 'decision' end,
    cause = @cause::weir.cause,
    last_outcome = @outcome::weir.step_state,
    failures = s.failures + case when @counts::boolean then 1 else 0 end,
    finished_at = case when h.to_state not in ('retrying', 'waiting') then clock_timestamp() end,
    run_after = case when h.to_state = 'retrying' then clock_timestamp() + weir.retry_wait(s.retry, s.failures + 1, null) end,
    river_job_id = null,
    unnamed = 0
  from held h
  where s.run_id = h.run_id and s.step = h.step
  returning s.run_id, s.step, s.attempt, s.worker_id, s.state, h.river_job_id
), told as (
  insert into weir.outputs (run_id, step, attempt, error_code, error_message, error_retryable)
  select e.run_id, e.step, e.attempt, @error_code::text, @error_message::text, true
  from ended e
  on conflict do nothing
), asked as (
  delete from weir.stops o using ended e where o.run_id = e.run_id and o.step = e.step and o.attempt = e.attempt
)
select run_id, step, attempt, worker_id::uuid as worker_id, state, coalesce(river_job_id, 0)::bigint as river_job_id from ended order by run_id, step;

-- name: StopPut :exec
-- Asks workers to end attempts that the database has ended already. The rows go when they have had time to read them.
insert into weir.stops (run_id, step, attempt, worker_id, cause, give_up_at, grace)
select d.run_id, d.step, s.attempt, s.worker_id, @cause::weir.cause, clock_timestamp() + s.grace + sqlc.arg('keep_ms')::bigint * interval '1 millisecond', s.grace
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@attempts::int[]) as attempt) d
join weir.steps s on s.run_id = d.run_id and s.step = d.step and s.attempt = d.attempt
where s.worker_id is not null
on conflict do nothing;
