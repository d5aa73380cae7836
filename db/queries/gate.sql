-- name: GateLook :many
-- What the gate has to know of runs (step 0) and limited steps: what they are, what limits them, and where they stand.
select
  a.run_id::uuid as run_id, a.step::int as step, r.state as run_state, r.admitted, r.key as run_key, coalesce(r.max_parallel, 0)::int as run_parallel,
  (r.cancel_requested_at is not null or s.cancel_requested_at is not null or s.step is not null and r.failing_at is not null and s.run_if = 'all_succeeded')::boolean as cancelling,
  (r.start_at is not null and r.start_at > clock_timestamp())::boolean as starts_later, r.start_at,
  coalesce(s.state::text, '')::text as state, (s.river_job_id is not null)::boolean as dispatched, (s.run_after is null or s.run_after <= clock_timestamp())::boolean as due,
  coalesce(s.needs_open, 0)::int as needs_open, s.expects, coalesce(s.parent, 0)::int as parent, coalesce(s.priority, 2)::smallint as priority, (s.step is not null)::boolean as is_step,
  p.concurrency_key, coalesce(p.concurrency_limit, 0)::int as concurrency_limit, p.concurrency_strategy, p.rate_key, coalesce(p.rate_limit, 0)::int as rate_limit,
  coalesce((extract(epoch from p.rate_per) * 1000)::bigint, 0)::bigint as rate_per_ms, coalesce(case when s.parent is not null then p.max_parallel end, 0)::int as each_parallel,
  (l.run_id is not null)::boolean as has_slot, l.waiting_on, coalesce(l.holds, '{}')::text[] as holds, coalesce(l.seq, 0)::bigint as seq
from (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
join weir.runs r on r.id = a.run_id
left join lateral (select * from weir.steps s where s.run_id = a.run_id and s.step = a.step and a.step > 0 offset 0) s on true
left join lateral (select * from weir.policies p where p.run_id = a.run_id and p.step = coalesce(s.parent, a.step) offset 0) p on true
left join lateral (select * from weir.slots l where l.run_id = a.run_id and l.step = a.step offset 0) l on true
order by coalesce(l.seq, 9223372036854775807), r.created_at, a.run_id, a.step;

-- name: LimitsOf :many
-- Limits of keys, as they are counted. Only one pass at a time counts.
select key, used, declared, administered from weir.limits where key = any(@keys::text[]) order by key for no key update;

-- name: LimitsPut :exec
-- Writes counts and what plans declare.
insert into weir.limits (key, used, declared)
select a.key, a.used, nullif(a.declared, 0) from (select unnest(@keys::text[]) as key, unnest(@used::int[]) as used, unnest(@declared::int[]) as declared) a order by a.key
on conflict (key) do update set used = excluded.used, declared = coalesce(excluded.declared, weir.limits.declared);

-- name: LimitsOver :exec
-- Forgets the limits that nobody set, holds or waits for.
delete from weir.limits t
where t.key = any(@keys::text[]) and t.used = 0 and t.administered is null and not exists (select from weir.slots l where l.waiting_on = t.key);

-- name: RatesOf :many
-- Buckets as they are now: filled since they were counted.
select t.key, t.rate_limit, (extract(epoch from t.rate_per) * 1000)::bigint as per_ms, least(t.rate_limit, t.tokens + greatest(extract(epoch from clock_timestamp() - t.refilled_at), 0) / extract(epoch from t.rate_per) * t.rate_limit)::float8 as tokens
from weir.rates t
where t.key = any(@keys::text[])
order by t.key
for no key update;

-- name: RatesPut :exec
-- Writes buckets, and when the next token is there for those that wait.
insert into weir.rates (key, tokens, refilled_at, rate_limit, rate_per, due_at)
select
  a.key, a.tokens, clock_timestamp(), a.rate_limit, a.per,
  case when exists (select from weir.slots l where l.waiting_on = '~rate/' || a.key) then clock_timestamp() + greatest(1 - a.tokens, 0) * a.per / a.rate_limit end
from (
  select unnest(@keys::text[]) as key, unnest(@tokens::float8[]) as tokens, unnest(@limits::int[]) as rate_limit, unnest(@pers_ms::bigint[]) * interval '1 millisecond' as per
) a
order by a.key
on conflict (key) do update set
  tokens = excluded.tokens, refilled_at = excluded.refilled_at, rate_limit = excluded.rate_limit, rate_per = excluded.rate_per, due_at = excluded.due_at;

-- name: RunsAdmit :many
-- Lets runs in: their timeout counts from now on. One that is paused just now holds its slots all the same.
update weir.runs r set admitted = true, deadline_at = clock_timestamp() + r.timeout
from (select set_config('weir.actor', @actor::text, true)) a
where r.id = any(@ids::uuid[]) and not r.admitted and r.state::text in ('running', 'paused') and r.cancel_requested_at is null
returning r.id;

-- name: RunsSupersede :many
-- Asks for the cancellation of runs that others take the place of.
update weir.runs r set cancel_requested_at = clock_timestamp(), cancel_requested_by = @actor::text, cancel_cause = 'superseded', cancel_reason = @reason::text
from (select set_config('weir.actor', @actor::text, true)) a
where r.id = any(@ids::uuid[]) and r.state::text in ('running', 'paused') and r.cancel_requested_at is null
returning r.id;

-- name: StepsSupersede :many
update weir.steps s set cancel_requested_at = clock_timestamp(), cancel_requested_by = @actor::text, cancel_cause = 'superseded', cancel_reason = @reason::text
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step from (select set_config('weir.actor', @actor::text, true)) a) a
where s.run_id = a.run_id and s.step = a.step and s.state < 'succeeded' and s.cancel_requested_at is null
returning s.run_id, s.step;

