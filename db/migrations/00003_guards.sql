-- +goose Up
-- A guard is a trigger whose WHEN clause is the rule, so that what is legal costs a comparison and no call. Its
-- function only refuses. A trigger has the name that the error gives as the constraint.

-- +goose StatementBegin
create function weir.refuse_transition() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
comment on function weir.refuse_transition() is 'Refuses a change of state that weir.legal_transitions does not list, and says which ones it does list. Argument: step or run.';

-- +goose StatementBegin
create function weir.refuse() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  row_is jsonb;
begin
  if tg_level = 'ROW' then
    row_is := case tg_op when 'INSERT' then to_jsonb(new) else to_jsonb(old) end;
  end if;
  raise exception using
    errcode = 'check_violation',
    schema = tg_table_schema, table = tg_table_name, constraint = tg_name,
    message = tg_argv[0],
    detail = case
      when row_is is null then format('It was %s of %I.%I.', tg_op, tg_table_schema, tg_table_name)
      when row_is ? 'step' then format('It was %s of step %s (%s) of run %s, which is %s, attempt %s.', tg_op, row_is ->> 'step', row_is ->> 'key', row_is ->> 'run_id', row_is ->> 'state', row_is ->> 'attempt')
      else format('It was %s of run %s, which is %s.', tg_op, row_is ->> 'id', row_is ->> 'state')
    end,
    hint = tg_argv[1];
end
$$;
-- +goose StatementEnd
comment on function weir.refuse() is 'Refuses a statement. Arguments: what is wrong, and what to do instead.';

-- +goose StatementBegin
create function weir.mark_step_moved_by_hand() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.cause := 'manual';
  if new.state >= 'succeeded' then
    new.finished_at := coalesce(new.finished_at, clock_timestamp());
    new.settled := false;
  end if;
  if new.state <> 'running' then
    new.river_job_id := null;
  end if;
  if new.state <> 'waiting' then
    new.waiting_for := null;
  end if;
  if new.state = 'retrying' then
    new.run_after := coalesce(new.run_after, clock_timestamp());
  end if;
  perform pg_notify('weir_dirty', '');
  return new;
end
$$;
-- +goose StatementEnd
comment on function weir.mark_step_moved_by_hand() is 'Gives a step that somebody moves without saying who they are (no weir.actor) the cause manual, and what is easily forgotten: finished_at, run_after, no dispatch token, nothing to wait for, not settled. Wakes reconcile.';
-- +goose StatementBegin
create function weir.mark_run_moved_by_hand() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.cause := 'manual';
  if new.state in ('succeeded', 'failed', 'cancelled') then
    new.finished_at := coalesce(new.finished_at, clock_timestamp());
    if exists (select from weir.steps s where s.run_id = new.id and not s.settled) then
      raise exception using
        errcode = 'check_violation', schema = 'weir', table = 'runs', constraint = 'run_is_final_only_when_all_its_steps_are',
        message = 'a run cannot end while one of its steps is open',
        detail = format('Run %s is %s, and steps of it are open or not yet counted.', new.id, old.state),
        hint = 'Ask for its cancellation (weir cancel RUN, or set cancel_requested_at and cancel_requested_by): reconcile ends it with its last step.';
    end if;
  end if;
  perform pg_notify('weir_dirty', '');
  return new;
end
$$;
-- +goose StatementEnd
comment on function weir.mark_run_moved_by_hand() is 'Gives a run that somebody moves without saying who they are (no weir.actor) the cause manual, and finished_at when it ends. Refuses to end one with open steps, whatever its counts are made to say. Wakes reconcile.';

-- Triggers of one event fire in the order of their names: this one is the first.
create trigger by_hand_is_manual before update of state on weir.steps for each row
  when (old.state <> new.state and coalesce(current_setting('weir.actor', true), '') = '')
  execute function weir.mark_step_moved_by_hand();
comment on trigger by_hand_is_manual on weir.steps is 'Who changes a state in psql need not think of the rest: update weir.steps set state = ''cancelled'' where ... is enough, and the history says who it was.';
create trigger step_transition_is_legal before update of state on weir.steps for each row
  when (old.state <> new.state and not case old.state
    when 'pending' then new.state in ('available', 'waiting', 'skipped', 'cancelled')
    when 'available' then new.state in ('running', 'cancelled')
    when 'running' then new.state in ('succeeded', 'failed', 'crashed', 'timed_out', 'lost', 'cancelled', 'retrying', 'waiting')
    when 'retrying' then new.state in ('running', 'cancelled')
    when 'waiting' then new.state in ('succeeded', 'failed', 'crashed', 'timed_out', 'lost', 'skipped', 'cancelled', 'retrying')
    else false
  end)
  execute function weir.refuse_transition('step');
