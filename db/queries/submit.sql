-- name: RunSubmit :many
-- One statement, whatever is submitted: runs that are new, and only of those the steps, the River jobs of the steps
-- that can start at once, the edges, the policies and the payloads. What is held back as a whole is born not admitted, and
-- a limited step without a token: both are shown to the gate (shard 16). A step that no worker claims, or that is decided
-- at birth (any_failed without needs), is left to reconcile. Runs are stored in the order of their keys: whoever stores the
-- same ones waits, and is not waited for. Answers the runs that are new.
with a_run as materialized (
  select
    unnest(@run_ids::uuid[]) as id, unnest(@names::text[]) as name, unnest(@descriptions::text[]) as description,
    unnest(@labels::jsonb[]) as labels, unnest(@inputs::jsonb[]) as input, unnest(@created_by::text[]) as created_by,
    unnest(@steps_totals::int[]) as steps_total, nullif(unnest(@idempotency_scopes::text[]), '') as idempotency_scope,
    nullif(unnest(@idempotency_keys::text[]), '') as idempotency_key, nullif(unnest(@idempotency_digests::bytea[]), '') as idempotency_digest,
    unnest(@on_failures::text[]) as on_failure, nullif(unnest(@max_parallels::int[]), 0) as max_parallel,
    nullif(unnest(@run_timeouts_ms::bigint[]), 0) * interval '1 millisecond' as timeout, nullif(unnest(@delays_ms::bigint[]), 0) * interval '1 millisecond' as delay,
    nullif(unnest(@start_ats::text[]), '')::timestamptz as start_at, unnest(@admitted::boolean[]) as admitted, unnest(@wants_outputs::boolean[]) as wants_output,
    nullif(unnest(@run_keys::text[]), '') as key, nullif(unnest(@plan_versions::int[]), 0) as plan_version,
    nullif(unnest(@parent_runs::uuid[]), '00000000-0000-0000-0000-000000000000') as parent_run, nullif(unnest(@parent_steps::int[]), 0) as parent_step,
    unnest(@depths::smallint[]) as depth
), a_new_run as (
  insert into weir.runs (
    id, name, description, labels, created_by, steps_total, steps_open, idempotency_scope, idempotency_key, idempotency_digest,
    on_failure, max_parallel, timeout, start_at, deadline_at, admitted, limited, wants_output, key, plan_version, parent_run, parent_step, depth
  )
  select
    id, name, description, labels, created_by, steps_total, steps_total, idempotency_scope, idempotency_key, idempotency_digest,
    on_failure, max_parallel, timeout, coalesce(start_at, clock_timestamp() + delay), case when admitted then clock_timestamp() + timeout end,
    admitted, not admitted, wants_output, key, plan_version, parent_run, parent_step, depth
  from a_run
  order by idempotency_scope, idempotency_key, id
  on conflict do nothing
  returning id, admitted
), a_step as materialized (
  select
    unnest(@step_runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@keys::text[]) as key, unnest(@kinds::text[]) as kind,
    unnest(@queues::text[]) as queue, unnest(@priorities::smallint[]) as priority, unnest(@run_ifs::text[])::weir.run_if as run_if,
    unnest(@allow_failures::boolean[]) as allow_failure, unnest(@needs_totals::int[]) as needs_total, unnest(@dependants::int[]) as dependants,
    unnest(@max_attempts::int[]) as max_attempts, unnest(@timeouts_ms::bigint[]) as timeout_ms, unnest(@graces_ms::bigint[]) as grace_ms,
    unnest(@stalls_ms::bigint[]) as stall_ms, unnest(@retries::jsonb[]) as retry, unnest(@withs::jsonb[]) as "with",
    unnest(@step_limited::boolean[]) as limited, nullif(unnest(@expects::text[]), '') as expects
), a_new_step as (
  insert into weir.steps (
    run_id, step, key, kind, queue, priority, run_if, allow_failure, needs_total, needs_open, dependants, max_attempts,
    timeout, grace, stall_after, retry, limited, expects, state, river_job_id
  )
  select
    s.run_id, s.step, s.key, s.kind, s.queue, s.priority, s.run_if, s.allow_failure, s.needs_total, s.needs_total, s.dependants, s.max_attempts,
    nullif(s.timeout_ms, 0) * interval '1 millisecond', s.grace_ms * interval '1 millisecond', nullif(s.stall_ms, 0) * interval '1 millisecond',
    nullif(s.retry, 'null'), s.limited, s.expects,
    case when b.starts then 'available' else 'pending' end::weir.step_state, case when b.starts and not s.limited then nextval('weir.river_job_id_seq') end
  from a_step s
  join a_new_run r on r.id = s.run_id
  cross join lateral (select r.admitted and s.needs_total = 0 and s.run_if <> 'any_failed' and s.expects is null as starts) b
  returning run_id, step, state, needs_open, kind, queue, priority, river_job_id
), a_hint as (
  insert into weir.dirty (shard, run_id, step)
  select case when s.state = 'pending' then weir.shard_of(s.run_id) else 16 end, s.run_id, s.step
  from a_new_step s
  join a_new_run r on r.id = s.run_id
  where r.admitted and s.needs_open = 0 and s.river_job_id is null
  union all
  select 16, id, null from a_new_run where not admitted
  returning id
), a_new_job as (
  insert into weir.river_job (id, args, kind, queue, priority, max_attempts)
  select river_job_id, jsonb_build_object('run', run_id, 'step', step), kind, queue, priority, 1 from a_new_step where river_job_id is not null
  returning queue
), a_need as (
  insert into weir.needs (run_id, need, step)
  select n.run_id, n.need, n.step
  from (select unnest(@need_runs::uuid[]) as run_id, unnest(@needs::int[]) as need, unnest(@need_steps::int[]) as step) n
  join a_new_run r on r.id = n.run_id
), a_policy as (
  insert into weir.policies (run_id, step, concurrency_key, concurrency_limit, concurrency_strategy, rate_key, rate_limit, rate_per, max_parallel, for_each, output)
  select
    p.run_id, p.step, nullif(p.concurrency_key, ''), nullif(p.concurrency_limit, 0), nullif(p.concurrency_strategy, ''), nullif(p.rate_key, ''), nullif(p.rate_limit, 0),
    nullif(p.rate_per_ms, 0) * interval '1 millisecond', nullif(p.max_parallel, 0), nullif(p.for_each, ''), nullif(p.output, 'null')
  from (
    select
      unnest(@policy_runs::uuid[]) as run_id, unnest(@policy_steps::int[]) as step, unnest(@concurrency_keys::text[]) as concurrency_key,
      unnest(@concurrency_limits::int[]) as concurrency_limit, unnest(@concurrency_strategies::text[]) as concurrency_strategy,
      unnest(@rate_keys::text[]) as rate_key, unnest(@rate_limits::int[]) as rate_limit, unnest(@rate_pers_ms::bigint[]) as rate_per_ms,
      unnest(@fan_parallels::int[]) as max_parallel, unnest(@for_eachs::text[]) as for_each, unnest(@run_outputs::jsonb[]) as output
  ) p
  join a_new_run r on r.id = p.run_id
), an_input as (
  insert into weir.run_inputs (run_id, input)
  select i.id, i.input from a_run i join a_new_run r on r.id = i.id where i.input <> '{}'
), a_with as (
  insert into weir.step_inputs (run_id, step, "with")
  select w.run_id, w.step, w."with" from a_step w join a_new_run r on r.id = w.run_id where w."with" <> '{}'
), told as (
  select
    (select count(pg_notify('weir.river_insert', '{"queue": ' || to_json(queue) || '}')) from (select distinct queue from a_new_job) q)
    + (select count(pg_notify('weir_dirty', '')) from (select 1 from a_hint limit 1) h) as queues
)
select a_new_run.id from a_new_run cross join told where told.queues >= 0;

-- name: RunOfIdempotencyKey :many
select r.idempotency_scope, r.idempotency_key, r.id, r.idempotency_digest
from (select unnest(@scopes::text[]) as scope, unnest(@keys::text[]) as key) k
join weir.runs r on r.idempotency_scope = k.scope and r.idempotency_key = k.key;

-- name: RunsThatExist :many
select id from weir.runs where id = any(@ids::uuid[]);
