-- +goose Up
create or replace view weir.violations as
with reconciled as materialized (
  -- What reconcile needs time for counts only while somebody has been reconciling for a minute.
  select exists (
    select from weir.pulse where beat_at > clock_timestamp() - interval '10 seconds' and steady_since < clock_timestamp() - interval '1 minute'
  ) as for_a_minute
), looked_run as materialized (
  select r.id, r.state, r.steps_total, r.steps_open, r.steps_failed, r.cancel_requested_at
  from (
    (select id from weir.runs where state = 'running' order by created_at, id limit 4000)
    union
    (select id from weir.runs where state = 'paused' order by created_at, id limit 1000)
    union
    (select id from weir.runs order by created_at desc, id desc limit 1000)
  ) i
  cross join lateral (select * from weir.runs r where r.id = i.id offset 0) r
), broken_run as (
  select v.rule, r.id as run_id, null::int as step, v.message
  from looked_run r
  cross join lateral (
    select
      count(*) as total, count(*) filter (where not s.settled) as unsettled, count(*) filter (where s.state < 'succeeded') as unfinished,
      count(*) filter (where s.settled and not s.allow_failure
        and (s.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled') or s.state = 'skipped' and s.cause = 'upstream_failed')) as failed,
      bool_and(s.settled or s.state = 'pending' and s.needs_open > 0) as nothing_moves,
      string_agg(s.key, ', ' order by s.step) filter (where s.state = 'pending' and s.step <= 1000) as pending
    from weir.steps s
    where s.run_id = r.id
  ) c
  cross join lateral (
    select
      coalesce((array_agg(t.to_state order by t.id desc))[1], 'running') as last_state,
      min(t.id) filter (where t.from_state <> t.previous) as gap_at,
      min(t.id) filter (where not t.legal) as illegal_at
    from (
      select
        t.id, t.from_state, t.to_state, lag(t.to_state, 1, 'running') over (order by t.id) as previous,
        exists (select from weir.legal_transitions l where l.entity = 'run' and l.from_state = t.from_state and l.to_state = t.to_state) as legal
      from weir.transitions t
      where t.run_id = r.id and t.step is null
    ) t
  ) h
  cross join lateral (
    select 'run_counts_its_steps' as rule,
      r.steps_total <> c.total as broken,
      format('steps_total is %s, and it has %s steps', r.steps_total, c.total) as message
    union all
    select 'run_counts_its_open_steps' as rule,
      r.steps_open <> c.unsettled as broken,
      format('steps_open is %s, and %s of its steps are not settled', r.steps_open, c.unsettled) as message
    union all
    select 'run_counts_its_failed_steps' as rule,
      r.steps_failed <> c.failed as broken,
      format('steps_failed is %s, and %s of its settled steps count as failures', r.steps_failed, c.failed) as message
    union all
    select 'final_run_has_no_open_step' as rule,
      r.state not in ('running', 'paused') and c.unfinished > 0 as broken,
      format('the run is %s, and %s of its steps are not final', r.state, c.unfinished) as message
    union all
    select 'open_run_can_go_on' as rule,
      r.state in ('running', 'paused') and r.cancel_requested_at is null and c.unsettled > 0 and c.nothing_moves as broken,
      format('all that is open waits for each other: %s', left(c.pending, 200)) as message
    union all
    select 'run_is_in_the_state_that_its_history_says' as rule,
      r.state::text <> h.last_state as broken,
      format('it is %s, and its history says %s', r.state, h.last_state) as message
    union all
    select 'history_of_a_run_has_no_gap' as rule,
      h.gap_at is not null as broken,
      format('transition %s does not start where the one before it ended', h.gap_at) as message
    union all
    select 'history_of_a_run_is_legal' as rule,
      h.illegal_at is not null as broken,
      format('transition %s is not in weir.legal_transitions', h.illegal_at) as message
  ) v
  where v.broken
), broken_need as (
  select v.rule, e.run_id, e.step, v.message
  from looked_run r
  cross join lateral (
    select
      e.run_id, e.need, e.step,
      exists (select from weir.steps s where s.run_id = r.id and s.step = e.step) as has_step,
      exists (select from weir.steps s where s.run_id = r.id and s.step = e.need) as has_need,
      exists (select from weir.needs b where b.run_id = r.id and b.need = e.step and b.step = e.need) as has_circle
    from weir.needs e
    where e.run_id = r.id
    offset 0
  ) e
  cross join lateral (
    select 'needs_have_no_circle' as rule,
      e.has_circle is true as broken,
      format('step %s needs step %s, which needs it', e.step, e.need) as message
    union all
    select 'needs_lead_to_steps' as rule,
      not e.has_step as broken,
      format('step %s needs step %s, and the first does not exist', e.step, e.need) as message
    union all
    select 'needs_lead_to_steps' as rule,
      not e.has_need as broken,
      format('step %s needs step %s, and the second does not exist', e.step, e.need) as message
  ) v
  where v.broken
), broken_step as (
  select v.rule, s.run_id, s.step, v.message
  from looked_run r
  cross join lateral (select * from weir.steps s where s.run_id = r.id offset 0) s
  cross join lateral (
    select
      count(*) as total, count(*) filter (where not n.ended) as open, count(*) filter (where n.ended and n.badly and not n.allow_failure) as failed,
      count(*) filter (where n.ended and n.badly and n.allow_failure) as allowed, count(*) filter (where n.ended and n.state = 'skipped' and not n.badly) as neutral
    from (
      select
        u.state, u.allow_failure, coalesce(u.settled, false) or e.counted as ended,
        u.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled') or u.state = 'skipped' and u.cause = 'upstream_failed' as badly
      from weir.needs e
      left join lateral (select * from weir.steps u where u.run_id = s.run_id and u.step = e.need offset 0) u on true
      where e.run_id = s.run_id and e.step = s.step
    ) n
  ) n
  cross join lateral (select count(*) as total from weir.needs e where e.run_id = s.run_id and e.need = s.step) d
  cross join lateral (
    select
      (array_agg(t.to_state order by t.id desc))[1] as last_state,
      count(*) filter (where t.to_state = 'running') as claims,
      min(t.id) filter (where case when t.previous is null then t.from_state not in ('pending', 'available', 'waiting') else t.from_state <> t.previous end) as gap_at,
      min(t.id) filter (where not t.legal) as illegal_at
    from (
      select
        t.id, t.from_state, t.to_state, lag(t.to_state) over (order by t.id) as previous,
        exists (select from weir.legal_transitions l where l.entity = 'step' and l.from_state = t.from_state and l.to_state = t.to_state) as legal
      from weir.transitions t
      where t.run_id = s.run_id and t.step = s.step
    ) t
  ) h
  cross join lateral (
    select count(*) filter (where o.attempt = s.attempt) as of_last, count(*) filter (where o.attempt <> s.attempt) as of_others
    from weir.outputs o
    where o.run_id = coalesce(s.reused_from, s.run_id) and o.step = s.step and o.output is not null
  ) o
  left join lateral (select j.id, j.kind, j.args from weir.river_job j where j.id = s.river_job_id offset 0) j on true
  left join lateral (select w.id, w.lease_until from weir.workers w where w.id = s.worker_id and s.state = 'running' offset 0) w on true
  cross join reconciled
  cross join lateral (
    -- What is skipped or cancelled early is not counted any further.
    select 'step_counts_its_needs' as rule,
      s.needs_total <> n.total or s.state not in ('skipped', 'cancelled') and r.cancel_requested_at is null and s.reused_from is null
        and (s.needs_open, s.needs_failed, s.needs_allowed, s.needs_neutral) <> (n.open, n.failed, n.allowed, n.neutral) as broken,
      format('total, open, failed, allowed, neutral are %s, and its edges say %s', row(s.needs_total, s.needs_open, s.needs_failed, s.needs_allowed, s.needs_neutral), row(n.total, n.open, n.failed, n.allowed, n.neutral)) as message
    union all
    select 'step_counts_its_dependants' as rule,
      s.dependants <> d.total as broken,
      format('dependants is %s, and %s steps need it', s.dependants, d.total) as message
    union all
    select 'final_step_is_settled' as rule,
      s.state >= 'succeeded' and not s.settled and s.finished_at < clock_timestamp() - interval '1 minute' and reconciled.for_a_minute
        and not exists (select from weir.quarantine q where q.run_id = s.run_id) as broken,
      format('it is %s since %s, and its end is not counted', s.state, s.finished_at) as message
    union all
    select 'step_is_in_the_state_that_its_history_says' as rule,
      s.state::text <> coalesce(h.last_state, case when s.state in ('pending', 'available', 'waiting') or s.reused_from is not null then s.state::text else '' end) as broken,
      format('it is %s, and its history says %s', s.state, coalesce(h.last_state, 'that it was born, and no more')) as message
    union all
    select 'history_of_a_step_has_no_gap' as rule,
      h.gap_at is not null as broken,
      format('transition %s does not start where the one before it ended', h.gap_at) as message
    union all
    select 'history_of_a_step_is_legal' as rule,
      h.illegal_at is not null as broken,
      format('transition %s is not in weir.legal_transitions', h.illegal_at) as message
    union all
    select 'attempt_counts_the_claims' as rule,
      s.attempt <> h.claims and s.reused_from is null as broken,
      format('attempt is %s, and its history has %s claims', s.attempt, h.claims) as message
    union all
    select 'output_is_there_when_it_says_so' as rule,
      s.has_output and o.of_last = 0 as broken,
      'has_output is true, and it has no output' as message
    union all
    select 'output_is_there_when_it_says_so' as rule,
      not s.has_output and o.of_last > 0 as broken,
      'it has an output, and has_output is false' as message
    union all
    select 'output_is_there_when_it_says_so' as rule,
      o.of_others > 0 as broken,
      'an attempt that was not its last one has an output' as message
    union all
    select 'running_step_has_a_live_worker' as rule,
      s.state = 'running' and w.id is null and reconciled.for_a_minute as broken,
      format('its worker %s does not exist', s.worker_id) as message
    union all
    select 'running_step_has_a_live_worker' as rule,
      w.lease_until < clock_timestamp() - interval '1 minute' and reconciled.for_a_minute as broken,
      format('the lease of its worker %s ran out at %s', w.id, w.lease_until) as message
    union all
    select 'dispatch_token_names_its_own_job' as rule,
      s.river_job_id is not null and s.runs_on = 'replica' and j.id is null as broken,
      format('its River job %s does not exist', s.river_job_id) as message
    union all
    select 'dispatch_token_names_its_own_job' as rule,
      s.runs_on = 'replica' and (j.kind <> s.kind or j.args ->> 'run' is distinct from s.run_id::text or j.args ->> 'step' is distinct from s.step::text) and j.id is not null as broken,
      format('its River job %s is of kind %s for %s', s.river_job_id, j.kind, left(j.args::text, 200)) as message
  ) v
  where v.broken
)
select rule, run_id, step, message from broken_run
union all
select rule, run_id, step, message from broken_need
union all
select rule, run_id, step, message from broken_step
union all
select 'step_belongs_to_a_run', s.run_id, s.step, format('it is %s, and its run does not exist', s.state)
from weir.steps s
where s.state in ('running', 'retrying') and not exists (select from weir.runs r where r.id = s.run_id)
union all
select 'hints_are_served_within_a_minute', d.run_id, null, format('%s hints in weir.dirty, the oldest of %s', count(*), min(d.at))
from weir.dirty d
cross join reconciled
where d.at < clock_timestamp() - interval '1 minute' and reconciled.for_a_minute and not exists (select from weir.quarantine q where q.run_id = d.run_id)
group by d.run_id
union all
select 'stops_are_of_running_attempts', t.run_id, t.step, format('attempt %s was to be stopped until %s, and is not the running one', t.attempt, t.give_up_at)
from weir.stops t
cross join reconciled
where t.give_up_at < clock_timestamp() - interval '1 minute' and reconciled.for_a_minute
  and not exists (select from weir.steps s where s.run_id = t.run_id and s.step = t.step and s.attempt = t.attempt and s.state = 'running')
union all
select 'limits_count_their_slots', null, null, format('used of limit %s is %s, and %s hold a slot of it', t.key, t.used, h.n)
from weir.limits t
cross join lateral (select count(*) as n from weir.slots l where l.waiting_on is null and t.key = any (l.holds)) h
where t.used <> h.n
union all
select 'limited_step_runs_with_its_slots', s.run_id, s.step, 'it runs, and holds no slot of its limits'
from weir.steps s
where s.state = 'running' and s.limited and not exists (select from weir.slots l where l.run_id = s.run_id and l.step = s.step and l.waiting_on is null)
union all
select 'slots_are_of_what_is_open', l.run_id, nullif(l.step, 0), format('what asked for it at %s has ended', l.asked_at)
from weir.slots l
cross join reconciled
left join weir.runs r on r.id = l.run_id
left join weir.steps s on s.run_id = l.run_id and s.step = l.step
where reconciled.for_a_minute and (r.id is null or r.finished_at < clock_timestamp() - interval '1 minute' or s.finished_at < clock_timestamp() - interval '1 minute')
union all
select 'fan_out_counts_its_children', r.id, f.step, format('%s ended and %s failed, and its settled children are %s and %s', f.ended, f.failed, c.ended, c.failed)
from looked_run r
join weir.families f on f.run_id = r.id
join weir.steps s on s.run_id = f.run_id and s.step = f.step
cross join lateral (
  select
    count(*) filter (where c.settled) as ended,
    count(*) filter (where c.settled and not c.allow_failure and (c.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled') or c.state = 'skipped' and c.cause = 'upstream_failed')) as failed
  from weir.items i
  join weir.steps c on c.run_id = i.run_id and c.step = i.step
  where i.run_id = f.run_id and i.parent = f.step
) c
where s.state in ('waiting', 'succeeded') and (f.ended <> c.ended or f.failed <> c.failed);
create index runs_held_back on weir.runs (created_at) where not admitted and finished_at is null;
comment on index weir.runs_held_back is 'Runs that wait to be let in.';

update weir.schema_info set version = 13, migrated_at = clock_timestamp();

-- +goose Down
drop index weir.runs_held_back;
drop view weir.violations;
create view weir.violations as
with reconciled as materialized (
  -- What reconcile needs time for counts only while somebody has been reconciling for a minute.
  select exists (
    select from weir.pulse where beat_at > clock_timestamp() - interval '10 seconds' and steady_since < clock_timestamp() - interval '1 minute'
  ) as for_a_minute
), looked_run as materialized (
  select r.id, r.state, r.steps_total, r.steps_open, r.steps_failed, r.cancel_requested_at
  from (
    (select id from weir.runs where state = 'running' order by created_at, id limit 4000)
    union
    (select id from weir.runs where state = 'paused' order by created_at, id limit 1000)
    union
    (select id from weir.runs order by created_at desc, id desc limit 1000)
  ) i
  cross join lateral (select * from weir.runs r where r.id = i.id offset 0) r
), broken_run as (
  select v.rule, r.id as run_id, null::int as step, v.message
  from looked_run r
  cross join lateral (
    select
      count(*) as total, count(*) filter (where not s.settled) as unsettled, count(*) filter (where s.state < 'succeeded') as unfinished,
      count(*) filter (where s.settled and not s.allow_failure
        and (s.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled') or s.state = 'skipped' and s.cause = 'upstream_failed')) as failed,
      bool_and(s.settled or s.state = 'pending' and s.needs_open > 0) as nothing_moves,
      string_agg(s.key, ', ' order by s.step) filter (where s.state = 'pending' and s.step <= 1000) as pending
    from weir.steps s
    where s.run_id = r.id
  ) c
  cross join lateral (
    select
      coalesce((array_agg(t.to_state order by t.id desc))[1], 'running') as last_state,
      min(t.id) filter (where t.from_state <> t.previous) as gap_at,
      min(t.id) filter (where not t.legal) as illegal_at
    from (
      select
        t.id, t.from_state, t.to_state, lag(t.to_state, 1, 'running') over (order by t.id) as previous,
        exists (select from weir.legal_transitions l where l.entity = 'run' and l.from_state = t.from_state and l.to_state = t.to_state) as legal
      from weir.transitions t
      where t.run_id = r.id and t.step is null
    ) t
  ) h
  cross join lateral (
    select 'run_counts_its_steps' as rule,
      r.steps_total <> c.total as broken,
      format('steps_total is %s, and it has %s steps', r.steps_total, c.total) as message
    union all
    select 'run_counts_its_open_steps' as rule,
      r.steps_open <> c.unsettled as broken,
      format('steps_open is %s, and %s of its steps are not settled', r.steps_open, c.unsettled) as message
    union all
    select 'run_counts_its_failed_steps' as rule,
      r.steps_failed <> c.failed as broken,
      format('steps_failed is %s, and %s of its settled steps count as failures', r.steps_failed, c.failed) as message
    union all
    select 'final_run_has_no_open_step' as rule,
      r.state not in ('running', 'paused') and c.unfinished > 0 as broken,
      format('the run is %s, and %s of its steps are not final', r.state, c.unfinished) as message
    union all
    select 'open_run_can_go_on' as rule,
      r.state in ('running', 'paused') and r.cancel_requested_at is null and c.unsettled > 0 and c.nothing_moves as broken,
      format('all that is open waits for each other: %s', left(c.pending, 200)) as message
    union all
    select 'run_is_in_the_state_that_its_history_says' as rule,
      r.state::text <> h.last_state as broken,
      format('it is %s, and its history says %s', r.state, h.last_state) as message
    union all
    select 'history_of_a_run_has_no_gap' as rule,
      h.gap_at is not null as broken,
      format('transition %s does not start where the one before it ended', h.gap_at) as message
    union all
    select 'history_of_a_run_is_legal' as rule,
      h.illegal_at is not null as broken,
      format('transition %s is not in weir.legal_transitions', h.illegal_at) as message
  ) v
  where v.broken
), broken_need as (
  select v.rule, e.run_id, e.step, v.message
  from looked_run r
  cross join lateral (
    select
      e.run_id, e.need, e.step,
      exists (select from weir.steps s where s.run_id = r.id and s.step = e.step) as has_step,
      exists (select from weir.steps s where s.run_id = r.id and s.step = e.need) as has_need,
      exists (select from weir.needs b where b.run_id = r.id and b.need = e.step and b.step = e.need) as has_circle
    from weir.needs e
    where e.run_id = r.id
    offset 0
  ) e
  cross join lateral (
    select 'needs_have_no_circle' as rule,
      e.has_circle is true as broken,
      format('step %s needs step %s, which needs it', e.step, e.need) as message
    union all
    select 'needs_lead_to_steps' as rule,
      not e.has_step as broken,
      format('step %s needs step %s, and the first does not exist', e.step, e.need) as message
    union all
    select 'needs_lead_to_steps' as rule,
      not e.has_need as broken,
      format('step %s needs step %s, and the second does not exist', e.step, e.need) as message
  ) v
  where v.broken
), broken_step as (
  select v.rule, s.run_id, s.step, v.message
  from looked_run r
  cross join lateral (select * from weir.steps s where s.run_id = r.id offset 0) s
  cross join lateral (
    select
      count(*) as total, count(*) filter (where not n.ended) as open, count(*) filter (where n.ended and n.badly and not n.allow_failure) as failed,
      count(*) filter (where n.ended and n.badly and n.allow_failure) as allowed, count(*) filter (where n.ended and n.state = 'skipped' and not n.badly) as neutral
    from (
      select
        u.state, u.allow_failure, coalesce(u.settled, false) or e.counted as ended,
        u.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled') or u.state = 'skipped' and u.cause = 'upstream_failed' as badly
      from weir.needs e
      left join lateral (select * from weir.steps u where u.run_id = s.run_id and u.step = e.need offset 0) u on true
      where e.run_id = s.run_id and e.step = s.step
    ) n
  ) n
  cross join lateral (select count(*) as total from weir.needs e where e.run_id = s.run_id and e.need = s.step) d
  cross join lateral (
    select
      (array_agg(t.to_state order by t.id desc))[1] as last_state,
      count(*) filter (where t.to_state = 'running') as claims,
      min(t.id) filter (where case when t.previous is null then t.from_state not in ('pending', 'available', 'waiting') else t.from_state <> t.previous end) as gap_at,
      min(t.id) filter (where not t.legal) as illegal_at
    from (
      select
        t.id, t.from_state, t.to_state, lag(t.to_state) over (order by t.id) as previous,
        exists (select from weir.legal_transitions l where l.entity = 'step' and l.from_state = t.from_state and l.to_state = t.to_state) as legal
      from weir.transitions t
      where t.run_id = s.run_id and t.step = s.step
    ) t
  ) h
  cross join lateral (
    select count(*) filter (where o.attempt = s.attempt) as of_last, count(*) filter (where o.attempt <> s.attempt) as of_others
    from weir.outputs o
    where o.run_id = coalesce(s.reused_from, s.run_id) and o.step = s.step and o.output is not null
  ) o
  left join lateral (select j.id, j.kind, j.args from weir.river_job j where j.id = s.river_job_id offset 0) j on true
  left join lateral (select w.id, w.lease_until from weir.workers w where w.id = s.worker_id and s.state = 'running' offset 0) w on true
  cross join reconciled
  cross join lateral (
    -- What is skipped or cancelled early is not counted any further.
    select 'step_counts_its_needs' as rule,
      s.needs_total <> n.total or s.state not in ('skipped', 'cancelled') and r.cancel_requested_at is null and s.reused_from is null
        and (s.needs_open, s.needs_failed, s.needs_allowed, s.needs_neutral) <> (n.open, n.failed, n.allowed, n.neutral) as broken,
      format('total, open, failed, allowed, neutral are %s, and its edges say %s', row(s.needs_total, s.needs_open, s.needs_failed, s.needs_allowed, s.needs_neutral), row(n.total, n.open, n.failed, n.allowed, n.neutral)) as message
    union all
    select 'step_counts_its_dependants' as rule,
      s.dependants <> d.total as broken,
      format('dependants is %s, and %s steps need it', s.dependants, d.total) as message
    union all
    select 'final_step_is_settled' as rule,
      s.state >= 'succeeded' and not s.settled and s.finished_at < clock_timestamp() - interval '1 minute' and reconciled.for_a_minute
        and not exists (select from weir.quarantine q where q.run_id = s.run_id) as broken,
      format('it is %s since %s, and its end is not counted', s.state, s.finished_at) as message
    union all
    select 'step_is_in_the_state_that_its_history_says' as rule,
      s.state::text <> coalesce(h.last_state, case when s.state in ('pending', 'available', 'waiting') or s.reused_from is not null then s.state::text else '' end) as broken,
      format('it is %s, and its history says %s', s.state, coalesce(h.last_state, 'that it was born, and no more')) as message
    union all
    select 'history_of_a_step_has_no_gap' as rule,
      h.gap_at is not null as broken,
      format('transition %s does not start where the one before it ended', h.gap_at) as message
    union all
    select 'history_of_a_step_is_legal' as rule,
      h.illegal_at is not null as broken,
      format('transition %s is not in weir.legal_transitions', h.illegal_at) as message
    union all
    select 'attempt_counts_the_claims' as rule,
      s.attempt <> h.claims and s.reused_from is null as broken,
      format('attempt is %s, and its history has %s claims', s.attempt, h.claims) as message
    union all
    select 'output_is_there_when_it_says_so' as rule,
      s.has_output and o.of_last = 0 as broken,
      'has_output is true, and it has no output' as message
    union all
    select 'output_is_there_when_it_says_so' as rule,
      not s.has_output and o.of_last > 0 as broken,
      'it has an output, and has_output is false' as message
    union all
    select 'output_is_there_when_it_says_so' as rule,
      o.of_others > 0 as broken,
      'an attempt that was not its last one has an output' as message
    union all
    select 'running_step_has_a_live_worker' as rule,
      s.state = 'running' and w.id is null and reconciled.for_a_minute as broken,
      format('its worker %s does not exist', s.worker_id) as message
    union all
    select 'running_step_has_a_live_worker' as rule,
      w.lease_until < clock_timestamp() - interval '1 minute' and reconciled.for_a_minute as broken,
      format('the lease of its worker %s ran out at %s', w.id, w.lease_until) as message
    union all
    select 'dispatch_token_names_its_own_job' as rule,
      s.river_job_id is not null and s.runs_on = 'replica' and j.id is null as broken,
      format('its River job %s does not exist', s.river_job_id) as message
    union all
    select 'dispatch_token_names_its_own_job' as rule,
      s.runs_on = 'replica' and (j.kind <> s.kind or j.args ->> 'run' is distinct from s.run_id::text or j.args ->> 'step' is distinct from s.step::text) and j.id is not null as broken,
      format('its River job %s is of kind %s for %s', s.river_job_id, j.kind, left(j.args::text, 200)) as message
  ) v
  where v.broken
)
select rule, run_id, step, message from broken_run
union all
select rule, run_id, step, message from broken_need
union all
select rule, run_id, step, message from broken_step
union all
select 'step_belongs_to_a_run', s.run_id, s.step, format('it is %s, and its run does not exist', s.state)
from weir.steps s
where s.state in ('running', 'retrying') and not exists (select from weir.runs r where r.id = s.run_id)
union all
select 'hints_are_served_within_a_minute', d.run_id, null, format('%s hints in weir.dirty, the oldest of %s', count(*), min(d.at))
from weir.dirty d
cross join reconciled
where d.at < clock_timestamp() - interval '1 minute' and reconciled.for_a_minute and not exists (select from weir.quarantine q where q.run_id = d.run_id)
group by d.run_id
union all
select 'stops_are_of_running_attempts', t.run_id, t.step, format('attempt %s was to be stopped until %s, and is not the running one', t.attempt, t.give_up_at)
from weir.stops t
cross join reconciled
where t.give_up_at < clock_timestamp() - interval '1 minute' and reconciled.for_a_minute
  and not exists (select from weir.steps s where s.run_id = t.run_id and s.step = t.step and s.attempt = t.attempt and s.state = 'running');
comment on view weir.violations is 'Empty, unless an invariant is broken: then each row names the rule and the culprit. Looks at the oldest open runs (4,000 running, 1,000 paused), at the 1,000 newest runs and at the small tables, so it stays affordable and may miss what is elsewhere. What reconcile does a moment later counts only when it is overdue by a minute while somebody reconciles.';
comment on column weir.violations.rule is 'The rule that is broken, as a sentence.';
comment on column weir.violations.run_id is 'Where: weir.runs.id.';
comment on column weir.violations.step is 'Where: the step''s ordinal; null: the run itself.';
comment on column weir.violations.message is 'What is there, and what should be.';

update weir.schema_info set version = 12, migrated_at = clock_timestamp();
