-- +goose Up
create table weir.bulks (
  id uuid not null,
  action text not null,
  state text not null default 'running',
  total int not null,
  done int not null default 0,
  failed int not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null,
  finished_at timestamptz,
  after_created_at timestamptz,
  after_id uuid,
  filter jsonb not null default '{}',
  reason text,
  error text,
  idempotency_key text,
  constraint bulks_pkey primary key (id),
  constraint bulk_action_is_known check (action in ('cancel', 'pause', 'resume', 'rerun')),
  constraint bulk_state_is_known check (state in ('running', 'done', 'cancelled', 'failed')),
  constraint bulk_finished_at_iff_final check ((finished_at is not null) = (state <> 'running')),
  constraint bulk_counts_are_not_negative check (total >= 0 and done >= 0 and failed >= 0),
  constraint bulk_place_is_whole check ((after_created_at is null) = (after_id is null)),
  constraint bulk_filter_is_an_object check (jsonb_typeof(filter) = 'object')
);
comment on table weir.bulks is 'Things done to many runs: to all that were there when somebody asked and match a filter. Any replica goes on with them, some runs a transaction, the newest first.';
comment on column weir.bulks.id is 'UUIDv7.';
comment on column weir.bulks.action is 'What is done to each run: cancel, pause, resume or rerun.';
comment on column weir.bulks.state is 'running, then done, cancelled (somebody asked: what had been done stays done) or failed (no run would have it).';
comment on column weir.bulks.total is 'How many runs matched when it was asked for.';
comment on column weir.bulks.done is 'To how many of them it was done. Those that needed it no more when their turn came are not counted.';
comment on column weir.bulks.failed is 'How many refused it; error says why the last of them did.';
comment on column weir.bulks.created_at is 'When it was asked for. Runs that were submitted later are left alone.';
comment on column weir.bulks.created_by is 'Who asked for it: an actor.';
comment on column weir.bulks.finished_at is 'When it ended; null: it goes on.';
comment on column weir.bulks.after_created_at is 'Where it is: created_at of the last run that it has dealt with.';
comment on column weir.bulks.after_id is 'Where it is: the id of that run.';
comment on column weir.bulks.filter is 'Which runs: {state, name, labels, created_after, created_before}; what is not there does not narrow.';
comment on column weir.bulks.reason is 'Why, for people.';
comment on column weir.bulks.error is 'Why the last run that refused did.';
comment on column weir.bulks.idempotency_key is 'The client''s Idempotency-Key: the same key of the same actor answers the same row.';
comment on constraint bulks_pkey on weir.bulks is 'Each has one row.';
comment on constraint bulk_action_is_known on weir.bulks is 'cancel, pause, resume or rerun.';
comment on constraint bulk_state_is_known on weir.bulks is 'running, done, cancelled or failed.';
comment on constraint bulk_finished_at_iff_final on weir.bulks is 'What has ended says when.';
comment on constraint bulk_counts_are_not_negative on weir.bulks is 'Counts only grow.';
comment on constraint bulk_place_is_whole on weir.bulks is 'A place in the list of runs is a time and an id.';
comment on constraint bulk_filter_is_an_object on weir.bulks is 'Members are filters by name.';
create index bulks_newest on weir.bulks (created_at desc, id desc);
comment on index weir.bulks_newest is 'Lists them, newest first.';
create index bulks_running on weir.bulks (created_at, id) where state = 'running';
comment on index weir.bulks_running is 'What is left to do: looked at every second.';
create unique index bulk_idempotency_key_is_used_once on weir.bulks (created_by, idempotency_key) where idempotency_key is not null;
comment on index weir.bulk_idempotency_key_is_used_once is 'The same Idempotency-Key of the same actor is the same operation.';

create index limits_of_plans on weir.limits (key) where left(key, 1) <> '~';
comment on index weir.limits_of_plans is 'Lists the limits that plans and people name; ours, of which there may be many more, are not in it.';
create index slots_held on weir.slots (concurrency_key, seq) where waiting_on is null and concurrency_key is not null;
comment on index weir.slots_held is 'Who holds a key: those who wait for it, however many, cost nothing.';

