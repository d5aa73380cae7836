-- +goose Up
alter table weir.runs
  add column admitted boolean not null default true,
  add column limited boolean not null default false,
  add column wants_output boolean not null default false,
  add column depth smallint not null default 0,
  add column plan_version int,
  add column parent_step int,
  add column parent_run uuid,
  add column timeout interval,
  add column failing_at timestamptz,
  add column cancel_cause weir.cause,
  add constraint run_timeout_is_positive check (timeout > '0'),
  add constraint run_depth_in_range check (depth between 0 and 8),
  add constraint run_parent_is_whole check ((parent_run is null) = (parent_step is null)),
  add constraint run_cancel_cause_only_on_request check (cancel_cause is null or cancel_requested_at is not null);
comment on column weir.runs.admitted is 'False while something holds the run as a whole back: start_at, its key, a concurrency limit or a rate (weir.slots says which). Its first steps stay pending until then.';
comment on column weir.runs.limited is 'True when it was submitted with something that may hold it back: weir.slots has a row for it while it waits and while it is open.';
comment on column weir.runs.wants_output is 'True when its plan has an output, which is evaluated when the run ends.';
comment on column weir.runs.depth is 'How many runs are above it: 0 for what was submitted, one more for each child run.';
comment on column weir.runs.plan_version is 'Which version of the named plan it runs; null: the plan came with the submit.';
comment on column weir.runs.parent_step is 'The ordinal of the step of the parent run that waits for this one.';
comment on column weir.runs.parent_run is 'The run that this one is a step of; null: none.';
comment on column weir.runs.timeout is 'How long the run as a whole may take from its admission on; null: for ever.';
comment on column weir.runs.failing_at is 'When on_failure: cancel struck: what runs only after success (run_if all_succeeded) is cancelled, the rest still runs.';
comment on column weir.runs.cancel_cause is 'Why the cancellation was asked for, where it was not a person: run_timeout, superseded; null: somebody asked.';
comment on constraint run_timeout_is_positive on weir.runs is 'A timeout of nothing would end everything at once.';
comment on constraint run_depth_in_range on weir.runs is 'Runs start runs at most 8 deep: a plan that runs itself ends there.';
comment on constraint run_parent_is_whole on weir.runs is 'A child run names both the run and the step above it.';
comment on constraint run_cancel_cause_only_on_request on weir.runs is 'A cause belongs to a request.';
create unique index run_key_has_one_live_run on weir.runs (key) where key is not null and admitted and finished_at is null;
comment on index weir.run_key_has_one_live_run is 'At most one run per key has been let in and has not ended.';
create index runs_by_key on weir.runs (key, created_at desc, id desc) where key is not null;
comment on index weir.runs_by_key is 'The runs of a key, newest first.';
create unique index run_is_the_only_child_of_its_step on weir.runs (parent_run, parent_step) where parent_run is not null;
comment on index weir.run_is_the_only_child_of_its_step is 'A step starts one child run, whoever dies in between.';
create index runs_overdue on weir.runs (deadline_at) where deadline_at is not null and finished_at is null;
comment on index weir.runs_overdue is 'Which run times out next.';
create index runs_rerun_of on weir.runs (rerun_of) where rerun_of is not null;
comment on index weir.runs_rerun_of is 'The runs that do a run again.';

alter table weir.steps
  add column limited boolean not null default false,
  add column parent int,
  add column item int,
  add column expects text,
  add column cancel_cause weir.cause,
  add constraint step_expects_something_known check (expects in ('signal', 'approval', 'time', 'children', 'run')),
  add constraint step_item_iff_child check ((parent is null) = (item is null)),
  add constraint step_cancel_cause_only_on_request check (cancel_cause is null or cancel_requested_at is not null);
comment on column weir.steps.limited is 'True when it needs a slot before it is dispatched: a concurrency limit, a rate, or max_parallel. weir.slots has a row for it while it waits for one and while it holds one.';
comment on column weir.steps.parent is 'For a child of a fan-out (for_each): the ordinal of the step that fanned out.';
comment on column weir.steps.item is 'For a child of a fan-out: its place in the list, from 0.';
comment on column weir.steps.expects is 'What it waits for once its needs are met: signal, approval or time (kind wait), children (for_each) or run (kind plan). Null: a worker claims it.';
comment on column weir.steps.cancel_cause is 'Why its cancellation was asked for, where it was not a person; null: somebody asked.';
comment on constraint step_expects_something_known on weir.steps is 'signal, approval, time, children or run.';
comment on constraint step_item_iff_child on weir.steps is 'A child of a fan-out has a place in its list, and nothing else has.';
comment on constraint step_cancel_cause_only_on_request on weir.steps is 'A cause belongs to a request.';
create index steps_waiting_due on weir.steps (least(run_after, deadline_at)) where state = 'waiting' and waiting_for <> 'decision' and (run_after is not null or deadline_at is not null);
comment on index weir.steps_waiting_due is 'What waits for a time, or not beyond one: a backlog of it costs nothing.';

