-- +goose Up
create view weir.violations as
with reconciled as materialized (
  -- What reconcile needs time for counts only while somebody has been reconciling for a minute.
  select exists (
    select from weir.pulse where beat_at > clock_timestamp() - interval '10 seconds' and steady_since < clock_timestamp() - interval '1 minute'
  ) as for_a_minute
), looked_run as materialized (
  select r.id, r.state, r.steps_total, r.steps_open, r.steps_failed, r.cancel_requested_at
  from (
    select id from weir.runs where state in ('running', 'paused')
    union
    (select id from weir.runs order by created_at desc, id desc limit 1000)
  ) i
  cross join lateral (select * from weir.runs r where r.id = i.id offset 0) r
), looked_step as materialized (
  select
    s.run_id, s.step, s.key, s.kind, s.state, s.cause, s.attempt, s.settled, s.allow_failure, s.has_output, s.reused_from, s.river_job_id, s.worker_id, s.runs_on,
    s.finished_at, s.needs_total, s.needs_open, s.needs_failed, s.needs_allowed, s.needs_neutral, s.dependants,
    s.state in ('failed', 'crashed', 'timed_out', 'lost', 'cancelled') or s.state = 'skipped' and s.cause = 'upstream_failed' as ended_badly
  from looked_run r
  cross join lateral (select * from weir.steps s where s.run_id = r.id offset 0) s
), recount as materialized (
  select
    s.run_id, count(*) as total, count(*) filter (where not s.settled) as unsettled, count(*) filter (where s.state < 'succeeded') as unfinished,
    count(*) filter (where s.settled and s.ended_badly and not s.allow_failure) as failed,
    bool_and(s.settled or s.state = 'pending' and s.needs_open > 0) as nothing_moves,
    string_agg(s.key, ', ' order by s.step) filter (where s.state = 'pending' and s.step <= 1000) as pending
  from looked_step s
  group by s.run_id
), edge as materialized (
  select e.run_id, e.need, e.step, e.counted
  from looked_run r
  cross join lateral (select * from weir.needs e where e.run_id = r.id offset 0) e
), needed as (
  select
    e.run_id, e.step, count(*) as total, count(*) filter (where not (coalesce(u.settled, false) or e.counted)) as open,
    count(*) filter (where (u.settled or e.counted) and u.ended_badly and not u.allow_failure) as failed,
    count(*) filter (where (u.settled or e.counted) and u.ended_badly and u.allow_failure) as allowed,
    count(*) filter (where (u.settled or e.counted) and u.state = 'skipped' and not u.ended_badly) as neutral
  from edge e
  left join looked_step u on u.run_id = e.run_id and u.step = e.need
  group by e.run_id, e.step
), needing as (
  select e.run_id, e.need, count(*) as total from edge e group by e.run_id, e.need
), history as materialized (
  select
    h.run_id, h.step, (array_agg(h.to_state order by h.id desc))[1] as last_state,
    count(*) filter (where h.to_state = 'running') as claims,
    min(h.id) filter (where case
      when h.previous is not null then h.from_state <> h.previous
      when h.step is null then h.from_state <> 'running'
      else h.from_state not in ('pending', 'available', 'waiting')
    end) as gap_at,
    min(h.id) filter (where not exists (
      select from weir.legal_transitions l
      where l.entity = case when h.step is null then 'run' else 'step' end and l.from_state = h.from_state and l.to_state = h.to_state
    )) as illegal_at
  from looked_run r
  cross join lateral (
    select t.id, t.run_id, t.step, t.from_state, t.to_state, lag(t.to_state) over (partition by t.step order by t.id) as previous
    from weir.transitions t
    where t.run_id = r.id
  ) h
  group by h.run_id, h.step
)
select 'run_counts_its_steps' as rule, r.id as run_id, null::int as step, format('steps_total is %s, and it has %s steps', r.steps_total, coalesce(c.total, 0)) as message
from looked_run r
left join recount c on c.run_id = r.id
where r.steps_total <> coalesce(c.total, 0)
union all
select 'run_counts_its_open_steps', r.id, null, format('steps_open is %s, and %s of its steps are not settled', r.steps_open, c.unsettled)
from looked_run r
join recount c on c.run_id = r.id
where r.steps_open <> c.unsettled
union all
select 'run_counts_its_failed_steps', r.id, null, format('steps_failed is %s, and %s of its settled steps count as failures', r.steps_failed, c.failed)
from looked_run r
join recount c on c.run_id = r.id
where r.steps_failed <> c.failed
union all
select 'final_run_has_no_open_step', r.id, null, format('the run is %s, and %s of its steps are not final', r.state, c.unfinished)
from looked_run r
join recount c on c.run_id = r.id
where r.state in ('succeeded', 'failed', 'cancelled') and c.unfinished > 0
union all
select 'open_run_can_go_on', r.id, null, format('all that is open waits for each other: %s', left(c.pending, 200))
from looked_run r
join recount c on c.run_id = r.id
where r.state in ('running', 'paused') and r.cancel_requested_at is null and c.unsettled > 0 and c.nothing_moves
union all
select 'needs_have_no_circle', a.run_id, a.step, format('step %s needs step %s, which needs it', a.step, a.need)
from edge a
join edge b on b.run_id = a.run_id and b.need = a.step and b.step = a.need
union all
select 'needs_lead_to_steps', e.run_id, e.step, format('step %s needs step %s, and %s', e.step, e.need, case when s.step is null then 'the first' else 'the second' end || ' does not exist')
from edge e
left join looked_step s on s.run_id = e.run_id and s.step = e.step
left join looked_step u on u.run_id = e.run_id and u.step = e.need
where s.step is null or u.step is null
union all
select 'step_counts_its_needs', s.run_id, s.step,
  format('total, open, failed, allowed, neutral are %s, and its edges say %s', row(s.needs_total, s.needs_open, s.needs_failed, s.needs_allowed, s.needs_neutral),
    row(coalesce(n.total, 0), coalesce(n.open, 0), coalesce(n.failed, 0), coalesce(n.allowed, 0), coalesce(n.neutral, 0)))
