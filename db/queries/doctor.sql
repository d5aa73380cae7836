-- name: DoctorServer :one
select
  current_setting('server_version')::text as version, current_setting('server_version_num')::int as version_num, current_setting('fsync')::text as fsync,
  clock_timestamp()::timestamptz as now;

-- name: DoctorViolations :many
select coalesce(rule, '')::text as rule, coalesce(run_id::text, '')::text as run_id, step, coalesce(message, '')::text as message
from weir.violations
limit $1;

-- name: DoctorStuck :many
select coalesce(run_id::text, '')::text as run_id, coalesce(name, '')::text as name, coalesce(key, '')::text as key, coalesce(state::text, '')::text as state, coalesce(reason, '')::text as reason
from weir.stuck
limit $1;

-- name: DoctorWorkers :many
select
  id, name, host, build, schema_version, notify, (extract(epoch from clock_timestamp() - seen_at) * 1000)::bigint as seen_ms_ago,
  (lease_until < clock_timestamp())::bool as expired
from weir.workers
where gone_at is null
order by started_at
limit $1;

-- name: DoctorReconcile :one
select
  (select count(*) from (select from weir.dirty limit 10000) d)::bigint as dirty,
  coalesce((extract(epoch from clock_timestamp() - (select min(at) from (select at from weir.dirty order by id limit 100) d)) * 1000)::bigint, 0)::bigint as oldest_dirty_ms,
  coalesce((select (extract(epoch from clock_timestamp() - beat_at) * 1000)::bigint from weir.pulse), 0)::bigint as beat_ms_ago,
  (select count(*) from weir.quarantine)::bigint as quarantined;
