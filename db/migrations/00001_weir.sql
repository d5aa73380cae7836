-- +goose Up
comment on schema weir is 'Weir: plans (DAGs of steps) run on workers that share this database. Start with weir.overview, weir.running, weir.stuck and weir.violations; every object here has a comment (\d+, \df+).';
create type weir.step_state as enum ('pending', 'available', 'running', 'retrying', 'waiting', 'succeeded', 'failed', 'crashed', 'timed_out', 'lost', 'cancelled', 'skipped');
comment on type weir.step_state is 'Where a step is in its life. The last seven are final: a step in one of them never leaves it. weir.legal_transitions lists the ways between them.';
create type weir.run_state as enum ('running', 'paused', 'succeeded', 'failed', 'cancelled');
comment on type weir.run_state is 'Where a run is in its life. The last three are final.';
create type weir.run_if as enum ('all_succeeded', 'all_finished', 'any_failed');
comment on type weir.run_if is 'When a step runs, given how its needs ended; otherwise it is skipped.';
create type weir.cause as enum ('submitted', 'needs_met', 'start_at', 'upstream_failed', 'run_if', 'claimed', 'reported', 'panic', 'killed', 'deadline', 'stalled', 'run_timeout', 'lease_expired', 'claim_expired', 'handed_back', 'attempts_left', 'attempts_spent', 'permanent', 'cancel_requested', 'failure_policy', 'signal', 'approval', 'time', 'decision', 'paused', 'resumed', 'superseded', 'rerun', 'report_refused', 'repaired', 'steps_final', 'unconfirmed', 'abandoned', 'worker_forgot', 'report_undeliverable', 'manual');
comment on type weir.cause is 'Why a transition happened. The list is closed: clients may rely on it. manual is what a change made by hand gets.';

create table weir.schema_info (
  one boolean primary key default true,
  version int not null,
  min_binary int not null,
  epoch uuid not null default gen_random_uuid(),
  migrated_at timestamptz not null default clock_timestamp(),
  constraint schema_info_has_one_row check (one)
);
comment on table weir.schema_info is 'One row: which version this schema has, and the oldest binary that may still run on it. Binaries read it at start and go on reading it.';
comment on column weir.schema_info.one is 'Always true: there is one row.';
comment on column weir.schema_info.version is 'The newest migration applied. A binary runs only if this is at least what it needs.';
comment on column weir.schema_info.min_binary is 'A binary runs only if the version that it embeds is at least this.';
comment on column weir.schema_info.epoch is 'New with every database and after a restore (set it by hand then): part of every cursor, so that no follower goes on reading from another history.';
comment on column weir.schema_info.migrated_at is 'When the last migration ended.';
comment on constraint schema_info_pkey on weir.schema_info is 'One row at the most.';
comment on constraint schema_info_has_one_row on weir.schema_info is 'The key can only be true, so there is at most one row.';
insert into weir.schema_info (version, min_binary) values (1, 1);