create or replace view weir.overview as
select
  r.id as run_id, r.name, r.state, r.cause, r.cancel_requested_at,
  r.steps_total, s.pending, s.available, s.running, s.retrying, s.waiting, s.succeeded, s.failed, s.cancelled, s.skipped,
  case when f.key is not null then f.key || ' ' || f.state || coalesce(': ' || left(o.error_message, 200), '') end as problem,
  r.created_at, r.created_by, r.finished_at, coalesce(r.finished_at, clock_timestamp()) - r.created_at as took,
  case
    when r.admitted or r.finished_at is not null then null
    when l.waiting_on = '~start' then format('start_at %s', r.start_at)
    when l.waiting_on like '~key/%' then format('the live run of its key %s', r.key)
    when l.waiting_on like '~rate/%' then format('the rate of %s', substr(l.waiting_on, 7))
    when l.waiting_on is not null then format('a slot of %s', l.waiting_on)
    else 'the gate'
  end as waits_for
from weir.runs r
cross join lateral (
  select
    count(*) filter (where s.state = 'pending') as pending,
    count(*) filter (where s.state = 'available') as available,
    count(*) filter (where s.state = 'running') as running,
    count(*) filter (where s.state = 'retrying') as retrying,
    count(*) filter (where s.state = 'waiting') as waiting,
    count(*) filter (where s.state = 'succeeded') as succeeded,
    count(*) filter (where s.state in ('failed', 'crashed', 'timed_out', 'lost')) as failed,
    count(*) filter (where s.state = 'cancelled') as cancelled,
    count(*) filter (where s.state = 'skipped') as skipped,
    min(s.step) filter (where s.state in ('failed', 'crashed', 'timed_out', 'lost') and not s.allow_failure) as first_failed
  from weir.steps s
  where s.run_id = r.id
) s
left join weir.steps f on f.run_id = r.id and f.step = s.first_failed
left join weir.outputs o on o.run_id = f.run_id and o.step = f.step and o.attempt = f.attempt
left join weir.slots l on l.run_id = r.id and l.step = 0 and not r.admitted;
comment on column weir.overview.waits_for is 'What holds the run as a whole back; null: nothing, or it has ended.';
create or replace view weir.stuck as
with open_run as materialized (
  (select id, name, state, cancel_requested_at, start_at, steps_open, created_at, admitted, failing_at, key from weir.runs where state = 'running' order by created_at, id limit 9000)
  union all
  (select id, name, state, cancel_requested_at, start_at, steps_open, created_at, admitted, failing_at, key from weir.runs where state = 'paused' order by created_at, id limit 1000)
), open_step as materialized (
  select r.name, r.state as run_state, r.start_at, r.admitted, s.*,
    least(s.cancel_requested_at, r.cancel_requested_at, case when s.run_if = 'all_succeeded' then r.failing_at end) as ending_at
  from open_run r
  cross join lateral (select * from weir.steps s where s.run_id = r.id and not s.settled offset 0) s
), line as materialized (
  -- Who waits for a slot, a rate or a time, or has what it needs; and why it should not wait any more, or waits for somebody.
  select l.run_id, l.step, l.waiting_on, l.asked_at,
    case
      when l.waiting_on is null then null
      when l.waiting_on = '~start' then case when l.due_at < clock_timestamp() then 'the time that it starts at has come, and nobody has let it through' end
      when h.run_id is distinct from l.run_id or h.step is distinct from l.step then null
      when l.waiting_on like '~rate/%' then case
        when b.due_at < clock_timestamp() - interval '10 seconds' then format('it is the first in line for the rate of %s, which has refilled, and nobody has let it through', b.key)
      end
      when t.used < coalesce(t.administered, t.declared) then format('it is the first in line for a slot of %s, of which %s of %s are taken, and nobody has let it through', t.key, t.used, coalesce(t.administered, t.declared))
      when l.waiting_on like '~key/%' then (
        select format('its run has a key, and waits for the live run of that key to end, run %s, which is paused', k.id) from weir.runs k where k.key = substr(l.waiting_on, 6) and k.admitted and k.state = 'paused'
      )
      else (
        select format('it waits for a slot of %s, and run %s, which is paused, holds one', t.key, k.id)
        from weir.slots o
        join weir.runs k on k.id = o.run_id
        where o.concurrency_key = l.waiting_on and o.waiting_on is null and o.step = 0 and k.state = 'paused'
        order by o.seq
        limit 1
      )
    end as reason
  from open_run r
  cross join lateral (select * from weir.slots l where l.run_id = r.id offset 0) l
  left join lateral (
    select n.run_id, n.step from weir.slots n where n.waiting_on = l.waiting_on order by n.priority, n.seq limit 1
  ) h on true
  left join weir.limits t on t.key = l.waiting_on
  left join weir.rates b on l.waiting_on like '~rate/%' and b.key = substr(l.waiting_on, 7)
), judged as (
  select
    s.run_id, s.name, s.step, s.key, s.state::text as state,
    case
      when s.state >= 'succeeded' then s.finished_at
      when s.state <> 'running' and s.ending_at is not null then s.ending_at
      when s.state = 'pending' then greatest(n.ended_at, s.created_at, s.start_at)
      when s.state = 'running' then case when w.id is not null then least(s.deadline_at + s.grace, w.lease_until, w.gone_at) end
      when s.state = 'waiting' then case
        when s.waiting_for in ('time', 'signal', 'approval', 'run') and least(s.run_after, s.deadline_at) < clock_timestamp() then least(s.run_after, s.deadline_at)
        when s.waiting_for = 'run' then greatest(m.moved_at, c.finished_at)
        when s.waiting_for = 'children' then greatest(m.moved_at, f.ended_at)
      end
      else greatest(m.moved_at, s.run_after, s.created_at, l.asked_at)
    end as since,
    case
      when s.state >= 'succeeded' then 'it has ended, and its end is not counted into its dependants and its run'
      when s.state <> 'running' and s.waiting_for is distinct from 'run' and s.ending_at < clock_timestamp() - interval '10 seconds'
        then 'its cancellation was asked for, no worker holds it, and it is not cancelled'
      when s.state = 'running' and w.id is null then 'its worker is not registered any more'
      when s.state = 'running' and least(w.lease_until, w.gone_at) < clock_timestamp()
        then format('the lease of its worker (%s on %s) has run out, and the step is not taken from it', w.name, w.host)
      when s.state = 'running' and s.deadline_at + s.grace < clock_timestamp() then 'it is over its deadline and its grace, and nobody has ended it'
      when s.state = 'waiting' and s.waiting_for in ('time', 'signal', 'approval', 'run') and s.ending_at is null and least(s.run_after, s.deadline_at) < clock_timestamp()
        then 'the time that it waits for, or not beyond, has come, and nobody has ended it'
      when s.run_state = 'paused' or s.ending_at is not null or not s.admitted then null
      when s.state = 'waiting' and s.waiting_for = 'run' and c.run_id is null then 'it waits for a child run, and there is none'
      when s.state = 'waiting' and s.waiting_for = 'run' and c.finished_at is not null then 'its child run has ended, and it has not'
      when s.state = 'waiting' and s.waiting_for = 'children' and f.expanded < f.total then 'its list is not expanded into children'
      when s.state = 'waiting' and s.waiting_for = 'children' and f.ended = f.total then 'all of its children have ended, and it has not'
      when s.state in ('pending', 'available', 'retrying') and l.reason is not null then l.reason
      when s.state in ('pending', 'available', 'retrying') and l.waiting_on is not null then null
      when s.state = 'pending' and s.run_if = 'all_succeeded' and s.needs_failed > 0 then 'a step that it needs has failed, and it is not skipped'
      when s.state = 'pending' and s.needs_open = 0 and (s.start_at is null or s.start_at < clock_timestamp()) then 'everything that it needs has ended, and it is neither available nor skipped'
      when s.state = 'pending' or s.state = 'waiting' or s.state = 'retrying' and s.run_after > clock_timestamp() then null
      when s.runs_on = 'replica' and s.river_job_id is null and s.limited and l.run_id is null then 'it may start, and stands in no line for the slot that it needs'
      when s.runs_on = 'replica' and s.river_job_id is null then 'it may start, and is not dispatched'
      when s.runs_on = 'replica' and j.id is null then format('its River job %s is gone', s.river_job_id)
      when j.state in ('cancelled', 'completed', 'discarded') then format('its River job %s is %s and has not started it', s.river_job_id, j.state)
      when j.state = 'running' and j.attempted_at < clock_timestamp() - interval '10 seconds' then format('its River job %s was fetched at %s and has not started it', s.river_job_id, j.attempted_at)
      when j.state = 'running' then null
      when q.paused_at is not null then format('the queue %s is paused in River', s.queue)
      when not exists (
        select from weir.workers a where a.gone_at is null and a.lease_until > clock_timestamp() and s.kind = any (a.kinds) and (a.type = 'remote') = (s.runs_on = 'remote')
      ) then format('no live worker has the kind %s', s.kind)
      when not exists (
        select from weir.workers a where a.gone_at is null and a.lease_until > clock_timestamp() and s.kind = any (a.kinds) and a.queues ? s.queue
      ) then format('no live worker with the kind %s works the queue %s', s.kind, s.queue)
    end as reason
  from open_step s
  left join weir.workers w on w.id = s.worker_id and s.state = 'running'
  left join lateral (select j.id, j.state, j.attempted_at from weir.river_job j where j.id = s.river_job_id and s.state in ('available', 'retrying') offset 0) j on true
  left join lateral (select max(t.at) as moved_at from weir.transitions t where t.run_id = s.run_id and t.step = s.step and s.state in ('available', 'retrying', 'waiting')) m on true
  left join lateral (
    select max(u.finished_at) as ended_at
    from weir.needs e
    join weir.steps u on u.run_id = e.run_id and u.step = e.need
    where e.run_id = s.run_id and e.step = s.step and s.state = 'pending'
  ) n on true
  left join weir.river_queue q on q.name = s.queue
  left join line l on l.run_id = s.run_id and l.step = s.step
  left join lateral (select c.id as run_id, c.finished_at from weir.runs c where s.waiting_for = 'run' and c.parent_run = s.run_id and c.parent_step = s.step) c on true
  left join lateral (
    select f.total, f.expanded, f.ended, case when f.ended = f.total then (
      select max(u.finished_at) from weir.items i join weir.steps u on u.run_id = i.run_id and u.step = i.step where i.run_id = f.run_id and i.parent = f.step
    ) end as ended_at
    from weir.families f
    where s.waiting_for = 'children' and f.run_id = s.run_id and f.step = s.step
  ) f on true
)
select null::uuid as run_id, null::text as name, null::int as step, null::text as key, null::text as state, p.beat_at as since,
  'nobody reconciles: start a replica (weir serve)' as reason
