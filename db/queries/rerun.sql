-- name: RerunLook :one
-- What decides how a run is done again: its state, whether anything of it would not run again by itself, whether the input
-- is another one, and which of the keys name no step of its plan. The run is not deleted meanwhile.
select
  r.state, coalesce(t.actor, r.created_by)::text as actor, coalesce(t.at, r.created_at)::timestamptz as at,
  not exists (select from weir.steps s where s.run_id = r.id and s.parent is null and s.state <> 'succeeded') as all_succeeded,
  (@with_input::boolean and @input::jsonb is distinct from coalesce((select i.input from weir.run_inputs i where i.run_id = r.id), '{}'))::boolean as other_input,
  array(select l.to_state from weir.legal_transitions l where l.entity = 'run' and l.from_state = r.state::text order by l.to_state)::text[] as allowed,
  array(
    select k.place::int
    from unnest(@keys::text[]) with ordinality k(key, place)
    where not exists (select from weir.steps s where s.key = k.key and s.run_id = r.id and s.parent is null)
    order by k.place
  )::int[] as unknown
from weir.runs r
left join lateral (
  select actor, at from weir.transitions t where t.run_id = r.id and t.step is null order by t.xid desc, t.id desc limit 1
) t on true
where r.id = @run_id
for key share of r;

-- name: RunRerun :many
-- Makes a run that does another one again, by copying its rows. What had succeeded is born so, settled, and its output is
-- read where it was made; the rest is born as RunSubmit does it. Steps run again that had not succeeded, that are named, and
-- everything downstream of any that does; everything: all do. Children of a fan-out are left out: it makes new ones. No
-- row: a run with this id, or with this Idempotency-Key, exists.
with recursive old_step as materialized (
  select * from weir.steps s where s.run_id = @run_id and s.parent is null
), edge as materialized (
  select n.need, n.step
  from weir.needs n
  join old_step s on s.step = n.step
  where n.run_id = @run_id
), again as (
  select s.step from old_step s where @everything::boolean or s.state <> 'succeeded' or s.key = any(@keys::text[])
  union
  select e.step from again a cross join lateral (select n.step from weir.needs n where n.run_id = @run_id and n.need = a.step offset 0) e
), told as materialized (
  select e.step, count(*) as total, count(a.step) as open from edge e left join again a on a.step = e.need group by e.step
), telling as materialized (
  select e.need, count(*) as total from edge e group by e.need
), a_run as materialized (
  select r.*, exists (select from weir.policies p where p.run_id = r.id and p.step = 0 and (p.concurrency_key is not null or p.rate_key is not null)) as gated
  from weir.runs r
  where r.id = @run_id
), a_new_run as (
  insert into weir.runs (
    id, name, description, labels, created_by, cause, rerun_of, steps_total, steps_open, on_failure, max_parallel, timeout, deadline_at, admitted, limited,
    wants_output, plan_version, idempotency_scope, idempotency_key, idempotency_digest
  )
  select
    @id, r.name, r.description, r.labels, @actor, 'rerun', r.id, (select count(*) from old_step), (select count(*) from old_step s join again a on a.step = s.step), r.on_failure, r.max_parallel,
    r.timeout, case when not r.gated then clock_timestamp() + r.timeout end, not r.gated, r.gated,
    r.wants_output, r.plan_version, nullif(@idempotency_scope::text, ''), nullif(@idempotency_key::text, ''), nullif(@idempotency_digest::bytea, '')
  from a_run r
  on conflict do nothing
  returning id, admitted
), a_new_step as (
  insert into weir.steps (
    run_id, step, key, kind, queue, priority, run_if, allow_failure, needs_total, needs_open, dependants, max_attempts, timeout, grace, stall_after, retry,
    runs_on, limited, expects, cause, state, river_job_id, settled, finished_at, reused_from, attempt, failures, has_output
  )
  select
    r.id, s.step, s.key, s.kind, s.queue, s.priority, s.run_if, s.allow_failure, coalesce(t.total, 0), coalesce(t.open, 0), coalesce(d.total, 0),
    s.max_attempts, s.timeout, s.grace, s.stall_after, s.retry, s.runs_on, s.limited, s.expects, 'rerun',
    case when a.step is null then 'succeeded' when b.starts then 'available' else 'pending' end::weir.step_state,
    case when a.step is not null and b.starts and not s.limited and s.runs_on = 'replica' then nextval('weir.river_job_id_seq') end,
    a.step is null, case when a.step is null then clock_timestamp() end, case when a.step is null then coalesce(s.reused_from, s.run_id) end,
    case when a.step is null then s.attempt else 0 end, case when a.step is null then s.failures else 0 end, a.step is null and s.has_output
  from a_new_run r
  cross join old_step s
  left join again a on a.step = s.step
  left join told t on t.step = s.step
  left join telling d on d.need = s.step
  cross join lateral (select r.admitted and coalesce(t.open, 0) = 0 and s.run_if <> 'any_failed' and s.expects is null as starts) b
  returning run_id, step, state, needs_open, kind, queue, priority, runs_on, river_job_id
), a_hint as (
  insert into weir.dirty (shard, run_id, step)
  select case when s.state = 'pending' then weir.shard_of(s.run_id) else 16 end, s.run_id, s.step
  from a_new_step s
  join a_new_run r on r.id = s.run_id
  where r.admitted and s.state in ('pending', 'available') and s.needs_open = 0 and s.river_job_id is null and s.runs_on = 'replica'
  union all
  select 16, id, null from a_new_run where not admitted
  returning id
), a_new_job as (
  insert into weir.river_job (id, args, kind, queue, priority, max_attempts)
  select river_job_id, jsonb_build_object('run', run_id, 'step', step), kind, queue, priority, 1 from a_new_step where river_job_id is not null
  returning queue
), a_need as (
  insert into weir.needs (run_id, need, step) select r.id, e.need, e.step from a_new_run r cross join edge e
), a_policy as (
  insert into weir.policies (run_id, step, concurrency_limit, rate_limit, max_parallel, concurrency_key, concurrency_strategy, rate_key, rate_per, for_each, output)
  select r.id, p.step, p.concurrency_limit, p.rate_limit, p.max_parallel, p.concurrency_key, p.concurrency_strategy, p.rate_key, p.rate_per, p.for_each, p.output
  from a_new_run r
  cross join weir.policies p
  where p.run_id = @run_id and (p.step = 0 or p.step in (select s.step from old_step s))
), an_input as (
  insert into weir.run_inputs (run_id, input)
  select r.id, i.input
  from a_new_run r
  cross join lateral (
    select case when @with_input::boolean then @input::jsonb else (select i.input from weir.run_inputs i where i.run_id = @run_id) end as input
  ) i
  where i.input <> '{}'
), a_with as (
  insert into weir.step_inputs (run_id, step, "with")
  select r.id, w.step, w."with"
  from a_new_run r
  cross join weir.step_inputs w
  where w.run_id = @run_id and w.step in (select s.step from old_step s)
), notified as (
  select
    (select count(pg_notify('weir.river_insert', '{"queue": ' || to_json(queue) || '}')) from (select distinct queue from a_new_job) q)
    + (select count(pg_notify('weir_dirty', '')) from (select 1 from a_hint limit 1) h) as queues
)
select a_new_run.id from a_new_run cross join notified where notified.queues >= 0;

-- name: PlanLarge :exec
-- Has the transaction join what statements have gathered in hash tables, or however the planner likes: it takes it for a few
-- rows, and nested loops over 10,000 take minutes.
select set_config('enable_nestloop', case when @large::boolean then 'off' else 'on' end, true);
