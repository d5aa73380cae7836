-- name: SweepRuns :many
-- Open runs, the newest first, from a place on.
select id, created_at, steps_total from weir.runs
where state = @state and (created_at, id) < (@created_before::timestamptz, @before::uuid)
order by created_at desc, id desc
limit @most;

-- name: RunMiscounted :many
-- Runs whose counts are not what their settled steps say. Where there are more steps than there should be, nobody can
-- say what is right, and weir.violations shows it.
select r.id
from (select unnest(@ids::uuid[]) as id) a
join weir.runs r on r.id = a.id
cross join lateral (
  select count(*) filter (where not s.settled) as steps_open,
    count(*) filter (where s.settled and not s.allow_failure and (s.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled') or s.state = 'skipped' and s.cause = 'upstream_failed')) as steps_failed
  from weir.steps s
  where s.run_id = r.id
) c
where r.state::text in ('running', 'paused') and (r.steps_open <> c.steps_open or r.steps_failed <> c.steps_failed)
  and c.steps_open <= r.steps_total and c.steps_failed <= r.steps_total;

-- name: RunLock :many
select id from weir.runs where id = any (@ids::uuid[]) and state in ('running', 'paused') order by id for no key update;

-- name: RunRecount :execrows
-- Of runs that were locked by a statement before: who settles a step of one counts it into the row after this.
update weir.runs r
set steps_open = c.steps_open, steps_failed = c.steps_failed
from (
  select s.run_id, count(*) filter (where not s.settled) as steps_open,
    count(*) filter (where s.settled and not s.allow_failure and (s.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled') or s.state = 'skipped' and s.cause = 'upstream_failed')) as steps_failed
  from weir.steps s
  where s.run_id = any (@ids::uuid[])
  group by s.run_id
) c
where r.id = c.run_id and r.state in ('running', 'paused') and (r.steps_open <> c.steps_open or r.steps_failed <> c.steps_failed)
  and c.steps_open <= r.steps_total and c.steps_failed <= r.steps_total;

-- name: NeedsMiscounted :many
-- Pending steps whose counts of needs are not what the settled ones say. Those with more needs than they should have are
-- shown by weir.violations.
with edge as materialized (
  select n.run_id, n.step, n.counted, u.settled, u.state, u.cause, u.allow_failure
  from (select unnest(@ids::uuid[]) as id) a
  cross join lateral (select n.run_id, n.need, n.step, n.counted from weir.needs n where n.run_id = a.id offset 0) n
  cross join lateral (select u.settled, u.state, u.cause, u.allow_failure from weir.steps u where u.run_id = n.run_id and u.step = n.need offset 0) u
), told as (
  select n.run_id, n.step,
    count(*) filter (where not e.ended) as needs_open,
    count(*) filter (where e.ended and e.failed and not n.allow_failure) as needs_failed,
    count(*) filter (where e.ended and e.failed and n.allow_failure) as needs_allowed,
    count(*) filter (where e.ended and n.state = 'skipped' and n.cause <> 'upstream_failed') as needs_neutral
  from edge n
  cross join lateral (
    select n.settled or n.counted as ended, n.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled') or n.state = 'skipped' and n.cause = 'upstream_failed' as failed
  ) e
  group by n.run_id, n.step
)
select s.run_id, s.step
from told c
cross join lateral (select * from weir.steps s where s.run_id = c.run_id and s.step = c.step and s.state = 'pending' offset 0) s
where (s.needs_open <> c.needs_open or s.needs_failed <> c.needs_failed or s.needs_allowed <> c.needs_allowed or s.needs_neutral <> c.needs_neutral)
  and c.needs_open + c.needs_failed + c.needs_allowed + c.needs_neutral <= s.needs_total;

-- name: PendingLock :many
select s.run_id, s.step
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
join weir.steps s on s.run_id = a.run_id and s.step = a.step
where s.state = 'pending'
order by s.run_id, s.step
for no key update of s;

-- name: NeedsRecount :execrows
-- Of pending steps that were locked by a statement before: who settles a need of one counts it into the row after this.
update weir.steps s
set needs_open = c.needs_open, needs_failed = c.needs_failed, needs_allowed = c.needs_allowed, needs_neutral = c.needs_neutral
from (
  select n.run_id, n.step,
    count(*) filter (where not e.ended) as needs_open,
    count(*) filter (where e.ended and e.failed and not u.allow_failure) as needs_failed,
    count(*) filter (where e.ended and e.failed and u.allow_failure) as needs_allowed,
    count(*) filter (where e.ended and u.state = 'skipped' and u.cause <> 'upstream_failed') as needs_neutral
  from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
  join weir.needs n on n.run_id = a.run_id and n.step = a.step
  join weir.steps u on u.run_id = n.run_id and u.step = n.need
  cross join lateral (
    select u.settled or n.counted as ended, u.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled') or u.state = 'skipped' and u.cause = 'upstream_failed' as failed
  ) e
  group by n.run_id, n.step
) c
where s.run_id = c.run_id and s.step = c.step and s.state = 'pending'
  and c.needs_open + c.needs_failed + c.needs_allowed + c.needs_neutral <= s.needs_total;

-- name: PendingDecided :many
-- Pending steps whose needs say what becomes of them, of runs that reconcile has no hint about.
select s.run_id, s.step
from (select unnest(@ids::uuid[]) as id) a
join weir.runs r on r.id = a.id
cross join lateral (
  select s.run_id, s.step, s.needs_open, s.run_if, s.needs_failed, s.expects, s.limited from weir.steps s where s.run_id = r.id and s.state = 'pending' offset 0
) s
where r.state in ('running', 'paused') and r.cancel_requested_at is null and r.admitted
  and not (s.expects is not null and (r.state = 'paused' or s.limited and exists (select from weir.slots l where l.run_id = s.run_id and l.step = s.step and l.waiting_on is not null)))
  and (s.needs_open = 0 or s.run_if = 'all_succeeded' and s.needs_failed > 0)
  and s.run_id not in (select d.run_id from weir.dirty d);

-- name: DirtyForgotten :many
-- Writes the hints that should be there and are not: one snapshot shows what is to be done together with its hint, or
-- neither.
with missing as materialized (
  select s.run_id, s.step,
    case
      when s.state >= 'succeeded' then 'it has ended and is not settled'
      when s.cancel_requested_at is not null then 'its cancellation does not go on'
      when s.waiting_for in ('run', 'children') then 'what it waited for has ended, or is not there yet'
      else 'it may start and is not dispatched'
    end as why
  from (select unnest(@ids::uuid[]) as id) a
  join weir.runs r on r.id = a.id
  cross join lateral (select * from weir.steps s where s.run_id = r.id and not s.settled offset 0) s
  left join weir.stops o on o.run_id = s.run_id and o.step = s.step and o.attempt = s.attempt
  where r.state::text in ('running', 'paused') and (
    s.state >= 'succeeded'
    or s.cancel_requested_at is not null and (s.state <> 'running' or o.attempt is null) and s.waiting_for is distinct from 'run'
    or s.waiting_for = 'run' and exists (select from weir.runs c where c.parent_run = s.run_id and c.parent_step = s.step and c.finished_at is not null)
    or s.waiting_for = 'children' and exists (select from weir.families f where f.run_id = s.run_id and f.step = s.step and (f.ended = f.total or f.expanded < f.total))
    or s.runs_on = 'replica' and s.river_job_id is null and r.state = 'running' and r.cancel_requested_at is null and s.cancel_requested_at is null
      and (s.state = 'available' or s.state = 'retrying' and s.run_after < clock_timestamp() - interval '10 seconds')
      and not (s.limited and exists (select from weir.slots l where l.run_id = s.run_id and l.step = s.step and l.waiting_on is not null))
  )
  union all
  select r.id, null, case when r.steps_open = 0 then 'all of its steps have ended and it has not' else 'its cancellation does not go on' end
  from (select unnest(@ids::uuid[]) as id) a
  join weir.runs r on r.id = a.id
  where (
    r.steps_open = 0 and (r.state::text = 'running' or r.state::text = 'paused' and r.cancel_requested_at is not null)
    or r.state::text in ('running', 'paused') and (r.cancel_requested_at is not null or r.failing_at is not null) and exists (
      select from weir.steps s
      left join weir.stops o on o.run_id = s.run_id and o.step = s.step and o.attempt = s.attempt
      where s.run_id = r.id and (s.state in ('pending', 'available', 'retrying', 'waiting') and s.waiting_for is distinct from 'run' or s.state = 'running' and o.attempt is null)
        and (r.cancel_requested_at is not null or s.run_if = 'all_succeeded')
    )
  )
), hinted as (
  insert into weir.dirty (shard, run_id, step)
  select weir.shard_of(m.run_id), m.run_id, m.step from missing m
  where m.run_id not in (select d.run_id from weir.dirty d)
  returning run_id, step
)
select m.run_id::uuid as run_id, coalesce(m.step, 0)::int as step, m.why::text as why
from hinted h
join missing m on m.run_id = h.run_id and m.step is not distinct from h.step;

-- name: HeardOver :exec
-- Forgets the signs of life of attempts that are over.
delete from weir.heard h
where not exists (select from weir.steps s where s.run_id = h.run_id and s.step = h.step and s.attempt = h.attempt and s.state = 'running');

-- name: FamiliesMiscounted :many
-- Fan-outs whose counts are not what their settled children say.
select f.run_id, f.step
from (select unnest(@ids::uuid[]) as id) a
join weir.families f on f.run_id = a.id
join weir.steps s on s.run_id = f.run_id and s.step = f.step
cross join lateral (
  select
    count(*) filter (where c.settled) as ended,
    count(*) filter (where c.settled and not c.allow_failure and (c.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled') or c.state = 'skipped' and c.cause = 'upstream_failed')) as failed
  from weir.items i
  join weir.steps c on c.run_id = i.run_id and c.step = i.step
  where i.run_id = f.run_id and i.parent = f.step
) c
where s.state::text = 'waiting' and (f.ended <> c.ended or f.failed <> c.failed);

-- name: FamilyLock :many
select f.run_id, f.step
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
join weir.families f on f.run_id = a.run_id and f.step = a.step
order by f.run_id, f.step
for no key update of f;

-- name: FamilyRecount :execrows
-- Of fan-outs that were locked by a statement before: who settles a child of one counts it into the row after this.
update weir.families f set ended = c.ended, failed = c.failed
from (
  select
    i.run_id, i.parent, count(*) filter (where c.settled) as ended,
    count(*) filter (where c.settled and not c.allow_failure and (c.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled') or c.state = 'skipped' and c.cause = 'upstream_failed')) as failed
  from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
  join weir.items i on i.run_id = a.run_id and i.parent = a.step
  join weir.steps c on c.run_id = i.run_id and c.step = i.step
  group by i.run_id, i.parent
) c
where f.run_id = c.run_id and f.step = c.parent and (f.ended <> c.ended or f.failed <> c.failed);