create table weir.policies (
  run_id uuid not null,
  step int not null,
  concurrency_limit int,
  rate_limit int,
  max_parallel int,
  concurrency_key text,
  concurrency_strategy text,
  rate_key text,
  rate_per interval,
  for_each text,
  output jsonb,
  constraint policies_pkey primary key (run_id, step),
  constraint policy_says_something check (num_nonnulls(concurrency_key, rate_key, max_parallel, for_each, output) > 0),
  constraint policy_concurrency_is_whole check (num_nonnulls(concurrency_key, concurrency_limit, concurrency_strategy) in (0, 3)),
  constraint policy_rate_is_whole check (num_nonnulls(rate_key, rate_limit, rate_per) in (0, 3)),
  constraint policy_strategy_is_known check (concurrency_strategy in ('queue', 'cancel_oldest', 'cancel_newest')),
  constraint policy_limits_are_positive check (concurrency_limit > 0 and rate_limit > 0 and rate_per > '0' and max_parallel > 0)
);
comment on table weir.policies is 'Limits, fan-outs and outputs of runs (step 0) and steps that have any; no row: none. Keys are evaluated.';
comment on column weir.policies.run_id is 'Which run: weir.runs.id.';
comment on column weir.policies.step is 'The step''s ordinal; 0: the run itself.';
comment on column weir.policies.concurrency_limit is 'How many of its key may run at once; what weir limit set says goes before it.';
comment on column weir.policies.rate_limit is 'How many of its key may start in rate_per.';
comment on column weir.policies.max_parallel is 'How many children of this fan-out may run at once. (That of a run is in weir.runs.)';
comment on column weir.policies.concurrency_key is 'What it shares its slots with.';
comment on column weir.policies.concurrency_strategy is 'What happens when all slots are taken: queue, cancel_oldest or cancel_newest.';
comment on column weir.policies.rate_key is 'What it shares its rate with.';
comment on column weir.policies.rate_per is 'The time in which rate_limit may start.';
comment on column weir.policies.for_each is 'The expression that gives the list to fan out over.';
comment on column weir.policies.output is 'The output of the run, expressions not evaluated.';
comment on constraint policies_pkey on weir.policies is 'A run or step has one row.';
comment on constraint policy_says_something on weir.policies is 'What has no policy has no row.';
comment on constraint policy_concurrency_is_whole on weir.policies is 'Key, limit and strategy stand together or not at all.';
comment on constraint policy_rate_is_whole on weir.policies is 'Key, limit and time stand together or not at all.';
comment on constraint policy_strategy_is_known on weir.policies is 'queue, cancel_oldest or cancel_newest.';
comment on constraint policy_limits_are_positive on weir.policies is 'A limit of 0 would let nothing run.';

create table weir.limits (
  key text not null,
  used int not null default 0,
  declared int,
  administered int,
  administered_at timestamptz,
  administered_by text,
  constraint limits_pkey primary key (key),
  constraint limit_key_is_well_formed check (key ~ '^[A-Za-z0-9~][A-Za-z0-9._/:~-]{0,255}$'),
  constraint limit_is_positive check (declared > 0 and administered > 0),
  constraint limit_used_is_not_negative check (used >= 0),
  constraint limit_administered_says_by_whom check (num_nonnulls(administered, administered_at, administered_by) in (0, 3))
) with (fillfactor = 70);
comment on table weir.limits is 'How many of each key hold a slot, and how many may. Kept only while something is administered, held or waited for.';
comment on column weir.limits.key is 'The key of the plans. Ours begin with ~: ~run/ID is max_parallel of a run, ~each/ID/STEP of a fan-out, ~key/KEY the one live run of a key.';
comment on column weir.limits.used is 'How many slots are held. Counted by one pass at a time (shard 16).';
comment on column weir.limits.declared is 'The limit that the plan said which asked last.';
comment on column weir.limits.administered is 'The limit that somebody set (weir limit set): it goes before what plans say.';
comment on column weir.limits.administered_at is 'When they set it.';
comment on column weir.limits.administered_by is 'Who set it.';
comment on constraint limits_pkey on weir.limits is 'A key has one limit.';
comment on constraint limit_key_is_well_formed on weir.limits is 'Keys are letters, digits and . _ - / :, starting with a letter or digit.';
comment on constraint limit_is_positive on weir.limits is 'A limit of 0 would let nothing run.';
comment on constraint limit_used_is_not_negative on weir.limits is 'Nobody gives back what nobody held.';
comment on constraint limit_administered_says_by_whom on weir.limits is 'What is set says when and by whom.';

