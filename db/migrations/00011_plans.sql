-- +goose Up
create table weir.plans (
  name text not null,
  version int not null,
  plan jsonb not null,
  digest bytea not null,
  description text not null default '',
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null default session_user,
  constraint plans_pkey primary key (name, version),
  constraint plan_name_is_well_formed check (name ~ '^[a-z0-9][a-z0-9._/-]{0,127}$'),
  constraint plan_version_counts_from_one check (version > 0),
  constraint plan_is_an_object check (jsonb_typeof(plan) = 'object')
);
comment on table weir.plans is 'Named plans, every version of each. A version never changes: another plan under the name is the next version.';
comment on column weir.plans.name is 'What it is put and run by; the same as the name in the plan.';
comment on column weir.plans.version is 'From 1, without gaps. The latest one is what runs when nobody says which.';
comment on column weir.plans.plan is 'The plan as it was put, defaults not filled in.';
comment on column weir.plans.digest is 'SHA-256 of the plan in canonical form: the same plan as the latest version makes no new one.';
comment on column weir.plans.description is 'The plan''s own description, for lists.';
comment on column weir.plans.created_at is 'When it was put.';
comment on column weir.plans.created_by is 'Who put it: an actor (token:NAME, local) or a database user.';
comment on constraint plans_pkey on weir.plans is 'A version of a plan is one plan: who puts another one at the same time gets the next number.';
comment on constraint plan_name_is_well_formed on weir.plans is 'Names are lower case letters, digits and . _ / -, at most 128, starting with a letter or digit.';
comment on constraint plan_version_counts_from_one on weir.plans is 'The first version is 1.';
comment on constraint plan_is_an_object on weir.plans is 'A plan is a JSON object.';
create trigger plans_are_immutable before update or delete or truncate on weir.plans for each statement
  execute function weir.refuse('a version of a plan never changes', 'Runs and schedules name it. Put another plan under the name: that is the next version.');
comment on trigger plans_are_immutable on weir.plans is 'Version 3 of a plan is the same plan for ever, also for its owner.';