comment on trigger step_transition_is_legal on weir.steps is 'A step moves only as weir.legal_transitions says, whoever moves it. Final is final.';
create trigger step_attempt_grows_by_one_on_the_way_to_running before update of attempt, state on weir.steps for each row
  when (case
    when new.state = 'running' and old.state in ('available', 'retrying') then new.attempt <> old.attempt + 1
    when new.state = 'running' and old.state <> 'running' then false -- step_transition_is_legal says it better
    else new.attempt <> old.attempt
  end)
  execute function weir.refuse('attempt changes only on the way to running, and then by exactly one', 'attempt is the fence that keeps a worker of the past out. Leave it alone; to have a step done again, set its state to retrying.');
comment on trigger step_attempt_grows_by_one_on_the_way_to_running on weir.steps is 'attempt counts claims and is the fence: each claim raises it by one, and nothing else changes it.';
create trigger step_claim_changes_only_on_the_way_to_running before update of worker_id, claimed_at on weir.steps for each row
  when ((new.worker_id is distinct from old.worker_id or new.claimed_at is distinct from old.claimed_at) and not (new.state = 'running' and old.state <> 'running'))
  execute function weir.refuse('worker_id and claimed_at change only on the way to running', 'They say who claimed the step last, and when, and stay when the attempt ends. Leave them out of the SET list.');
comment on trigger step_claim_changes_only_on_the_way_to_running on weir.steps is 'Nobody takes over an attempt: who claimed it, and when, is known until the next claim.';
create trigger step_times_stay_in_the_same_state before update of started_at, deadline_at, finished_at on weir.steps for each row
  when (old.state = new.state and (
    new.finished_at is distinct from old.finished_at
    or new.started_at is distinct from old.started_at and not (old.started_at is null and new.state = 'running' and new.runs_on = 'remote')
    or new.deadline_at is distinct from old.deadline_at and not (old.started_at is null and new.state = 'running' and new.runs_on = 'remote')))
  execute function weir.refuse('started_at, deadline_at and finished_at stay as they are while the state does', 'They are facts about how the step came into its state. Leave them out of the SET list.');
comment on trigger step_times_stay_in_the_same_state on weir.steps is 'Times are facts about how a step came into its state. The one exception: a remote worker confirms a claim, which starts the attempt.';
create trigger step_final_keeps_everything before update of cause, failures, has_output, allow_failure, priority, run_if, max_attempts, last_outcome, run_after, cancel_requested_at, cancel_requested_by, cancel_reason, timeout, grace, stall_after, report, queue, retry on weir.steps for each row
  when (old.state >= 'succeeded' and new.state = old.state
    and (old.cause, old.failures, old.has_output, old.allow_failure, old.priority, old.run_if, old.max_attempts, old.last_outcome, old.run_after, old.cancel_requested_at, old.cancel_requested_by, old.cancel_reason, old.timeout, old.grace, old.stall_after, old.report, old.queue, old.retry)
      is distinct from (new.cause, new.failures, new.has_output, new.allow_failure, new.priority, new.run_if, new.max_attempts, new.last_outcome, new.run_after, new.cancel_requested_at, new.cancel_requested_by, new.cancel_reason, new.timeout, new.grace, new.stall_after, new.report, new.queue, new.retry))
  execute function weir.refuse('a final step keeps everything but bookkeeping', 'What it was when it ended is what happened. To do the work again, submit its plan again: that is a new run.');
comment on trigger step_final_keeps_everything on weir.steps is 'A step that has ended says for ever how it ended. Only settled and the counts of needs are still written.';
create trigger step_settled_stays_settled before update of settled on weir.steps for each row
  when (old.settled and not new.settled and new.state = old.state)
  execute function weir.refuse('a settled step stays settled', 'Its end has been counted into its dependants and its run; counting it twice would let them start too early.');
comment on trigger step_settled_stays_settled on weir.steps is 'The end of a step is counted once.';
create trigger step_counts_are_not_made_by_hand before update of needs_total, needs_open, needs_failed, needs_allowed, needs_neutral, dependants on weir.steps for each row
  when (old.state = new.state
    and (old.needs_total, old.needs_open, old.needs_failed, old.needs_allowed, old.needs_neutral, old.dependants)
      is distinct from (new.needs_total, new.needs_open, new.needs_failed, new.needs_allowed, new.needs_neutral, new.dependants)
    and coalesce(current_setting('weir.actor', true), '') = '')
  execute function weir.refuse('the counts of a step are not made by hand', 'They follow from its needs, and decide when it starts. If they are wrong, wait a minute: the sweep puts them right.');
