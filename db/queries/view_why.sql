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
select n.key, n.state, n.cause
from weir.needs e
join weir.steps n on n.run_id = e.run_id and n.step = e.need
where e.run_id = @run and e.step = @step
  and case when @failed::bool
    then n.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled', 'skipped') and not n.allow_failure
    else not n.settled end
order by n.step
limit @max;

-- name: StepWhyWorkers :many
select w.id, coalesce((w.queues ->> @queue::text)::int, 0)::int as slots,
  (select count(*) from weir.steps s where s.state = 'running' and s.worker_id = w.id and s.queue = @queue::text) as busy,
  (@kind::text = any(w.kinds))::bool as knows_kind
from weir.workers w
where w.gone_at is null and w.lease_until > clock_timestamp() and jsonb_exists(w.queues, @queue::text);