create table weir.schedules (
  name text not null,
  plan text not null,
  plan_version int,
  input jsonb not null default '{}',
  cron text not null,
  timezone text not null default 'UTC',
  jitter interval not null default '0',
  overlap text not null default 'skip',
  missed text not null default 'once',
  missed_within interval not null default '1 day',
  next_slot timestamptz not null,
  due_at timestamptz not null,
  paused_at timestamptz,
  paused_by text,
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null default session_user,
  updated_at timestamptz not null default clock_timestamp(),
  updated_by text not null default session_user,
  last_slot timestamptz,
  last_run uuid,
  last_fired_at timestamptz,
  skipped_slot timestamptz,
  skipped_at timestamptz,
  skip_reason text,
  skip_run uuid,
  error_slot timestamptz,
  error_at timestamptz,
  error text,
  constraint schedules_pkey primary key (name),
  constraint schedule_name_is_well_formed check (name ~ '^[a-z0-9][a-z0-9._/-]{0,127}$'),
  constraint schedule_plan_version_counts_from_one check (plan_version > 0),
  constraint schedule_input_is_an_object check (jsonb_typeof(input) = 'object'),
  constraint schedule_jitter_is_not_negative check (jitter >= '0'),
  constraint schedule_overlap_is_known check (overlap in ('skip', 'queue', 'allow', 'replace')),
  constraint schedule_missed_is_known check (missed in ('skip', 'once', 'all')),
  constraint schedule_missed_within_is_positive check (missed_within > '0'),
  constraint schedule_is_due_no_sooner_than_its_slot check (due_at >= next_slot),
  constraint schedule_pause_is_whole check ((paused_at is null) = (paused_by is null)),
  constraint schedule_last_is_whole check (num_nonnulls(last_slot, last_run, last_fired_at) in (0, 3)),
  constraint schedule_skip_is_whole check (num_nonnulls(skipped_slot, skipped_at, skip_reason) in (0, 3)),
  constraint schedule_skip_reason_is_known check (skip_reason in ('overlap', 'missed')),
  constraint schedule_error_is_whole check (num_nonnulls(error_slot, error_at, error) in (0, 3))
) with (fillfactor = 70);
comment on table weir.schedules is 'When named plans are run by themselves. Whoever submits the run of a slot moves next_slot on in the same transaction, and the slot is the run''s idempotency key: each slot makes one run at the most.';
comment on column weir.schedules.name is 'Its name: the label weir/schedule of its runs.';
comment on column weir.schedules.plan is 'The name of the plan: weir.plans.name.';
comment on column weir.schedules.plan_version is 'Its version; null: the latest at each slot.';
comment on column weir.schedules.input is 'Members that replace those of the plan''s input.';
comment on column weir.schedules.cron is 'When it is due: a cron expression.';
comment on column weir.schedules.timezone is 'The time zone of the expression, from the IANA database.';
comment on column weir.schedules.jitter is 'How much later than its slot a run may be submitted; how much it is follows from name and slot.';
comment on column weir.schedules.overlap is 'What happens at a slot while an earlier run is open: skip, queue, allow or replace.';
comment on column weir.schedules.missed is 'What happens to slots at which nothing could fire: skip, once (the newest of them) or all.';
comment on column weir.schedules.missed_within is 'How long ago a missed slot may be to be made up for.';
comment on column weir.schedules.next_slot is 'The slot that is to be fired next; those before are done with.';
comment on column weir.schedules.due_at is 'When: next_slot with its jitter.';
comment on column weir.schedules.paused_at is 'Since when it is paused; null: it is not. Slots that pass meanwhile are not missed.';
comment on column weir.schedules.paused_by is 'Who paused it.';
comment on column weir.schedules.created_at is 'When it was first put.';
comment on column weir.schedules.created_by is 'Who put it first: an actor (token:NAME, local) or a database user.';
comment on column weir.schedules.updated_at is 'When it was put, paused or resumed last.';
comment on column weir.schedules.updated_by is 'Who did that.';
comment on column weir.schedules.last_slot is 'The newest slot that made a run.';
comment on column weir.schedules.last_run is 'The run of last_slot: weir.runs.id.';
comment on column weir.schedules.last_fired_at is 'When that was submitted.';
comment on column weir.schedules.skipped_slot is 'The newest slot that made no run by the rules of the schedule.';
comment on column weir.schedules.skipped_at is 'When that was decided.';
comment on column weir.schedules.skip_reason is 'Why: overlap (an earlier run was open: skip_run) or missed.';
comment on column weir.schedules.skip_run is 'The open run that it made way for.';
comment on column weir.schedules.error_slot is 'The newest slot that made no run since its plan could not be run; null once a later slot has made one.';
comment on column weir.schedules.error_at is 'When that was.';
comment on column weir.schedules.error is 'What is wrong.';
comment on constraint schedules_pkey on weir.schedules is 'A name has one schedule.';
comment on constraint schedule_name_is_well_formed on weir.schedules is 'Names are lower case letters, digits and . _ / -, at most 128, starting with a letter or digit.';
comment on constraint schedule_plan_version_counts_from_one on weir.schedules is 'The first version of a plan is 1; null: the latest.';
comment on constraint schedule_input_is_an_object on weir.schedules is 'Input has members.';
comment on constraint schedule_jitter_is_not_negative on weir.schedules is 'Nothing is submitted before its slot.';
comment on constraint schedule_overlap_is_known on weir.schedules is 'skip, queue, allow or replace.';
comment on constraint schedule_missed_is_known on weir.schedules is 'skip, once or all.';
comment on constraint schedule_missed_within_is_positive on weir.schedules is 'To make up for nothing, say missed = ''skip''.';
comment on constraint schedule_is_due_no_sooner_than_its_slot on weir.schedules is 'Jitter makes a run late, never early. Whoever moves next_slot by hand moves due_at along.';
comment on constraint schedule_pause_is_whole on weir.schedules is 'A pause says since when and by whom.';
comment on constraint schedule_last_is_whole on weir.schedules is 'Slot, run and time of the last run stand together or not at all.';
comment on constraint schedule_skip_is_whole on weir.schedules is 'Slot, time and reason stand together or not at all.';
comment on constraint schedule_skip_reason_is_known on weir.schedules is 'overlap or missed.';
comment on constraint schedule_error_is_whole on weir.schedules is 'Slot, time and text stand together or not at all.';
create index schedules_due on weir.schedules (due_at) where paused_at is null;
comment on index weir.schedules_due is 'Which schedule is due next.';
create index runs_of_schedules_open on weir.runs ((labels ->> 'weir/schedule'), created_at desc, id desc) where labels ->> 'weir/schedule' is not null and finished_at is null;
comment on index weir.runs_of_schedules_open is 'The open runs of a schedule, newest first, however many have ended; other runs cost it nothing.';

update weir.schema_info set version = 11, migrated_at = clock_timestamp();

-- +goose Down
drop index weir.runs_of_schedules_open;
drop table weir.schedules, weir.plans;
update weir.schema_info set version = 10, migrated_at = clock_timestamp();