create table weir.rates (
  key text not null,
  tokens float8 not null,
  refilled_at timestamptz not null default clock_timestamp(),
  due_at timestamptz,
  rate_limit int not null,
  rate_per interval not null,
  constraint rates_pkey primary key (key),
  constraint rate_is_positive check (rate_limit > 0 and rate_per > '0'),
  constraint rate_tokens_are_not_negative check (tokens >= 0)
) with (fillfactor = 70);
comment on table weir.rates is 'Token buckets: a start takes a token, and rate_limit of them come in rate_per, by the clock of this database.';
comment on column weir.rates.key is 'The key of the plans.';
comment on column weir.rates.tokens is 'How many there were at refilled_at, parts of one included.';
comment on column weir.rates.refilled_at is 'When they were counted.';
comment on column weir.rates.due_at is 'When the next token is there, while something waits for it.';
comment on column weir.rates.rate_limit is 'How many there are at the most, and how many come in rate_per, as the plan said which asked last.';
comment on column weir.rates.rate_per is 'The time in which that many come.';
comment on constraint rates_pkey on weir.rates is 'A key has one bucket.';
comment on constraint rate_is_positive on weir.rates is 'A rate of 0 would let nothing start.';
comment on constraint rate_tokens_are_not_negative on weir.rates is 'Nothing starts on credit.';
create index rates_due on weir.rates (due_at) where due_at is not null;
comment on index weir.rates_due is 'Which bucket is waited for, and gets a token next.';

create table weir.slots (
  seq bigint generated always as identity,
  run_id uuid not null,
  step int not null,
  priority smallint not null default 2,
  waiting_on text,
  concurrency_key text,
  holds text[] not null default '{}',
  due_at timestamptz,
  asked_at timestamptz not null default clock_timestamp(),
  held_at timestamptz,
  constraint slots_pkey primary key (run_id, step),
  constraint slot_is_held_or_waited_for check ((waiting_on is null) = (held_at is not null)),
  constraint slot_holds_only_when_held check (waiting_on is null or holds = '{}')
);
comment on table weir.slots is 'Who holds slots of limits, and who waits in which line: runs (step 0) and steps that something limits, while they are open. Written by one pass at a time (shard 16).';
comment on column weir.slots.seq is 'Its place in any line: who asked first goes first, within a priority.';
comment on column weir.slots.run_id is 'Which run: weir.runs.id.';
comment on column weir.slots.step is 'The step''s ordinal; 0: the run itself.';
comment on column weir.slots.priority is 'Of the step; lines are in order of it. Runs have 2.';
comment on column weir.slots.waiting_on is 'The line that it stands in: a key of weir.limits, ~rate/KEY, or ~start (start_at). Null: it waits for nothing any more.';
comment on column weir.slots.concurrency_key is 'The key of its concurrency limit; null: it has none.';
comment on column weir.slots.holds is 'The keys of weir.limits that it holds a slot of: all that it needs, or none.';
comment on column weir.slots.due_at is 'When its start_at is, in the line ~start.';
comment on column weir.slots.asked_at is 'When it asked.';
comment on column weir.slots.held_at is 'Since when it waits for nothing.';
comment on constraint slots_pkey on weir.slots is 'A run or step stands in one line at a time.';
comment on constraint slot_is_held_or_waited_for on weir.slots is 'Who has what it needs does not wait.';
comment on constraint slot_holds_only_when_held on weir.slots is 'Nobody keeps a slot while it waits for another one.';
create index slots_line on weir.slots (waiting_on, priority, seq) where waiting_on is not null;
comment on index weir.slots_line is 'Who is next in a line: those behind cost nothing.';
create index slots_of_key on weir.slots (concurrency_key, seq) where concurrency_key is not null;
comment on index weir.slots_of_key is 'Who holds or waits for a key, oldest first.';
create index slots_due on weir.slots (due_at) where due_at is not null;
comment on index weir.slots_due is 'Which run starts next by its start_at.';

create table weir.signals (
  run_id uuid not null,
  step int not null,
  payload jsonb,
  at timestamptz not null default clock_timestamp(),
  sent_by text not null,
  constraint signals_pkey primary key (run_id, step)
);
comment on table weir.signals is 'Signals for steps that wait for one. One that comes before its step waits is kept; the first one wins.';
comment on column weir.signals.run_id is 'Which run: weir.runs.id.';
comment on column weir.signals.step is 'The step''s ordinal.';
comment on column weir.signals.payload is 'What came with it: the output of the step.';
comment on column weir.signals.at is 'When it came.';
comment on column weir.signals.sent_by is 'Who sent it: an actor.';
comment on constraint signals_pkey on weir.signals is 'At most one signal ends a step.';

