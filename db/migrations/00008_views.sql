-- +goose Up
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

create view weir.running as
select
  s.run_id, r.name, s.step, s.key, s.kind, s.attempt, s.worker_id, w.name as worker, w.host, s.claimed_at, s.started_at,
  clock_timestamp() - s.claimed_at as running_for, s.deadline_at, w.lease_until,
  case when p.attempt = s.attempt then p.percent end as percent, case when p.attempt = s.attempt then p.message end as message, t.cause as stopped_for
from weir.steps s
join weir.runs r on r.id = s.run_id
left join weir.workers w on w.id = s.worker_id
left join weir.progress p on p.run_id = s.run_id and p.step = s.step
left join weir.stops t on t.run_id = s.run_id and t.step = s.step and t.attempt = s.attempt
where s.state = 'running';
comment on view weir.running is 'One row for each step that a worker holds now. Found through an index of running steps: it costs nothing that others have finished.';
comment on column weir.running.run_id is 'Which run: weir.runs.id.';
comment on column weir.running.name is 'The name of its plan.';
comment on column weir.running.step is 'The step''s ordinal.';
comment on column weir.running.key is 'The step''s name in the plan.';
comment on column weir.running.kind is 'What kind of work it is.';
comment on column weir.running.attempt is 'Which claim of the step this is.';
comment on column weir.running.worker_id is 'Who holds it.';
comment on column weir.running.worker is 'That worker''s name; null: there is no such worker any more.';
comment on column weir.running.host is 'Where that worker is.';
comment on column weir.running.claimed_at is 'When it was claimed.';
comment on column weir.running.started_at is 'When the attempt started; null: a remote worker has not confirmed its claim yet.';
comment on column weir.running.running_for is 'How long ago the claim was.';
comment on column weir.running.deadline_at is 'When the attempt has to be over; null: never.';
comment on column weir.running.lease_until is 'Until when the worker is believed alive. In the past for more than a moment: the step is about to be taken from it.';
comment on column weir.running.percent is 'How far this attempt says it is.';
comment on column weir.running.message is 'What this attempt says it is doing.';
comment on column weir.running.stopped_for is 'Why the worker was asked to end it; null: it was not.';

create view weir.stuck as
with open_run as materialized (
  (select id, name, state, cancel_requested_at, start_at, steps_open, created_at from weir.runs where state = 'running' order by created_at, id limit 9000)
  union all
  (select id, name, state, cancel_requested_at, start_at, steps_open, created_at from weir.runs where state = 'paused' order by created_at, id limit 1000)
), open_step as materialized (
  select r.name, r.state as run_state, r.start_at, r.cancel_requested_at as run_cancel_requested_at, s.*
  from open_run r
  cross join lateral (select * from weir.steps s where s.run_id = r.id and not s.settled offset 0) s
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
comment on column weir.stuck.run_id is 'Which run; null: this is about all of them.';
comment on column weir.stuck.name is 'The name of its plan.';
comment on column weir.stuck.step is 'The step''s ordinal; null: the run itself.';
comment on column weir.stuck.key is 'The step''s name in the plan.';
comment on column weir.stuck.state is 'The state that the step, or the run, is stuck in.';
comment on column weir.stuck.since is 'Since when it should have moved; null: unknown, and long enough.';
comment on column weir.stuck.reason is 'Why it does not move, in words.';

update weir.schema_info set version = 8, migrated_at = clock_timestamp();

-- +goose Down
drop view weir.stuck, weir.running, weir.overview;
update weir.schema_info set version = 7, migrated_at = clock_timestamp();
