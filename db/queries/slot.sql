-- name: SlotsLock :exec
-- Has nobody begin or dispatch what holds its slot while the gate looks at it: who does so just now is waited for.
select
from (select distinct unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step order by 1, 2) a
cross join lateral (select from weir.slots l where l.run_id = a.run_id and l.step = a.step and l.waiting_on is null for update offset 0) l;

-- name: SlotsHeads :many
-- Who is next in lines, so many of each.
select l.run_id, l.step, l.waiting_on::text as waiting_on
from (select unnest(@keys::text[]) as key, unnest(@most::int[]) as most) k
cross join lateral (
  select l.run_id, l.step, l.waiting_on, l.priority, l.seq from weir.slots l where l.waiting_on = k.key order by l.priority, l.seq limit k.most
) l
order by l.waiting_on, l.priority, l.seq;

-- name: SlotsAsk :many
-- Puts runs and steps into lines, at their ends.
insert into weir.slots (run_id, step, priority, waiting_on, concurrency_key, due_at)
select a.run_id, a.step, a.priority, a.waiting_on, nullif(a.concurrency_key, ''), nullif(a.due_at, '')::timestamptz
from (
  select
    unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@priorities::smallint[]) as priority, unnest(@waiting_ons::text[]) as waiting_on,
    unnest(@concurrency_keys::text[]) as concurrency_key, unnest(@due_ats::text[]) as due_at
) a
on conflict do nothing
returning run_id, step, seq;

-- name: SlotsMove :exec
-- Moves what waits from one line to another; its place in it is by when it asked.
update weir.slots l set waiting_on = a.waiting_on, due_at = nullif(a.due_at, '')::timestamptz
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@waiting_ons::text[]) as waiting_on, unnest(@due_ats::text[]) as due_at) a
where l.run_id = a.run_id and l.step = a.step and l.held_at is null;

-- name: SlotsGrant :exec
-- Gives what waits all of the slots that it needs. Their keys are separated by spaces. Said by held_at, what waits is found by
-- its key: the planner would read all lines for each.
update weir.slots l set waiting_on = null, due_at = null, held_at = clock_timestamp(), holds = case when a.holds = '' then '{}' else string_to_array(a.holds, ' ') end
from (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step, unnest(@holds::text[]) as holds) a
where l.run_id = a.run_id and l.step = a.step and l.held_at is null;

-- name: SlotsGive :exec
-- Takes runs and steps out of their line, or their slots from them.
delete from weir.slots l
using (select unnest(@runs::uuid[]) as run_id, unnest(@steps::int[]) as step) a
where l.run_id = a.run_id and l.step = a.step;

-- name: SlotsOldest :many
-- The oldest of a key, beyond the newest so many, that nobody has asked to cancel.
select l.run_id, l.step
from (select o.run_id, o.step, o.seq from weir.slots o where o.concurrency_key = @key::text order by o.seq desc offset @keep::int) l
join weir.runs r on r.id = l.run_id
left join weir.steps s on s.run_id = l.run_id and s.step = l.step
where r.cancel_requested_at is null and s.cancel_requested_at is null
order by l.seq;
