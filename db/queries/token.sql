-- name: TokenCreate :one
-- No row: there is one of that name that was not revoked.
insert into weir.tokens (id, name, hash, scopes, created_by, expires_at)
values (@id, @name, @hash, @scopes::text[], @created_by, clock_timestamp() + make_interval(secs => sqlc.narg('seconds')::float8))
on conflict (name) where revoked_at is null do nothing
returning created_at, expires_at;

-- name: TokenList :many
select t.id, t.name, t.scopes, t.created_at, t.created_by, t.expires_at, t.revoked_at, t.used_at, coalesce(t.expires_at <= clock_timestamp(), false)::boolean as expired
from weir.tokens t
order by t.name, t.created_at, t.id;

-- name: TokenRevoke :one
-- Its sessions go with it. No row: there is none of that name that was not revoked before.
with revoked as (
  update weir.tokens t set revoked_at = clock_timestamp() where t.name = @name and t.revoked_at is null
  returning t.id, t.name, t.scopes, t.created_at, t.created_by, t.expires_at, t.revoked_at, t.used_at
), ended as (
  delete from weir.sessions s using revoked r where s.token_id = r.id
)
select id, name, scopes, created_at, created_by, expires_at, revoked_at, used_at, coalesce(expires_at <= clock_timestamp(), false)::boolean as expired
from revoked;

-- name: TokenVerify :one
-- That it was used is written once a minute, by one of those who use it: nobody waits for that.
with found as (
  select t.id, t.name, t.scopes, t.expires_at from weir.tokens t
  where t.hash = @hash and t.revoked_at is null and (t.expires_at is null or t.expires_at > clock_timestamp())
), stale as (
  select t.id from weir.tokens t
  join found f on f.id = t.id
  where t.used_at is null or t.used_at < clock_timestamp() - interval '1 minute'
  for no key update of t skip locked
), used as (
  update weir.tokens t set used_at = clock_timestamp() from stale s where t.id = s.id
)
select f.id, f.name, f.scopes, f.expires_at from found f;

-- name: TokensKnown :one
-- Whether there ever was a token, and whether one may be used now.
select
  exists (select from weir.tokens) as ever,
  exists (select from weir.tokens t where t.revoked_at is null and (t.expires_at is null or t.expires_at > clock_timestamp())) as usable;

-- name: TokensEver :one
select exists (select from weir.tokens);

-- name: SessionCreate :one
-- Up to 12 hours, and never longer than its token. No row: the token may not be used. Some of those that are over go.
with over as (
  delete from weir.sessions s where s.hash in (
    select o.hash from weir.sessions o where o.expires_at <= clock_timestamp() order by o.expires_at limit 1000 for update skip locked
  )
)
insert into weir.sessions (hash, token_id, expires_at)
select @hash, t.id, least(clock_timestamp() + interval '12 hours', t.expires_at)
from weir.tokens t
where t.id = @token and t.revoked_at is null and (t.expires_at is null or t.expires_at > clock_timestamp())
returning expires_at;

-- name: SessionVerify :one
with found as (
  select t.id, t.name, t.scopes, s.expires_at
  from weir.sessions s
  join weir.tokens t on t.id = s.token_id
  where s.hash = @hash and s.expires_at > clock_timestamp() and t.revoked_at is null and (t.expires_at is null or t.expires_at > clock_timestamp())
), stale as (
  select t.id from weir.tokens t
  join found f on f.id = t.id
  where t.used_at is null or t.used_at < clock_timestamp() - interval '1 minute'
  for no key update of t skip locked
), used as (
  update weir.tokens t set used_at = clock_timestamp() from stale s where t.id = s.id
)
select f.id, f.name, f.scopes, f.expires_at from found f;

-- name: SessionEnd :exec
delete from weir.sessions where hash = @hash;