from weir.pulse p
where p.beat_at < clock_timestamp() - interval '10 seconds' and exists (select from open_run)
union all
select q.run_id, r.name, null, null, r.state::text, q.at, format('reconcile fails on this run, %s times so far, and tries again at %s: %s', q.tries, q.retry_at, q.error)
from weir.quarantine q
left join weir.runs r on r.id = q.run_id
union all
select d.run_id, r.name, null, null, r.state::text, min(d.at), 'reconcile has not looked at what has changed: it is behind, or fails'
from weir.dirty d
left join weir.runs r on r.id = d.run_id
where d.at < clock_timestamp() - interval '10 seconds' and not exists (select from weir.quarantine q where q.run_id = d.run_id)
group by d.run_id, r.name, r.state
union all
select r.id, r.name, null, null, r.state::text, l.at, 'all of its steps have ended, and it has not'
from open_run r
cross join lateral (select max(s.finished_at) as at from weir.steps s where s.run_id = r.id) l
where r.steps_open = 0 and (r.state = 'running' or r.cancel_requested_at is not null) and l.at < clock_timestamp() - interval '10 seconds'
union all
select j.run_id, j.name, j.step, j.key, j.state, j.since, j.reason
from judged j
where j.reason is not null and coalesce(j.since, '-infinity') < clock_timestamp() - interval '10 seconds'
union all
select r.id, r.name, null, null, r.state::text, coalesce(l.asked_at, greatest(r.created_at, r.start_at)),
  case when l.run_id is null then 'it is held back, and stands in no line' when l.waiting_on is null then 'nothing holds it back any more, and it is not let in' else l.reason end