from looked_step s
join looked_run r on r.id = s.run_id
left join needed n on n.run_id = s.run_id and n.step = s.step
where s.needs_total <> coalesce(n.total, 0)
  -- What is skipped or cancelled early is not counted any further.
  or s.state not in ('skipped', 'cancelled') and r.cancel_requested_at is null and s.reused_from is null
    and (s.needs_open, s.needs_failed, s.needs_allowed, s.needs_neutral) <> (coalesce(n.open, 0), coalesce(n.failed, 0), coalesce(n.allowed, 0), coalesce(n.neutral, 0))
union all
select 'step_counts_its_dependants', s.run_id, s.step, format('dependants is %s, and %s steps need it', s.dependants, coalesce(n.total, 0))
from looked_step s
left join needing n on n.run_id = s.run_id and n.need = s.step
where s.dependants <> coalesce(n.total, 0)
union all
select 'final_step_is_settled', s.run_id, s.step, format('it is %s since %s, and its end is not counted', s.state, s.finished_at)
from looked_step s
cross join reconciled
where s.state >= 'succeeded' and not s.settled and s.finished_at < clock_timestamp() - interval '1 minute' and reconciled.for_a_minute
  and not exists (select from weir.quarantine q where q.run_id = s.run_id)
union all
select 'step_is_in_the_state_that_its_history_says', s.run_id, s.step, format('it is %s, and its history says %s', s.state, coalesce(h.last_state, 'that it was born, and no more'))
from looked_step s
left join history h on h.run_id = s.run_id and h.step = s.step
where s.state::text <> coalesce(h.last_state, case when s.state in ('pending', 'available', 'waiting') or s.reused_from is not null then s.state::text else '' end)
union all
select 'run_is_in_the_state_that_its_history_says', r.id, null, format('it is %s, and its history says %s', r.state, coalesce(h.last_state, 'that it was born, and no more'))
from looked_run r
left join history h on h.run_id = r.id and h.step is null
where r.state::text <> coalesce(h.last_state, 'running')
union all
select 'history_has_no_gap', h.run_id, h.step, format('transition %s does not start where the one before it ended', h.gap_at)
from history h
where h.gap_at is not null
union all
select 'history_is_legal', h.run_id, h.step, format('transition %s is not in weir.legal_transitions', h.illegal_at)
from history h
where h.illegal_at is not null
union all
select 'attempt_counts_the_claims', s.run_id, s.step, format('attempt is %s, and its history has %s claims', s.attempt, coalesce(h.claims, 0))
from looked_step s
left join history h on h.run_id = s.run_id and h.step = s.step
where s.attempt <> coalesce(h.claims, 0) and s.reused_from is null
union all
select 'output_is_there_when_it_says_so', s.run_id, s.step,
  case
    when s.has_output and o.of_last = 0 then 'has_output is true, and it has no output'
    when not s.has_output and o.of_last > 0 then 'it has an output, and has_output is false'
    else 'an attempt that was not its last one has an output'
  end
from looked_step s
cross join lateral (
  select count(*) filter (where o.attempt = s.attempt) as of_last, count(*) filter (where o.attempt <> s.attempt) as of_others
  from weir.outputs o
  where o.run_id = coalesce(s.reused_from, s.run_id) and o.step = s.step and o.output is not null
) o
where s.has_output <> (o.of_last > 0) or o.of_others > 0
union all
select 'running_step_has_a_live_worker', s.run_id, s.step,
  case when w.id is null then format('its worker %s does not exist', s.worker_id) else format('the lease of its worker %s ran out at %s', s.worker_id, w.lease_until) end
from looked_step s
cross join reconciled
left join weir.workers w on w.id = s.worker_id
where s.state = 'running' and reconciled.for_a_minute and (w.id is null or w.lease_until < clock_timestamp() - interval '1 minute')
union all
select 'dispatch_token_names_its_own_job', s.run_id, s.step,
  case when j.id is null then format('its River job %s does not exist', s.river_job_id) else format('its River job %s is of kind %s for %s', s.river_job_id, j.kind, left(j.args::text, 200)) end
from looked_step s
left join lateral (select j.id, j.kind, j.args from weir.river_job j where j.id = s.river_job_id offset 0) j on true
where s.river_job_id is not null and s.runs_on = 'replica'
  and (j.id is null or j.kind <> s.kind or j.args ->> 'run' is distinct from s.run_id::text or j.args ->> 'step' is distinct from s.step::text)
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
comment on view weir.violations is 'Empty, unless an invariant is broken: then each row names the rule and the culprit. Looks at open runs, the 1,000 newest runs and the small tables, so it stays affordable and may miss what is old. What reconcile does a moment later counts only when it is overdue by a minute while somebody reconciles.';
comment on column weir.violations.rule is 'The rule that is broken, as a sentence.';
comment on column weir.violations.run_id is 'Where: weir.runs.id.';
comment on column weir.violations.step is 'Where: the step''s ordinal; null: the run itself.';
comment on column weir.violations.message is 'What is there, and what should be.';

update weir.schema_info set version = 9, migrated_at = clock_timestamp();

-- +goose Down
drop view weir.violations;
update weir.schema_info set version = 8, migrated_at = clock_timestamp();
