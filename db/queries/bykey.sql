-- name: RunKeyLock :exec
-- One at a time decides about the runs of a key.
select pg_advisory_xact_lock(2003134835, hashtext(@key::text));

-- name: RunsOfKey :many
-- The runs of a key that have not ended, newest first.
select r.id, r.state, r.admitted, (r.cancel_requested_at is not null)::boolean as cancelling
from weir.runs r
where r.key = @key::text and r.finished_at is null
order by r.created_at desc, r.id desc;
