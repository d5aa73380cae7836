-- name: StepOrdinal :one
select step from weir.steps where run_id = @run and key = @key;

-- name: StepViews :many
-- limit 1: each need is looked up by its key, however many steps the planner thinks a run has.
select
  s.run_id, s.step, s.key, s.kind, s.state, s.cause,
  array(
    select n.key
    from weir.needs e
    cross join lateral (select x.key from weir.steps x where x.run_id = e.run_id and x.step = e.need limit 1) n
    where e.run_id = s.run_id and e.step = s.step
    order by e.need
  )::text[] as needs,
  s.run_if, s.allow_failure, s.attempt, s.failures, s.max_attempts, s.queue, s.priority, s.runs_on, s.timeout, s.grace, s.stall_after, s.retry,
  s.created_at, s.run_after, s.started_at, s.deadline_at, s.finished_at, s.worker_id, s.waiting_for, s.reused_from, s.cancel_requested_at, s.item,
  coalesce((select x.key from weir.steps x where x.run_id = s.run_id and x.step = s.parent), '')::text as parent,
  c.id as child_run,
  p.percent as progress_percent, p.message as progress_message, p.at as progress_at,
  case when @payloads::bool then coalesce(i."with", '{}') end::jsonb as "with",
  case when @payloads::bool then o.output end::jsonb as output,
  o.output_error, o.error_code, o.error_message, o.error_retryable, o.error_detail
from weir.steps s
left join weir.step_inputs i on i.run_id = s.run_id and i.step = coalesce(s.parent, s.step) and @payloads::bool
left join weir.outputs o on o.run_id = coalesce(s.reused_from, s.run_id) and o.step = s.step and o.attempt = s.attempt
left join weir.runs c on s.expects = 'run' and c.parent_run = s.run_id and c.parent_step = s.step
left join weir.progress p on p.run_id = s.run_id and p.step = s.step and p.attempt = s.attempt
where s.run_id = @run and s.step > @after and (s.parent is null or not @of_plan::bool)
order by s.step
limit @max;