-- name: GateAdd :exec
-- Shows the gate runs (step 0) and steps.
insert into weir.dirty (shard, run_id, step) select 16, run_id, nullif(step, 0)
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a;

-- name: GateDue :many
-- What the clock lets through: runs whose start_at has come, and the heads of lines for a rate that has a token again.
(select l.run_id, l.step from weir.slots l where l.due_at <= clock_timestamp() order by l.due_at limit @most)
union all
select h.run_id, h.step
from weir.rates t
cross join lateral (select l.run_id, l.step from weir.slots l where l.waiting_on = '~rate/' || t.key order by l.priority, l.seq limit 1) h
where t.due_at <= clock_timestamp() or t.refilled_at > clock_timestamp() + interval '1 second'; -- the clock went back: it is counted anew

-- name: GateForgotten :execrows
-- Shows the gate what it should have been shown: slots of what has ended, lines that nobody holds up, and runs that are held
-- back and stand in no line.
with missing as materialized (
  select l.run_id, nullif(l.step, 0) as step
  from weir.slots l
  left join weir.runs r on r.id = l.run_id
  left join weir.steps s on s.run_id = l.run_id and s.step = l.step
  where l.asked_at < clock_timestamp() - interval '10 seconds'
    and (
      r.id is null or r.state::text in ('succeeded', 'failed', 'cancelled') or l.step > 0 and (s.step is null or s.state >= 'succeeded')
      or l.waiting_on is not null and exists (select from weir.limits t where t.key = l.waiting_on and t.used = 0)
    )
  union all
  select r.id, null
  from weir.runs r
  where not r.admitted and r.finished_at is null and r.state::text = 'running' and r.cancel_requested_at is null and r.created_at < clock_timestamp() - interval '10 seconds'
    and not exists (select from weir.slots l where l.run_id = r.id and l.step = 0)
)
insert into weir.dirty (shard, run_id, step)
select 16, m.run_id, m.step from missing m where not exists (select from weir.dirty d where d.shard = 16);

-- name: LimitsRecount :many
-- Puts counts right that are not what the slots say. The caller holds the gate.
update weir.limits t set used = c.n
from (
  select k.key, coalesce(h.n, 0)::int as n
  from weir.limits k
  left join (select h.key, count(*) as n from weir.slots l cross join lateral unnest(l.holds) h(key) group by h.key) h on h.key = k.key
) c
where t.key = c.key and t.used <> c.n
returning t.key, t.used;

-- name: GateLock :exec
select pg_advisory_xact_lock(2003134834, 16);