comment on trigger step_counts_are_not_made_by_hand on weir.steps is 'A step starts when its needs have ended, and not when somebody has said so.';
create trigger step_identity_never_changes before update of run_id, step, key, kind, runs_on, created_at, reused_from on weir.steps for each row
  when (row(old.run_id, old.step, old.key, old.kind, old.runs_on, old.created_at, old.reused_from) is distinct from row(new.run_id, new.step, new.key, new.kind, new.runs_on, new.created_at, new.reused_from))
  execute function weir.refuse('what a step is never changes: its run, ordinal, key, kind, runs_on, created_at and reused_from', 'Its history and its edges name it by these. Submit another plan instead.');
comment on trigger step_identity_never_changes on weir.steps is 'History, edges and logs name a step by its run and ordinal, people by its key.';
-- Births are looked at after the row is there: a BEFORE trigger would make COPY insert row by row.
create trigger step_is_born_pending_available_or_waiting after insert on weir.steps for each row
  when (new.state not in ('pending', 'available', 'waiting') and not (new.state = 'succeeded' and new.reused_from is not null))
  execute function weir.refuse('a step is born pending, available or waiting', 'Let it go through its life from there. Only a step that a rerun carries over (reused_from) is born succeeded.');
comment on trigger step_is_born_pending_available_or_waiting on weir.steps is 'Nothing has happened to a step before it exists.';
create trigger step_is_born_unclaimed after insert on weir.steps for each row
  when (new.state < 'succeeded' and (new.attempt <> 0 or new.failures <> 0 or new.worker_id is not null or new.claimed_at is not null or new.started_at is not null))
  execute function weir.refuse('a step is born with attempt 0 and without a worker', 'Claims are made by Start, one by one.');
comment on trigger step_is_born_unclaimed on weir.steps is 'attempt counts the claims of this very step, from 0.';
create trigger step_open_is_not_deleted before delete on weir.steps for each row
  when (old.state < 'succeeded')
  execute function weir.refuse('an open step cannot be deleted', 'Cancel it, and wait until it is final: weir cancel RUN STEP, or update weir.steps set state = ''cancelled'' where ...');
comment on trigger step_open_is_not_deleted on weir.steps is 'A worker may hold it, and others wait for it: it has to end first.';
create trigger steps_are_not_truncated before truncate on weir.steps for each statement
  execute function weir.refuse('weir.steps cannot be truncated', 'Open steps would vanish. Delete what is final, run by run.');
comment on trigger steps_are_not_truncated on weir.steps is 'TRUNCATE would not ask which steps are open.';

create trigger by_hand_is_manual before update of state on weir.runs for each row
  when (old.state <> new.state and coalesce(current_setting('weir.actor', true), '') = '')
  execute function weir.mark_run_moved_by_hand();
comment on trigger by_hand_is_manual on weir.runs is 'Who pauses or resumes a run in psql need not think of the rest, and the history says who it was.';
create trigger run_transition_is_legal before update of state on weir.runs for each row
  when (old.state <> new.state and not case old.state
    when 'running' then new.state in ('succeeded', 'failed', 'cancelled', 'paused')
    when 'paused' then new.state in ('running', 'cancelled')
    else false
  end)
  execute function weir.refuse_transition('run');
comment on trigger run_transition_is_legal on weir.runs is 'A run moves only as weir.legal_transitions says, whoever moves it. Final is final.';
create trigger run_finished_at_stays_in_the_same_state before update of finished_at on weir.runs for each row
  when (old.state = new.state and new.finished_at is distinct from old.finished_at)
  execute function weir.refuse('finished_at stays as it is while the state does', 'It is a fact about how the run came into its state. Leave it out of the SET list.');
comment on trigger run_finished_at_stays_in_the_same_state on weir.runs is 'When a run ended is set by its end.';
create trigger run_final_keeps_everything before update of cause, max_parallel, steps_total, steps_open, steps_failed, start_at, deadline_at, cancel_requested_at, cancel_requested_by, cancel_reason on weir.runs for each row
  when (old.state in ('succeeded', 'failed', 'cancelled') and new.state = old.state
    and (old.cause, old.max_parallel, old.steps_total, old.steps_open, old.steps_failed, old.start_at, old.deadline_at, old.cancel_requested_at, old.cancel_requested_by, old.cancel_reason)
      is distinct from (new.cause, new.max_parallel, new.steps_total, new.steps_open, new.steps_failed, new.start_at, new.deadline_at, new.cancel_requested_at, new.cancel_requested_by, new.cancel_reason))
  execute function weir.refuse('a final run keeps everything', 'What it was when it ended is what happened. To do the work again, submit its plan again: that is a new run.');