create table weir.legal_transitions (
  entity text not null,
  from_state text not null,
  to_state text not null,
  meaning text not null,
  constraint legal_transitions_pkey primary key (entity, from_state, to_state),
  constraint legal_transition_is_of_a_step_or_a_run check (entity in ('step', 'run'))
);
comment on table weir.legal_transitions is 'Every transition that may happen, and nothing else may. The guards of weir.steps and weir.runs say the same; hints are made from this table.';
comment on column weir.legal_transitions.entity is 'step or run.';
comment on column weir.legal_transitions.from_state is 'The state that is left.';
comment on column weir.legal_transitions.to_state is 'The state that is entered.';
comment on column weir.legal_transitions.meaning is 'What has happened then, in a few words.';
comment on constraint legal_transitions_pkey on weir.legal_transitions is 'A pair of states is legal once.';
comment on constraint legal_transition_is_of_a_step_or_a_run on weir.legal_transitions is 'There are two kinds of things with a life: steps and runs.';
insert into weir.legal_transitions (entity, from_state, to_state, meaning) values
  ('step', 'pending', 'available', 'its needs are met'),
  ('step', 'pending', 'waiting', 'its needs are met and it needs something from outside'),
  ('step', 'pending', 'skipped', 'run_if said no, or something upstream failed'),
  ('step', 'pending', 'cancelled', 'somebody asked before it could start'),
  ('step', 'available', 'running', 'a worker claimed it'),
  ('step', 'available', 'cancelled', 'somebody asked before a worker claimed it'),
  ('step', 'running', 'succeeded', 'the handler said so'),
  ('step', 'running', 'failed', 'the handler said so'),
  ('step', 'running', 'crashed', 'the worker lived to say that it panicked or was killed'),
  ('step', 'running', 'timed_out', 'its deadline passed'),
  ('step', 'running', 'lost', 'the lease of its worker ran out'),
  ('step', 'running', 'cancelled', 'somebody asked, and it stopped'),
  ('step', 'running', 'retrying', 'it is to be claimed again at run_after'),
  ('step', 'running', 'waiting', 'its attempts are used up and an operator decides'),
  ('step', 'retrying', 'running', 'a worker claimed it again'),
  ('step', 'retrying', 'cancelled', 'somebody asked before it was claimed again'),
  ('step', 'waiting', 'succeeded', 'what it waited for came, or an operator accepted it'),
  ('step', 'waiting', 'failed', 'an operator let it fail'),
  ('step', 'waiting', 'crashed', 'an operator let it end as its last attempt did'),
  ('step', 'waiting', 'timed_out', 'what it waited for did not come in time'),
  ('step', 'waiting', 'lost', 'an operator let it end as its last attempt did'),
  ('step', 'waiting', 'skipped', 'an operator skipped it'),
  ('step', 'waiting', 'cancelled', 'somebody asked while it waited'),
  ('step', 'waiting', 'retrying', 'an operator had it tried again'),
  ('run', 'running', 'succeeded', 'every step is final and none failed'),
  ('run', 'running', 'failed', 'every step is final and one failed'),
  ('run', 'running', 'cancelled', 'somebody asked, and every step is final'),
  ('run', 'running', 'paused', 'somebody asked that nothing starts'),
  ('run', 'paused', 'running', 'somebody asked that it goes on'),
  ('run', 'paused', 'cancelled', 'somebody asked, and every step is final');