create table weir.families (
  run_id uuid not null,
  step int not null,
  total int not null,
  expanded int not null default 0,
  ended int not null default 0,
  failed int not null default 0,
  items jsonb,
  constraint families_pkey primary key (run_id, step),
  constraint family_counts_are_possible check (total >= 0 and expanded between 0 and total and ended between 0 and expanded and failed between 0 and ended),
  constraint family_has_its_list_until_it_is_expanded check ((items is not null) = (expanded < total))
) with (fillfactor = 70);
comment on table weir.families is 'Fan-outs (for_each): how far the list is expanded into child steps, and how many of those have ended.';
comment on column weir.families.run_id is 'Which run: weir.runs.id.';
comment on column weir.families.step is 'The ordinal of the step that fans out.';
comment on column weir.families.total is 'How long its list is.';
comment on column weir.families.expanded is 'How many children there are so far: a thousand are made in a transaction.';
comment on column weir.families.ended is 'How many of them are settled.';
comment on column weir.families.failed is 'How many of those count as failures: none, with allow_failure.';
comment on column weir.families.items is 'The list, until it is expanded.';
comment on constraint families_pkey on weir.families is 'A step fans out once.';
comment on constraint family_counts_are_possible on weir.families is 'Children exist before they end.';
comment on constraint family_has_its_list_until_it_is_expanded on weir.families is 'The list is needed as long as children are missing.';

create table weir.items (
  run_id uuid not null,
  parent int not null,
  item int not null,
  step int not null,
  value jsonb not null,
  constraint items_pkey primary key (run_id, parent, item)
);
comment on table weir.items is 'What each child of a fan-out got as its item.';
comment on column weir.items.run_id is 'Which run: weir.runs.id.';
comment on column weir.items.parent is 'The ordinal of the step that fanned out.';
comment on column weir.items.item is 'The place in the list, from 0.';
comment on column weir.items.step is 'The ordinal of the child.';
comment on column weir.items.value is 'The item: any JSON.';
comment on constraint items_pkey on weir.items is 'Each place in the list has one child.';

create table weir.run_outputs (
  run_id uuid not null,
  output jsonb,
  output_error jsonb,
  constraint run_outputs_pkey primary key (run_id),
  constraint run_output_or_error check (num_nonnulls(output, output_error) = 1)
);
comment on table weir.run_outputs is 'The outputs of runs whose plan has one, evaluated when they ended.';
comment on column weir.run_outputs.run_id is 'Which run: weir.runs.id.';
comment on column weir.run_outputs.output is 'The output: any JSON.';
comment on column weir.run_outputs.output_error is '{code, message} when it could not be evaluated or kept.';
comment on constraint run_outputs_pkey on weir.run_outputs is 'A run has one output.';
comment on constraint run_output_or_error on weir.run_outputs is 'There is an output, or the reason why there is none.';

drop trigger step_identity_never_changes on weir.steps;
create trigger step_identity_never_changes before update of run_id, step, key, kind, runs_on, created_at, reused_from, limited, expects, parent, item on weir.steps for each row
  when (row(old.run_id, old.step, old.key, old.kind, old.runs_on, old.created_at, old.reused_from, old.limited, old.expects, old.parent, old.item)
    is distinct from row(new.run_id, new.step, new.key, new.kind, new.runs_on, new.created_at, new.reused_from, new.limited, new.expects, new.parent, new.item))
  execute function weir.refuse('what a step is never changes: its run, ordinal, key, kind, runs_on, created_at, reused_from, limited, expects, parent and item', 'Its history and its edges name it by these. Submit another plan instead.');
comment on trigger step_identity_never_changes on weir.steps is 'History, edges and logs name a step by its run and ordinal, people by its key.';
drop trigger step_final_keeps_everything on weir.steps;
create trigger step_final_keeps_everything before update of cause, failures, has_output, allow_failure, priority, run_if, max_attempts, last_outcome, run_after, cancel_requested_at, cancel_requested_by, cancel_reason, cancel_cause, timeout, grace, stall_after, report, queue, retry on weir.steps for each row
  when (old.state >= 'succeeded' and new.state = old.state
    and (old.cause, old.failures, old.has_output, old.allow_failure, old.priority, old.run_if, old.max_attempts, old.last_outcome, old.run_after, old.cancel_requested_at, old.cancel_requested_by, old.cancel_reason, old.cancel_cause, old.timeout, old.grace, old.stall_after, old.report, old.queue, old.retry)
      is distinct from (new.cause, new.failures, new.has_output, new.allow_failure, new.priority, new.run_if, new.max_attempts, new.last_outcome, new.run_after, new.cancel_requested_at, new.cancel_requested_by, new.cancel_reason, new.cancel_cause, new.timeout, new.grace, new.stall_after, new.report, new.queue, new.retry))
  execute function weir.refuse('a final step keeps everything but bookkeeping', 'What it was when it ended is what happened. To do the work again, rerun it: weir rerun RUN makes a new run.');
