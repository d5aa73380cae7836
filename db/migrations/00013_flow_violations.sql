-- +goose Up
alter view weir.violations rename to violations_of_runs;
create view weir.violations_of_limits as
with reconciled as materialized (
  select exists (
    select from weir.pulse where beat_at > clock_timestamp() - interval '10 seconds' and steady_since < clock_timestamp() - interval '1 minute'
  ) as for_a_minute
)
select 'limits_count_their_slots' as rule, null::uuid as run_id, null::int as step, format('used of limit %s is %s, and %s hold a slot of it', t.key, t.used, h.n) as message
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
select 'fan_out_counts_its_children', f.run_id, f.step, format('%s ended and %s failed, and its settled children are %s and %s', f.ended, f.failed, c.ended, c.failed)
from (select id from weir.runs where state = 'running' order by created_at, id limit 4000) r
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
comment on view weir.violations_of_limits is 'The part of weir.violations that is about limits, their slots, and fan-outs (of the 4,000 oldest open runs).';
comment on column weir.violations_of_limits.rule is 'The rule that is broken, as a sentence.';
comment on column weir.violations_of_limits.run_id is 'Where: weir.runs.id; null: a limit is wrong.';
comment on column weir.violations_of_limits.step is 'Where: the step''s ordinal; null: the run itself.';
comment on column weir.violations_of_limits.message is 'What is there, and what should be.';
create view weir.violations as
select rule, run_id, step, message from weir.violations_of_runs
union all
select rule, run_id, step, message from weir.violations_of_limits;
comment on view weir.violations_of_runs is 'The part of weir.violations that is about runs and their steps. Looks at the oldest open runs (4,000 running, 1,000 paused), at the 1,000 newest runs and at the small tables, so it stays affordable and may miss what is elsewhere.';
comment on view weir.violations is 'Empty, unless an invariant is broken: then each row names the rule and the culprit. Looks at the oldest open runs (4,000 running, 1,000 paused), at the 1,000 newest runs and at the small tables, so it stays affordable and may miss what is elsewhere. What reconcile does a moment later counts only when it is overdue by a minute while somebody reconciles.';
comment on column weir.violations.rule is 'The rule that is broken, as a sentence.';
comment on column weir.violations.run_id is 'Where: weir.runs.id; null: a limit is wrong.';
comment on column weir.violations.step is 'Where: the step''s ordinal; null: the run itself.';
comment on column weir.violations.message is 'What is there, and what should be.';

create index runs_held_back on weir.runs (created_at) where not admitted and finished_at is null;
comment on index weir.runs_held_back is 'Runs that wait to be let in.';

update weir.schema_info set version = 13, migrated_at = clock_timestamp();

-- +goose Down
drop index weir.runs_held_back;
drop view weir.violations, weir.violations_of_limits;
alter view weir.violations_of_runs rename to violations;
update weir.schema_info set version = 12, migrated_at = clock_timestamp();