from open_run r
left join line l on l.run_id = r.id and l.step = 0
where not r.admitted and r.state = 'running' and r.cancel_requested_at is null and (l.run_id is null or l.waiting_on is null or l.reason is not null)
  and coalesce(l.asked_at, greatest(r.created_at, r.start_at)) < clock_timestamp() - interval '10 seconds';
comment on view weir.stuck is 'Everything that should have moved at least 10 seconds ago and did not, with the reason. What waits as it should (for other steps, a backoff, a slot, a signal, an operator, a paused run) is not here, except who is first in line for what a paused run holds: that may take for ever. It looks at the oldest open runs (9,000 running, 1,000 paused), and costs as much as they have unsettled steps.';

update weir.schema_info set version = 12, migrated_at = clock_timestamp();

-- +goose Down
-- Columns are named, since the view would keep 00010 from dropping those that it brought.
create or replace view weir.stuck as
with open_run as materialized (
  (select id, name, state, cancel_requested_at, start_at, steps_open, created_at from weir.runs where state = 'running' order by created_at, id limit 9000)
  union all
  (select id, name, state, cancel_requested_at, start_at, steps_open, created_at from weir.runs where state = 'paused' order by created_at, id limit 1000)
), open_step as materialized (
  select r.name, r.state as run_state, r.start_at, r.cancel_requested_at as run_cancel_requested_at, s.*
  from open_run r
  cross join lateral (
    select s.run_id, s.step, s.key, s.kind, s.queue, s.state, s.run_if, s.runs_on, s.settled, s.needs_open, s.needs_failed, s.worker_id, s.river_job_id, s.grace, s.created_at, s.run_after, s.deadline_at, s.finished_at, s.cancel_requested_at
    from weir.steps s
    where s.run_id = r.id and not s.settled
    offset 0
  ) s
), judged as (
  select
    s.run_id, s.name, s.step, s.key, s.state::text as state,
    case
      when s.state >= 'succeeded' then s.finished_at
      when s.state <> 'running' and least(s.cancel_requested_at, s.run_cancel_requested_at) is not null then least(s.cancel_requested_at, s.run_cancel_requested_at)
      when s.state = 'pending' then greatest(n.ended_at, s.created_at, s.start_at)
      when s.state = 'running' then case when w.id is not null then least(s.deadline_at + s.grace, w.lease_until, w.gone_at) end
      else greatest(m.moved_at, s.run_after, s.created_at)
    end as since,
    case
      when s.state >= 'succeeded' then 'it has ended, and its end is not counted into its dependants and its run'
      when s.state <> 'running' and least(s.cancel_requested_at, s.run_cancel_requested_at) < clock_timestamp() - interval '10 seconds'
        then 'its cancellation was asked for, no worker holds it, and it is not cancelled'
      when s.state = 'running' and w.id is null then 'its worker is not registered any more'
      when s.state = 'running' and least(w.lease_until, w.gone_at) < clock_timestamp()
        then format('the lease of its worker (%s on %s) has run out, and the step is not taken from it', w.name, w.host)
      when s.state = 'running' and s.deadline_at + s.grace < clock_timestamp() then 'it is over its deadline and its grace, and nobody has ended it'
      when s.run_state = 'paused' or s.run_cancel_requested_at is not null or s.cancel_requested_at is not null then null
      when s.state = 'pending' and s.run_if = 'all_succeeded' and s.needs_failed > 0 then 'a step that it needs has failed, and it is not skipped'
      when s.state = 'pending' and s.needs_open = 0 and (s.start_at is null or s.start_at < clock_timestamp()) then 'everything that it needs has ended, and it is neither available nor skipped'
      when s.state = 'pending' or s.state = 'waiting' or s.state = 'retrying' and s.run_after > clock_timestamp() then null
      when s.runs_on = 'replica' and s.river_job_id is null then 'it may start, and is not dispatched'
      when s.runs_on = 'replica' and j.id is null then format('its River job %s is gone', s.river_job_id)
      when j.state in ('cancelled', 'completed', 'discarded') then format('its River job %s is %s and has not started it', s.river_job_id, j.state)
      when j.state = 'running' and j.attempted_at < clock_timestamp() - interval '10 seconds' then format('its River job %s was fetched at %s and has not started it', s.river_job_id, j.attempted_at)
      when j.state = 'running' then null
      when q.paused_at is not null then format('the queue %s is paused in River', s.queue)
      when not exists (
        select from weir.workers a where a.gone_at is null and a.lease_until > clock_timestamp() and s.kind = any (a.kinds) and (a.type = 'remote') = (s.runs_on = 'remote')
      ) then format('no live worker has the kind %s', s.kind)
      when not exists (
        select from weir.workers a where a.gone_at is null and a.lease_until > clock_timestamp() and s.kind = any (a.kinds) and a.queues ? s.queue
      ) then format('no live worker with the kind %s works the queue %s', s.kind, s.queue)
    end as reason
  from open_step s
  left join weir.workers w on w.id = s.worker_id and s.state = 'running'
  left join lateral (select j.id, j.state, j.attempted_at from weir.river_job j where j.id = s.river_job_id and s.state in ('available', 'retrying') offset 0) j on true
  left join lateral (select max(t.at) as moved_at from weir.transitions t where t.run_id = s.run_id and t.step = s.step and s.state in ('available', 'retrying', 'waiting')) m on true
  left join lateral (
    select max(u.finished_at) as ended_at
    from weir.needs e
    join weir.steps u on u.run_id = e.run_id and u.step = e.need
    where e.run_id = s.run_id and e.step = s.step and s.state = 'pending'
  ) n on true
  left join weir.river_queue q on q.name = s.queue
)
select null::uuid as run_id, null::text as name, null::int as step, null::text as key, null::text as state, p.beat_at as since,
  'nobody reconciles: start a replica (weir serve)' as reason
