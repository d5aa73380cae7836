-- name: ShardWait :exec
-- Locks the shard of a run until the transaction ends; whoever holds it is waited for, as long as lock_timeout lets us.
select pg_advisory_xact_lock(2003134834, weir.shard_of(@run_id::uuid)::int);

-- name: RunTakeBack :one
-- Takes the dispatch of up to so many steps of a run back. Who is about to start one is waited for, and has started it
-- then. River's rows stay: whoever fetches one starts nothing.
with held as materialized (
  select s.run_id, s.step
  from weir.steps s
  where s.run_id = @run_id and s.river_job_id is not null and s.state::text in ('available', 'retrying')
  order by s.step
  limit @most
  for no key update
), cleared as (
  update weir.steps s set river_job_id = null from held h where s.run_id = h.run_id and s.step = h.step
)
select count(*) from held;

-- name: SlotsOfPaused :exec
-- Shows the gate (shard 16) the steps of a run that was paused just now and that hold slots: it gives those to others. Before
-- that it would have them dispatched again.
insert into weir.dirty (shard, run_id, step) select 16, l.run_id, l.step from weir.slots l where l.run_id = @run_id and l.step > 0 and l.waiting_on is null;

-- name: RunClaimedSince :one
-- Whether a step of the run was claimed by a transaction that is newer than this one, behind which it stands in the history.
select exists (select from weir.transitions t where t.run_id = @run_id and t.xid > pg_current_xact_id() and t.step is not null and t.to_state = 'running');

-- name: RunPause :execrows
with told as materialized (select set_config('weir.actor', @actor::text, true) as actor)
update weir.runs r set state = 'paused', cause = 'paused'
from told
where r.id = @run_id and r.state = 'running' and r.cancel_requested_at is null;

-- name: RunResume :execrows
-- The trigger has reconcile look at the run as a whole.
with told as materialized (select set_config('weir.actor', @actor::text, true) as actor)
update weir.runs r set state = 'running', cause = 'resumed'
from told
where r.id = @run_id and r.state = 'paused' and r.cancel_requested_at is null;
