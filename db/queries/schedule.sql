-- name: ScheduleNow :one
select clock_timestamp()::timestamptz as now;

-- name: ScheduleLock :one
-- For who changes it. What fires it holds it no longer than it takes to submit its runs.
select sqlc.embed(s), clock_timestamp()::timestamptz as now from weir.schedules s where s.name = @name for no key update;

-- name: ScheduleCreate :one
-- No row: there is one by now.
insert into weir.schedules (
  name, plan, plan_version, input, cron, timezone, jitter, overlap, missed, missed_within, next_slot, due_at, paused_at, paused_by, created_by, updated_by
)
select
  @name, @plan, sqlc.narg('plan_version')::int, @input, @cron, @timezone, @jitter::interval, @overlap, @missed,
  @missed_within::interval, @next_slot, @due_at,
  case when @paused::boolean then clock_timestamp() end, case when @paused::boolean then @actor::text end, @actor::text, @actor::text
on conflict do nothing
returning *;

-- name: ScheduleChange :one
update weir.schedules
set plan = @plan, plan_version = sqlc.narg('plan_version')::int, input = @input, cron = @cron, timezone = @timezone, jitter = @jitter::interval,
  overlap = @overlap, missed = @missed, missed_within = @missed_within::interval, next_slot = @next_slot, due_at = @due_at,
  paused_at = case when @paused::boolean then coalesce(paused_at, clock_timestamp()) end,
  paused_by = case when @paused::boolean then coalesce(paused_by, @actor::text) end,
  updated_at = clock_timestamp(), updated_by = @actor::text
where name = @name
returning *;

-- name: ScheduleGet :one
select * from weir.schedules where name = @name;

-- name: ScheduleList :many
select * from weir.schedules where name > @after order by name limit @max;

-- name: ScheduleDelete :one
delete from weir.schedules where name = @name returning *;

-- name: ScheduleDue :one
-- One that is due and that nobody else fires just now.
select sqlc.embed(s), clock_timestamp()::timestamptz as now
from weir.schedules s
where s.paused_at is null and s.due_at <= clock_timestamp() and s.name <> all(@tried::text[])
order by s.due_at
limit 1
for no key update skip locked;

-- name: ScheduleNext :one
-- How many milliseconds until the next schedule is due; -1: there is none, 0: it is due.
select coalesce((
  select greatest(ceil(extract(epoch from s.due_at - clock_timestamp()) * 1000)::bigint, 0)
  from weir.schedules s
  where s.paused_at is null
  order by s.due_at
  limit 1
), -1)::bigint as ms;

-- name: ScheduleMove :exec
-- Moves a schedule on to its next slot, with what became of those before.
update weir.schedules
set next_slot = @next_slot, due_at = @due_at,
  last_slot = coalesce(sqlc.narg('last_slot')::timestamptz, last_slot),
  last_run = coalesce(sqlc.narg('last_run')::uuid, last_run),
  last_fired_at = case when sqlc.narg('last_slot')::timestamptz is null then last_fired_at else clock_timestamp() end,
  skipped_slot = coalesce(sqlc.narg('skipped_slot')::timestamptz, skipped_slot),
  skipped_at = case when sqlc.narg('skipped_slot')::timestamptz is null then skipped_at else clock_timestamp() end,
  skip_reason = case when sqlc.narg('skipped_slot')::timestamptz is null then skip_reason else @skip_reason::text end,
  skip_run = case when sqlc.narg('skipped_slot')::timestamptz is null then skip_run else sqlc.narg('skip_run')::uuid end,
  error_slot = case
    when sqlc.narg('error_slot')::timestamptz is not null then sqlc.narg('error_slot')::timestamptz
    when sqlc.narg('last_slot')::timestamptz is null then error_slot
  end,
  error_at = case
    when sqlc.narg('error_slot')::timestamptz is not null then clock_timestamp()
    when sqlc.narg('last_slot')::timestamptz is null then error_at
  end,
  error = case
    when sqlc.narg('error_slot')::timestamptz is not null then @error::text
    when sqlc.narg('last_slot')::timestamptz is null then error
  end
where name = @name;

-- name: ScheduleOpenRun :one
-- The newest run of a schedule that has not ended.
select id from weir.runs where labels ->> 'weir/schedule' = @name::text and finished_at is null order by created_at desc, id desc limit 1;