from weir.pulse p
where p.beat_at < clock_timestamp() - interval '10 seconds' and exists (select from open_run)
union all
select q.run_id, r.name, null, null, r.state::text, q.at, format('reconcile fails on this run, %s times so far, and tries again at %s: %s', q.tries, q.retry_at, q.error)
from weir.quarantine q
left join weir.runs r on r.id = q.run_id
union all
select d.run_id, r.name, null, null, r.state::text, min(d.at), 'reconcile has not looked at what has changed: it is behind, or fails'
from weir.dirty d
left join weir.runs r on r.id = d.run_id
where d.at < clock_timestamp() - interval '10 seconds' and not exists (select from weir.quarantine q where q.run_id = d.run_id)
group by d.run_id, r.name, r.state
union all
select r.id, r.name, null, null, r.state::text, l.at, 'all of its steps have ended, and it has not'
from open_run r
cross join lateral (select max(s.finished_at) as at from weir.steps s where s.run_id = r.id) l
where r.steps_open = 0 and (r.state = 'running' or r.cancel_requested_at is not null) and l.at < clock_timestamp() - interval '10 seconds'
union all
select j.run_id, j.name, j.step, j.key, j.state, j.since, j.reason
from judged j
where j.reason is not null and coalesce(j.since, '-infinity') < clock_timestamp() - interval '10 seconds';
comment on view weir.stuck is 'Everything that should have moved at least 10 seconds ago and did not, with the reason. What waits as it should (for other steps, a backoff, a free slot, an operator, a paused run) is not here. It looks at the oldest open runs (9,000 running, 1,000 paused), and costs as much as they have unsettled steps.';
drop view weir.overview;
create view weir.overview as
select
  r.id as run_id, r.name, r.state, r.cause, r.cancel_requested_at,
  r.steps_total, s.pending, s.available, s.running, s.retrying, s.waiting, s.succeeded, s.failed, s.cancelled, s.skipped,
  case when f.key is not null then f.key || ' ' || f.state || coalesce(': ' || left(o.error_message, 200), '') end as problem,
  r.created_at, r.created_by, r.finished_at, coalesce(r.finished_at, clock_timestamp()) - r.created_at as took