comment on trigger step_final_keeps_everything on weir.steps is 'A step that has ended says for ever how it ended. Only settled and the counts of needs are still written.';
drop trigger run_final_keeps_everything on weir.runs;
create trigger run_final_keeps_everything before update of cause, max_parallel, steps_total, steps_open, steps_failed, start_at, deadline_at, cancel_requested_at, cancel_requested_by, cancel_reason, cancel_cause, admitted, timeout, failing_at on weir.runs for each row
  when (old.state in ('succeeded', 'failed', 'cancelled') and new.state = old.state
    and (old.cause, old.max_parallel, old.steps_total, old.steps_open, old.steps_failed, old.start_at, old.deadline_at, old.cancel_requested_at, old.cancel_requested_by, old.cancel_reason, old.cancel_cause, old.admitted, old.timeout, old.failing_at)
      is distinct from (new.cause, new.max_parallel, new.steps_total, new.steps_open, new.steps_failed, new.start_at, new.deadline_at, new.cancel_requested_at, new.cancel_requested_by, new.cancel_reason, new.cancel_cause, new.admitted, new.timeout, new.failing_at))
  execute function weir.refuse('a final run keeps everything', 'What it was when it ended is what happened. To do the work again, rerun it: weir rerun RUN makes a new run.');
comment on trigger run_final_keeps_everything on weir.runs is 'A run that has ended says for ever how it ended.';
drop trigger run_identity_never_changes on weir.runs;
create trigger run_identity_never_changes before update of id, name, on_failure, created_at, created_by, key, idempotency_scope, idempotency_key, idempotency_digest, rerun_of, labels, description, limited, wants_output, depth, plan_version, parent_run, parent_step on weir.runs for each row
  when (row(old.id, old.name, old.on_failure, old.created_at, old.created_by, old.key, old.idempotency_scope, old.idempotency_key, old.idempotency_digest, old.rerun_of, old.labels, old.description, old.limited, old.wants_output, old.depth, old.plan_version, old.parent_run, old.parent_step)
    is distinct from row(new.id, new.name, new.on_failure, new.created_at, new.created_by, new.key, new.idempotency_scope, new.idempotency_key, new.idempotency_digest, new.rerun_of, new.labels, new.description, new.limited, new.wants_output, new.depth, new.plan_version, new.parent_run, new.parent_step))
  execute function weir.refuse('what a run was submitted with never changes', 'Only its state, its counts, its limits and the request to cancel it do. Submit another run instead.');
comment on trigger run_identity_never_changes on weir.runs is 'Clients, steps and history name a run by its id; what it was submitted with is what it was submitted with.';
create trigger run_stays_admitted before update of admitted on weir.runs for each row
  when (old.admitted and not new.admitted or new.admitted and not old.admitted and coalesce(current_setting('weir.actor', true), '') = '')
  execute function weir.refuse('a run is admitted once, and by reconcile', 'What holds it back stands in weir.slots: change the limit (weir limit set KEY N) or cancel what is before it.');
comment on trigger run_stays_admitted on weir.runs is 'Limits are counted at the admission of a run.';

-- +goose StatementBegin
create or replace function weir.refuse_transition() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  entity text := tg_argv[0];
  was jsonb := to_jsonb(old);
  choices text;
begin
  select string_agg(format('%s (%s)', t.to_state, t.meaning), ', ' order by t.to_state) into choices
  from weir.legal_transitions t
  where t.entity = tg_argv[0] and t.from_state = was ->> 'state';
  raise exception using
    errcode = 'check_violation',
    schema = tg_table_schema, table = tg_table_name, constraint = tg_name,
    message = format('a %s cannot go from %s to %s', entity, was ->> 'state', to_jsonb(new) ->> 'state'),
    detail = case entity
      when 'step' then format('Step %s (%s) of run %s is %s, attempt %s.', was ->> 'step', was ->> 'key', was ->> 'run_id', was ->> 'state', was ->> 'attempt')
      else format('Run %s is %s.', was ->> 'id', was ->> 'state')
    end,
    hint = case
      when choices is not null then format('From %s it can go to: %s.', was ->> 'state', choices)
      else format('%s is final: nothing changes it, a late result least of all. To do the work again, rerun it: weir rerun RUN makes a new run.', was ->> 'state')
    end;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function weir.record_steps() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_nestloop = off as $$