comment on trigger run_final_keeps_everything on weir.runs is 'A run that has ended says for ever how it ended.';
create trigger run_counts_are_not_made_by_hand before update of steps_total, steps_open, steps_failed on weir.runs for each row
  when ((old.steps_total, old.steps_open, old.steps_failed) is distinct from (new.steps_total, new.steps_open, new.steps_failed)
    and coalesce(current_setting('weir.actor', true), '') = '')
  execute function weir.refuse('the counts of a run are not made by hand', 'They follow from its steps, and decide when it ends and how. If they are wrong, wait a minute: the sweep puts them right.');
comment on trigger run_counts_are_not_made_by_hand on weir.runs is 'A run ends when its steps have, and as they have.';
create trigger run_identity_never_changes before update of id, name, on_failure, created_at, created_by, key, idempotency_scope, idempotency_key, idempotency_digest, rerun_of, labels, description on weir.runs for each row
  when (row(old.id, old.name, old.on_failure, old.created_at, old.created_by, old.key, old.idempotency_scope, old.idempotency_key, old.idempotency_digest, old.rerun_of, old.labels, old.description)
    is distinct from row(new.id, new.name, new.on_failure, new.created_at, new.created_by, new.key, new.idempotency_scope, new.idempotency_key, new.idempotency_digest, new.rerun_of, new.labels, new.description))
  execute function weir.refuse('what a run was submitted with never changes', 'Only its state, its counts, its limits and the request to cancel it do. Submit another run instead.');
comment on trigger run_identity_never_changes on weir.runs is 'Clients, steps and history name a run by its id; what it was submitted with is what it was submitted with.';
create trigger run_is_born_running after insert on weir.runs for each row
  when (new.state <> 'running')
  execute function weir.refuse('a run is born running', 'Let it go through its life from there; to hold it back, pause it afterwards.');
comment on trigger run_is_born_running on weir.runs is 'Nothing has happened to a run before it exists.';
create trigger run_open_is_not_deleted before delete on weir.runs for each row
  when (old.state in ('running', 'paused'))
  execute function weir.refuse('an open run cannot be deleted', 'Cancel it, and wait until it is final: weir cancel RUN.');
comment on trigger run_open_is_not_deleted on weir.runs is 'Workers may hold steps of it: it has to end first.';
create trigger runs_are_not_truncated before truncate on weir.runs for each statement
  execute function weir.refuse('weir.runs cannot be truncated', 'Open runs would vanish. Delete what is final, run by run.');
comment on trigger runs_are_not_truncated on weir.runs is 'TRUNCATE would not ask which runs are open.';

create trigger transitions_are_append_only before update or delete or truncate on weir.transitions for each statement
  execute function weir.refuse('weir.transitions is append-only', 'History is what happened: it is not corrected, also not by its owner. Retention drops whole partitions.');
comment on trigger transitions_are_append_only on weir.transitions is 'Nobody changes history, also not the owner of the table.';

update weir.schema_info set version = 3, min_binary = 3, migrated_at = clock_timestamp();

-- +goose Down
drop trigger transitions_are_append_only on weir.transitions;
drop trigger by_hand_is_manual on weir.runs;
drop trigger run_transition_is_legal on weir.runs;
drop trigger run_finished_at_stays_in_the_same_state on weir.runs;
drop trigger run_final_keeps_everything on weir.runs;
drop trigger run_counts_are_not_made_by_hand on weir.runs;
drop trigger run_identity_never_changes on weir.runs;
drop trigger run_is_born_running on weir.runs;
drop trigger run_open_is_not_deleted on weir.runs;
drop trigger runs_are_not_truncated on weir.runs;
drop trigger by_hand_is_manual on weir.steps;
drop trigger step_transition_is_legal on weir.steps;
drop trigger step_attempt_grows_by_one_on_the_way_to_running on weir.steps;
drop trigger step_claim_changes_only_on_the_way_to_running on weir.steps;
drop trigger step_times_stay_in_the_same_state on weir.steps;
drop trigger step_final_keeps_everything on weir.steps;
drop trigger step_settled_stays_settled on weir.steps;
drop trigger step_counts_are_not_made_by_hand on weir.steps;
drop trigger step_identity_never_changes on weir.steps;
drop trigger step_is_born_pending_available_or_waiting on weir.steps;
drop trigger step_is_born_unclaimed on weir.steps;
drop trigger step_open_is_not_deleted on weir.steps;
drop trigger steps_are_not_truncated on weir.steps;
drop function weir.refuse_transition(), weir.refuse(), weir.mark_step_moved_by_hand(), weir.mark_run_moved_by_hand();
update weir.schema_info set version = 2, min_binary = 2, migrated_at = clock_timestamp();
