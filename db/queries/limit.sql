-- name: LimitSet :exec
-- What plans say about the key does not count from now on.
insert into weir.limits (key, administered, administered_at, administered_by) values (@key, sqlc.arg('limit')::int, clock_timestamp(), @actor::text)
on conflict (key) do update set
  administered = excluded.administered, administered_at = excluded.administered_at, administered_by = excluded.administered_by;

-- name: LimitUnset :execrows
update weir.limits set administered = null, administered_at = null, administered_by = null where key = @key and administered is not null;

-- name: LimitForget :exec
-- A limit that nobody set, holds or waits for is none.
delete from weir.limits t
where t.key = @key and t.used = 0 and t.administered is null and not exists (select from weir.slots l where l.waiting_on = t.key);

-- name: LimitHint :exec
-- Shows the gate (shard 16) who is first in the line of the key: it lets through what may go now.
insert into weir.dirty (shard, run_id, step)
select 16, l.run_id, nullif(l.step, 0) from weir.slots l where l.waiting_on = @key::text order by l.priority, l.seq limit 1;

-- name: LimitViews :many
-- Limits by key, after one, but not our own; who waits is counted up to 1,000.
select t.key, t.declared, t.administered, t.administered_at, t.administered_by, t.used, (
  select count(*) from (select from weir.slots l where l.waiting_on = t.key limit 1000) w
)::int as waiting
from weir.limits t
where left(t.key, 1) <> '~' and t.key > @after::text
order by t.key
limit @most;

-- name: LimitView :one
select t.key, t.declared, t.administered, t.administered_at, t.administered_by, t.used, (
  select count(*) from (select from weir.slots l where l.waiting_on = t.key limit 1000) w
)::int as waiting
from weir.limits t
where t.key = @key;

-- name: LimitHolders :many
-- Who holds slots of a plan's key, in the order in which they asked. limit 1: each step is looked up by its key.
select l.run_id, l.step, coalesce(s.key, '')::text as key, coalesce(l.held_at, l.asked_at)::timestamptz as held_at
from weir.slots l
left join lateral (select s.key from weir.steps s where s.run_id = l.run_id and s.step = l.step and l.step > 0 limit 1) s on true
where l.concurrency_key = @key::text and l.waiting_on is null
order by l.seq
limit @most;
