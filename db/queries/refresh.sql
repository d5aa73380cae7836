-- name: RefreshAsk :one
-- Asks for a sweep. coalesced: somebody has asked before, and none has begun since. The row is locked first, so that the time
-- of each request is later than that of those before it, and than the beginning of every sweep that does not serve it.
update weir.pulse p
set refresh_asked_at = clock_timestamp()
from (select o.one, o.swept_at, o.refresh_asked_at from weir.pulse o where o.one for no key update) was
where p.one = was.one
returning p.refresh_asked_at, coalesce(was.refresh_asked_at > was.swept_at, false)::boolean as coalesced;

-- name: RefreshTell :exec
select pg_notify('weir_refresh', '');
