-- name: PulseBeat :one
-- One beat a second, whoever comes first: beat is false for the others. A gap of more than 3 s, or a clock that went
-- back, restarts steady_since. The clock is read after the row is locked.
with beat as (
  update weir.pulse
  set steady_since = case when clock_timestamp() - beat_at between interval '-1 second' and interval '3 seconds' then steady_since else clock_timestamp() end,
    beat_at = clock_timestamp()
  where one and clock_timestamp() - beat_at not between interval '-1 second' and interval '900 milliseconds'
  returning steady_since
)
select exists (select from beat)::boolean as beat, coalesce((select b.steady_since from beat b), p.steady_since)::timestamptz as steady_since, clock_timestamp()::timestamptz as now
from weir.pulse p
where p.one;

-- name: PulseCreate :exec
insert into weir.pulse default values on conflict do nothing;

-- name: PulseSweep :one
-- True for whoever sweeps this time: when nobody has for long enough, or somebody has asked for it since a sweep began. The
-- clock is read again should the row have changed meanwhile.
with mine as (
  update weir.pulse set swept_at = clock_timestamp()
  where one and (
    clock_timestamp() - swept_at not between interval '-1 second' and sqlc.arg('every_ms')::bigint * interval '1 millisecond'
    or refresh_asked_at > swept_at and refresh_asked_at < clock_timestamp() + interval '1 second' -- not from before the clock went back
  )
  returning one
)
select exists (select from mine)::boolean as mine;

-- name: PulseSwept :exec
update weir.pulse set refreshed_at = clock_timestamp() where one;

-- name: ActorSet :exec
select set_config('weir.actor', @actor, true);
