-- name: StepWhy :one
select
  s.step, s.key, s.kind, s.queue, s.state, s.cause, s.attempt, s.failures, s.max_attempts, s.last_outcome, s.waiting_for, s.worker_id,
  s.started_at, s.deadline_at, s.finished_at, s.run_after, s.needs_open, s.settled,
  r.state as run_state, r.start_at,
  coalesce(s.cancel_requested_at, r.cancel_requested_at) as cancel_requested_at,
  coalesce(s.cancel_requested_by, r.cancel_requested_by, '')::text as cancel_requested_by,
  coalesce(s.run_after > clock_timestamp(), false)::bool as backs_off,
  coalesce(r.start_at > clock_timestamp(), false)::bool as starts_later,
  (select q.paused_at from weir.river_queue q where q.name = s.queue) as queue_paused_at
from weir.steps s
join weir.runs r on r.id = s.run_id
where s.run_id = @run and s.key = @key;

-- name: StepWhyNeeds :many
-- limit 1: each need is looked up by its key, however many steps the planner thinks a run has.
select n.key, n.state, n.cause
from weir.needs e
cross join lateral (
  select s.key, s.state, s.cause, s.allow_failure, s.settled from weir.steps s where s.run_id = e.run_id and s.step = e.need limit 1
) n
where e.run_id = @run and e.step = @step
  and case when @failed::bool
    then n.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled', 'skipped') and not n.allow_failure
    else not n.settled end
order by e.need
limit @max;

-- name: StepWhyWorkers :many
select w.id, coalesce((w.queues ->> @queue::text)::int, 0)::int as slots,
  (select count(*) from weir.steps s where s.state = 'running' and s.worker_id = w.id and s.queue = @queue::text) as busy,
  (@kind::text = any(w.kinds))::bool as knows_kind
from weir.workers w
where w.gone_at is null and w.lease_until > clock_timestamp() and jsonb_exists(w.queues, @queue::text);
