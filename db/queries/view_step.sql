-- name: StepOrdinal :one
select step from weir.steps where run_id = @run and key = @key;

-- name: StepViews :many
select
  s.run_id, s.step, s.key, s.kind, s.state, s.cause,
  array(
    select n.key
    from weir.needs e
    join weir.steps n on n.run_id = e.run_id and n.step = e.need
    where e.run_id = s.run_id and e.step = s.step
    order by n.step
  )::text[] as needs,
  s.run_if, s.allow_failure, s.attempt, s.failures, s.max_attempts, s.queue, s.priority, s.runs_on, s.timeout, s.grace, s.stall_after, s.retry,
  s.created_at, s.run_after, s.started_at, s.deadline_at, s.finished_at, s.worker_id, s.waiting_for, s.reused_from, s.cancel_requested_at,
  p.percent as progress_percent, p.message as progress_message, p.at as progress_at,
  case when @payloads::bool then coalesce(i."with", '{}') end::jsonb as "with",
  case when @payloads::bool then o.output end::jsonb as output,
  o.output_error, o.error_code, o.error_message, o.error_retryable, o.error_detail
from weir.steps s
left join weir.step_inputs i on i.run_id = s.run_id and i.step = s.step and @payloads::bool
left join weir.outputs o on o.run_id = s.run_id and o.step = s.step and o.attempt = s.attempt
left join weir.progress p on p.run_id = s.run_id and p.step = s.step and p.attempt = s.attempt
where s.run_id = @run and s.step > @after
order by s.step
limit @max;