create table weir.runs (
  id uuid not null,
  name text not null,
  state weir.run_state not null default 'running',
  cause weir.cause not null default 'submitted',
  on_failure text not null default 'continue',
  max_parallel int,
  steps_total int not null,
  steps_open int not null,
  steps_failed int not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null default session_user,
  start_at timestamptz,
  deadline_at timestamptz,
  finished_at timestamptz,
  cancel_requested_at timestamptz,
  cancel_requested_by text,
  cancel_reason text,
  key text,
  idempotency_scope text,
  idempotency_key text,
  idempotency_digest bytea,
  rerun_of uuid,
  labels jsonb not null default '{}',
  description text not null default '',
  constraint runs_pkey primary key (id),
  constraint run_name_is_well_formed check (name ~ '^[a-z0-9][a-z0-9._/-]{0,127}$'),
  constraint run_finished_at_iff_final check ((finished_at is not null) = (state in ('succeeded', 'failed', 'cancelled'))),
  constraint run_is_final_only_when_all_its_steps_are check (state not in ('succeeded', 'failed', 'cancelled') or steps_open = 0),
  constraint run_is_cancelled_only_on_request check (state <> 'cancelled' or cancel_requested_at is not null),
  constraint run_succeeded_without_failed_steps check (state <> 'succeeded' or steps_failed = 0),
  constraint run_counts_are_possible check (steps_total > 0 and steps_open between 0 and steps_total and steps_failed between 0 and steps_total),
  constraint run_on_failure_is_known check (on_failure in ('continue', 'cancel', 'pause')),
  constraint run_max_parallel_is_positive check (max_parallel > 0),
  constraint run_labels_are_an_object check (jsonb_typeof(labels) = 'object'),
  constraint run_idempotency_is_whole check (num_nonnulls(idempotency_scope, idempotency_key, idempotency_digest) in (0, 3)),
  constraint run_cancel_request_is_whole check ((cancel_requested_at is null) = (cancel_requested_by is null))
);
comment on table weir.runs is 'One execution of a plan. What it was submitted with never changes; state, counters and the request to cancel do, and every change of state stands in weir.transitions.';
comment on column weir.runs.id is 'UUIDv7, made before the commit, so that a submit whose outcome is unknown can be repeated.';
comment on column weir.runs.name is 'The plan''s name.';
comment on column weir.runs.state is 'running until its last step is final; see weir.legal_transitions.';
comment on column weir.runs.cause is 'Why it came into this state.';
comment on column weir.runs.on_failure is 'What a failed step does to the rest of the run.';
comment on column weir.runs.max_parallel is 'How many of its steps may run at once; null: no limit.';
comment on column weir.runs.steps_total is 'How many steps it has.';
comment on column weir.runs.steps_open is 'How many of them are not settled yet. The run ends when this is 0.';
comment on column weir.runs.steps_failed is 'How many settled steps count as a failure of the run (allow_failure does not).';
comment on column weir.runs.created_at is 'When it was submitted, by the clock of this database.';
comment on column weir.runs.created_by is 'Who submitted it: an actor (token:NAME, local) or a database user.';
comment on column weir.runs.start_at is 'Its roots stay pending until then; null: at once.';
comment on column weir.runs.deadline_at is 'When the run as a whole times out; null: never.';
comment on column weir.runs.finished_at is 'When it became final.';
comment on column weir.runs.cancel_requested_at is 'When its cancellation was asked for. A request is not a fact yet: the run is cancelled when its last step is final.';
comment on column weir.runs.cancel_requested_by is 'Who asked for the cancellation.';
comment on column weir.runs.cancel_reason is 'What they gave as a reason.';
comment on column weir.runs.key is 'At most one live run per key; null: not keyed.';
comment on column weir.runs.idempotency_scope is 'Whose idempotency keys these are: the name of the token, or local.';
comment on column weir.runs.idempotency_key is 'The client''s Idempotency-Key: the same key answers the same run.';
comment on column weir.runs.idempotency_digest is 'SHA-256 of the canonical body, to tell a repeat from another request under the same key.';
comment on column weir.runs.rerun_of is 'The run that this one does again.';
comment on column weir.runs.labels is 'The plan''s labels: an object of strings.';
comment on column weir.runs.description is 'The plan''s description.';
comment on constraint runs_pkey on weir.runs is 'A run has one row.';
comment on constraint run_name_is_well_formed on weir.runs is 'Names are lower case letters, digits and . _ / -, at most 128, starting with a letter or digit.';
comment on constraint run_finished_at_iff_final on weir.runs is 'A run has finished_at exactly when it is final.';
comment on constraint run_is_final_only_when_all_its_steps_are on weir.runs is 'A run cannot end while one of its steps is open. Cancel the run (weir cancel ID) and wait for its steps.';
comment on constraint run_is_cancelled_only_on_request on weir.runs is 'A run is cancelled only after somebody asked: set cancel_requested_at and cancel_requested_by, or run weir cancel ID; reconcile does the rest.';
comment on constraint run_succeeded_without_failed_steps on weir.runs is 'A run with a failed step (without allow_failure) did not succeed.';
comment on constraint run_counts_are_possible on weir.runs is 'There is at least one step, and no count is negative or above the total.';
comment on constraint run_on_failure_is_known on weir.runs is 'continue, cancel or pause.';
comment on constraint run_max_parallel_is_positive on weir.runs is 'A limit of 0 would let nothing run.';
comment on constraint run_labels_are_an_object on weir.runs is 'Labels are key: value pairs.';
comment on constraint run_idempotency_is_whole on weir.runs is 'Scope, key and digest of an idempotent submit stand together or not at all.';
comment on constraint run_cancel_request_is_whole on weir.runs is 'A request to cancel says when and by whom.';
create index runs_newest on weir.runs (created_at desc, id desc);
comment on index weir.runs_newest is 'Lists runs, newest first, page by page.';
create index runs_by_state on weir.runs (state, created_at desc, id desc);
comment on index weir.runs_by_state is 'Lists the runs of one state, newest first.';
create index runs_by_name on weir.runs (name, created_at desc, id desc);
comment on index weir.runs_by_name is 'Lists the runs of one plan, newest first.';
create index runs_by_label on weir.runs using gin (labels jsonb_path_ops) with (fastupdate = off) where labels <> '{}';
comment on index weir.runs_by_label is 'Finds runs by label; runs without labels cost it nothing.';
create unique index run_idempotency_key_is_used_once on weir.runs (idempotency_scope, idempotency_key) where idempotency_key is not null;
comment on index weir.run_idempotency_key_is_used_once is 'The same Idempotency-Key of the same client is the same run.';

