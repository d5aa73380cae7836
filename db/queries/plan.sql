-- name: PlanPut :one
-- The version with this plan: a new one, or the latest if that is the same. No row: somebody else has made a version
-- meanwhile, so ask again.
with latest as (
  select p.version, p.digest from weir.plans p where p.name = @name order by p.version desc limit 1
), made as (
  insert into weir.plans (name, version, plan, digest, description, created_by)
  select @name::text, coalesce((select l.version from latest l), 0) + 1, @plan::jsonb, @digest::bytea, @description::text, @created_by::text
  where not exists (select from latest l where l.digest = @digest)
  on conflict do nothing
  returning version
)
select m.version, true as made from made m
union all
select l.version, false as made from latest l where l.digest = @digest;

-- name: PlanGet :one
-- Version 0 is the latest.
select name, version, plan, digest, description, created_at, created_by
from weir.plans
where name = @name and (@version::int = 0 or version = @version)
order by version desc
limit 1;

-- name: PlanList :many
-- The latest version of each plan, by name.
select distinct on (name) name, version, digest, description, created_at, created_by
from weir.plans
where name > @after
order by name, version desc
limit @max;

-- name: PlanVersions :many
-- Newest first. Before 0 is from the latest on.
select name, version, digest, description, created_at, created_by
from weir.plans
where name = @name and (@before::int = 0 or version < @before)
order by version desc
limit @max;
