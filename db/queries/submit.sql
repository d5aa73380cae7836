-- name: RunSubmit :many
-- One statement, whatever is submitted: runs that are new, and only of those the steps, the River jobs of the steps
-- that can start at once, the edges and the payloads. A step that is decided at birth all the same (any_failed without
-- needs) is left to reconcile. Runs are stored in the order of their keys: whoever stores the same ones waits, and is not
-- waited for. Answers the runs that are new.
with a_run as materialized (
  select
    unnest(@run_ids::uuid[]) as id, unnest(@names::text[]) as name, unnest(@descriptions::text[]) as description,
    unnest(@labels::jsonb[]) as labels, unnest(@inputs::jsonb[]) as input, unnest(@created_by::text[]) as created_by,
    unnest(@steps_totals::int[]) as steps_total, nullif(unnest(@idempotency_scopes::text[]), '') as idempotency_scope,
    nullif(unnest(@idempotency_keys::text[]), '') as idempotency_key, nullif(unnest(@idempotency_digests::bytea[]), '') as idempotency_digest,
    nullif(unnest(@plan_versions::int[]), 0) as plan_version
), a_new_run as (
  insert into weir.runs (id, name, description, labels, created_by, steps_total, steps_open, idempotency_scope, idempotency_key, idempotency_digest, plan_version)
  select id, name, description, labels, created_by, steps_total, steps_total, idempotency_scope, idempotency_key, idempotency_digest, plan_version from a_run
  order by idempotency_scope, idempotency_key, id
  on conflict do nothing
  returning id
), a_step as materialized (
  select
    unnest(@step_runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@keys::text[]) as key, unnest(@kinds::text[]) as kind,
    unnest(@queues::text[]) as queue, unnest(@priorities::smallint[]) as priority, unnest(@run_ifs::text[])::weir.run_if as run_if,
    unnest(@allow_failures::boolean[]) as allow_failure, unnest(@needs_totals::int[]) as needs_total, unnest(@dependants::int[]) as dependants,
    unnest(@max_attempts::int[]) as max_attempts, unnest(@timeouts_ms::bigint[]) as timeout_ms, unnest(@graces_ms::bigint[]) as grace_ms,
    unnest(@stalls_ms::bigint[]) as stall_ms, unnest(@retries::jsonb[]) as retry, unnest(@withs::jsonb[]) as "with"
), a_new_step as (
  insert into weir.steps (
    run_id, step, key, kind, queue, priority, run_if, allow_failure, needs_total, needs_open, dependants, max_attempts,
    timeout, grace, stall_after, retry, state, river_job_id
  )
  select
    s.run_id, s.step, s.key, s.kind, s.queue, s.priority, s.run_if, s.allow_failure, s.needs_total, s.needs_total, s.dependants, s.max_attempts,
    nullif(s.timeout_ms, 0) * interval '1 millisecond', s.grace_ms * interval '1 millisecond', nullif(s.stall_ms, 0) * interval '1 millisecond',
    nullif(s.retry, 'null'), case when s.needs_total = 0 and s.run_if <> 'any_failed' then 'available' else 'pending' end::weir.step_state,
    case when s.needs_total = 0 and s.run_if <> 'any_failed' then nextval('weir.river_job_id_seq') end
  from a_step s
  join a_new_run r on r.id = s.run_id
  returning run_id, step, state, needs_open, kind, queue, priority, river_job_id
), a_hint as (
  insert into weir.dirty (shard, run_id, step)
  select weir.shard_of(run_id), run_id, step from a_new_step where state = 'pending' and needs_open = 0
), a_new_job as (
  insert into weir.river_job (id, args, kind, queue, priority, max_attempts)
  select river_job_id, jsonb_build_object('run', run_id, 'step', step), kind, queue, priority, 1 from a_new_step where river_job_id is not null
  returning queue
), a_need as (
  insert into weir.needs (run_id, need, step)
  select n.run_id, n.need, n.step
  from (select unnest(@need_runs::uuid[]) as run_id, unnest(@needs::int[]) as need, unnest(@need_steps::int[]) as step) n
  join a_new_run r on r.id = n.run_id
), an_input as (
  insert into weir.run_inputs (run_id, input)
  select i.id, i.input from a_run i join a_new_run r on r.id = i.id where i.input <> '{}'
), a_with as (
  insert into weir.step_inputs (run_id, step, "with")
  select w.run_id, w.step, w."with" from a_step w join a_new_run r on r.id = w.run_id where w."with" <> '{}'
), told as (
  select count(pg_notify('weir.river_insert', '{"queue": ' || to_json(queue) || '}')) as queues from (select distinct queue from a_new_job) q
)
select a_new_run.id from a_new_run cross join told where told.queues >= 0;

-- name: RunOfIdempotencyKey :many
select r.idempotency_scope, r.idempotency_key, r.id, r.idempotency_digest
from (select unnest(@scopes::text[]) as scope, unnest(@keys::text[]) as key) k
join weir.runs r on r.idempotency_scope = k.scope and r.idempotency_key = k.key;

-- name: RunsThatExist :many
select id from weir.runs where id = any(@ids::uuid[]);