create table weir.steps (
  run_id uuid not null,
  step int not null,
  attempt int not null default 0,
  river_job_id bigint,
  worker_id uuid,
  state weir.step_state not null default 'pending',
  cause weir.cause not null default 'submitted',
  failures int not null default 0,
  settled boolean not null default false,
  has_output boolean not null default false,
  allow_failure boolean not null default false,
  priority smallint not null default 2,
  run_if weir.run_if not null default 'all_succeeded',
  needs_total int not null default 0,
  needs_open int not null default 0,
  needs_failed int not null default 0,
  needs_allowed int not null default 0,
  needs_neutral int not null default 0,
  dependants int not null default 0,
  max_attempts int not null default 1,
  unnamed smallint not null default 0,
  last_outcome weir.step_state,
  created_at timestamptz not null default clock_timestamp(),
  run_after timestamptz,
  claimed_at timestamptz,
  started_at timestamptz,
  deadline_at timestamptz,
  finished_at timestamptz,
  cancel_requested_at timestamptz,
  timeout interval,
  grace interval not null default '10s',
  stall_after interval,
  report uuid,
  reused_from uuid,
  key text not null,
  kind text not null,
  queue text not null default 'default',
  runs_on text not null default 'replica',
  waiting_for text,
  cancel_requested_by text,
  cancel_reason text,
  retry jsonb,
  constraint steps_pkey primary key (run_id, step),
  constraint step_key_is_unique_in_its_run unique (key, run_id),
  constraint step_key_is_well_formed check (key ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(\[[0-9]{1,5}\])?$'),
  constraint step_kind_is_well_formed check (kind ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  constraint step_queue_is_well_formed check (queue ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  constraint step_ordinal_counts_from_one check (step >= 1),
  constraint step_finished_at_iff_final check ((finished_at is not null) = (state >= 'succeeded')),
  constraint step_running_has_worker_claim_and_attempt check (state <> 'running' or (worker_id is not null and claimed_at is not null and attempt > 0)),
  constraint step_retrying_has_run_after check (state <> 'retrying' or run_after is not null),
  constraint step_waiting_says_for_what check ((state = 'waiting') = (waiting_for is not null)),
  constraint step_waits_for_something_known check (waiting_for in ('signal', 'approval', 'time', 'decision', 'children', 'run')),
  constraint step_dispatch_token_only_while_claimable_or_running check (river_job_id is null or state in ('available', 'retrying', 'running')),
  constraint step_output_only_when_succeeded check (not has_output or state = 'succeeded'),
  constraint step_reused_only_when_succeeded check (reused_from is null or state = 'succeeded'),
  constraint step_settled_only_when_final check (not settled or state >= 'succeeded'),
  constraint step_never_failed_more_often_than_claimed check (attempt >= 0 and failures between 0 and attempt),
  constraint step_needs_counts_are_possible check (needs_open between 0 and needs_total and needs_failed >= 0 and needs_allowed >= 0 and needs_neutral >= 0 and needs_failed + needs_allowed + needs_neutral <= needs_total - needs_open),
  constraint step_needs_nothing_open_once_it_left_pending check (needs_open = 0 or state in ('pending', 'skipped', 'cancelled')),
  constraint step_priority_in_range check (priority between 1 and 4),
  constraint step_max_attempts_in_range check (max_attempts between 1 and 1000),
  constraint step_durations_are_positive check (timeout > '0' and grace >= '0' and stall_after > '0'),
  constraint step_runs_on_is_known check (runs_on in ('replica', 'remote')),
  constraint step_last_outcome_is_an_outcome check (last_outcome in ('succeeded', 'failed', 'crashed', 'timed_out', 'lost', 'cancelled')),
  constraint step_cancel_request_is_whole check ((cancel_requested_at is null) = (cancel_requested_by is null)),
  constraint step_retry_is_an_object check (jsonb_typeof(retry) = 'object')
);
comment on table weir.steps is 'One node of a run: the unit of work. A step moves only along weir.legal_transitions; attempt is the fence that keeps a worker from the past from changing it; every change of state stands in weir.transitions.';
comment on column weir.steps.run_id is 'The run that it belongs to.';
comment on column weir.steps.step is 'Ordinal in the plan, from 1. In the API and on the command line a step is named by its key.';
comment on column weir.steps.attempt is 'How often it was claimed. It only grows, by one, on the way to running: a report is accepted only for the current attempt.';
comment on column weir.steps.river_job_id is 'Dispatch token: the one River job that may start it, or has started it. Null: not dispatched.';
comment on column weir.steps.worker_id is 'Who claimed it last.';
comment on column weir.steps.state is 'Where it is in its life; see weir.legal_transitions.';
comment on column weir.steps.cause is 'Why it came into this state.';
comment on column weir.steps.failures is 'How many of its outcomes count for the retry policy. max_attempts is compared with this, not with attempt.';
comment on column weir.steps.settled is 'True once its end has been counted into its dependants and its run.';
comment on column weir.steps.has_output is 'True when weir.outputs holds an output of its last attempt.';
comment on column weir.steps.allow_failure is 'Its failure counts as a success for its dependants and its run.';
comment on column weir.steps.priority is '1 is first, 4 is last.';
comment on column weir.steps.run_if is 'When it runs, given how its needs ended.';
comment on column weir.steps.needs_total is 'How many steps it needs.';
comment on column weir.steps.needs_open is 'How many of its needs are not settled yet.';
comment on column weir.steps.needs_failed is 'How many of its settled needs failed.';
comment on column weir.steps.needs_allowed is 'How many of its settled needs failed with allow_failure.';
comment on column weir.steps.needs_neutral is 'How many of its settled needs were skipped by run_if or by an operator.';
comment on column weir.steps.dependants is 'How many steps need it. Above 1,000 their counting is spread over several transactions.';
comment on column weir.steps.max_attempts is 'How many counted failures end it.';
comment on column weir.steps.unnamed is 'How many heartbeats in a row of its own worker did not name it. Twice: the worker forgot it.';
comment on column weir.steps.last_outcome is 'How its last attempt ended; kept while it is retried or waits for a decision.';
comment on column weir.steps.created_at is 'When it was submitted.';
comment on column weir.steps.run_after is 'When it may be claimed again, while retrying.';
comment on column weir.steps.claimed_at is 'When its last claim was made.';
comment on column weir.steps.started_at is 'When its last attempt started.';
comment on column weir.steps.deadline_at is 'When its last attempt had to be over; with grace on top, the database ends it.';
comment on column weir.steps.finished_at is 'When it became final.';
comment on column weir.steps.cancel_requested_at is 'When its cancellation was asked for (of the step itself, not of the run). A running step is cancelled when its worker says so, or when it says nothing for too long.';
comment on column weir.steps.timeout is 'How long one attempt may take; null: for ever.';
comment on column weir.steps.grace is 'Between TERM and KILL; also how long its report may take after the deadline.';
comment on column weir.steps.stall_after is 'How long an attempt may be silent before it counts as stalled; null: for ever.';
comment on column weir.steps.report is 'Id of the report that ended its last attempt: the same report again is a duplicate, another one is too late.';
comment on column weir.steps.reused_from is 'The run from which it was carried over, already succeeded, into a rerun.';
comment on column weir.steps.key is 'Its name in the plan, unique in the run.';
comment on column weir.steps.kind is 'What kind of work it is: which handler runs it. Also the kind of its River job.';
comment on column weir.steps.queue is 'The River queue that it is dispatched into.';
comment on column weir.steps.runs_on is 'replica: in process, through River. remote: claimed over HTTP.';
comment on column weir.steps.waiting_for is 'What it waits for, exactly while waiting.';
comment on column weir.steps.cancel_requested_by is 'Who asked for its cancellation.';
comment on column weir.steps.cancel_reason is 'What they gave as a reason.';
comment on column weir.steps.retry is 'The rest of its retry policy: {on, backoff, initial_ms, max_ms, jitter}; null: the defaults.';
comment on constraint steps_pkey on weir.steps is 'A step has one row; all the rows of a run lie together.';
comment on constraint step_key_is_unique_in_its_run on weir.steps is 'No two steps of a run have the same key. The key comes first so that only the primary key leads to the steps of a run: with statistics of many small runs the planner would take either for (run_id, step), and read a whole run of 10,000 steps for each of them.';
comment on constraint step_key_is_well_formed on weir.steps is 'Keys are letters, digits and . _ -, at most 128, starting with a letter or digit; children of a fan-out end in [n].';
comment on constraint step_kind_is_well_formed on weir.steps is 'Kinds are lower case letters, digits and . _ -, at most 63.';
comment on constraint step_queue_is_well_formed on weir.steps is 'Queues are lower case letters, digits and . _ -, at most 63.';
comment on constraint step_ordinal_counts_from_one on weir.steps is 'The first step of a plan has the ordinal 1.';
comment on constraint step_finished_at_iff_final on weir.steps is 'A step has finished_at exactly when it is final.';
comment on constraint step_running_has_worker_claim_and_attempt on weir.steps is 'What runs, somebody has claimed: only Start brings a step to running.';
comment on constraint step_retrying_has_run_after on weir.steps is 'What is to be tried again says when.';
comment on constraint step_waiting_says_for_what on weir.steps is 'What waits says for what, and nothing else does.';
comment on constraint step_waits_for_something_known on weir.steps is 'signal, approval, time, decision, children or run.';
comment on constraint step_dispatch_token_only_while_claimable_or_running on weir.steps is 'Only what may start, or has started, has a dispatch token.';
comment on constraint step_output_only_when_succeeded on weir.steps is 'Only success has an output.';
comment on constraint step_reused_only_when_succeeded on weir.steps is 'Only a step that had succeeded is carried over into a rerun.';
comment on constraint step_settled_only_when_final on weir.steps is 'Nothing is counted before it has ended.';
comment on constraint step_never_failed_more_often_than_claimed on weir.steps is 'Each counted failure is the outcome of an attempt of its own.';
comment on constraint step_needs_counts_are_possible on weir.steps is 'Counts of needs are never negative and never add up to more than there are.';
comment on constraint step_needs_nothing_open_once_it_left_pending on weir.steps is 'A step starts only after everything that it needs is settled.';
comment on constraint step_priority_in_range on weir.steps is '1 to 4.';
comment on constraint step_max_attempts_in_range on weir.steps is '1 to 1,000.';
comment on constraint step_durations_are_positive on weir.steps is 'A timeout of nothing would end everything at once.';
comment on constraint step_runs_on_is_known on weir.steps is 'replica or remote.';
comment on constraint step_last_outcome_is_an_outcome on weir.steps is 'An attempt ends in one of the final states.';
comment on constraint step_cancel_request_is_whole on weir.steps is 'A request to cancel says when and by whom.';
comment on constraint step_retry_is_an_object on weir.steps is 'A retry policy is an object or null.';
create index steps_running on weir.steps (worker_id, deadline_at) where state = 'running';
comment on index weir.steps_running is 'What a worker holds: for heartbeats, leases and deadlines.';
create index steps_retrying on weir.steps (run_after) where state = 'retrying' and river_job_id is null;
create index runs_cancelling on weir.runs (id) where cancel_requested_at is not null and finished_at is null;
comment on index weir.runs_cancelling is 'Runs whose cancellation goes on: looked at every second.';
comment on index weir.steps_retrying is 'What is to be tried again and is not dispatched: a backlog of what is costs nothing.';

create table weir.needs (
  run_id uuid not null,
  need int not null,
  step int not null,
  counted boolean not null default false,
  constraint needs_pkey primary key (run_id, need, step),
  constraint need_is_another_step check (need <> step)
);
comment on table weir.needs is 'The edges of the DAGs: step needs need. Read by need when a step is settled: the work is proportional to its dependants.';
comment on column weir.needs.run_id is 'The run that both steps belong to.';
comment on column weir.needs.need is 'Ordinal of the step that has to end first.';
comment on column weir.needs.step is 'Ordinal of the dependant.';
comment on column weir.needs.counted is 'True when the end of the need was counted into the dependant ahead of its settling, because it has too many dependants for one transaction.';
comment on constraint needs_pkey on weir.needs is 'A step needs another one once; found from the step that ends.';
comment on constraint need_is_another_step on weir.needs is 'No step needs itself.';
create index needs_of_step on weir.needs (step, run_id, need);
comment on index weir.needs_of_step is 'What a step needs: for its inputs, and for people who ask why it does not run. The step comes first so that nobody takes it for the way to the edges of a run, or to those of one need; the need is in it so that the primary key is never the cheaper way to those of a step.';

create table weir.run_inputs (
  run_id uuid not null,
  input jsonb not null,
  constraint run_inputs_pkey primary key (run_id),
  constraint run_input_is_an_object check (jsonb_typeof(input) = 'object')
);
comment on table weir.run_inputs is 'What runs were given as input; no row: {}. Off the hot path: no transition carries it along.';
comment on column weir.run_inputs.run_id is 'Which run: weir.runs.id.';
comment on column weir.run_inputs.input is 'Its input, an object.';
comment on constraint run_inputs_pkey on weir.run_inputs is 'A run has one input.';
comment on constraint run_input_is_an_object on weir.run_inputs is 'Members are set by name (--input k=v), so it has to have names.';
create table weir.step_inputs (
  run_id uuid not null,
  step int not null,
  "with" jsonb not null,
  constraint step_inputs_pkey primary key (run_id, step),
  constraint step_with_is_an_object check (jsonb_typeof("with") = 'object')
);
comment on table weir.step_inputs is 'What steps were given as `with`, expressions not evaluated; no row: {}.';
comment on column weir.step_inputs.run_id is 'Which run: weir.runs.id.';
comment on column weir.step_inputs.step is 'The step''s ordinal.';
comment on column weir.step_inputs."with" is 'Its `with`, an object.';
comment on constraint step_inputs_pkey on weir.step_inputs is 'A step has one `with`.';
comment on constraint step_with_is_an_object on weir.step_inputs is 'A kind reads its fields by name, so there have to be names.';
create table weir.outputs (
  run_id uuid not null,
  step int not null,
  attempt int not null,
  output jsonb,
  output_error jsonb,
  error_code text,
  error_message text,
  error_retryable boolean,
  error_detail jsonb,
  at timestamptz not null default clock_timestamp(),
  constraint outputs_pkey primary key (run_id, step, attempt),
  constraint output_row_says_something check (num_nonnulls(output, output_error, error_code) > 0),
  constraint output_error_is_whole check ((error_code is null) = (error_message is null))
);
comment on table weir.outputs is 'What attempts left behind: an output, the reason why it could not be kept, or an error. One row per attempt that had anything to say.';
comment on column weir.outputs.run_id is 'Which run: weir.runs.id.';
comment on column weir.outputs.step is 'The step''s ordinal.';
comment on column weir.outputs.attempt is 'The attempt that left it.';
comment on column weir.outputs.output is 'The output of an attempt that succeeded.';
comment on column weir.outputs.output_error is '{code, bytes} when there was an output that could not be kept.';
comment on column weir.outputs.error_code is 'Machine-readable name of what went wrong.';
comment on column weir.outputs.error_message is 'What went wrong, for people.';
comment on column weir.outputs.error_retryable is 'False: trying again could not help.';
comment on column weir.outputs.error_detail is 'More of it, by kind: exit code and signal, a stack, a status.';
comment on column weir.outputs.at is 'When it was reported.';
comment on constraint outputs_pkey on weir.outputs is 'An attempt ends once.';
comment on constraint output_row_says_something on weir.outputs is 'Attempts with nothing to say have no row.';
comment on constraint output_error_is_whole on weir.outputs is 'An error has a code and a message.';

create table weir.transitions (
  xid xid8 not null default pg_current_xact_id(),
  id bigint generated always as identity,
  at timestamptz not null default clock_timestamp(),
  run_id uuid not null,
  step int,
  attempt int,
  from_state text not null,
  to_state text not null,
  actor text not null,
  db_user text not null default session_user,
  cause weir.cause not null,
  detail jsonb,
  constraint transitions_pkey primary key (xid, id),
  constraint transition_changes_the_state check (from_state <> to_state)
);
comment on table weir.transitions is 'History: one row for each change of state, written by the same statement that made it. It takes no UPDATE, DELETE or TRUNCATE. Identity order is not commit order: followers read rows with xid < pg_snapshot_xmin(pg_current_snapshot()) in order of (xid, id).';
comment on column weir.transitions.xid is 'The transaction that made the change.';
comment on column weir.transitions.id is 'Order within the transaction.';
comment on column weir.transitions.at is 'When, by the clock of this database.';
comment on column weir.transitions.run_id is 'Which run: weir.runs.id.';
comment on column weir.transitions.step is 'The step''s ordinal; null: a transition of the run itself.';
comment on column weir.transitions.attempt is 'The attempt that the step was in after the change; null for runs.';
comment on column weir.transitions.from_state is 'The state that was left.';
comment on column weir.transitions.to_state is 'The state that was entered.';
comment on column weir.transitions.actor is 'Who did it, as the application says: token:NAME, replica:ID, worker:ID, reconcile:ID, local; db:USER for changes by hand.';
comment on column weir.transitions.db_user is 'The database user of the session that did it: nobody can claim another one.';
comment on column weir.transitions.cause is 'Why.';
comment on column weir.transitions.detail is 'More of it: the outcome of an attempt that is retried, when it is due.';
comment on constraint transitions_pkey on weir.transitions is 'The cursor of whoever follows the history.';
comment on constraint transition_changes_the_state on weir.transitions is 'Only changes are recorded.';
create index transitions_of_run on weir.transitions (run_id, xid, id);
comment on index weir.transitions_of_run is 'The history of one run, in order of visibility, page by page.';

create table weir.dirty (
  id bigint generated always as identity,
  shard smallint not null,
  run_id uuid not null,
  step int,
  at timestamptz not null default clock_timestamp(),
  constraint dirty_pkey primary key (id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);
comment on table weir.dirty is 'What reconcile should look at: hints, at least once, written by the transaction that made the change. A row is deleted by the pass that served it, in the same transaction: nothing is dropped when a pass fails.';
comment on column weir.dirty.id is 'Names the row for its deletion; no high-water mark is ever derived from it.';
comment on column weir.dirty.shard is 'Which advisory lock guards the run: weir.shard_of(run_id).';
comment on column weir.dirty.run_id is 'Which run: weir.runs.id.';
comment on column weir.dirty.step is 'The step''s ordinal; null: the run itself.';
comment on column weir.dirty.at is 'When it was written: its age is how far reconcile is behind.';
comment on constraint dirty_pkey on weir.dirty is 'Each hint is a row of its own; several for one step do no harm.';

-- +goose Down
drop table weir.dirty, weir.transitions, weir.outputs, weir.step_inputs, weir.run_inputs, weir.needs, weir.steps, weir.runs, weir.legal_transitions, weir.schema_info;
drop type weir.cause, weir.run_if, weir.run_state, weir.step_state;
