-- name: BulkInsert :many
-- Nothing comes back when the Idempotency-Key has been used.
insert into weir.bulks (id, action, total, created_by, filter, reason, idempotency_key)
values (@id, @action, @total, @actor::text, @filter, nullif(@reason::text, ''), nullif(@idempotency_key::text, ''))
on conflict do nothing
returning id;

-- name: BulkOfIdempotencyKey :one
select id, action, filter from weir.bulks where created_by = @actor::text and idempotency_key = @idempotency_key::text;

-- name: BulkViews :many
-- The newest first, from a place on.
select id, action, state, total, done, failed, created_at, created_by, finished_at, filter, reason, error
from weir.bulks
where (created_at, id) < (@created_before::timestamptz, @before::uuid)
order by created_at desc, id desc
limit @most;

-- name: BulkView :one
select id, action, state, total, done, failed, created_at, created_by, finished_at, filter, reason, error from weir.bulks where id = @id;

-- name: BulkCancel :many
-- Waits for the runs that are being dealt with.
update weir.bulks set state = 'cancelled', finished_at = clock_timestamp() where id = @id and state = 'running' returning id;

-- name: BulkTake :many
-- One that goes on, for this transaction alone: each in turn, if there are several.
select id, action, created_at, created_by, filter, reason, after_created_at, after_id
from weir.bulks
where state = 'running'
order by id > @last::uuid desc, id
limit 1
for no key update skip locked;

-- name: BulkAdvance :exec
-- Where it is now, and what came of it; with ended, that this was all.
update weir.bulks set
  after_created_at = coalesce(sqlc.narg('created_at')::timestamptz, after_created_at), after_id = coalesce(sqlc.narg('run')::uuid, after_id),
  done = done + @done::int, failed = failed + @failed::int, error = coalesce(sqlc.narg('error')::text, error),
  state = case when not @ended::boolean then state when failed + @failed::int > 0 and done + @done::int = 0 then 'failed' else 'done' end,
  finished_at = case when @ended::boolean then clock_timestamp() end
where id = @id;

-- name: RunsCancelRequest :many
-- RunCancelRequest for many.
with held as materialized (
  select r.id
  from (select set_config('weir.actor', @actor::text, true)) a
  cross join weir.runs r
  where r.id = any(@ids::uuid[]) and r.state::text in ('running', 'paused') and r.cancel_requested_at is null
  order by r.id
  for no key update of r
)
update weir.runs r set cancel_requested_at = clock_timestamp(), cancel_requested_by = @actor::text, cancel_reason = nullif(@reason::text, '')
from held h
where r.id = h.id and r.state::text in ('running', 'paused') and r.cancel_requested_at is null
returning r.id;

-- name: RunsResume :many
-- RunResume for many.
with held as materialized (
  select r.id
  from (select set_config('weir.actor', @actor::text, true)) a
  cross join weir.runs r
  where r.id = any(@ids::uuid[]) and r.state = 'paused' and r.cancel_requested_at is null
  order by r.id
  for no key update of r
)
update weir.runs r set state = 'running', cause = 'resumed'
from held h
where r.id = h.id and r.state = 'paused' and r.cancel_requested_at is null
returning r.id;