declare
  said text := nullif(current_setting('weir.actor', true), '');
begin
  with changed as materialized (
    select n.run_id, n.step, n.attempt, n.worker_id, n.runs_on, n.river_job_id, n.last_outcome, n.run_after, n.cause, n.state, n.settled, n.limited,
      o.state as was, o.cancel_requested_at is null and n.cancel_requested_at is not null as cancel_requested
    from new_rows n
    join old_rows o on o.run_id = n.run_id and o.step = n.step
    where n.state <> o.state or o.cancel_requested_at is null and n.cancel_requested_at is not null
  ), history as (
    insert into weir.transitions (run_id, step, attempt, from_state, to_state, actor, cause, detail)
    select c.run_id, c.step, c.attempt, c.was::text, c.state::text,
      case
        when said is null then 'db:' || session_user
        when said <> '@worker' then said
        when c.worker_id is null then 'db:' || session_user
        when c.runs_on = 'remote' then 'worker:' || c.worker_id
        else 'replica:' || c.worker_id
      end,
      c.cause,
      case
        when c.state = 'retrying' then jsonb_build_object('outcome', c.last_outcome, 'run_after', to_char(c.run_after at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
        when c.state = 'waiting' and c.was = 'running' then jsonb_build_object('outcome', c.last_outcome)
      end
    from changed c
    where c.state <> c.was
  )
  insert into weir.dirty (shard, run_id, step)
  select weir.shard_of(c.run_id), c.run_id, c.step
  from changed c
  where c.cancel_requested or c.state <> c.was and (c.state >= 'succeeded' and not c.settled or c.state = 'retrying' or c.state = 'available' and c.river_job_id is null)
  union all
  select 16, c.run_id, c.step
  from changed c
  where c.limited and c.state <> c.was and (c.state >= 'succeeded' or c.was = 'running');
  if found and said is null then
    perform pg_notify('weir_dirty', '');
  end if;
  return null;
end
$$;
-- +goose StatementEnd
comment on function weir.record_steps() is 'Writes the history of the steps that a statement has moved, and the hints for reconcile. weir.actor says who it was (@worker: the worker in the row; nothing: the database user). A step that ends already settled needs no hint: what follows from it is done in the same transaction. A limited step that stops running is shown to the gate (shard 16), which gives its slots to others. enable_nestloop is off since the plan is made at the first call: planned for one row, nested loops take minutes for 10,000.';

-- +goose StatementBegin
create or replace function weir.record_runs() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_nestloop = off as $$
declare
  said text := nullif(current_setting('weir.actor', true), '');
begin
  with changed as materialized (
    select n.id, n.cause, n.state, n.limited, n.parent_run, n.parent_step, o.state as was, o.failing_at is null and n.failing_at is not null as failing,
      o.cancel_requested_at is null and n.cancel_requested_at is not null as cancel_requested
    from new_rows n
    join old_rows o on o.id = n.id
    where n.state <> o.state or o.cancel_requested_at is null and n.cancel_requested_at is not null or o.failing_at is null and n.failing_at is not null
  ), history as (
    insert into weir.transitions (run_id, from_state, to_state, actor, cause)
    select c.id, c.was::text, c.state::text, case when said is null or said = '@worker' then 'db:' || session_user else said end, c.cause
    from changed c
    where c.state <> c.was
  )
  insert into weir.dirty (shard, run_id, step)
  select weir.shard_of(c.id), c.id, null::int
  from changed c
  where c.cancel_requested or c.failing or c.was = 'paused' and c.state <> c.was
  union all
  select 16, c.id, null
  from changed c
  where c.limited and c.state <> c.was
  union all
  select weir.shard_of(c.parent_run), c.parent_run, c.parent_step
  from changed c
  where c.parent_run is not null and c.state in ('succeeded', 'failed', 'cancelled');
  if found and said is null then
    perform pg_notify('weir_dirty', '');
  end if;
  return null;
end
$$;
-- +goose StatementEnd
comment on function weir.record_runs() is 'Writes the history of the runs that a statement has moved, and the hints for reconcile. A limited run is shown to the gate (shard 16), the end of a child run to the step that waits for it. weir.actor is read as in weir.record_steps().';

update weir.schema_info set version = 10, min_binary = 10, migrated_at = clock_timestamp();

-- +goose Down
drop trigger run_stays_admitted on weir.runs;
drop table weir.run_outputs, weir.items, weir.families, weir.signals, weir.slots, weir.rates, weir.limits, weir.policies;
drop trigger step_identity_never_changes on weir.steps;
create trigger step_identity_never_changes before update of run_id, step, key, kind, runs_on, created_at, reused_from on weir.steps for each row
  when (row(old.run_id, old.step, old.key, old.kind, old.runs_on, old.created_at, old.reused_from) is distinct from row(new.run_id, new.step, new.key, new.kind, new.runs_on, new.created_at, new.reused_from))
  execute function weir.refuse('what a step is never changes: its run, ordinal, key, kind, runs_on, created_at and reused_from', 'Its history and its edges name it by these. Submit another plan instead.');
comment on trigger step_identity_never_changes on weir.steps is 'History, edges and logs name a step by its run and ordinal, people by its key.';
drop trigger step_final_keeps_everything on weir.steps;
create trigger step_final_keeps_everything before update of cause, failures, has_output, allow_failure, priority, run_if, max_attempts, last_outcome, run_after, cancel_requested_at, cancel_requested_by, cancel_reason, timeout, grace, stall_after, report, queue, retry on weir.steps for each row
  when (old.state >= 'succeeded' and new.state = old.state
    and (old.cause, old.failures, old.has_output, old.allow_failure, old.priority, old.run_if, old.max_attempts, old.last_outcome, old.run_after, old.cancel_requested_at, old.cancel_requested_by, old.cancel_reason, old.timeout, old.grace, old.stall_after, old.report, old.queue, old.retry)
      is distinct from (new.cause, new.failures, new.has_output, new.allow_failure, new.priority, new.run_if, new.max_attempts, new.last_outcome, new.run_after, new.cancel_requested_at, new.cancel_requested_by, new.cancel_reason, new.timeout, new.grace, new.stall_after, new.report, new.queue, new.retry))
  execute function weir.refuse('a final step keeps everything but bookkeeping', 'What it was when it ended is what happened. To do the work again, submit its plan again: that is a new run.');
comment on trigger step_final_keeps_everything on weir.steps is 'A step that has ended says for ever how it ended. Only settled and the counts of needs are still written.';
drop trigger run_final_keeps_everything on weir.runs;
create trigger run_final_keeps_everything before update of cause, max_parallel, steps_total, steps_open, steps_failed, start_at, deadline_at, cancel_requested_at, cancel_requested_by, cancel_reason on weir.runs for each row
  when (old.state in ('succeeded', 'failed', 'cancelled') and new.state = old.state
    and (old.cause, old.max_parallel, old.steps_total, old.steps_open, old.steps_failed, old.start_at, old.deadline_at, old.cancel_requested_at, old.cancel_requested_by, old.cancel_reason)
      is distinct from (new.cause, new.max_parallel, new.steps_total, new.steps_open, new.steps_failed, new.start_at, new.deadline_at, new.cancel_requested_at, new.cancel_requested_by, new.cancel_reason))
  execute function weir.refuse('a final run keeps everything', 'What it was when it ended is what happened. To do the work again, submit its plan again: that is a new run.');
comment on trigger run_final_keeps_everything on weir.runs is 'A run that has ended says for ever how it ended.';
drop trigger run_identity_never_changes on weir.runs;
create trigger run_identity_never_changes before update of id, name, on_failure, created_at, created_by, key, idempotency_scope, idempotency_key, idempotency_digest, rerun_of, labels, description on weir.runs for each row
  when (row(old.id, old.name, old.on_failure, old.created_at, old.created_by, old.key, old.idempotency_scope, old.idempotency_key, old.idempotency_digest, old.rerun_of, old.labels, old.description)
    is distinct from row(new.id, new.name, new.on_failure, new.created_at, new.created_by, new.key, new.idempotency_scope, new.idempotency_key, new.idempotency_digest, new.rerun_of, new.labels, new.description))
  execute function weir.refuse('what a run was submitted with never changes', 'Only its state, its counts, its limits and the request to cancel it do. Submit another run instead.');
comment on trigger run_identity_never_changes on weir.runs is 'Clients, steps and history name a run by its id; what it was submitted with is what it was submitted with.';
-- +goose StatementBegin
create or replace function weir.refuse_transition() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  entity text := tg_argv[0];
  was jsonb := to_jsonb(old);
  choices text;
begin
  select string_agg(format('%s (%s)', t.to_state, t.meaning), ', ' order by t.to_state) into choices
  from weir.legal_transitions t
  where t.entity = tg_argv[0] and t.from_state = was ->> 'state';
  raise exception using
    errcode = 'check_violation',
    schema = tg_table_schema, table = tg_table_name, constraint = tg_name,
    message = format('a %s cannot go from %s to %s', entity, was ->> 'state', to_jsonb(new) ->> 'state'),
    detail = case entity
      when 'step' then format('Step %s (%s) of run %s is %s, attempt %s.', was ->> 'step', was ->> 'key', was ->> 'run_id', was ->> 'state', was ->> 'attempt')
      else format('Run %s is %s.', was ->> 'id', was ->> 'state')
    end,
    hint = case
      when choices is not null then format('From %s it can go to: %s.', was ->> 'state', choices)
      else format('%s is final: nothing changes it, a late result least of all. To do the work again, submit its plan again: that is a new run.', was ->> 'state')
    end;
end
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create or replace function weir.record_steps() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_nestloop = off as $$
declare
  said text := nullif(current_setting('weir.actor', true), '');
begin
  with changed as materialized (
    select n.run_id, n.step, n.attempt, n.worker_id, n.runs_on, n.river_job_id, n.last_outcome, n.run_after, n.cause, n.state, n.settled,
      o.state as was, o.cancel_requested_at is null and n.cancel_requested_at is not null as cancel_requested
    from new_rows n
    join old_rows o on o.run_id = n.run_id and o.step = n.step
    where n.state <> o.state or o.cancel_requested_at is null and n.cancel_requested_at is not null
  ), history as (
    insert into weir.transitions (run_id, step, attempt, from_state, to_state, actor, cause, detail)
    select c.run_id, c.step, c.attempt, c.was::text, c.state::text,
      case
        when said is null then 'db:' || session_user
        when said <> '@worker' then said
        when c.worker_id is null then 'db:' || session_user
        when c.runs_on = 'remote' then 'worker:' || c.worker_id
        else 'replica:' || c.worker_id
      end,
      c.cause,
      case when c.state = 'retrying' then jsonb_build_object('outcome', c.last_outcome, 'run_after', to_char(c.run_after at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) end
    from changed c
    where c.state <> c.was
  )
  insert into weir.dirty (shard, run_id, step)
  select weir.shard_of(c.run_id), c.run_id, c.step
  from changed c
  where c.cancel_requested or c.state <> c.was and (c.state >= 'succeeded' and not c.settled or c.state = 'retrying' or c.state = 'available' and c.river_job_id is null);
  if found and said is null then
    perform pg_notify('weir_dirty', '');
  end if;
  return null;
end
$$;
-- +goose StatementEnd
comment on function weir.record_steps() is 'Writes the history of the steps that a statement has moved, and the hints for reconcile. weir.actor says who it was (@worker: the worker in the row; nothing: the database user). A step that ends already settled needs no hint: what follows from it is done in the same transaction. enable_nestloop is off since the plan is made at the first call: planned for one row, nested loops take minutes for 10,000.';
-- +goose StatementBegin
create or replace function weir.record_runs() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_nestloop = off as $$
declare
  said text := nullif(current_setting('weir.actor', true), '');
begin
  with changed as materialized (
    select n.id, n.cause, n.state, o.state as was, o.cancel_requested_at is null and n.cancel_requested_at is not null as cancel_requested
    from new_rows n
    join old_rows o on o.id = n.id
    where n.state <> o.state or o.cancel_requested_at is null and n.cancel_requested_at is not null
  ), history as (
    insert into weir.transitions (run_id, from_state, to_state, actor, cause)
    select c.id, c.was::text, c.state::text, case when said is null or said = '@worker' then 'db:' || session_user else said end, c.cause
    from changed c
    where c.state <> c.was
  )
  insert into weir.dirty (shard, run_id)
  select weir.shard_of(c.id), c.id
  from changed c
  where c.cancel_requested or c.was = 'paused' and c.state <> c.was;
  if found and said is null then
    perform pg_notify('weir_dirty', '');
  end if;
  return null;
end
$$;
-- +goose StatementEnd
comment on function weir.record_runs() is 'Writes the history of the runs that a statement has moved, and the hints for reconcile. weir.actor is read as in weir.record_steps().';
drop index weir.steps_waiting_due, weir.runs_rerun_of, weir.runs_overdue, weir.run_is_the_only_child_of_its_step, weir.runs_by_key, weir.run_key_has_one_live_run;
alter table weir.steps drop column limited, drop column parent, drop column item, drop column expects, drop column cancel_cause;
alter table weir.runs drop column admitted, drop column limited, drop column wants_output, drop column depth, drop column plan_version, drop column parent_step, drop column parent_run, drop column timeout, drop column failing_at, drop column cancel_cause;
update weir.schema_info set version = 9, min_binary = 4, migrated_at = clock_timestamp();