from weir.runs r
cross join lateral (
  select
    count(*) filter (where s.state = 'pending') as pending,
    count(*) filter (where s.state = 'available') as available,
    count(*) filter (where s.state = 'running') as running,
    count(*) filter (where s.state = 'retrying') as retrying,
    count(*) filter (where s.state = 'waiting') as waiting,
    count(*) filter (where s.state = 'succeeded') as succeeded,
    count(*) filter (where s.state in ('failed', 'crashed', 'timed_out', 'lost')) as failed,
    count(*) filter (where s.state = 'cancelled') as cancelled,
    count(*) filter (where s.state = 'skipped') as skipped,
    min(s.step) filter (where s.state in ('failed', 'crashed', 'timed_out', 'lost') and not s.allow_failure) as first_failed
  from weir.steps s
  where s.run_id = r.id
) s
left join weir.steps f on f.run_id = r.id and f.step = s.first_failed
left join weir.outputs o on o.run_id = f.run_id and o.step = f.step and o.attempt = f.attempt;
comment on view weir.overview is 'One row for each run: where it is, and what went wrong. Counts are made from the steps, so ask for some runs, not for all: select * from weir.overview order by created_at desc limit 20.';
comment on column weir.overview.run_id is 'The run; weir run ID shows it with its steps.';
comment on column weir.overview.name is 'The plan''s name.';
comment on column weir.overview.state is 'Where it is in its life.';
comment on column weir.overview.cause is 'Why it came into this state.';
comment on column weir.overview.cancel_requested_at is 'When its cancellation was asked for; null: it was not.';
comment on column weir.overview.steps_total is 'How many steps it has; the next nine columns add up to it.';
comment on column weir.overview.pending is 'Steps that wait for other steps.';
comment on column weir.overview.available is 'Steps that a worker may claim.';
comment on column weir.overview.running is 'Steps that a worker holds.';
comment on column weir.overview.retrying is 'Steps that are to be tried again.';
comment on column weir.overview.waiting is 'Steps that wait for something from outside.';
comment on column weir.overview.succeeded is 'Steps whose handler said so.';
comment on column weir.overview.failed is 'Steps that failed, crashed, timed out or were lost, with allow_failure or without.';
comment on column weir.overview.cancelled is 'Steps that somebody stopped, or that never started for that reason.';
comment on column weir.overview.skipped is 'Steps that run_if, a failure upstream or an operator left out.';
comment on column weir.overview.problem is 'The first step, in the order of the plan, that ended badly without allow_failure, and what it said; null: none did.';
comment on column weir.overview.created_at is 'When it was submitted.';
comment on column weir.overview.created_by is 'Who submitted it.';
comment on column weir.overview.finished_at is 'When it ended; null: it goes on.';
comment on column weir.overview.took is 'How long it took from submit to end, or has taken so far.';
drop index weir.slots_held, weir.limits_of_plans;
drop table weir.bulks;
update weir.schema_info set version = 11, migrated_at = clock_timestamp();
