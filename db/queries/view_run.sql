-- name: RunViews :many
select
  r.id, r.name, r.description, r.state, r.cause, r.labels, r.key, r.on_failure, r.max_parallel, r.rerun_of, r.idempotency_key,
  r.created_at, r.created_by, r.start_at, r.deadline_at, r.finished_at, r.cancel_requested_at, r.timeout, r.plan_version, r.parent_run,
  coalesce((select p.key from weir.steps p where p.run_id = r.parent_run and p.step = r.parent_step), '')::text as parent_step,
  case when @payloads::bool then coalesce((select i.input from weir.run_inputs i where i.run_id = r.id), '{}') end::jsonb as input,
  case when @payloads::bool then (select o.output from weir.run_outputs o where o.run_id = r.id) end::jsonb as output,
  case when @payloads::bool then (select o.output_error from weir.run_outputs o where o.run_id = r.id) end::jsonb as output_error,
  count(s.step) as total,
  count(*) filter (where s.state = 'pending') as pending,
  count(*) filter (where s.state = 'available') as available,
  count(*) filter (where s.state = 'running') as running,
  count(*) filter (where s.state = 'retrying') as retrying,
  count(*) filter (where s.state = 'waiting') as waiting,
  count(*) filter (where s.state = 'succeeded') as succeeded,
  count(*) filter (where s.state = 'failed') as failed,
  count(*) filter (where s.state = 'crashed') as crashed,
  count(*) filter (where s.state = 'timed_out') as timed_out,
  count(*) filter (where s.state = 'lost') as lost,
  count(*) filter (where s.state = 'cancelled') as cancelled,
  count(*) filter (where s.state = 'skipped') as skipped
from weir.runs r
left join weir.steps s on s.run_id = r.id
where r.id = any(@ids::uuid[])
group by r.id
order by r.created_at desc, r.id desc;

-- name: RunExists :one
select exists (select from weir.runs where id = @run);
