CREATE SCHEMA weir;

COMMENT ON SCHEMA weir IS 'Weir: plans (DAGs of steps) run on workers that share this database. Start with weir.overview, weir.running, weir.stuck and weir.violations; every object here has a comment (\d+, \df+).';

CREATE TYPE weir.cause AS ENUM (
    'submitted',
    'needs_met',
    'start_at',
    'upstream_failed',
    'run_if',
    'claimed',
    'reported',
    'panic',
    'killed',
    'deadline',
    'stalled',
    'run_timeout',
    'lease_expired',
    'claim_expired',
    'handed_back',
    'attempts_left',
    'attempts_spent',
    'permanent',
    'cancel_requested',
    'failure_policy',
    'signal',
    'approval',
    'time',
    'decision',
    'paused',
    'resumed',
    'superseded',
    'rerun',
    'report_refused',
    'repaired',
    'steps_final',
    'unconfirmed',
    'abandoned',
    'worker_forgot',
    'report_undeliverable',
    'manual'
);

COMMENT ON TYPE weir.cause IS 'Why a transition happened. The list is closed: clients may rely on it. manual is what a change made by hand gets.';

CREATE TYPE weir.river_job_state AS ENUM (
    'available',
    'cancelled',
    'completed',
    'discarded',
    'pending',
    'retryable',
    'running',
    'scheduled'
);

CREATE TYPE weir.run_if AS ENUM (
    'all_succeeded',
    'all_finished',
    'any_failed'
);

COMMENT ON TYPE weir.run_if IS 'When a step runs, given how its needs ended; otherwise it is skipped.';

CREATE TYPE weir.run_state AS ENUM (
    'running',
    'paused',
    'succeeded',
    'failed',
    'cancelled'
);

COMMENT ON TYPE weir.run_state IS 'Where a run is in its life. The last three are final.';

CREATE TYPE weir.step_state AS ENUM (
    'pending',
    'available',
    'running',
    'retrying',
    'waiting',
    'succeeded',
    'failed',
    'crashed',
    'timed_out',
    'lost',
    'cancelled',
    'skipped'
);

COMMENT ON TYPE weir.step_state IS 'Where a step is in its life. The last seven are final: a step in one of them never leaves it. weir.legal_transitions lists the ways between them.';

CREATE FUNCTION weir.grant_to_roles() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if exists (select from pg_roles where rolname = 'weir_app') then
    grant usage on schema weir to weir_app;
    grant select, insert, update, delete on all tables in schema weir to weir_app;
    grant usage, select on all sequences in schema weir to weir_app;
    revoke insert, update, delete on weir.transitions, weir.legal_transitions, weir.schema_info, weir.goose_version, weir.river_migration from weir_app;
    alter default privileges in schema weir grant select, insert, update, delete on tables to weir_app;
    alter default privileges in schema weir grant usage, select on sequences to weir_app;
  end if;
  if exists (select from pg_roles where rolname = 'weir_reader') then
    grant usage on schema weir to weir_reader;
    grant select on all tables in schema weir to weir_reader;
    alter default privileges in schema weir grant select on tables to weir_reader;
  end if;
end
$$;

COMMENT ON FUNCTION weir.grant_to_roles() IS 'Gives weir_app and weir_reader what they need, also in tables that come later. Run it again, as the owner, when the roles were made after the migration. weir_app writes everything but history (weir.transitions), rules and versions; weir_reader reads.';

CREATE FUNCTION weir.mark_run_moved_by_hand() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION weir.mark_run_moved_by_hand() IS 'Gives a run that somebody moves without saying who they are (no weir.actor) the cause manual, and finished_at when it ends. Refuses to end one with open steps, whatever its counts are made to say. Wakes reconcile.';

CREATE FUNCTION weir.mark_step_moved_by_hand() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION weir.mark_step_moved_by_hand() IS 'Gives a step that somebody moves without saying who they are (no weir.actor) the cause manual, and what is easily forgotten: finished_at, run_after, no dispatch token, nothing to wait for, not settled. Wakes reconcile.';

CREATE FUNCTION weir.record_runs() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    AS $$
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

COMMENT ON FUNCTION weir.record_runs() IS 'Writes the history of the runs that a statement has moved, and the hints for reconcile. A limited run is shown to the gate (shard 16), the end of a child run to the step that waits for it. weir.actor is read as in weir.record_steps().';

CREATE FUNCTION weir.record_steps() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    AS $$
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

COMMENT ON FUNCTION weir.record_steps() IS 'Writes the history of the steps that a statement has moved, and the hints for reconcile. weir.actor says who it was (@worker: the worker in the row; nothing: the database user). A step that ends already settled needs no hint: what follows from it is done in the same transaction. A limited step that stops running is shown to the gate (shard 16), which gives its slots to others. enable_nestloop is off since the plan is made at the first call: planned for one row, nested loops take minutes for 10,000.';

CREATE FUNCTION weir.refuse() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION weir.refuse() IS 'Refuses a statement. Arguments: what is wrong, and what to do instead.';

CREATE FUNCTION weir.refuse_transition() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION weir.refuse_transition() IS 'Refuses a change of state that weir.legal_transitions does not list, and says which ones it does list. Argument: step or run.';

CREATE FUNCTION weir.retry_wait(retry jsonb, failures integer, retry_after interval) RETURNS interval
    LANGUAGE sql PARALLEL RESTRICTED
    AS $$
  select greatest(
    make_interval(secs => (1 + random() * coalesce((retry->>'jitter')::float8, 0.1)) / 1000 * least(
      coalesce((retry->>'initial_ms')::float8, 1000) * case when retry->>'backoff' = 'constant' then 1 else 2 ^ (least(greatest(failures, 1), 40) - 1) end,
      coalesce((retry->>'max_ms')::float8, 300000)
    )),
    case when retry_after > interval '1 hour' then interval '1 hour' else retry_after end
  )
$$;

COMMENT ON FUNCTION weir.retry_wait(retry jsonb, failures integer, retry_after interval) IS 'How long a step waits before it is tried again: min(initial * 2^(failures - 1), max), lengthened at random by up to jitter, never less than without it. retry is weir.steps.retry (null: 1 s, 5 min, 0.1, exponential), failures counts the failure that it waits after, retry_after is what the other side asked for (at most 1 h counts; null: nothing).';

CREATE FUNCTION weir.retry_wants(retry jsonb, outcome weir.step_state, on_request boolean) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  select case
    when retry ? 'on' then retry->'on' ? outcome::text
    else not on_request and outcome in ('failed', 'crashed', 'timed_out')
  end
$$;

COMMENT ON FUNCTION weir.retry_wants(retry jsonb, outcome weir.step_state, on_request boolean) IS 'Whether a retry policy (weir.steps.retry) wants a step tried again after this outcome, attempts left provided. Without "on" it wants failed, crashed and timed_out, never lost. on_request: the work may have happened although nobody said so, and only a policy that names the outcome in "on" wants it again.';

CREATE FUNCTION weir.river_job_state_in_bitmask(bitmask bit, state weir.river_job_state) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CASE state
        WHEN 'available' THEN get_bit(bitmask, 7)
        WHEN 'cancelled' THEN get_bit(bitmask, 6)
        WHEN 'completed' THEN get_bit(bitmask, 5)
        WHEN 'discarded' THEN get_bit(bitmask, 4)
        WHEN 'pending'   THEN get_bit(bitmask, 3)
        WHEN 'retryable' THEN get_bit(bitmask, 2)
        WHEN 'running'   THEN get_bit(bitmask, 1)
        WHEN 'scheduled' THEN get_bit(bitmask, 0)
        ELSE 0
    END = 1;
$$;

CREATE FUNCTION weir.shard_of(run uuid) RETURNS smallint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$select (get_byte(uuid_send(run), 15) % 16)::smallint$$;

COMMENT ON FUNCTION weir.shard_of(run uuid) IS 'Which of the 16 shards a run is reconciled in: its last byte modulo 16. One advisory lock guards each of them, pg_try_advisory_xact_lock(2003134834, shard).';

CREATE TABLE weir.bulks (
    id uuid NOT NULL,
    action text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    total integer NOT NULL,
    done integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    created_by text NOT NULL,
    finished_at timestamp with time zone,
    after_created_at timestamp with time zone,
    after_id uuid,
    filter jsonb DEFAULT '{}'::jsonb NOT NULL,
    reason text,
    error text,
    idempotency_key text,
    CONSTRAINT bulk_action_is_known CHECK ((action = ANY (ARRAY['cancel'::text, 'pause'::text, 'resume'::text, 'rerun'::text]))),
    CONSTRAINT bulk_counts_are_not_negative CHECK (((total >= 0) AND (done >= 0) AND (failed >= 0))),
    CONSTRAINT bulk_filter_is_an_object CHECK ((jsonb_typeof(filter) = 'object'::text)),
    CONSTRAINT bulk_finished_at_iff_final CHECK (((finished_at IS NOT NULL) = (state <> 'running'::text))),
    CONSTRAINT bulk_place_is_whole CHECK (((after_created_at IS NULL) = (after_id IS NULL))),
    CONSTRAINT bulk_state_is_known CHECK ((state = ANY (ARRAY['running'::text, 'done'::text, 'cancelled'::text, 'failed'::text])))
);

COMMENT ON TABLE weir.bulks IS 'Things done to many runs: to all that were there when somebody asked and match a filter. Any replica goes on with them, some runs a transaction, the newest first.';

COMMENT ON COLUMN weir.bulks.id IS 'UUIDv7.';

COMMENT ON COLUMN weir.bulks.action IS 'What is done to each run: cancel, pause, resume or rerun.';

COMMENT ON COLUMN weir.bulks.state IS 'running, then done, cancelled (somebody asked: what had been done stays done) or failed (no run would have it).';

COMMENT ON COLUMN weir.bulks.total IS 'How many runs matched when it was asked for.';

COMMENT ON COLUMN weir.bulks.done IS 'To how many of them it was done. Those that needed it no more when their turn came are not counted.';

COMMENT ON COLUMN weir.bulks.failed IS 'How many refused it; error says why the last of them did.';

COMMENT ON COLUMN weir.bulks.created_at IS 'When it was asked for. Runs that were submitted later are left alone.';

COMMENT ON COLUMN weir.bulks.created_by IS 'Who asked for it: an actor.';

COMMENT ON COLUMN weir.bulks.finished_at IS 'When it ended; null: it goes on.';

COMMENT ON COLUMN weir.bulks.after_created_at IS 'Where it is: created_at of the last run that it has dealt with.';

COMMENT ON COLUMN weir.bulks.after_id IS 'Where it is: the id of that run.';

COMMENT ON COLUMN weir.bulks.filter IS 'Which runs: {state, name, labels, created_after, created_before}; what is not there does not narrow.';

COMMENT ON COLUMN weir.bulks.reason IS 'Why, for people.';

COMMENT ON COLUMN weir.bulks.error IS 'Why the last run that refused did.';

COMMENT ON COLUMN weir.bulks.idempotency_key IS 'The client''s Idempotency-Key: the same key of the same actor answers the same row.';

COMMENT ON CONSTRAINT bulk_action_is_known ON weir.bulks IS 'cancel, pause, resume or rerun.';

COMMENT ON CONSTRAINT bulk_counts_are_not_negative ON weir.bulks IS 'Counts only grow.';

COMMENT ON CONSTRAINT bulk_filter_is_an_object ON weir.bulks IS 'Members are filters by name.';

COMMENT ON CONSTRAINT bulk_finished_at_iff_final ON weir.bulks IS 'What has ended says when.';

COMMENT ON CONSTRAINT bulk_place_is_whole ON weir.bulks IS 'A place in the list of runs is a time and an id.';

COMMENT ON CONSTRAINT bulk_state_is_known ON weir.bulks IS 'running, done, cancelled or failed.';

CREATE TABLE weir.dirty (
    id bigint NOT NULL,
    shard smallint NOT NULL,
    run_id uuid NOT NULL,
    step integer,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='100000');

COMMENT ON TABLE weir.dirty IS 'What reconcile should look at: hints, at least once, written by the transaction that made the change. A row is deleted by the pass that served it, in the same transaction: nothing is dropped when a pass fails.';

COMMENT ON COLUMN weir.dirty.id IS 'Names the row for its deletion; no high-water mark is ever derived from it.';

COMMENT ON COLUMN weir.dirty.shard IS 'Which advisory lock guards the run: weir.shard_of(run_id).';

COMMENT ON COLUMN weir.dirty.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.dirty.step IS 'The step''s ordinal; null: the run itself.';

COMMENT ON COLUMN weir.dirty.at IS 'When it was written: its age is how far reconcile is behind.';

ALTER TABLE weir.dirty ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME weir.dirty_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE weir.families (
    run_id uuid NOT NULL,
    step integer NOT NULL,
    total integer NOT NULL,
    expanded integer DEFAULT 0 NOT NULL,
    ended integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    items jsonb,
    CONSTRAINT family_counts_are_possible CHECK (((total >= 0) AND ((expanded >= 0) AND (expanded <= total)) AND ((ended >= 0) AND (ended <= expanded)) AND ((failed >= 0) AND (failed <= ended)))),
    CONSTRAINT family_has_its_list_until_it_is_expanded CHECK (((items IS NOT NULL) = (expanded < total)))
)
WITH (fillfactor='70');

COMMENT ON TABLE weir.families IS 'Fan-outs (for_each): how far the list is expanded into child steps, and how many of those have ended.';

COMMENT ON COLUMN weir.families.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.families.step IS 'The ordinal of the step that fans out.';

COMMENT ON COLUMN weir.families.total IS 'How long its list is.';

COMMENT ON COLUMN weir.families.expanded IS 'How many children there are so far: a thousand are made in a transaction.';

COMMENT ON COLUMN weir.families.ended IS 'How many of them are settled.';

COMMENT ON COLUMN weir.families.failed IS 'How many of those count as failures: none, with allow_failure.';

COMMENT ON COLUMN weir.families.items IS 'The list, until it is expanded.';

COMMENT ON CONSTRAINT family_counts_are_possible ON weir.families IS 'Children exist before they end.';

COMMENT ON CONSTRAINT family_has_its_list_until_it_is_expanded ON weir.families IS 'The list is needed as long as children are missing.';

CREATE TABLE weir.goose_version (
    id integer NOT NULL,
    version_id bigint NOT NULL,
    is_applied boolean NOT NULL,
    tstamp timestamp without time zone DEFAULT now() NOT NULL
);

ALTER TABLE weir.goose_version ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME weir.goose_version_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE weir.heard (
    run_id uuid NOT NULL,
    step integer NOT NULL,
    attempt integer NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (fillfactor='70');

COMMENT ON TABLE weir.heard IS 'The last sign of life (a log line, a word of progress) of steps that have a stall_after, by the clock of this database. Others have no row.';

COMMENT ON COLUMN weir.heard.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.heard.step IS 'The step''s ordinal.';

COMMENT ON COLUMN weir.heard.attempt IS 'The attempt that gave it.';

COMMENT ON COLUMN weir.heard.at IS 'When it arrived. infinity: lines are missing from the log of the attempt, so that silence says nothing; only its worker can tell whether it has stalled.';

CREATE TABLE weir.items (
    run_id uuid NOT NULL,
    parent integer NOT NULL,
    item integer NOT NULL,
    step integer NOT NULL,
    value jsonb NOT NULL
);

COMMENT ON TABLE weir.items IS 'What each child of a fan-out got as its item.';

COMMENT ON COLUMN weir.items.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.items.parent IS 'The ordinal of the step that fanned out.';

COMMENT ON COLUMN weir.items.item IS 'The place in the list, from 0.';

COMMENT ON COLUMN weir.items.step IS 'The ordinal of the child.';

COMMENT ON COLUMN weir.items.value IS 'The item: any JSON.';

CREATE TABLE weir.kinds (
    kind text NOT NULL,
    input_schema jsonb,
    output_schema jsonb,
    registered_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    build text DEFAULT ''::text NOT NULL,
    CONSTRAINT kind_is_well_formed CHECK ((kind ~ '^[a-z0-9][a-z0-9._-]{0,62}$'::text))
);

COMMENT ON TABLE weir.kinds IS 'Every kind of step that a worker ever registered, with its schemas. A plan that names another one is refused.';

COMMENT ON COLUMN weir.kinds.kind IS 'Its name.';

COMMENT ON COLUMN weir.kinds.input_schema IS 'JSON Schema of `with`; null: anything.';

COMMENT ON COLUMN weir.kinds.output_schema IS 'JSON Schema of the output; null: anything.';

COMMENT ON COLUMN weir.kinds.registered_at IS 'When it was first registered.';

COMMENT ON COLUMN weir.kinds.seen_at IS 'When a worker registered it last.';

COMMENT ON COLUMN weir.kinds.build IS 'The build that registered it last.';

COMMENT ON CONSTRAINT kind_is_well_formed ON weir.kinds IS 'Kinds are lower case letters, digits and . _ -, at most 63.';

CREATE TABLE weir.late_reports (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    run_id uuid NOT NULL,
    step integer NOT NULL,
    attempt integer NOT NULL,
    worker_id uuid,
    report uuid NOT NULL,
    outcome text NOT NULL,
    result text NOT NULL,
    state_was weir.step_state,
    payload jsonb,
    CONSTRAINT late_report_is_at_most_64_kb CHECK ((pg_column_size(payload) <= 65536))
);

COMMENT ON TABLE weir.late_reports IS 'Evidence: reports for attempts that had ended before. They change nothing; at most 10 per step are kept, 64 kB each.';

COMMENT ON COLUMN weir.late_reports.id IS 'Order of arrival, roughly.';

COMMENT ON COLUMN weir.late_reports.at IS 'When it arrived.';

COMMENT ON COLUMN weir.late_reports.run_id IS 'The run that it names.';

COMMENT ON COLUMN weir.late_reports.step IS 'The step''s ordinal.';

COMMENT ON COLUMN weir.late_reports.attempt IS 'The attempt that it is about.';

COMMENT ON COLUMN weir.late_reports.worker_id IS 'Who sent it.';

COMMENT ON COLUMN weir.late_reports.report IS 'The sender''s id of the report.';

COMMENT ON COLUMN weir.late_reports.outcome IS 'What it claims.';

COMMENT ON COLUMN weir.late_reports.result IS 'What was answered: too_late, superseded or cancelled.';

COMMENT ON COLUMN weir.late_reports.state_was IS 'What the step was when it arrived.';

COMMENT ON COLUMN weir.late_reports.payload IS 'What came with it; cut when it was too large.';

COMMENT ON CONSTRAINT late_report_is_at_most_64_kb ON weir.late_reports IS 'Evidence is bounded.';

ALTER TABLE weir.late_reports ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME weir.late_reports_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE weir.legal_transitions (
    entity text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    meaning text NOT NULL,
    CONSTRAINT legal_transition_is_of_a_step_or_a_run CHECK ((entity = ANY (ARRAY['step'::text, 'run'::text])))
);

COMMENT ON TABLE weir.legal_transitions IS 'Every transition that may happen, and nothing else may. The guards of weir.steps and weir.runs say the same; hints are made from this table.';

COMMENT ON COLUMN weir.legal_transitions.entity IS 'step or run.';

COMMENT ON COLUMN weir.legal_transitions.from_state IS 'The state that is left.';

COMMENT ON COLUMN weir.legal_transitions.to_state IS 'The state that is entered.';

COMMENT ON COLUMN weir.legal_transitions.meaning IS 'What has happened then, in a few words.';

COMMENT ON CONSTRAINT legal_transition_is_of_a_step_or_a_run ON weir.legal_transitions IS 'There are two kinds of things with a life: steps and runs.';

CREATE TABLE weir.limits (
    key text NOT NULL,
    used integer DEFAULT 0 NOT NULL,
    declared integer,
    administered integer,
    administered_at timestamp with time zone,
    administered_by text,
    CONSTRAINT limit_administered_says_by_whom CHECK ((num_nonnulls(administered, administered_at, administered_by) = ANY (ARRAY[0, 3]))),
    CONSTRAINT limit_is_positive CHECK (((declared > 0) AND (administered > 0))),
    CONSTRAINT limit_key_is_well_formed CHECK ((key ~ '^[A-Za-z0-9~][A-Za-z0-9._/:~-]{0,255}$'::text)),
    CONSTRAINT limit_used_is_not_negative CHECK ((used >= 0))
)
WITH (fillfactor='70');

COMMENT ON TABLE weir.limits IS 'How many of each key hold a slot, and how many may. Kept only while something is administered, held or waited for.';

COMMENT ON COLUMN weir.limits.key IS 'The key of the plans. Ours begin with ~: ~run/ID is max_parallel of a run, ~each/ID/STEP of a fan-out, ~key/KEY the one live run of a key.';

COMMENT ON COLUMN weir.limits.used IS 'How many slots are held. Counted by one pass at a time (shard 16).';

COMMENT ON COLUMN weir.limits.declared IS 'The limit that the plan said which asked last.';

COMMENT ON COLUMN weir.limits.administered IS 'The limit that somebody set (weir limit set): it goes before what plans say.';

COMMENT ON COLUMN weir.limits.administered_at IS 'When they set it.';

COMMENT ON COLUMN weir.limits.administered_by IS 'Who set it.';

COMMENT ON CONSTRAINT limit_administered_says_by_whom ON weir.limits IS 'What is set says when and by whom.';

COMMENT ON CONSTRAINT limit_is_positive ON weir.limits IS 'A limit of 0 would let nothing run.';

COMMENT ON CONSTRAINT limit_key_is_well_formed ON weir.limits IS 'Keys are letters, digits and . _ - / :, starting with a letter or digit.';

COMMENT ON CONSTRAINT limit_used_is_not_negative ON weir.limits IS 'Nobody gives back what nobody held.';

CREATE TABLE weir.logs (
    run_id uuid NOT NULL,
    step integer NOT NULL,
    attempt integer NOT NULL,
    seq bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    stream text NOT NULL,
    level text DEFAULT ''::text NOT NULL,
    text text NOT NULL,
    truncated boolean DEFAULT false NOT NULL,
    CONSTRAINT log_stream_is_known CHECK ((stream = ANY (ARRAY['stdout'::text, 'stderr'::text, 'log'::text])))
);

COMMENT ON TABLE weir.logs IS 'What attempts wrote: standard output and error of commands, and the log of handlers. Sending a line twice stores it once.';

COMMENT ON COLUMN weir.logs.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.logs.step IS 'The step''s ordinal.';

COMMENT ON COLUMN weir.logs.attempt IS 'The attempt that wrote it.';

COMMENT ON COLUMN weir.logs.seq IS 'Its place in the log of the attempt, from 1.';

COMMENT ON COLUMN weir.logs.at IS 'When it was written, by the clock of the worker.';

COMMENT ON COLUMN weir.logs.stream IS 'stdout, stderr, or log (of a handler).';

COMMENT ON COLUMN weir.logs.level IS 'debug, info, warn or error; empty for stdout and stderr.';

COMMENT ON COLUMN weir.logs.text IS 'The line, without its newline.';

COMMENT ON COLUMN weir.logs.truncated IS 'True where something was cut: the rest of the line, or of the log.';

COMMENT ON CONSTRAINT log_stream_is_known ON weir.logs IS 'stdout, stderr or log.';

CREATE TABLE weir.needs (
    run_id uuid NOT NULL,
    need integer NOT NULL,
    step integer NOT NULL,
    counted boolean DEFAULT false NOT NULL,
    CONSTRAINT need_is_another_step CHECK ((need <> step))
);

COMMENT ON TABLE weir.needs IS 'The edges of the DAGs: step needs need. Read by need when a step is settled: the work is proportional to its dependants.';

COMMENT ON COLUMN weir.needs.run_id IS 'The run that both steps belong to.';

COMMENT ON COLUMN weir.needs.need IS 'Ordinal of the step that has to end first.';

COMMENT ON COLUMN weir.needs.step IS 'Ordinal of the dependant.';

COMMENT ON COLUMN weir.needs.counted IS 'True when the end of the need was counted into the dependant ahead of its settling, because it has too many dependants for one transaction.';

COMMENT ON CONSTRAINT need_is_another_step ON weir.needs IS 'No step needs itself.';

CREATE TABLE weir.outputs (
    run_id uuid NOT NULL,
    step integer NOT NULL,
    attempt integer NOT NULL,
    output jsonb,
    output_error jsonb,
    error_code text,
    error_message text,
    error_retryable boolean,
    error_detail jsonb,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT output_error_is_whole CHECK (((error_code IS NULL) = (error_message IS NULL))),
    CONSTRAINT output_row_says_something CHECK ((num_nonnulls(output, output_error, error_code) > 0))
);

COMMENT ON TABLE weir.outputs IS 'What attempts left behind: an output, the reason why it could not be kept, or an error. One row per attempt that had anything to say.';

COMMENT ON COLUMN weir.outputs.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.outputs.step IS 'The step''s ordinal.';

COMMENT ON COLUMN weir.outputs.attempt IS 'The attempt that left it.';

COMMENT ON COLUMN weir.outputs.output IS 'The output of an attempt that succeeded.';

COMMENT ON COLUMN weir.outputs.output_error IS '{code, bytes} when there was an output that could not be kept.';

COMMENT ON COLUMN weir.outputs.error_code IS 'Machine-readable name of what went wrong.';

COMMENT ON COLUMN weir.outputs.error_message IS 'What went wrong, for people.';

COMMENT ON COLUMN weir.outputs.error_retryable IS 'False: trying again could not help.';

COMMENT ON COLUMN weir.outputs.error_detail IS 'More of it, by kind: exit code and signal, a stack, a status.';

COMMENT ON COLUMN weir.outputs.at IS 'When it was reported.';

COMMENT ON CONSTRAINT output_error_is_whole ON weir.outputs IS 'An error has a code and a message.';

COMMENT ON CONSTRAINT output_row_says_something ON weir.outputs IS 'Attempts with nothing to say have no row.';

CREATE TABLE weir.runs (
    id uuid NOT NULL,
    name text NOT NULL,
    state weir.run_state DEFAULT 'running'::weir.run_state NOT NULL,
    cause weir.cause DEFAULT 'submitted'::weir.cause NOT NULL,
    on_failure text DEFAULT 'continue'::text NOT NULL,
    max_parallel integer,
    steps_total integer NOT NULL,
    steps_open integer NOT NULL,
    steps_failed integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    created_by text DEFAULT SESSION_USER NOT NULL,
    start_at timestamp with time zone,
    deadline_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    cancel_requested_by text,
    cancel_reason text,
    key text,
    idempotency_scope text,
    idempotency_key text,
    idempotency_digest bytea,
    rerun_of uuid,
    labels jsonb DEFAULT '{}'::jsonb NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    admitted boolean DEFAULT true NOT NULL,
    limited boolean DEFAULT false NOT NULL,
    wants_output boolean DEFAULT false NOT NULL,
    depth smallint DEFAULT 0 NOT NULL,
    plan_version integer,
    parent_step integer,
    parent_run uuid,
    timeout interval,
    failing_at timestamp with time zone,
    cancel_cause weir.cause,
    CONSTRAINT run_cancel_cause_only_on_request CHECK (((cancel_cause IS NULL) OR (cancel_requested_at IS NOT NULL))),
    CONSTRAINT run_cancel_request_is_whole CHECK (((cancel_requested_at IS NULL) = (cancel_requested_by IS NULL))),
    CONSTRAINT run_counts_are_possible CHECK (((steps_total > 0) AND ((steps_open >= 0) AND (steps_open <= steps_total)) AND ((steps_failed >= 0) AND (steps_failed <= steps_total)))),
    CONSTRAINT run_depth_in_range CHECK (((depth >= 0) AND (depth <= 8))),
    CONSTRAINT run_finished_at_iff_final CHECK (((finished_at IS NOT NULL) = (state = ANY (ARRAY['succeeded'::weir.run_state, 'failed'::weir.run_state, 'cancelled'::weir.run_state])))),
    CONSTRAINT run_idempotency_is_whole CHECK ((num_nonnulls(idempotency_scope, idempotency_key, idempotency_digest) = ANY (ARRAY[0, 3]))),
    CONSTRAINT run_is_cancelled_only_on_request CHECK (((state <> 'cancelled'::weir.run_state) OR (cancel_requested_at IS NOT NULL))),
    CONSTRAINT run_is_final_only_when_all_its_steps_are CHECK (((state <> ALL (ARRAY['succeeded'::weir.run_state, 'failed'::weir.run_state, 'cancelled'::weir.run_state])) OR (steps_open = 0))),
    CONSTRAINT run_labels_are_an_object CHECK ((jsonb_typeof(labels) = 'object'::text)),
    CONSTRAINT run_max_parallel_is_positive CHECK ((max_parallel > 0)),
    CONSTRAINT run_name_is_well_formed CHECK ((name ~ '^[a-z0-9][a-z0-9._/-]{0,127}$'::text)),
    CONSTRAINT run_on_failure_is_known CHECK ((on_failure = ANY (ARRAY['continue'::text, 'cancel'::text, 'pause'::text]))),
    CONSTRAINT run_parent_is_whole CHECK (((parent_run IS NULL) = (parent_step IS NULL))),
    CONSTRAINT run_succeeded_without_failed_steps CHECK (((state <> 'succeeded'::weir.run_state) OR (steps_failed = 0))),
    CONSTRAINT run_timeout_is_positive CHECK ((timeout > '00:00:00'::interval))
);

COMMENT ON TABLE weir.runs IS 'One execution of a plan. What it was submitted with never changes; state, counters and the request to cancel do, and every change of state stands in weir.transitions.';

COMMENT ON COLUMN weir.runs.id IS 'UUIDv7, made before the commit, so that a submit whose outcome is unknown can be repeated.';

COMMENT ON COLUMN weir.runs.name IS 'The plan''s name.';

COMMENT ON COLUMN weir.runs.state IS 'running until its last step is final; see weir.legal_transitions.';

COMMENT ON COLUMN weir.runs.cause IS 'Why it came into this state.';

COMMENT ON COLUMN weir.runs.on_failure IS 'What a failed step does to the rest of the run.';

COMMENT ON COLUMN weir.runs.max_parallel IS 'How many of its steps may run at once; null: no limit.';

COMMENT ON COLUMN weir.runs.steps_total IS 'How many steps it has.';

COMMENT ON COLUMN weir.runs.steps_open IS 'How many of them are not settled yet. The run ends when this is 0.';

COMMENT ON COLUMN weir.runs.steps_failed IS 'How many settled steps count as a failure of the run (allow_failure does not).';

COMMENT ON COLUMN weir.runs.created_at IS 'When it was submitted, by the clock of this database.';

COMMENT ON COLUMN weir.runs.created_by IS 'Who submitted it: an actor (token:NAME, local) or a database user.';

COMMENT ON COLUMN weir.runs.start_at IS 'Its roots stay pending until then; null: at once.';

COMMENT ON COLUMN weir.runs.deadline_at IS 'When the run as a whole times out; null: never.';

COMMENT ON COLUMN weir.runs.finished_at IS 'When it became final.';

COMMENT ON COLUMN weir.runs.cancel_requested_at IS 'When its cancellation was asked for. A request is not a fact yet: the run is cancelled when its last step is final.';

COMMENT ON COLUMN weir.runs.cancel_requested_by IS 'Who asked for the cancellation.';

COMMENT ON COLUMN weir.runs.cancel_reason IS 'What they gave as a reason.';

COMMENT ON COLUMN weir.runs.key IS 'At most one live run per key; null: not keyed.';

COMMENT ON COLUMN weir.runs.idempotency_scope IS 'Whose idempotency keys these are: the name of the token, or local.';

COMMENT ON COLUMN weir.runs.idempotency_key IS 'The client''s Idempotency-Key: the same key answers the same run.';

COMMENT ON COLUMN weir.runs.idempotency_digest IS 'SHA-256 of the canonical body, to tell a repeat from another request under the same key.';

COMMENT ON COLUMN weir.runs.rerun_of IS 'The run that this one does again.';

COMMENT ON COLUMN weir.runs.labels IS 'The plan''s labels: an object of strings.';

COMMENT ON COLUMN weir.runs.description IS 'The plan''s description.';

COMMENT ON COLUMN weir.runs.admitted IS 'False while something holds the run as a whole back: start_at, its key, a concurrency limit or a rate (weir.slots says which). Its first steps stay pending until then.';

COMMENT ON COLUMN weir.runs.limited IS 'True when it was submitted with something that may hold it back: weir.slots has a row for it while it waits and while it is open.';

COMMENT ON COLUMN weir.runs.wants_output IS 'True when its plan has an output, which is evaluated when the run ends.';

COMMENT ON COLUMN weir.runs.depth IS 'How many runs are above it: 0 for what was submitted, one more for each child run.';

COMMENT ON COLUMN weir.runs.plan_version IS 'Which version of the named plan it runs; null: the plan came with the submit.';

COMMENT ON COLUMN weir.runs.parent_step IS 'The ordinal of the step of the parent run that waits for this one.';

COMMENT ON COLUMN weir.runs.parent_run IS 'The run that this one is a step of; null: none.';

COMMENT ON COLUMN weir.runs.timeout IS 'How long the run as a whole may take from its admission on; null: for ever.';

COMMENT ON COLUMN weir.runs.failing_at IS 'When on_failure: cancel struck: what runs only after success (run_if all_succeeded) is cancelled, the rest still runs.';

COMMENT ON COLUMN weir.runs.cancel_cause IS 'Why the cancellation was asked for, where it was not a person: run_timeout, superseded; null: somebody asked.';

COMMENT ON CONSTRAINT run_cancel_cause_only_on_request ON weir.runs IS 'A cause belongs to a request.';

COMMENT ON CONSTRAINT run_cancel_request_is_whole ON weir.runs IS 'A request to cancel says when and by whom.';

COMMENT ON CONSTRAINT run_counts_are_possible ON weir.runs IS 'There is at least one step, and no count is negative or above the total.';

COMMENT ON CONSTRAINT run_depth_in_range ON weir.runs IS 'Runs start runs at most 8 deep: a plan that runs itself ends there.';

COMMENT ON CONSTRAINT run_finished_at_iff_final ON weir.runs IS 'A run has finished_at exactly when it is final.';

COMMENT ON CONSTRAINT run_idempotency_is_whole ON weir.runs IS 'Scope, key and digest of an idempotent submit stand together or not at all.';

COMMENT ON CONSTRAINT run_is_cancelled_only_on_request ON weir.runs IS 'A run is cancelled only after somebody asked: set cancel_requested_at and cancel_requested_by, or run weir cancel ID; reconcile does the rest.';

COMMENT ON CONSTRAINT run_is_final_only_when_all_its_steps_are ON weir.runs IS 'A run cannot end while one of its steps is open. Cancel the run (weir cancel ID) and wait for its steps.';

COMMENT ON CONSTRAINT run_labels_are_an_object ON weir.runs IS 'Labels are key: value pairs.';

COMMENT ON CONSTRAINT run_max_parallel_is_positive ON weir.runs IS 'A limit of 0 would let nothing run.';

COMMENT ON CONSTRAINT run_name_is_well_formed ON weir.runs IS 'Names are lower case letters, digits and . _ / -, at most 128, starting with a letter or digit.';

COMMENT ON CONSTRAINT run_on_failure_is_known ON weir.runs IS 'continue, cancel or pause.';

COMMENT ON CONSTRAINT run_parent_is_whole ON weir.runs IS 'A child run names both the run and the step above it.';

COMMENT ON CONSTRAINT run_succeeded_without_failed_steps ON weir.runs IS 'A run with a failed step (without allow_failure) did not succeed.';

COMMENT ON CONSTRAINT run_timeout_is_positive ON weir.runs IS 'A timeout of nothing would end everything at once.';

CREATE TABLE weir.slots (
    seq bigint NOT NULL,
    run_id uuid NOT NULL,
    step integer NOT NULL,
    priority smallint DEFAULT 2 NOT NULL,
    waiting_on text,
    concurrency_key text,
    holds text[] DEFAULT '{}'::text[] NOT NULL,
    due_at timestamp with time zone,
    asked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    held_at timestamp with time zone,
    CONSTRAINT slot_holds_only_when_held CHECK (((waiting_on IS NULL) OR (holds = '{}'::text[]))),
    CONSTRAINT slot_is_held_or_waited_for CHECK (((waiting_on IS NULL) = (held_at IS NOT NULL)))
);

COMMENT ON TABLE weir.slots IS 'Who holds slots of limits, and who waits in which line: runs (step 0) and steps that something limits, while they are open. Written by one pass at a time (shard 16).';

COMMENT ON COLUMN weir.slots.seq IS 'Its place in any line: who asked first goes first, within a priority.';

COMMENT ON COLUMN weir.slots.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.slots.step IS 'The step''s ordinal; 0: the run itself.';

COMMENT ON COLUMN weir.slots.priority IS 'Of the step; lines are in order of it. Runs have 2.';

COMMENT ON COLUMN weir.slots.waiting_on IS 'The line that it stands in: a key of weir.limits, ~rate/KEY, or ~start (start_at). Null: it waits for nothing any more.';

COMMENT ON COLUMN weir.slots.concurrency_key IS 'The key of its concurrency limit; null: it has none.';

COMMENT ON COLUMN weir.slots.holds IS 'The keys of weir.limits that it holds a slot of: all that it needs, or none.';

COMMENT ON COLUMN weir.slots.due_at IS 'When its start_at is, in the line ~start.';

COMMENT ON COLUMN weir.slots.asked_at IS 'When it asked.';

COMMENT ON COLUMN weir.slots.held_at IS 'Since when it waits for nothing.';

COMMENT ON CONSTRAINT slot_holds_only_when_held ON weir.slots IS 'Nobody keeps a slot while it waits for another one.';

COMMENT ON CONSTRAINT slot_is_held_or_waited_for ON weir.slots IS 'Who has what it needs does not wait.';

CREATE TABLE weir.steps (
    run_id uuid NOT NULL,
    step integer NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    river_job_id bigint,
    worker_id uuid,
    state weir.step_state DEFAULT 'pending'::weir.step_state NOT NULL,
    cause weir.cause DEFAULT 'submitted'::weir.cause NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    settled boolean DEFAULT false NOT NULL,
    has_output boolean DEFAULT false NOT NULL,
    allow_failure boolean DEFAULT false NOT NULL,
    priority smallint DEFAULT 2 NOT NULL,
    run_if weir.run_if DEFAULT 'all_succeeded'::weir.run_if NOT NULL,
    needs_total integer DEFAULT 0 NOT NULL,
    needs_open integer DEFAULT 0 NOT NULL,
    needs_failed integer DEFAULT 0 NOT NULL,
    needs_allowed integer DEFAULT 0 NOT NULL,
    needs_neutral integer DEFAULT 0 NOT NULL,
    dependants integer DEFAULT 0 NOT NULL,
    max_attempts integer DEFAULT 1 NOT NULL,
    unnamed smallint DEFAULT 0 NOT NULL,
    last_outcome weir.step_state,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    run_after timestamp with time zone,
    claimed_at timestamp with time zone,
    started_at timestamp with time zone,
    deadline_at timestamp with time zone,
    finished_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    timeout interval,
    grace interval DEFAULT '00:00:10'::interval NOT NULL,
    stall_after interval,
    report uuid,
    reused_from uuid,
    key text NOT NULL,
    kind text NOT NULL,
    queue text DEFAULT 'default'::text NOT NULL,
    runs_on text DEFAULT 'replica'::text NOT NULL,
    waiting_for text,
    cancel_requested_by text,
    cancel_reason text,
    retry jsonb,
    limited boolean DEFAULT false NOT NULL,
    parent integer,
    item integer,
    expects text,
    cancel_cause weir.cause,
    CONSTRAINT step_cancel_cause_only_on_request CHECK (((cancel_cause IS NULL) OR (cancel_requested_at IS NOT NULL))),
    CONSTRAINT step_cancel_request_is_whole CHECK (((cancel_requested_at IS NULL) = (cancel_requested_by IS NULL))),
    CONSTRAINT step_dispatch_token_only_while_claimable_or_running CHECK (((river_job_id IS NULL) OR (state = ANY (ARRAY['available'::weir.step_state, 'retrying'::weir.step_state, 'running'::weir.step_state])))),
    CONSTRAINT step_durations_are_positive CHECK (((timeout > '00:00:00'::interval) AND (grace >= '00:00:00'::interval) AND (stall_after > '00:00:00'::interval))),
    CONSTRAINT step_expects_something_known CHECK ((expects = ANY (ARRAY['signal'::text, 'approval'::text, 'time'::text, 'children'::text, 'run'::text]))),
    CONSTRAINT step_finished_at_iff_final CHECK (((finished_at IS NOT NULL) = (state >= 'succeeded'::weir.step_state))),
    CONSTRAINT step_item_iff_child CHECK (((parent IS NULL) = (item IS NULL))),
    CONSTRAINT step_key_is_well_formed CHECK ((key ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(\[[0-9]{1,5}\])?$'::text)),
    CONSTRAINT step_kind_is_well_formed CHECK ((kind ~ '^[a-z0-9][a-z0-9._-]{0,62}$'::text)),
    CONSTRAINT step_last_outcome_is_an_outcome CHECK ((last_outcome = ANY (ARRAY['succeeded'::weir.step_state, 'failed'::weir.step_state, 'crashed'::weir.step_state, 'timed_out'::weir.step_state, 'lost'::weir.step_state, 'cancelled'::weir.step_state]))),
    CONSTRAINT step_max_attempts_in_range CHECK (((max_attempts >= 1) AND (max_attempts <= 1000))),
    CONSTRAINT step_needs_counts_are_possible CHECK ((((needs_open >= 0) AND (needs_open <= needs_total)) AND (needs_failed >= 0) AND (needs_allowed >= 0) AND (needs_neutral >= 0) AND (((needs_failed + needs_allowed) + needs_neutral) <= (needs_total - needs_open)))),
    CONSTRAINT step_needs_nothing_open_once_it_left_pending CHECK (((needs_open = 0) OR (state = ANY (ARRAY['pending'::weir.step_state, 'skipped'::weir.step_state, 'cancelled'::weir.step_state])))),
    CONSTRAINT step_never_failed_more_often_than_claimed CHECK (((attempt >= 0) AND ((failures >= 0) AND (failures <= attempt)))),
    CONSTRAINT step_ordinal_counts_from_one CHECK ((step >= 1)),
    CONSTRAINT step_output_only_when_succeeded CHECK (((NOT has_output) OR (state = 'succeeded'::weir.step_state))),
    CONSTRAINT step_priority_in_range CHECK (((priority >= 1) AND (priority <= 4))),
    CONSTRAINT step_queue_is_well_formed CHECK ((queue ~ '^[a-z0-9][a-z0-9._-]{0,62}$'::text)),
    CONSTRAINT step_retry_is_an_object CHECK ((jsonb_typeof(retry) = 'object'::text)),
    CONSTRAINT step_retrying_has_run_after CHECK (((state <> 'retrying'::weir.step_state) OR (run_after IS NOT NULL))),
    CONSTRAINT step_reused_only_when_succeeded CHECK (((reused_from IS NULL) OR (state = 'succeeded'::weir.step_state))),
    CONSTRAINT step_running_has_worker_claim_and_attempt CHECK (((state <> 'running'::weir.step_state) OR ((worker_id IS NOT NULL) AND (claimed_at IS NOT NULL) AND (attempt > 0)))),
    CONSTRAINT step_runs_on_is_known CHECK ((runs_on = ANY (ARRAY['replica'::text, 'remote'::text]))),
    CONSTRAINT step_settled_only_when_final CHECK (((NOT settled) OR (state >= 'succeeded'::weir.step_state))),
    CONSTRAINT step_waiting_says_for_what CHECK (((state = 'waiting'::weir.step_state) = (waiting_for IS NOT NULL))),
    CONSTRAINT step_waits_for_something_known CHECK ((waiting_for = ANY (ARRAY['signal'::text, 'approval'::text, 'time'::text, 'decision'::text, 'children'::text, 'run'::text])))
);

COMMENT ON TABLE weir.steps IS 'One node of a run: the unit of work. A step moves only along weir.legal_transitions; attempt is the fence that keeps a worker from the past from changing it; every change of state stands in weir.transitions.';

COMMENT ON COLUMN weir.steps.run_id IS 'The run that it belongs to.';

COMMENT ON COLUMN weir.steps.step IS 'Ordinal in the plan, from 1. In the API and on the command line a step is named by its key.';

COMMENT ON COLUMN weir.steps.attempt IS 'How often it was claimed. It only grows, by one, on the way to running: a report is accepted only for the current attempt.';

COMMENT ON COLUMN weir.steps.river_job_id IS 'Dispatch token: the one River job that may start it, or has started it. Null: not dispatched.';

COMMENT ON COLUMN weir.steps.worker_id IS 'Who claimed it last.';

COMMENT ON COLUMN weir.steps.state IS 'Where it is in its life; see weir.legal_transitions.';

COMMENT ON COLUMN weir.steps.cause IS 'Why it came into this state.';

COMMENT ON COLUMN weir.steps.failures IS 'How many of its outcomes count for the retry policy. max_attempts is compared with this, not with attempt.';

COMMENT ON COLUMN weir.steps.settled IS 'True once its end has been counted into its dependants and its run.';

COMMENT ON COLUMN weir.steps.has_output IS 'True when weir.outputs holds an output of its last attempt.';

COMMENT ON COLUMN weir.steps.allow_failure IS 'Its failure counts as a success for its dependants and its run.';

COMMENT ON COLUMN weir.steps.priority IS '1 is first, 4 is last.';

COMMENT ON COLUMN weir.steps.run_if IS 'When it runs, given how its needs ended.';

COMMENT ON COLUMN weir.steps.needs_total IS 'How many steps it needs.';

COMMENT ON COLUMN weir.steps.needs_open IS 'How many of its needs are not settled yet.';

COMMENT ON COLUMN weir.steps.needs_failed IS 'How many of its settled needs failed.';

COMMENT ON COLUMN weir.steps.needs_allowed IS 'How many of its settled needs failed with allow_failure.';

COMMENT ON COLUMN weir.steps.needs_neutral IS 'How many of its settled needs were skipped by run_if or by an operator.';

COMMENT ON COLUMN weir.steps.dependants IS 'How many steps need it. Above 1,000 their counting is spread over several transactions.';

COMMENT ON COLUMN weir.steps.max_attempts IS 'How many counted failures end it.';

COMMENT ON COLUMN weir.steps.unnamed IS 'How many heartbeats in a row of its own worker did not name it. Twice: the worker forgot it.';

COMMENT ON COLUMN weir.steps.last_outcome IS 'How its last attempt ended; kept while it is retried or waits for a decision.';

COMMENT ON COLUMN weir.steps.created_at IS 'When it was submitted.';

COMMENT ON COLUMN weir.steps.run_after IS 'When it may be claimed again, while retrying.';

COMMENT ON COLUMN weir.steps.claimed_at IS 'When its last claim was made.';

COMMENT ON COLUMN weir.steps.started_at IS 'When its last attempt started.';

COMMENT ON COLUMN weir.steps.deadline_at IS 'When its last attempt had to be over; with grace on top, the database ends it.';

COMMENT ON COLUMN weir.steps.finished_at IS 'When it became final.';

COMMENT ON COLUMN weir.steps.cancel_requested_at IS 'When its cancellation was asked for (of the step itself, not of the run). A running step is cancelled when its worker says so, or when it says nothing for too long.';

COMMENT ON COLUMN weir.steps.timeout IS 'How long one attempt may take; null: for ever.';

COMMENT ON COLUMN weir.steps.grace IS 'Between TERM and KILL; also how long its report may take after the deadline.';

COMMENT ON COLUMN weir.steps.stall_after IS 'How long an attempt may be silent before it counts as stalled; null: for ever.';

COMMENT ON COLUMN weir.steps.report IS 'Id of the report that ended its last attempt: the same report again is a duplicate, another one is too late.';

COMMENT ON COLUMN weir.steps.reused_from IS 'The run from which it was carried over, already succeeded, into a rerun.';

COMMENT ON COLUMN weir.steps.key IS 'Its name in the plan, unique in the run.';

COMMENT ON COLUMN weir.steps.kind IS 'What kind of work it is: which handler runs it. Also the kind of its River job.';

COMMENT ON COLUMN weir.steps.queue IS 'The River queue that it is dispatched into.';

COMMENT ON COLUMN weir.steps.runs_on IS 'replica: in process, through River. remote: claimed over HTTP.';

COMMENT ON COLUMN weir.steps.waiting_for IS 'What it waits for, exactly while waiting.';

COMMENT ON COLUMN weir.steps.cancel_requested_by IS 'Who asked for its cancellation.';

COMMENT ON COLUMN weir.steps.cancel_reason IS 'What they gave as a reason.';

COMMENT ON COLUMN weir.steps.retry IS 'The rest of its retry policy: {on, backoff, initial_ms, max_ms, jitter}; null: the defaults.';

COMMENT ON COLUMN weir.steps.limited IS 'True when it needs a slot before it is dispatched: a concurrency limit, a rate, or max_parallel. weir.slots has a row for it while it waits for one and while it holds one.';

COMMENT ON COLUMN weir.steps.parent IS 'For a child of a fan-out (for_each): the ordinal of the step that fanned out.';

COMMENT ON COLUMN weir.steps.item IS 'For a child of a fan-out: its place in the list, from 0.';

COMMENT ON COLUMN weir.steps.expects IS 'What it waits for once its needs are met: signal, approval or time (kind wait), children (for_each) or run (kind plan). Null: a worker claims it.';

COMMENT ON COLUMN weir.steps.cancel_cause IS 'Why its cancellation was asked for, where it was not a person; null: somebody asked.';

COMMENT ON CONSTRAINT step_cancel_cause_only_on_request ON weir.steps IS 'A cause belongs to a request.';

COMMENT ON CONSTRAINT step_cancel_request_is_whole ON weir.steps IS 'A request to cancel says when and by whom.';

COMMENT ON CONSTRAINT step_dispatch_token_only_while_claimable_or_running ON weir.steps IS 'Only what may start, or has started, has a dispatch token.';

COMMENT ON CONSTRAINT step_durations_are_positive ON weir.steps IS 'A timeout of nothing would end everything at once.';

COMMENT ON CONSTRAINT step_expects_something_known ON weir.steps IS 'signal, approval, time, children or run.';

COMMENT ON CONSTRAINT step_finished_at_iff_final ON weir.steps IS 'A step has finished_at exactly when it is final.';

COMMENT ON CONSTRAINT step_item_iff_child ON weir.steps IS 'A child of a fan-out has a place in its list, and nothing else has.';

COMMENT ON CONSTRAINT step_key_is_well_formed ON weir.steps IS 'Keys are letters, digits and . _ -, at most 128, starting with a letter or digit; children of a fan-out end in [n].';

COMMENT ON CONSTRAINT step_kind_is_well_formed ON weir.steps IS 'Kinds are lower case letters, digits and . _ -, at most 63.';

COMMENT ON CONSTRAINT step_last_outcome_is_an_outcome ON weir.steps IS 'An attempt ends in one of the final states.';

COMMENT ON CONSTRAINT step_max_attempts_in_range ON weir.steps IS '1 to 1,000.';

COMMENT ON CONSTRAINT step_needs_counts_are_possible ON weir.steps IS 'Counts of needs are never negative and never add up to more than there are.';

COMMENT ON CONSTRAINT step_needs_nothing_open_once_it_left_pending ON weir.steps IS 'A step starts only after everything that it needs is settled.';

COMMENT ON CONSTRAINT step_never_failed_more_often_than_claimed ON weir.steps IS 'Each counted failure is the outcome of an attempt of its own.';

COMMENT ON CONSTRAINT step_ordinal_counts_from_one ON weir.steps IS 'The first step of a plan has the ordinal 1.';

COMMENT ON CONSTRAINT step_output_only_when_succeeded ON weir.steps IS 'Only success has an output.';

COMMENT ON CONSTRAINT step_priority_in_range ON weir.steps IS '1 to 4.';

COMMENT ON CONSTRAINT step_queue_is_well_formed ON weir.steps IS 'Queues are lower case letters, digits and . _ -, at most 63.';

COMMENT ON CONSTRAINT step_retry_is_an_object ON weir.steps IS 'A retry policy is an object or null.';

COMMENT ON CONSTRAINT step_retrying_has_run_after ON weir.steps IS 'What is to be tried again says when.';

COMMENT ON CONSTRAINT step_reused_only_when_succeeded ON weir.steps IS 'Only a step that had succeeded is carried over into a rerun.';

COMMENT ON CONSTRAINT step_running_has_worker_claim_and_attempt ON weir.steps IS 'What runs, somebody has claimed: only Start brings a step to running.';

COMMENT ON CONSTRAINT step_runs_on_is_known ON weir.steps IS 'replica or remote.';

COMMENT ON CONSTRAINT step_settled_only_when_final ON weir.steps IS 'Nothing is counted before it has ended.';

COMMENT ON CONSTRAINT step_waiting_says_for_what ON weir.steps IS 'What waits says for what, and nothing else does.';

COMMENT ON CONSTRAINT step_waits_for_something_known ON weir.steps IS 'signal, approval, time, decision, children or run.';

CREATE VIEW weir.overview AS
 SELECT r.id AS run_id,
    r.name,
    r.state,
    r.cause,
    r.cancel_requested_at,
    r.steps_total,
    s.pending,
    s.available,
    s.running,
    s.retrying,
    s.waiting,
    s.succeeded,
    s.failed,
    s.cancelled,
    s.skipped,
        CASE
            WHEN (f.key IS NOT NULL) THEN (((f.key || ' '::text) || f.state) || COALESCE((': '::text || "left"(o.error_message, 200)), ''::text))
            ELSE NULL::text
        END AS problem,
    r.created_at,
    r.created_by,
    r.finished_at,
    (COALESCE(r.finished_at, clock_timestamp()) - r.created_at) AS took,
        CASE
            WHEN (r.admitted OR (r.finished_at IS NOT NULL)) THEN NULL::text
            WHEN (l.waiting_on = '~start'::text) THEN format('start_at %s'::text, r.start_at)
            WHEN (l.waiting_on ~~ '~key/%'::text) THEN format('the live run of its key %s'::text, r.key)
            WHEN (l.waiting_on ~~ '~rate/%'::text) THEN format('the rate of %s'::text, substr(l.waiting_on, 7))
            WHEN (l.waiting_on IS NOT NULL) THEN format('a slot of %s'::text, l.waiting_on)
            ELSE 'the gate'::text
        END AS waits_for
   FROM ((((weir.runs r
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE (s_1.state = 'pending'::weir.step_state)) AS pending,
            count(*) FILTER (WHERE (s_1.state = 'available'::weir.step_state)) AS available,
            count(*) FILTER (WHERE (s_1.state = 'running'::weir.step_state)) AS running,
            count(*) FILTER (WHERE (s_1.state = 'retrying'::weir.step_state)) AS retrying,
            count(*) FILTER (WHERE (s_1.state = 'waiting'::weir.step_state)) AS waiting,
            count(*) FILTER (WHERE (s_1.state = 'succeeded'::weir.step_state)) AS succeeded,
            count(*) FILTER (WHERE (s_1.state = ANY (ARRAY['failed'::weir.step_state, 'crashed'::weir.step_state, 'timed_out'::weir.step_state, 'lost'::weir.step_state]))) AS failed,
            count(*) FILTER (WHERE (s_1.state = 'cancelled'::weir.step_state)) AS cancelled,
            count(*) FILTER (WHERE (s_1.state = 'skipped'::weir.step_state)) AS skipped,
            min(s_1.step) FILTER (WHERE ((s_1.state = ANY (ARRAY['failed'::weir.step_state, 'crashed'::weir.step_state, 'timed_out'::weir.step_state, 'lost'::weir.step_state])) AND (NOT s_1.allow_failure))) AS first_failed
           FROM weir.steps s_1
          WHERE (s_1.run_id = r.id)) s)
     LEFT JOIN weir.steps f ON (((f.run_id = r.id) AND (f.step = s.first_failed))))
     LEFT JOIN weir.outputs o ON (((o.run_id = f.run_id) AND (o.step = f.step) AND (o.attempt = f.attempt))))
     LEFT JOIN weir.slots l ON (((l.run_id = r.id) AND (l.step = 0) AND (NOT r.admitted))));

COMMENT ON VIEW weir.overview IS 'One row for each run: where it is, and what went wrong. Counts are made from the steps, so ask for some runs, not for all: select * from weir.overview order by created_at desc limit 20.';

COMMENT ON COLUMN weir.overview.run_id IS 'The run; weir run ID shows it with its steps.';

COMMENT ON COLUMN weir.overview.name IS 'The plan''s name.';

COMMENT ON COLUMN weir.overview.state IS 'Where it is in its life.';

COMMENT ON COLUMN weir.overview.cause IS 'Why it came into this state.';

COMMENT ON COLUMN weir.overview.cancel_requested_at IS 'When its cancellation was asked for; null: it was not.';

COMMENT ON COLUMN weir.overview.steps_total IS 'How many steps it has; the next nine columns add up to it.';

COMMENT ON COLUMN weir.overview.pending IS 'Steps that wait for other steps.';

COMMENT ON COLUMN weir.overview.available IS 'Steps that a worker may claim.';

COMMENT ON COLUMN weir.overview.running IS 'Steps that a worker holds.';

COMMENT ON COLUMN weir.overview.retrying IS 'Steps that are to be tried again.';

COMMENT ON COLUMN weir.overview.waiting IS 'Steps that wait for something from outside.';

COMMENT ON COLUMN weir.overview.succeeded IS 'Steps whose handler said so.';

COMMENT ON COLUMN weir.overview.failed IS 'Steps that failed, crashed, timed out or were lost, with allow_failure or without.';

COMMENT ON COLUMN weir.overview.cancelled IS 'Steps that somebody stopped, or that never started for that reason.';

COMMENT ON COLUMN weir.overview.skipped IS 'Steps that run_if, a failure upstream or an operator left out.';

COMMENT ON COLUMN weir.overview.problem IS 'The first step, in the order of the plan, that ended badly without allow_failure, and what it said; null: none did.';

COMMENT ON COLUMN weir.overview.created_at IS 'When it was submitted.';

COMMENT ON COLUMN weir.overview.created_by IS 'Who submitted it.';

COMMENT ON COLUMN weir.overview.finished_at IS 'When it ended; null: it goes on.';

COMMENT ON COLUMN weir.overview.took IS 'How long it took from submit to end, or has taken so far.';

COMMENT ON COLUMN weir.overview.waits_for IS 'What holds the run as a whole back; null: nothing, or it has ended.';

CREATE TABLE weir.plans (
    name text NOT NULL,
    version integer NOT NULL,
    plan jsonb NOT NULL,
    digest bytea NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    created_by text DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT plan_is_an_object CHECK ((jsonb_typeof(plan) = 'object'::text)),
    CONSTRAINT plan_name_is_well_formed CHECK ((name ~ '^[a-z0-9][a-z0-9._/-]{0,127}$'::text)),
    CONSTRAINT plan_version_counts_from_one CHECK ((version > 0))
);

COMMENT ON TABLE weir.plans IS 'Named plans, every version of each. A version never changes: another plan under the name is the next version.';

COMMENT ON COLUMN weir.plans.name IS 'What it is put and run by; the same as the name in the plan.';

COMMENT ON COLUMN weir.plans.version IS 'From 1, without gaps. The latest one is what runs when nobody says which.';

COMMENT ON COLUMN weir.plans.plan IS 'The plan as it was put, defaults not filled in.';

COMMENT ON COLUMN weir.plans.digest IS 'SHA-256 of the plan in canonical form: the same plan as the latest version makes no new one.';

COMMENT ON COLUMN weir.plans.description IS 'The plan''s own description, for lists.';

COMMENT ON COLUMN weir.plans.created_at IS 'When it was put.';

COMMENT ON COLUMN weir.plans.created_by IS 'Who put it: an actor (token:NAME, local) or a database user.';

COMMENT ON CONSTRAINT plan_is_an_object ON weir.plans IS 'A plan is a JSON object.';

COMMENT ON CONSTRAINT plan_name_is_well_formed ON weir.plans IS 'Names are lower case letters, digits and . _ / -, at most 128, starting with a letter or digit.';

COMMENT ON CONSTRAINT plan_version_counts_from_one ON weir.plans IS 'The first version is 1.';

CREATE TABLE weir.policies (
    run_id uuid NOT NULL,
    step integer NOT NULL,
    concurrency_limit integer,
    rate_limit integer,
    max_parallel integer,
    concurrency_key text,
    concurrency_strategy text,
    rate_key text,
    rate_per interval,
    for_each text,
    output jsonb,
    CONSTRAINT policy_concurrency_is_whole CHECK ((num_nonnulls(concurrency_key, concurrency_limit, concurrency_strategy) = ANY (ARRAY[0, 3]))),
    CONSTRAINT policy_limits_are_positive CHECK (((concurrency_limit > 0) AND (rate_limit > 0) AND (rate_per > '00:00:00'::interval) AND (max_parallel > 0))),
    CONSTRAINT policy_rate_is_whole CHECK ((num_nonnulls(rate_key, rate_limit, rate_per) = ANY (ARRAY[0, 3]))),
    CONSTRAINT policy_says_something CHECK ((num_nonnulls(concurrency_key, rate_key, max_parallel, for_each, output) > 0)),
    CONSTRAINT policy_strategy_is_known CHECK ((concurrency_strategy = ANY (ARRAY['queue'::text, 'cancel_oldest'::text, 'cancel_newest'::text])))
);

COMMENT ON TABLE weir.policies IS 'Limits, fan-outs and outputs of runs (step 0) and steps that have any; no row: none. Keys are evaluated.';

COMMENT ON COLUMN weir.policies.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.policies.step IS 'The step''s ordinal; 0: the run itself.';

COMMENT ON COLUMN weir.policies.concurrency_limit IS 'How many of its key may run at once; what weir limit set says goes before it.';

COMMENT ON COLUMN weir.policies.rate_limit IS 'How many of its key may start in rate_per.';

COMMENT ON COLUMN weir.policies.max_parallel IS 'How many children of this fan-out may run at once. (That of a run is in weir.runs.)';

COMMENT ON COLUMN weir.policies.concurrency_key IS 'What it shares its slots with.';

COMMENT ON COLUMN weir.policies.concurrency_strategy IS 'What happens when all slots are taken: queue, cancel_oldest or cancel_newest.';

COMMENT ON COLUMN weir.policies.rate_key IS 'What it shares its rate with.';

COMMENT ON COLUMN weir.policies.rate_per IS 'The time in which rate_limit may start.';

COMMENT ON COLUMN weir.policies.for_each IS 'The expression that gives the list to fan out over.';

COMMENT ON COLUMN weir.policies.output IS 'The output of the run, expressions not evaluated.';

COMMENT ON CONSTRAINT policy_concurrency_is_whole ON weir.policies IS 'Key, limit and strategy stand together or not at all.';

COMMENT ON CONSTRAINT policy_limits_are_positive ON weir.policies IS 'A limit of 0 would let nothing run.';

COMMENT ON CONSTRAINT policy_rate_is_whole ON weir.policies IS 'Key, limit and time stand together or not at all.';

COMMENT ON CONSTRAINT policy_says_something ON weir.policies IS 'What has no policy has no row.';

COMMENT ON CONSTRAINT policy_strategy_is_known ON weir.policies IS 'queue, cancel_oldest or cancel_newest.';

CREATE TABLE weir.progress (
    run_id uuid NOT NULL,
    step integer NOT NULL,
    attempt integer NOT NULL,
    percent real,
    message text DEFAULT ''::text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT progress_percent_in_range CHECK (((percent >= (0)::double precision) AND (percent <= (100)::double precision)))
)
WITH (fillfactor='70');

COMMENT ON TABLE weir.progress IS 'How far running steps say they are: the last word of each.';

COMMENT ON COLUMN weir.progress.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.progress.step IS 'The step''s ordinal.';

COMMENT ON COLUMN weir.progress.attempt IS 'The attempt that said it.';

COMMENT ON COLUMN weir.progress.percent IS '0 to 100; null: unknown.';

COMMENT ON COLUMN weir.progress.message IS 'What it is doing.';

COMMENT ON COLUMN weir.progress.at IS 'When it said so.';

COMMENT ON CONSTRAINT progress_percent_in_range ON weir.progress IS '0 to 100.';

CREATE TABLE weir.pulse (
    one boolean DEFAULT true NOT NULL,
    beat_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    steady_since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    swept_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    refresh_asked_at timestamp with time zone,
    refreshed_at timestamp with time zone,
    CONSTRAINT pulse_has_one_row CHECK (one)
);

COMMENT ON TABLE weir.pulse IS 'One row, written every second by whoever reconciles. After a gap nobody is declared lost before the database has been there for a whole lease: an outage kills nobody.';

COMMENT ON COLUMN weir.pulse.one IS 'Always true: there is one row.';

COMMENT ON COLUMN weir.pulse.beat_at IS 'The last beat.';

COMMENT ON COLUMN weir.pulse.steady_since IS 'Since when beats have come without a gap of more than 3 seconds and without the clock going back.';

COMMENT ON COLUMN weir.pulse.swept_at IS 'When the last full sweep ran.';

COMMENT ON COLUMN weir.pulse.refresh_asked_at IS 'When somebody last asked for a full pass now (POST /v1/refresh); null: never.';

COMMENT ON COLUMN weir.pulse.refreshed_at IS 'When the last full sweep had ended; null: none has.';

COMMENT ON CONSTRAINT pulse_has_one_row ON weir.pulse IS 'The key can only be true, so there is at most one row.';

CREATE TABLE weir.quarantine (
    run_id uuid NOT NULL,
    error text NOT NULL,
    sqlstate text DEFAULT ''::text NOT NULL,
    tries integer DEFAULT 1 NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    retry_at timestamp with time zone DEFAULT (clock_timestamp() + '00:00:10'::interval) NOT NULL
);

COMMENT ON TABLE weir.quarantine IS 'Runs that reconcile failed on: set aside so that they stop nobody else, tried again at retry_at, and removed when that works.';

COMMENT ON COLUMN weir.quarantine.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.quarantine.error IS 'What went wrong, the last time.';

COMMENT ON COLUMN weir.quarantine.sqlstate IS 'Its SQLSTATE, if the database said so.';

COMMENT ON COLUMN weir.quarantine.tries IS 'How often it went wrong.';

COMMENT ON COLUMN weir.quarantine.at IS 'When it first went wrong.';

COMMENT ON COLUMN weir.quarantine.retry_at IS 'When it is tried again.';

CREATE TABLE weir.rates (
    key text NOT NULL,
    tokens double precision NOT NULL,
    refilled_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    due_at timestamp with time zone,
    rate_limit integer NOT NULL,
    rate_per interval NOT NULL,
    CONSTRAINT rate_is_positive CHECK (((rate_limit > 0) AND (rate_per > '00:00:00'::interval))),
    CONSTRAINT rate_tokens_are_not_negative CHECK ((tokens >= (0)::double precision))
)
WITH (fillfactor='70');

COMMENT ON TABLE weir.rates IS 'Token buckets: a start takes a token, and rate_limit of them come in rate_per, by the clock of this database.';

COMMENT ON COLUMN weir.rates.key IS 'The key of the plans.';

COMMENT ON COLUMN weir.rates.tokens IS 'How many there were at refilled_at, parts of one included.';

COMMENT ON COLUMN weir.rates.refilled_at IS 'When they were counted.';

COMMENT ON COLUMN weir.rates.due_at IS 'When the next token is there, while something waits for it.';

COMMENT ON COLUMN weir.rates.rate_limit IS 'How many there are at the most, and how many come in rate_per, as the plan said which asked last.';

COMMENT ON COLUMN weir.rates.rate_per IS 'The time in which that many come.';

COMMENT ON CONSTRAINT rate_is_positive ON weir.rates IS 'A rate of 0 would let nothing start.';

COMMENT ON CONSTRAINT rate_tokens_are_not_negative ON weir.rates IS 'Nothing starts on credit.';

CREATE TABLE weir.river_job (
    id bigint NOT NULL,
    state weir.river_job_state DEFAULT 'available'::weir.river_job_state NOT NULL,
    attempt smallint DEFAULT 0 NOT NULL,
    max_attempts smallint DEFAULT 25 NOT NULL,
    attempted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finalized_at timestamp with time zone,
    scheduled_at timestamp with time zone DEFAULT now() NOT NULL,
    priority smallint DEFAULT 1 NOT NULL,
    args jsonb NOT NULL,
    attempted_by text[],
    errors jsonb[],
    kind text NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    queue text DEFAULT 'default'::text NOT NULL,
    tags character varying(255)[] DEFAULT '{}'::character varying[] NOT NULL,
    unique_key bytea,
    unique_states bit(8),
    CONSTRAINT finalized_or_finalized_at_null CHECK ((((finalized_at IS NULL) AND (state <> ALL (ARRAY['cancelled'::weir.river_job_state, 'completed'::weir.river_job_state, 'discarded'::weir.river_job_state]))) OR ((finalized_at IS NOT NULL) AND (state = ANY (ARRAY['cancelled'::weir.river_job_state, 'completed'::weir.river_job_state, 'discarded'::weir.river_job_state]))))),
    CONSTRAINT kind_length CHECK (((char_length(kind) > 0) AND (char_length(kind) < 128))),
    CONSTRAINT max_attempts_is_positive CHECK ((max_attempts > 0)),
    CONSTRAINT priority_in_range CHECK (((priority >= 1) AND (priority <= 4))),
    CONSTRAINT queue_length CHECK (((char_length(queue) > 0) AND (char_length(queue) < 128)))
)
WITH (autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');

CREATE SEQUENCE weir.river_job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE weir.river_job_id_seq OWNED BY weir.river_job.id;

CREATE UNLOGGED TABLE weir.river_leader (
    elected_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    leader_id text NOT NULL,
    name text DEFAULT 'default'::text NOT NULL,
    CONSTRAINT leader_id_length CHECK (((char_length(leader_id) > 0) AND (char_length(leader_id) < 128))),
    CONSTRAINT name_length CHECK ((name = 'default'::text))
);

CREATE TABLE weir.river_migration (
    line text NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT line_length CHECK (((char_length(line) > 0) AND (char_length(line) < 128))),
    CONSTRAINT version_gte_1 CHECK ((version >= 1))
);

CREATE TABLE weir.river_notification (
    id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    payload text NOT NULL,
    topic text NOT NULL,
    CONSTRAINT topic_length CHECK (((length(topic) > 0) AND (length(topic) < 128)))
);

CREATE SEQUENCE weir.river_notification_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE weir.river_notification_id_seq OWNED BY weir.river_notification.id;

CREATE TABLE weir.river_queue (
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    paused_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);

CREATE TABLE weir.run_inputs (
    run_id uuid NOT NULL,
    input jsonb NOT NULL,
    CONSTRAINT run_input_is_an_object CHECK ((jsonb_typeof(input) = 'object'::text))
);

COMMENT ON TABLE weir.run_inputs IS 'What runs were given as input; no row: {}. Off the hot path: no transition carries it along.';

COMMENT ON COLUMN weir.run_inputs.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.run_inputs.input IS 'Its input, an object.';

COMMENT ON CONSTRAINT run_input_is_an_object ON weir.run_inputs IS 'Members are set by name (--input k=v), so it has to have names.';

CREATE TABLE weir.run_outputs (
    run_id uuid NOT NULL,
    output jsonb,
    output_error jsonb,
    CONSTRAINT run_output_or_error CHECK ((num_nonnulls(output, output_error) = 1))
);

COMMENT ON TABLE weir.run_outputs IS 'The outputs of runs whose plan has one, evaluated when they ended.';

COMMENT ON COLUMN weir.run_outputs.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.run_outputs.output IS 'The output: any JSON.';

COMMENT ON COLUMN weir.run_outputs.output_error IS '{code, message} when it could not be evaluated or kept.';

COMMENT ON CONSTRAINT run_output_or_error ON weir.run_outputs IS 'There is an output, or the reason why there is none.';

CREATE TABLE weir.stops (
    run_id uuid NOT NULL,
    step integer NOT NULL,
    attempt integer NOT NULL,
    worker_id uuid NOT NULL,
    cause weir.cause NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    give_up_at timestamp with time zone NOT NULL,
    grace interval NOT NULL
);

COMMENT ON TABLE weir.stops IS 'Running attempts that their worker is asked to end. It is notified (weir_stop) and reads this every second; what it then reports is true and wins. A row goes when the attempt has ended.';

COMMENT ON COLUMN weir.stops.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.stops.step IS 'The step''s ordinal.';

COMMENT ON COLUMN weir.stops.attempt IS 'The attempt to end; a later one is not meant.';

COMMENT ON COLUMN weir.stops.worker_id IS 'Who is to end it.';

COMMENT ON COLUMN weir.stops.cause IS 'Why.';

COMMENT ON COLUMN weir.stops.at IS 'When it was asked for.';

COMMENT ON COLUMN weir.stops.give_up_at IS 'When the database stops waiting for the worker''s word and cancels the step as unconfirmed.';

COMMENT ON COLUMN weir.stops.grace IS 'How long the attempt may take to end.';

CREATE TABLE weir.workers (
    id uuid NOT NULL,
    name text NOT NULL,
    type text DEFAULT 'replica'::text NOT NULL,
    host text DEFAULT ''::text NOT NULL,
    pid integer,
    build text DEFAULT ''::text NOT NULL,
    schema_version integer,
    kinds text[] DEFAULT '{}'::text[] NOT NULL,
    queues jsonb DEFAULT '{}'::jsonb NOT NULL,
    db_user text DEFAULT SESSION_USER NOT NULL,
    notify text DEFAULT 'poll'::text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    gone_at timestamp with time zone,
    CONSTRAINT worker_notify_is_known CHECK ((notify = ANY (ARRAY['listen'::text, 'poll'::text]))),
    CONSTRAINT worker_type_is_known CHECK ((type = ANY (ARRAY['replica'::text, 'remote'::text])))
);

COMMENT ON TABLE weir.workers IS 'Who executes attempts. A worker is believed alive until lease_until; its heartbeat moves that. One lease per worker, not per step.';

COMMENT ON COLUMN weir.workers.id IS 'New with every process. Also the id of its River client.';

COMMENT ON COLUMN weir.workers.name IS 'For people.';

COMMENT ON COLUMN weir.workers.type IS 'replica: through River. remote: over HTTP.';

COMMENT ON COLUMN weir.workers.host IS 'Where it runs.';

COMMENT ON COLUMN weir.workers.pid IS 'Its process there.';

COMMENT ON COLUMN weir.workers.build IS 'What it was built from.';

COMMENT ON COLUMN weir.workers.schema_version IS 'The schema version that its binary embeds.';

COMMENT ON COLUMN weir.workers.kinds IS 'The kinds of steps that it can run.';

COMMENT ON COLUMN weir.workers.queues IS 'The queues that it works, with its slots in each.';

COMMENT ON COLUMN weir.workers.db_user IS 'The database user of its session.';

COMMENT ON COLUMN weir.workers.notify IS 'Whether NOTIFY reaches it (listen) or it only polls.';

COMMENT ON COLUMN weir.workers.started_at IS 'When it registered.';

COMMENT ON COLUMN weir.workers.seen_at IS 'Its last sign of life.';

COMMENT ON COLUMN weir.workers.lease_until IS 'Until when it is believed alive.';

COMMENT ON COLUMN weir.workers.gone_at IS 'When it left, or when its lease was found to have run out; null again when it comes back.';

COMMENT ON CONSTRAINT worker_notify_is_known ON weir.workers IS 'listen or poll.';

COMMENT ON CONSTRAINT worker_type_is_known ON weir.workers IS 'replica or remote.';

CREATE VIEW weir.running AS
 SELECT s.run_id,
    r.name,
    s.step,
    s.key,
    s.kind,
    s.attempt,
    s.worker_id,
    w.name AS worker,
    w.host,
    s.claimed_at,
    s.started_at,
    (clock_timestamp() - s.claimed_at) AS running_for,
    s.deadline_at,
    w.lease_until,
        CASE
            WHEN (p.attempt = s.attempt) THEN p.percent
            ELSE NULL::real
        END AS percent,
        CASE
            WHEN (p.attempt = s.attempt) THEN p.message
            ELSE NULL::text
        END AS message,
    t.cause AS stopped_for
   FROM ((((weir.steps s
     JOIN weir.runs r ON ((r.id = s.run_id)))
     LEFT JOIN weir.workers w ON ((w.id = s.worker_id)))
     LEFT JOIN weir.progress p ON (((p.run_id = s.run_id) AND (p.step = s.step))))
     LEFT JOIN weir.stops t ON (((t.run_id = s.run_id) AND (t.step = s.step) AND (t.attempt = s.attempt))))
  WHERE (s.state = 'running'::weir.step_state);

COMMENT ON VIEW weir.running IS 'One row for each step that a worker holds now. Found through an index of running steps: it costs nothing that others have finished.';

COMMENT ON COLUMN weir.running.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.running.name IS 'The name of its plan.';

COMMENT ON COLUMN weir.running.step IS 'The step''s ordinal.';

COMMENT ON COLUMN weir.running.key IS 'The step''s name in the plan.';

COMMENT ON COLUMN weir.running.kind IS 'What kind of work it is.';

COMMENT ON COLUMN weir.running.attempt IS 'Which claim of the step this is.';

COMMENT ON COLUMN weir.running.worker_id IS 'Who holds it.';

COMMENT ON COLUMN weir.running.worker IS 'That worker''s name; null: there is no such worker any more.';

COMMENT ON COLUMN weir.running.host IS 'Where that worker is.';

COMMENT ON COLUMN weir.running.claimed_at IS 'When it was claimed.';

COMMENT ON COLUMN weir.running.started_at IS 'When the attempt started; null: a remote worker has not confirmed its claim yet.';

COMMENT ON COLUMN weir.running.running_for IS 'How long ago the claim was.';

COMMENT ON COLUMN weir.running.deadline_at IS 'When the attempt has to be over; null: never.';

COMMENT ON COLUMN weir.running.lease_until IS 'Until when the worker is believed alive. In the past for more than a moment: the step is about to be taken from it.';

COMMENT ON COLUMN weir.running.percent IS 'How far this attempt says it is.';

COMMENT ON COLUMN weir.running.message IS 'What this attempt says it is doing.';

COMMENT ON COLUMN weir.running.stopped_for IS 'Why the worker was asked to end it; null: it was not.';

CREATE TABLE weir.schedules (
    name text NOT NULL,
    plan text NOT NULL,
    plan_version integer,
    input jsonb DEFAULT '{}'::jsonb NOT NULL,
    cron text NOT NULL,
    timezone text DEFAULT 'UTC'::text NOT NULL,
    jitter interval DEFAULT '00:00:00'::interval NOT NULL,
    overlap text DEFAULT 'skip'::text NOT NULL,
    missed text DEFAULT 'once'::text NOT NULL,
    missed_within interval DEFAULT '1 day'::interval NOT NULL,
    next_slot timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    paused_at timestamp with time zone,
    paused_by text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    created_by text DEFAULT SESSION_USER NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_by text DEFAULT SESSION_USER NOT NULL,
    last_slot timestamp with time zone,
    last_run uuid,
    last_fired_at timestamp with time zone,
    skipped_slot timestamp with time zone,
    skipped_at timestamp with time zone,
    skip_reason text,
    skip_run uuid,
    error_slot timestamp with time zone,
    error_at timestamp with time zone,
    error text,
    CONSTRAINT schedule_error_is_whole CHECK ((num_nonnulls(error_slot, error_at, error) = ANY (ARRAY[0, 3]))),
    CONSTRAINT schedule_input_is_an_object CHECK ((jsonb_typeof(input) = 'object'::text)),
    CONSTRAINT schedule_is_due_no_sooner_than_its_slot CHECK ((due_at >= next_slot)),
    CONSTRAINT schedule_jitter_is_not_negative CHECK ((jitter >= '00:00:00'::interval)),
    CONSTRAINT schedule_last_is_whole CHECK ((num_nonnulls(last_slot, last_run, last_fired_at) = ANY (ARRAY[0, 3]))),
    CONSTRAINT schedule_missed_is_known CHECK ((missed = ANY (ARRAY['skip'::text, 'once'::text, 'all'::text]))),
    CONSTRAINT schedule_missed_within_is_positive CHECK ((missed_within > '00:00:00'::interval)),
    CONSTRAINT schedule_name_is_well_formed CHECK ((name ~ '^[a-z0-9][a-z0-9._/-]{0,127}$'::text)),
    CONSTRAINT schedule_overlap_is_known CHECK ((overlap = ANY (ARRAY['skip'::text, 'queue'::text, 'allow'::text, 'replace'::text]))),
    CONSTRAINT schedule_pause_is_whole CHECK (((paused_at IS NULL) = (paused_by IS NULL))),
    CONSTRAINT schedule_plan_version_counts_from_one CHECK ((plan_version > 0)),
    CONSTRAINT schedule_skip_is_whole CHECK ((num_nonnulls(skipped_slot, skipped_at, skip_reason) = ANY (ARRAY[0, 3]))),
    CONSTRAINT schedule_skip_reason_is_known CHECK ((skip_reason = ANY (ARRAY['overlap'::text, 'missed'::text])))
)
WITH (fillfactor='70');

COMMENT ON TABLE weir.schedules IS 'When named plans are run by themselves. Whoever submits the run of a slot moves next_slot on in the same transaction, and the slot is the run''s idempotency key: each slot makes one run at the most.';

COMMENT ON COLUMN weir.schedules.name IS 'Its name: the label weir/schedule of its runs.';

COMMENT ON COLUMN weir.schedules.plan IS 'The name of the plan: weir.plans.name.';

COMMENT ON COLUMN weir.schedules.plan_version IS 'Its version; null: the latest at each slot.';

COMMENT ON COLUMN weir.schedules.input IS 'Members that replace those of the plan''s input.';

COMMENT ON COLUMN weir.schedules.cron IS 'When it is due: a cron expression.';

COMMENT ON COLUMN weir.schedules.timezone IS 'The time zone of the expression, from the IANA database.';

COMMENT ON COLUMN weir.schedules.jitter IS 'How much later than its slot a run may be submitted; how much it is follows from name and slot.';

COMMENT ON COLUMN weir.schedules.overlap IS 'What happens at a slot while an earlier run is open: skip, queue, allow or replace.';

COMMENT ON COLUMN weir.schedules.missed IS 'What happens to slots at which nothing could fire: skip, once (the newest of them) or all.';

COMMENT ON COLUMN weir.schedules.missed_within IS 'How long ago a missed slot may be to be made up for.';

COMMENT ON COLUMN weir.schedules.next_slot IS 'The slot that is to be fired next; those before are done with.';

COMMENT ON COLUMN weir.schedules.due_at IS 'When: next_slot with its jitter.';

COMMENT ON COLUMN weir.schedules.paused_at IS 'Since when it is paused; null: it is not. Slots that pass meanwhile are not missed.';

COMMENT ON COLUMN weir.schedules.paused_by IS 'Who paused it.';

COMMENT ON COLUMN weir.schedules.created_at IS 'When it was first put.';

COMMENT ON COLUMN weir.schedules.created_by IS 'Who put it first: an actor (token:NAME, local) or a database user.';

COMMENT ON COLUMN weir.schedules.updated_at IS 'When it was put, paused or resumed last.';

COMMENT ON COLUMN weir.schedules.updated_by IS 'Who did that.';

COMMENT ON COLUMN weir.schedules.last_slot IS 'The newest slot that made a run.';

COMMENT ON COLUMN weir.schedules.last_run IS 'The run of last_slot: weir.runs.id.';

COMMENT ON COLUMN weir.schedules.last_fired_at IS 'When that was submitted.';

COMMENT ON COLUMN weir.schedules.skipped_slot IS 'The newest slot that made no run by the rules of the schedule.';

COMMENT ON COLUMN weir.schedules.skipped_at IS 'When that was decided.';

COMMENT ON COLUMN weir.schedules.skip_reason IS 'Why: overlap (an earlier run was open: skip_run) or missed.';

COMMENT ON COLUMN weir.schedules.skip_run IS 'The open run that it made way for.';

COMMENT ON COLUMN weir.schedules.error_slot IS 'The newest slot that made no run since its plan could not be run; null once a later slot has made one.';

COMMENT ON COLUMN weir.schedules.error_at IS 'When that was.';

COMMENT ON COLUMN weir.schedules.error IS 'What is wrong.';

COMMENT ON CONSTRAINT schedule_error_is_whole ON weir.schedules IS 'Slot, time and text stand together or not at all.';

COMMENT ON CONSTRAINT schedule_input_is_an_object ON weir.schedules IS 'Input has members.';

COMMENT ON CONSTRAINT schedule_is_due_no_sooner_than_its_slot ON weir.schedules IS 'Jitter makes a run late, never early. Whoever moves next_slot by hand moves due_at along.';

COMMENT ON CONSTRAINT schedule_jitter_is_not_negative ON weir.schedules IS 'Nothing is submitted before its slot.';

COMMENT ON CONSTRAINT schedule_last_is_whole ON weir.schedules IS 'Slot, run and time of the last run stand together or not at all.';

COMMENT ON CONSTRAINT schedule_missed_is_known ON weir.schedules IS 'skip, once or all.';

COMMENT ON CONSTRAINT schedule_missed_within_is_positive ON weir.schedules IS 'To make up for nothing, say missed = ''skip''.';

COMMENT ON CONSTRAINT schedule_name_is_well_formed ON weir.schedules IS 'Names are lower case letters, digits and . _ / -, at most 128, starting with a letter or digit.';

COMMENT ON CONSTRAINT schedule_overlap_is_known ON weir.schedules IS 'skip, queue, allow or replace.';

COMMENT ON CONSTRAINT schedule_pause_is_whole ON weir.schedules IS 'A pause says since when and by whom.';

COMMENT ON CONSTRAINT schedule_plan_version_counts_from_one ON weir.schedules IS 'The first version of a plan is 1; null: the latest.';

COMMENT ON CONSTRAINT schedule_skip_is_whole ON weir.schedules IS 'Slot, time and reason stand together or not at all.';

COMMENT ON CONSTRAINT schedule_skip_reason_is_known ON weir.schedules IS 'overlap or missed.';

CREATE TABLE weir.schema_info (
    one boolean DEFAULT true NOT NULL,
    version integer NOT NULL,
    min_binary integer NOT NULL,
    epoch uuid DEFAULT gen_random_uuid() NOT NULL,
    migrated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT schema_info_has_one_row CHECK (one)
);

COMMENT ON TABLE weir.schema_info IS 'One row: which version this schema has, and the oldest binary that may still run on it. Binaries read it at start and go on reading it.';

COMMENT ON COLUMN weir.schema_info.one IS 'Always true: there is one row.';

COMMENT ON COLUMN weir.schema_info.version IS 'The newest migration applied. A binary runs only if this is at least what it needs.';

COMMENT ON COLUMN weir.schema_info.min_binary IS 'A binary runs only if the version that it embeds is at least this.';

COMMENT ON COLUMN weir.schema_info.epoch IS 'New with every database and after a restore (set it by hand then): part of every cursor, so that no follower goes on reading from another history.';

COMMENT ON COLUMN weir.schema_info.migrated_at IS 'When the last migration ended.';

COMMENT ON CONSTRAINT schema_info_has_one_row ON weir.schema_info IS 'The key can only be true, so there is at most one row.';

CREATE TABLE weir.sessions (
    hash bytea NOT NULL,
    token_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT session_is_stored_as_its_hash CHECK ((octet_length(hash) = 32))
);

COMMENT ON TABLE weir.sessions IS 'Browsers that have signed in with a token. A session may what its token may, and ends with it.';

COMMENT ON COLUMN weir.sessions.hash IS 'SHA-256 of what the cookie holds.';

COMMENT ON COLUMN weir.sessions.token_id IS 'The token that it was opened with: weir.tokens.id.';

COMMENT ON COLUMN weir.sessions.created_at IS 'When somebody signed in.';

COMMENT ON COLUMN weir.sessions.expires_at IS 'From when on it is refused.';

COMMENT ON CONSTRAINT session_is_stored_as_its_hash ON weir.sessions IS 'SHA-256 has 32 bytes.';

CREATE TABLE weir.signals (
    run_id uuid NOT NULL,
    step integer NOT NULL,
    payload jsonb,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sent_by text NOT NULL
);

COMMENT ON TABLE weir.signals IS 'Signals for steps that wait for one. One that comes before its step waits is kept; the first one wins.';

COMMENT ON COLUMN weir.signals.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.signals.step IS 'The step''s ordinal.';

COMMENT ON COLUMN weir.signals.payload IS 'What came with it: the output of the step.';

COMMENT ON COLUMN weir.signals.at IS 'When it came.';

COMMENT ON COLUMN weir.signals.sent_by IS 'Who sent it: an actor.';

ALTER TABLE weir.slots ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME weir.slots_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE weir.step_inputs (
    run_id uuid NOT NULL,
    step integer NOT NULL,
    "with" jsonb NOT NULL,
    CONSTRAINT step_with_is_an_object CHECK ((jsonb_typeof("with") = 'object'::text))
);

COMMENT ON TABLE weir.step_inputs IS 'What steps were given as `with`, expressions not evaluated; no row: {}.';

COMMENT ON COLUMN weir.step_inputs.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.step_inputs.step IS 'The step''s ordinal.';

COMMENT ON COLUMN weir.step_inputs."with" IS 'Its `with`, an object.';

COMMENT ON CONSTRAINT step_with_is_an_object ON weir.step_inputs IS 'A kind reads its fields by name, so there have to be names.';

CREATE TABLE weir.transitions (
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    run_id uuid NOT NULL,
    step integer,
    attempt integer,
    from_state text NOT NULL,
    to_state text NOT NULL,
    actor text NOT NULL,
    db_user text DEFAULT SESSION_USER NOT NULL,
    cause weir.cause NOT NULL,
    detail jsonb,
    CONSTRAINT transition_changes_the_state CHECK ((from_state <> to_state))
);

COMMENT ON TABLE weir.transitions IS 'History: one row for each change of state, written by the same statement that made it. It takes no UPDATE, DELETE or TRUNCATE. Identity order is not commit order: followers read rows with xid < pg_snapshot_xmin(pg_current_snapshot()) in order of (xid, id).';

COMMENT ON COLUMN weir.transitions.xid IS 'The transaction that made the change.';

COMMENT ON COLUMN weir.transitions.id IS 'Order within the transaction.';

COMMENT ON COLUMN weir.transitions.at IS 'When, by the clock of this database.';

COMMENT ON COLUMN weir.transitions.run_id IS 'Which run: weir.runs.id.';

COMMENT ON COLUMN weir.transitions.step IS 'The step''s ordinal; null: a transition of the run itself.';

COMMENT ON COLUMN weir.transitions.attempt IS 'The attempt that the step was in after the change; null for runs.';

COMMENT ON COLUMN weir.transitions.from_state IS 'The state that was left.';

COMMENT ON COLUMN weir.transitions.to_state IS 'The state that was entered.';

COMMENT ON COLUMN weir.transitions.actor IS 'Who did it, as the application says: token:NAME, replica:ID, worker:ID, reconcile:ID, local; db:USER for changes by hand.';

COMMENT ON COLUMN weir.transitions.db_user IS 'The database user of the session that did it: nobody can claim another one.';

COMMENT ON COLUMN weir.transitions.cause IS 'Why.';

COMMENT ON COLUMN weir.transitions.detail IS 'More of it: the outcome of an attempt that is retried, when it is due.';

COMMENT ON CONSTRAINT transition_changes_the_state ON weir.transitions IS 'Only changes are recorded.';

CREATE VIEW weir.stuck AS
 WITH open_run AS MATERIALIZED (
        ( SELECT runs.id,
            runs.name,
            runs.state,
            runs.cancel_requested_at,
            runs.start_at,
            runs.steps_open,
            runs.created_at,
            runs.admitted,
            runs.failing_at,
            runs.key
           FROM weir.runs
          WHERE (runs.state = 'running'::weir.run_state)
          ORDER BY runs.created_at, runs.id
         LIMIT 9000)
        UNION ALL
        ( SELECT runs.id,
            runs.name,
            runs.state,
            runs.cancel_requested_at,
            runs.start_at,
            runs.steps_open,
            runs.created_at,
            runs.admitted,
            runs.failing_at,
            runs.key
           FROM weir.runs
          WHERE (runs.state = 'paused'::weir.run_state)
          ORDER BY runs.created_at, runs.id
         LIMIT 1000)
        ), open_step AS MATERIALIZED (
         SELECT r.name,
            r.state AS run_state,
            r.start_at,
            r.admitted,
            s.run_id,
            s.step,
            s.attempt,
            s.river_job_id,
            s.worker_id,
            s.state,
            s.cause,
            s.failures,
            s.settled,
            s.has_output,
            s.allow_failure,
            s.priority,
            s.run_if,
            s.needs_total,
            s.needs_open,
            s.needs_failed,
            s.needs_allowed,
            s.needs_neutral,
            s.dependants,
            s.max_attempts,
            s.unnamed,
            s.last_outcome,
            s.created_at,
            s.run_after,
            s.claimed_at,
            s.started_at,
            s.deadline_at,
            s.finished_at,
            s.cancel_requested_at,
            s.timeout,
            s.grace,
            s.stall_after,
            s.report,
            s.reused_from,
            s.key,
            s.kind,
            s.queue,
            s.runs_on,
            s.waiting_for,
            s.cancel_requested_by,
            s.cancel_reason,
            s.retry,
            s.limited,
            s.parent,
            s.item,
            s.expects,
            s.cancel_cause,
            LEAST(s.cancel_requested_at, r.cancel_requested_at,
                CASE
                    WHEN (s.run_if = 'all_succeeded'::weir.run_if) THEN r.failing_at
                    ELSE NULL::timestamp with time zone
                END) AS ending_at
           FROM (open_run r
             CROSS JOIN LATERAL ( SELECT s_1.run_id,
                    s_1.step,
                    s_1.attempt,
                    s_1.river_job_id,
                    s_1.worker_id,
                    s_1.state,
                    s_1.cause,
                    s_1.failures,
                    s_1.settled,
                    s_1.has_output,
                    s_1.allow_failure,
                    s_1.priority,
                    s_1.run_if,
                    s_1.needs_total,
                    s_1.needs_open,
                    s_1.needs_failed,
                    s_1.needs_allowed,
                    s_1.needs_neutral,
                    s_1.dependants,
                    s_1.max_attempts,
                    s_1.unnamed,
                    s_1.last_outcome,
                    s_1.created_at,
                    s_1.run_after,
                    s_1.claimed_at,
                    s_1.started_at,
                    s_1.deadline_at,
                    s_1.finished_at,
                    s_1.cancel_requested_at,
                    s_1.timeout,
                    s_1.grace,
                    s_1.stall_after,
                    s_1.report,
                    s_1.reused_from,
                    s_1.key,
                    s_1.kind,
                    s_1.queue,
                    s_1.runs_on,
                    s_1.waiting_for,
                    s_1.cancel_requested_by,
                    s_1.cancel_reason,
                    s_1.retry,
                    s_1.limited,
                    s_1.parent,
                    s_1.item,
                    s_1.expects,
                    s_1.cancel_cause
                   FROM weir.steps s_1
                  WHERE ((s_1.run_id = r.id) AND (NOT s_1.settled))
                 OFFSET 0) s)
        ), line AS MATERIALIZED (
         SELECT l.run_id,
            l.step,
            l.waiting_on,
            l.asked_at,
                CASE
                    WHEN (l.waiting_on IS NULL) THEN NULL::text
                    WHEN (l.waiting_on = '~start'::text) THEN
                    CASE
                        WHEN (l.due_at < clock_timestamp()) THEN 'the time that it starts at has come, and nobody has let it through'::text
                        ELSE NULL::text
                    END
                    WHEN ((h.run_id IS DISTINCT FROM l.run_id) OR (h.step IS DISTINCT FROM l.step)) THEN NULL::text
                    WHEN (l.waiting_on ~~ '~rate/%'::text) THEN
                    CASE
                        WHEN (b.due_at < (clock_timestamp() - '00:00:10'::interval)) THEN format('it is the first in line for the rate of %s, which has refilled, and nobody has let it through'::text, b.key)
                        ELSE NULL::text
                    END
                    WHEN (t.used < COALESCE(t.administered, t.declared)) THEN format('it is the first in line for a slot of %s, of which %s of %s are taken, and nobody has let it through'::text, t.key, t.used, COALESCE(t.administered, t.declared))
                    WHEN (l.waiting_on ~~ '~key/%'::text) THEN ( SELECT format('its run has a key, and waits for the live run of that key to end, run %s, which is paused'::text, k.id) AS format
                       FROM weir.runs k
                      WHERE ((k.key = substr(l.waiting_on, 6)) AND k.admitted AND (k.state = 'paused'::weir.run_state)))
                    ELSE ( SELECT format('it waits for a slot of %s, and run %s, which is paused, holds one'::text, t.key, k.id) AS format
                       FROM (weir.slots o
                         JOIN weir.runs k ON ((k.id = o.run_id)))
                      WHERE ((o.concurrency_key = l.waiting_on) AND (o.waiting_on IS NULL) AND (o.step = 0) AND (k.state = 'paused'::weir.run_state))
                      ORDER BY o.seq
                     LIMIT 1)
                END AS reason
           FROM ((((open_run r
             CROSS JOIN LATERAL ( SELECT l_1.seq,
                    l_1.run_id,
                    l_1.step,
                    l_1.priority,
                    l_1.waiting_on,
                    l_1.concurrency_key,
                    l_1.holds,
                    l_1.due_at,
                    l_1.asked_at,
                    l_1.held_at
                   FROM weir.slots l_1
                  WHERE (l_1.run_id = r.id)
                 OFFSET 0) l)
             LEFT JOIN LATERAL ( SELECT n.run_id,
                    n.step
                   FROM weir.slots n
                  WHERE (n.waiting_on = l.waiting_on)
                  ORDER BY n.priority, n.seq
                 LIMIT 1) h ON (true))
             LEFT JOIN weir.limits t ON ((t.key = l.waiting_on)))
             LEFT JOIN weir.rates b ON (((l.waiting_on ~~ '~rate/%'::text) AND (b.key = substr(l.waiting_on, 7)))))
        ), judged AS (
         SELECT s.run_id,
            s.name,
            s.step,
            s.key,
            (s.state)::text AS state,
                CASE
                    WHEN (s.state >= 'succeeded'::weir.step_state) THEN s.finished_at
                    WHEN ((s.state <> 'running'::weir.step_state) AND (s.ending_at IS NOT NULL)) THEN s.ending_at
                    WHEN (s.state = 'pending'::weir.step_state) THEN GREATEST(n.ended_at, s.created_at, s.start_at)
                    WHEN (s.state = 'running'::weir.step_state) THEN
                    CASE
                        WHEN (w.id IS NOT NULL) THEN LEAST((s.deadline_at + s.grace), w.lease_until, w.gone_at)
                        ELSE NULL::timestamp with time zone
                    END
                    WHEN (s.state = 'waiting'::weir.step_state) THEN
                    CASE
                        WHEN ((s.waiting_for = ANY (ARRAY['time'::text, 'signal'::text, 'approval'::text, 'run'::text])) AND (LEAST(s.run_after, s.deadline_at) < clock_timestamp())) THEN LEAST(s.run_after, s.deadline_at)
                        WHEN (s.waiting_for = 'run'::text) THEN GREATEST(m.moved_at, c.finished_at)
                        WHEN (s.waiting_for = 'children'::text) THEN GREATEST(m.moved_at, f.ended_at)
                        ELSE NULL::timestamp with time zone
                    END
                    ELSE GREATEST(m.moved_at, s.run_after, s.created_at, l.asked_at)
                END AS since,
                CASE
                    WHEN (s.state >= 'succeeded'::weir.step_state) THEN 'it has ended, and its end is not counted into its dependants and its run'::text
                    WHEN ((s.state <> 'running'::weir.step_state) AND (s.waiting_for IS DISTINCT FROM 'run'::text) AND (s.ending_at < (clock_timestamp() - '00:00:10'::interval))) THEN 'its cancellation was asked for, no worker holds it, and it is not cancelled'::text
                    WHEN ((s.state = 'running'::weir.step_state) AND (w.id IS NULL)) THEN 'its worker is not registered any more'::text
                    WHEN ((s.state = 'running'::weir.step_state) AND (LEAST(w.lease_until, w.gone_at) < clock_timestamp())) THEN format('the lease of its worker (%s on %s) has run out, and the step is not taken from it'::text, w.name, w.host)
                    WHEN ((s.state = 'running'::weir.step_state) AND ((s.deadline_at + s.grace) < clock_timestamp())) THEN 'it is over its deadline and its grace, and nobody has ended it'::text
                    WHEN ((s.state = 'waiting'::weir.step_state) AND (s.waiting_for = ANY (ARRAY['time'::text, 'signal'::text, 'approval'::text, 'run'::text])) AND (s.ending_at IS NULL) AND (LEAST(s.run_after, s.deadline_at) < clock_timestamp())) THEN 'the time that it waits for, or not beyond, has come, and nobody has ended it'::text
                    WHEN ((s.run_state = 'paused'::weir.run_state) OR (s.ending_at IS NOT NULL) OR (NOT s.admitted)) THEN NULL::text
                    WHEN ((s.state = 'waiting'::weir.step_state) AND (s.waiting_for = 'run'::text) AND (c.run_id IS NULL)) THEN 'it waits for a child run, and there is none'::text
                    WHEN ((s.state = 'waiting'::weir.step_state) AND (s.waiting_for = 'run'::text) AND (c.finished_at IS NOT NULL)) THEN 'its child run has ended, and it has not'::text
                    WHEN ((s.state = 'waiting'::weir.step_state) AND (s.waiting_for = 'children'::text) AND (f.expanded < f.total)) THEN 'its list is not expanded into children'::text
                    WHEN ((s.state = 'waiting'::weir.step_state) AND (s.waiting_for = 'children'::text) AND (f.ended = f.total)) THEN 'all of its children have ended, and it has not'::text
                    WHEN ((s.state = ANY (ARRAY['pending'::weir.step_state, 'available'::weir.step_state, 'retrying'::weir.step_state])) AND (l.reason IS NOT NULL)) THEN l.reason
                    WHEN ((s.state = ANY (ARRAY['pending'::weir.step_state, 'available'::weir.step_state, 'retrying'::weir.step_state])) AND (l.waiting_on IS NOT NULL)) THEN NULL::text
                    WHEN ((s.state = 'pending'::weir.step_state) AND (s.run_if = 'all_succeeded'::weir.run_if) AND (s.needs_failed > 0)) THEN 'a step that it needs has failed, and it is not skipped'::text
                    WHEN ((s.state = 'pending'::weir.step_state) AND (s.needs_open = 0) AND ((s.start_at IS NULL) OR (s.start_at < clock_timestamp()))) THEN 'everything that it needs has ended, and it is neither available nor skipped'::text
                    WHEN ((s.state = 'pending'::weir.step_state) OR (s.state = 'waiting'::weir.step_state) OR ((s.state = 'retrying'::weir.step_state) AND (s.run_after > clock_timestamp()))) THEN NULL::text
                    WHEN ((s.runs_on = 'replica'::text) AND (s.river_job_id IS NULL) AND s.limited AND (l.run_id IS NULL)) THEN 'it may start, and stands in no line for the slot that it needs'::text
                    WHEN ((s.runs_on = 'replica'::text) AND (s.river_job_id IS NULL)) THEN 'it may start, and is not dispatched'::text
                    WHEN ((s.runs_on = 'replica'::text) AND (j.id IS NULL)) THEN format('its River job %s is gone'::text, s.river_job_id)
                    WHEN (j.state = ANY (ARRAY['cancelled'::weir.river_job_state, 'completed'::weir.river_job_state, 'discarded'::weir.river_job_state])) THEN format('its River job %s is %s and has not started it'::text, s.river_job_id, j.state)
                    WHEN ((j.state = 'running'::weir.river_job_state) AND (j.attempted_at < (clock_timestamp() - '00:00:10'::interval))) THEN format('its River job %s was fetched at %s and has not started it'::text, s.river_job_id, j.attempted_at)
                    WHEN (j.state = 'running'::weir.river_job_state) THEN NULL::text
                    WHEN (q.paused_at IS NOT NULL) THEN format('the queue %s is paused in River'::text, s.queue)
                    WHEN (NOT (EXISTS ( SELECT
                       FROM weir.workers a
                      WHERE ((a.gone_at IS NULL) AND (a.lease_until > clock_timestamp()) AND (s.kind = ANY (a.kinds)) AND ((a.type = 'remote'::text) = (s.runs_on = 'remote'::text)))))) THEN format('no live worker has the kind %s'::text, s.kind)
                    WHEN (NOT (EXISTS ( SELECT
                       FROM weir.workers a
                      WHERE ((a.gone_at IS NULL) AND (a.lease_until > clock_timestamp()) AND (s.kind = ANY (a.kinds)) AND (a.queues ? s.queue))))) THEN format('no live worker with the kind %s works the queue %s'::text, s.kind, s.queue)
                    ELSE NULL::text
                END AS reason
           FROM ((((((((open_step s
             LEFT JOIN weir.workers w ON (((w.id = s.worker_id) AND (s.state = 'running'::weir.step_state))))
             LEFT JOIN LATERAL ( SELECT j_1.id,
                    j_1.state,
                    j_1.attempted_at
                   FROM weir.river_job j_1
                  WHERE ((j_1.id = s.river_job_id) AND (s.state = ANY (ARRAY['available'::weir.step_state, 'retrying'::weir.step_state])))
                 OFFSET 0) j ON (true))
             LEFT JOIN LATERAL ( SELECT max(t.at) AS moved_at
                   FROM weir.transitions t
                  WHERE ((t.run_id = s.run_id) AND (t.step = s.step) AND (s.state = ANY (ARRAY['available'::weir.step_state, 'retrying'::weir.step_state, 'waiting'::weir.step_state])))) m ON (true))
             LEFT JOIN LATERAL ( SELECT max(u.finished_at) AS ended_at
                   FROM (weir.needs e
                     JOIN weir.steps u ON (((u.run_id = e.run_id) AND (u.step = e.need))))
                  WHERE ((e.run_id = s.run_id) AND (e.step = s.step) AND (s.state = 'pending'::weir.step_state))) n ON (true))
             LEFT JOIN weir.river_queue q ON ((q.name = s.queue)))
             LEFT JOIN line l ON (((l.run_id = s.run_id) AND (l.step = s.step))))
             LEFT JOIN LATERAL ( SELECT c_1.id AS run_id,
                    c_1.finished_at
                   FROM weir.runs c_1
                  WHERE ((s.waiting_for = 'run'::text) AND (c_1.parent_run = s.run_id) AND (c_1.parent_step = s.step))) c ON (true))
             LEFT JOIN LATERAL ( SELECT f_1.total,
                    f_1.expanded,
                    f_1.ended,
                        CASE
                            WHEN (f_1.ended = f_1.total) THEN ( SELECT max(u.finished_at) AS max
                               FROM (weir.items i
                                 JOIN weir.steps u ON (((u.run_id = i.run_id) AND (u.step = i.step))))
                              WHERE ((i.run_id = f_1.run_id) AND (i.parent = f_1.step)))
                            ELSE NULL::timestamp with time zone
                        END AS ended_at
                   FROM weir.families f_1
                  WHERE ((s.waiting_for = 'children'::text) AND (f_1.run_id = s.run_id) AND (f_1.step = s.step))) f ON (true))
        )
 SELECT NULL::uuid AS run_id,
    NULL::text AS name,
    NULL::integer AS step,
    NULL::text AS key,
    NULL::text AS state,
    p.beat_at AS since,
    'nobody reconciles: start a replica (weir serve)'::text AS reason
   FROM weir.pulse p
  WHERE ((p.beat_at < (clock_timestamp() - '00:00:10'::interval)) AND (EXISTS ( SELECT
           FROM open_run)))
UNION ALL
 SELECT q.run_id,
    r.name,
    NULL::integer AS step,
    NULL::text AS key,
    (r.state)::text AS state,
    q.at AS since,
    format('reconcile fails on this run, %s times so far, and tries again at %s: %s'::text, q.tries, q.retry_at, q.error) AS reason
   FROM (weir.quarantine q
     LEFT JOIN weir.runs r ON ((r.id = q.run_id)))
UNION ALL
 SELECT d.run_id,
    r.name,
    NULL::integer AS step,
    NULL::text AS key,
    (r.state)::text AS state,
    min(d.at) AS since,
    'reconcile has not looked at what has changed: it is behind, or fails'::text AS reason
   FROM (weir.dirty d
     LEFT JOIN weir.runs r ON ((r.id = d.run_id)))
  WHERE ((d.at < (clock_timestamp() - '00:00:10'::interval)) AND (NOT (EXISTS ( SELECT
           FROM weir.quarantine q
          WHERE (q.run_id = d.run_id)))))
  GROUP BY d.run_id, r.name, r.state
UNION ALL
 SELECT r.id AS run_id,
    r.name,
    NULL::integer AS step,
    NULL::text AS key,
    (r.state)::text AS state,
    l.at AS since,
    'all of its steps have ended, and it has not'::text AS reason
   FROM (open_run r
     CROSS JOIN LATERAL ( SELECT max(s.finished_at) AS at
           FROM weir.steps s
          WHERE (s.run_id = r.id)) l)
  WHERE ((r.steps_open = 0) AND ((r.state = 'running'::weir.run_state) OR (r.cancel_requested_at IS NOT NULL)) AND (l.at < (clock_timestamp() - '00:00:10'::interval)))
UNION ALL
 SELECT j.run_id,
    j.name,
    j.step,
    j.key,
    j.state,
    j.since,
    j.reason
   FROM judged j
  WHERE ((j.reason IS NOT NULL) AND (COALESCE(j.since, '-infinity'::timestamp with time zone) < (clock_timestamp() - '00:00:10'::interval)))
UNION ALL
 SELECT r.id AS run_id,
    r.name,
    NULL::integer AS step,
    NULL::text AS key,
    (r.state)::text AS state,
    COALESCE(l.asked_at, GREATEST(r.created_at, r.start_at)) AS since,
        CASE
            WHEN (l.run_id IS NULL) THEN 'it is held back, and stands in no line'::text
            WHEN (l.waiting_on IS NULL) THEN 'nothing holds it back any more, and it is not let in'::text
            ELSE l.reason
        END AS reason
   FROM (open_run r
     LEFT JOIN line l ON (((l.run_id = r.id) AND (l.step = 0))))
  WHERE ((NOT r.admitted) AND (r.state = 'running'::weir.run_state) AND (r.cancel_requested_at IS NULL) AND ((l.run_id IS NULL) OR (l.waiting_on IS NULL) OR (l.reason IS NOT NULL)) AND (COALESCE(l.asked_at, GREATEST(r.created_at, r.start_at)) < (clock_timestamp() - '00:00:10'::interval)));

COMMENT ON VIEW weir.stuck IS 'Everything that should have moved at least 10 seconds ago and did not, with the reason. What waits as it should (for other steps, a backoff, a slot, a signal, an operator, a paused run) is not here, except who is first in line for what a paused run holds: that may take for ever. It looks at the oldest open runs (9,000 running, 1,000 paused), and costs as much as they have unsettled steps.';

COMMENT ON COLUMN weir.stuck.run_id IS 'Which run; null: this is about all of them.';

COMMENT ON COLUMN weir.stuck.name IS 'The name of its plan.';

COMMENT ON COLUMN weir.stuck.step IS 'The step''s ordinal; null: the run itself.';

COMMENT ON COLUMN weir.stuck.key IS 'The step''s name in the plan.';

COMMENT ON COLUMN weir.stuck.state IS 'The state that the step, or the run, is stuck in.';

COMMENT ON COLUMN weir.stuck.since IS 'Since when it should have moved; null: unknown, and long enough.';

COMMENT ON COLUMN weir.stuck.reason IS 'Why it does not move, in words.';

CREATE TABLE weir.tokens (
    id uuid NOT NULL,
    name text NOT NULL,
    hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    created_by text NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    used_at timestamp with time zone,
    CONSTRAINT token_is_stored_as_its_hash CHECK ((octet_length(hash) = 32)),
    CONSTRAINT token_name_is_a_key CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'::text)),
    CONSTRAINT token_scopes_are_known CHECK (((cardinality(scopes) > 0) AND (scopes <@ ARRAY['read'::text, 'submit'::text, 'work'::text, 'operate'::text, 'admin'::text])))
);

COMMENT ON TABLE weir.tokens IS 'Who may call the API, and what they may do. Rows of revoked tokens stay: they tell that the door was closed once, and it never opens by itself again.';

COMMENT ON COLUMN weir.tokens.id IS 'UUIDv7.';

COMMENT ON COLUMN weir.tokens.name IS 'Who it is, in history: actor token:NAME. Idempotency-Keys are by name, so a token may be replaced by another one of its name.';

COMMENT ON COLUMN weir.tokens.hash IS 'SHA-256 of the token, which has 256 random bits. The token itself is stored nowhere.';

COMMENT ON COLUMN weir.tokens.scopes IS 'What it may do: read, submit, work, operate, or admin, which is all of them.';

COMMENT ON COLUMN weir.tokens.created_at IS 'When it was made.';

COMMENT ON COLUMN weir.tokens.created_by IS 'Who made it: an actor.';

COMMENT ON COLUMN weir.tokens.expires_at IS 'From when on it is refused; null: never by itself.';

COMMENT ON COLUMN weir.tokens.revoked_at IS 'When it was revoked; null: it was not.';

COMMENT ON COLUMN weir.tokens.used_at IS 'When it was used last, give or take a minute; null: never.';

COMMENT ON CONSTRAINT token_is_stored_as_its_hash ON weir.tokens IS 'SHA-256 has 32 bytes.';

COMMENT ON CONSTRAINT token_name_is_a_key ON weir.tokens IS '1 to 128 letters, digits, ".", "_" and "-", the first one a letter or digit: it is part of an actor.';

COMMENT ON CONSTRAINT token_scopes_are_known ON weir.tokens IS 'At least one of read, submit, work, operate and admin.';

ALTER TABLE weir.transitions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME weir.transitions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW weir.violations_of_limits AS
 WITH reconciled AS MATERIALIZED (
         SELECT (EXISTS ( SELECT
                   FROM weir.pulse
                  WHERE ((pulse.beat_at > (clock_timestamp() - '00:00:10'::interval)) AND (pulse.steady_since < (clock_timestamp() - '00:01:00'::interval))))) AS for_a_minute
        )
 SELECT 'limits_count_their_slots'::text AS rule,
    NULL::uuid AS run_id,
    NULL::integer AS step,
    format('used of limit %s is %s, and %s hold a slot of it'::text, t.key, t.used, h.n) AS message
   FROM (weir.limits t
     CROSS JOIN LATERAL ( SELECT count(*) AS n
           FROM weir.slots l
          WHERE ((l.waiting_on IS NULL) AND (t.key = ANY (l.holds)))) h)
  WHERE (t.used <> h.n)
UNION ALL
 SELECT 'limited_step_runs_with_its_slots'::text AS rule,
    s.run_id,
    s.step,
    'it runs, and holds no slot of its limits'::text AS message
   FROM weir.steps s
  WHERE ((s.state = 'running'::weir.step_state) AND s.limited AND (NOT (EXISTS ( SELECT
           FROM weir.slots l
          WHERE ((l.run_id = s.run_id) AND (l.step = s.step) AND (l.waiting_on IS NULL))))))
UNION ALL
 SELECT 'slots_are_of_what_is_open'::text AS rule,
    l.run_id,
    NULLIF(l.step, 0) AS step,
    format('what asked for it at %s has ended'::text, l.asked_at) AS message
   FROM (((weir.slots l
     CROSS JOIN reconciled)
     LEFT JOIN weir.runs r ON ((r.id = l.run_id)))
     LEFT JOIN weir.steps s ON (((s.run_id = l.run_id) AND (s.step = l.step))))
  WHERE (reconciled.for_a_minute AND ((r.id IS NULL) OR (r.finished_at < (clock_timestamp() - '00:01:00'::interval)) OR (s.finished_at < (clock_timestamp() - '00:01:00'::interval))))
UNION ALL
 SELECT 'fan_out_counts_its_children'::text AS rule,
    f.run_id,
    f.step,
    format('%s ended and %s failed, and its settled children are %s and %s'::text, f.ended, f.failed, c.ended, c.failed) AS message
   FROM (((( SELECT runs.id
           FROM weir.runs
          WHERE (runs.state = 'running'::weir.run_state)
          ORDER BY runs.created_at, runs.id
         LIMIT 4000) r
     JOIN weir.families f ON ((f.run_id = r.id)))
     JOIN weir.steps s ON (((s.run_id = f.run_id) AND (s.step = f.step))))
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE c_1.settled) AS ended,
            count(*) FILTER (WHERE (c_1.settled AND (NOT c_1.allow_failure) AND ((c_1.state = ANY (ARRAY['failed'::weir.step_state, 'crashed'::weir.step_state, 'timed_out'::weir.step_state, 'lost'::weir.step_state, 'cancelled'::weir.step_state])) OR ((c_1.state = 'skipped'::weir.step_state) AND (c_1.cause = 'upstream_failed'::weir.cause))))) AS failed
           FROM (weir.items i
             JOIN weir.steps c_1 ON (((c_1.run_id = i.run_id) AND (c_1.step = i.step))))
          WHERE ((i.run_id = f.run_id) AND (i.parent = f.step))) c)
  WHERE ((s.state = ANY (ARRAY['waiting'::weir.step_state, 'succeeded'::weir.step_state])) AND ((f.ended <> c.ended) OR (f.failed <> c.failed)));

COMMENT ON VIEW weir.violations_of_limits IS 'The part of weir.violations that is about limits, their slots, and fan-outs (of the 4,000 oldest open runs).';

COMMENT ON COLUMN weir.violations_of_limits.rule IS 'The rule that is broken, as a sentence.';

COMMENT ON COLUMN weir.violations_of_limits.run_id IS 'Where: weir.runs.id; null: a limit is wrong.';

COMMENT ON COLUMN weir.violations_of_limits.step IS 'Where: the step''s ordinal; null: the run itself.';

COMMENT ON COLUMN weir.violations_of_limits.message IS 'What is there, and what should be.';

CREATE VIEW weir.violations_of_runs AS
 WITH reconciled AS MATERIALIZED (
         SELECT (EXISTS ( SELECT
                   FROM weir.pulse
                  WHERE ((pulse.beat_at > (clock_timestamp() - '00:00:10'::interval)) AND (pulse.steady_since < (clock_timestamp() - '00:01:00'::interval))))) AS for_a_minute
        ), looked_run AS MATERIALIZED (
         SELECT r.id,
            r.state,
            r.steps_total,
            r.steps_open,
            r.steps_failed,
            r.cancel_requested_at
           FROM ((( SELECT runs.id
                   FROM weir.runs
                  WHERE (runs.state = 'running'::weir.run_state)
                  ORDER BY runs.created_at, runs.id
                 LIMIT 4000)
                UNION
                ( SELECT runs.id
                   FROM weir.runs
                  WHERE (runs.state = 'paused'::weir.run_state)
                  ORDER BY runs.created_at, runs.id
                 LIMIT 1000)
                UNION
                ( SELECT runs.id
                   FROM weir.runs
                  ORDER BY runs.created_at DESC, runs.id DESC
                 LIMIT 1000)) i
             CROSS JOIN LATERAL ( SELECT r_1.id,
                    r_1.name,
                    r_1.state,
                    r_1.cause,
                    r_1.on_failure,
                    r_1.max_parallel,
                    r_1.steps_total,
                    r_1.steps_open,
                    r_1.steps_failed,
                    r_1.created_at,
                    r_1.created_by,
                    r_1.start_at,
                    r_1.deadline_at,
                    r_1.finished_at,
                    r_1.cancel_requested_at,
                    r_1.cancel_requested_by,
                    r_1.cancel_reason,
                    r_1.key,
                    r_1.idempotency_scope,
                    r_1.idempotency_key,
                    r_1.idempotency_digest,
                    r_1.rerun_of,
                    r_1.labels,
                    r_1.description
                   FROM weir.runs r_1
                  WHERE (r_1.id = i.id)
                 OFFSET 0) r)
        ), broken_run AS (
         SELECT v.rule,
            r.id AS run_id,
            NULL::integer AS step,
            v.message
           FROM (((looked_run r
             CROSS JOIN LATERAL ( SELECT count(*) AS total,
                    count(*) FILTER (WHERE (NOT s.settled)) AS unsettled,
                    count(*) FILTER (WHERE (s.state < 'succeeded'::weir.step_state)) AS unfinished,
                    count(*) FILTER (WHERE (s.settled AND (NOT s.allow_failure) AND ((s.state = ANY (ARRAY['failed'::weir.step_state, 'crashed'::weir.step_state, 'timed_out'::weir.step_state, 'lost'::weir.step_state, 'cancelled'::weir.step_state])) OR ((s.state = 'skipped'::weir.step_state) AND (s.cause = 'upstream_failed'::weir.cause))))) AS failed,
                    bool_and((s.settled OR ((s.state = 'pending'::weir.step_state) AND (s.needs_open > 0)))) AS nothing_moves,
                    string_agg(s.key, ', '::text ORDER BY s.step) FILTER (WHERE ((s.state = 'pending'::weir.step_state) AND (s.step <= 1000))) AS pending
                   FROM weir.steps s
                  WHERE (s.run_id = r.id)) c)
             CROSS JOIN LATERAL ( SELECT COALESCE((array_agg(t.to_state ORDER BY t.id DESC))[1], 'running'::text) AS last_state,
                    min(t.id) FILTER (WHERE (t.from_state <> t.previous)) AS gap_at,
                    min(t.id) FILTER (WHERE (NOT t.legal)) AS illegal_at
                   FROM ( SELECT t_1.id,
                            t_1.from_state,
                            t_1.to_state,
                            lag(t_1.to_state, 1, 'running'::text) OVER (ORDER BY t_1.id) AS previous,
                            (EXISTS ( SELECT
                                   FROM weir.legal_transitions l
                                  WHERE ((l.entity = 'run'::text) AND (l.from_state = t_1.from_state) AND (l.to_state = t_1.to_state)))) AS legal
                           FROM weir.transitions t_1
                          WHERE ((t_1.run_id = r.id) AND (t_1.step IS NULL))) t) h)
             CROSS JOIN LATERAL ( SELECT 'run_counts_its_steps'::text AS rule,
                    (r.steps_total <> c.total) AS broken,
                    format('steps_total is %s, and it has %s steps'::text, r.steps_total, c.total) AS message
                UNION ALL
                 SELECT 'run_counts_its_open_steps'::text AS rule,
                    (r.steps_open <> c.unsettled) AS broken,
                    format('steps_open is %s, and %s of its steps are not settled'::text, r.steps_open, c.unsettled) AS message
                UNION ALL
                 SELECT 'run_counts_its_failed_steps'::text AS rule,
                    (r.steps_failed <> c.failed) AS broken,
                    format('steps_failed is %s, and %s of its settled steps count as failures'::text, r.steps_failed, c.failed) AS message
                UNION ALL
                 SELECT 'final_run_has_no_open_step'::text AS rule,
                    ((r.state <> ALL (ARRAY['running'::weir.run_state, 'paused'::weir.run_state])) AND (c.unfinished > 0)) AS broken,
                    format('the run is %s, and %s of its steps are not final'::text, r.state, c.unfinished) AS message
                UNION ALL
                 SELECT 'open_run_can_go_on'::text AS rule,
                    ((r.state = ANY (ARRAY['running'::weir.run_state, 'paused'::weir.run_state])) AND (r.cancel_requested_at IS NULL) AND (c.unsettled > 0) AND c.nothing_moves) AS broken,
                    format('all that is open waits for each other: %s'::text, "left"(c.pending, 200)) AS message
                UNION ALL
                 SELECT 'run_is_in_the_state_that_its_history_says'::text AS rule,
                    ((r.state)::text <> h.last_state) AS broken,
                    format('it is %s, and its history says %s'::text, r.state, h.last_state) AS message
                UNION ALL
                 SELECT 'history_of_a_run_has_no_gap'::text AS rule,
                    (h.gap_at IS NOT NULL) AS broken,
                    format('transition %s does not start where the one before it ended'::text, h.gap_at) AS message
                UNION ALL
                 SELECT 'history_of_a_run_is_legal'::text AS rule,
                    (h.illegal_at IS NOT NULL) AS broken,
                    format('transition %s is not in weir.legal_transitions'::text, h.illegal_at) AS message) v)
          WHERE v.broken
        ), broken_need AS (
         SELECT v.rule,
            e.run_id,
            e.step,
            v.message
           FROM ((looked_run r
             CROSS JOIN LATERAL ( SELECT e_1.run_id,
                    e_1.need,
                    e_1.step,
                    (EXISTS ( SELECT
                           FROM weir.steps s
                          WHERE ((s.run_id = r.id) AND (s.step = e_1.step)))) AS has_step,
                    (EXISTS ( SELECT
                           FROM weir.steps s
                          WHERE ((s.run_id = r.id) AND (s.step = e_1.need)))) AS has_need,
                    (EXISTS ( SELECT
                           FROM weir.needs b
                          WHERE ((b.run_id = r.id) AND (b.need = e_1.step) AND (b.step = e_1.need)))) AS has_circle
                   FROM weir.needs e_1
                  WHERE (e_1.run_id = r.id)
                 OFFSET 0) e)
             CROSS JOIN LATERAL ( SELECT 'needs_have_no_circle'::text AS rule,
                    (e.has_circle IS TRUE) AS broken,
                    format('step %s needs step %s, which needs it'::text, e.step, e.need) AS message
                UNION ALL
                 SELECT 'needs_lead_to_steps'::text AS rule,
                    (NOT e.has_step) AS broken,
                    format('step %s needs step %s, and the first does not exist'::text, e.step, e.need) AS message
                UNION ALL
                 SELECT 'needs_lead_to_steps'::text AS rule,
                    (NOT e.has_need) AS broken,
                    format('step %s needs step %s, and the second does not exist'::text, e.step, e.need) AS message) v)
          WHERE v.broken
        ), broken_step AS (
         SELECT v.rule,
            s.run_id,
            s.step,
            v.message
           FROM (((((((((looked_run r
             CROSS JOIN LATERAL ( SELECT s_1.run_id,
                    s_1.step,
                    s_1.attempt,
                    s_1.river_job_id,
                    s_1.worker_id,
                    s_1.state,
                    s_1.cause,
                    s_1.failures,
                    s_1.settled,
                    s_1.has_output,
                    s_1.allow_failure,
                    s_1.priority,
                    s_1.run_if,
                    s_1.needs_total,
                    s_1.needs_open,
                    s_1.needs_failed,
                    s_1.needs_allowed,
                    s_1.needs_neutral,
                    s_1.dependants,
                    s_1.max_attempts,
                    s_1.unnamed,
                    s_1.last_outcome,
                    s_1.created_at,
                    s_1.run_after,
                    s_1.claimed_at,
                    s_1.started_at,
                    s_1.deadline_at,
                    s_1.finished_at,
                    s_1.cancel_requested_at,
                    s_1.timeout,
                    s_1.grace,
                    s_1.stall_after,
                    s_1.report,
                    s_1.reused_from,
                    s_1.key,
                    s_1.kind,
                    s_1.queue,
                    s_1.runs_on,
                    s_1.waiting_for,
                    s_1.cancel_requested_by,
                    s_1.cancel_reason,
                    s_1.retry
                   FROM weir.steps s_1
                  WHERE (s_1.run_id = r.id)
                 OFFSET 0) s)
             CROSS JOIN LATERAL ( SELECT count(*) AS total,
                    count(*) FILTER (WHERE (NOT n_1.ended)) AS open,
                    count(*) FILTER (WHERE (n_1.ended AND n_1.badly AND (NOT n_1.allow_failure))) AS failed,
                    count(*) FILTER (WHERE (n_1.ended AND n_1.badly AND n_1.allow_failure)) AS allowed,
                    count(*) FILTER (WHERE (n_1.ended AND (n_1.state = 'skipped'::weir.step_state) AND (NOT n_1.badly))) AS neutral
                   FROM ( SELECT u.state,
                            u.allow_failure,
                            (COALESCE(u.settled, false) OR e.counted) AS ended,
                            ((u.state = ANY (ARRAY['failed'::weir.step_state, 'crashed'::weir.step_state, 'timed_out'::weir.step_state, 'lost'::weir.step_state, 'cancelled'::weir.step_state])) OR ((u.state = 'skipped'::weir.step_state) AND (u.cause = 'upstream_failed'::weir.cause))) AS badly
                           FROM (weir.needs e
                             LEFT JOIN LATERAL ( SELECT u_1.run_id,
                                    u_1.step,
                                    u_1.attempt,
                                    u_1.river_job_id,
                                    u_1.worker_id,
                                    u_1.state,
                                    u_1.cause,
                                    u_1.failures,
                                    u_1.settled,
                                    u_1.has_output,
                                    u_1.allow_failure,
                                    u_1.priority,
                                    u_1.run_if,
                                    u_1.needs_total,
                                    u_1.needs_open,
                                    u_1.needs_failed,
                                    u_1.needs_allowed,
                                    u_1.needs_neutral,
                                    u_1.dependants,
                                    u_1.max_attempts,
                                    u_1.unnamed,
                                    u_1.last_outcome,
                                    u_1.created_at,
                                    u_1.run_after,
                                    u_1.claimed_at,
                                    u_1.started_at,
                                    u_1.deadline_at,
                                    u_1.finished_at,
                                    u_1.cancel_requested_at,
                                    u_1.timeout,
                                    u_1.grace,
                                    u_1.stall_after,
                                    u_1.report,
                                    u_1.reused_from,
                                    u_1.key,
                                    u_1.kind,
                                    u_1.queue,
                                    u_1.runs_on,
                                    u_1.waiting_for,
                                    u_1.cancel_requested_by,
                                    u_1.cancel_reason,
                                    u_1.retry
                                   FROM weir.steps u_1
                                  WHERE ((u_1.run_id = s.run_id) AND (u_1.step = e.need))
                                 OFFSET 0) u ON (true))
                          WHERE ((e.run_id = s.run_id) AND (e.step = s.step))) n_1) n)
             CROSS JOIN LATERAL ( SELECT count(*) AS total
                   FROM weir.needs e
                  WHERE ((e.run_id = s.run_id) AND (e.need = s.step))) d)
             CROSS JOIN LATERAL ( SELECT (array_agg(t.to_state ORDER BY t.id DESC))[1] AS last_state,
                    count(*) FILTER (WHERE (t.to_state = 'running'::text)) AS claims,
                    min(t.id) FILTER (WHERE
                        CASE
                            WHEN (t.previous IS NULL) THEN (t.from_state <> ALL (ARRAY['pending'::text, 'available'::text, 'waiting'::text]))
                            ELSE (t.from_state <> t.previous)
                        END) AS gap_at,
                    min(t.id) FILTER (WHERE (NOT t.legal)) AS illegal_at
                   FROM ( SELECT t_1.id,
                            t_1.from_state,
                            t_1.to_state,
                            lag(t_1.to_state) OVER (ORDER BY t_1.id) AS previous,
                            (EXISTS ( SELECT
                                   FROM weir.legal_transitions l
                                  WHERE ((l.entity = 'step'::text) AND (l.from_state = t_1.from_state) AND (l.to_state = t_1.to_state)))) AS legal
                           FROM weir.transitions t_1
                          WHERE ((t_1.run_id = s.run_id) AND (t_1.step = s.step))) t) h)
             CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE (o_1.attempt = s.attempt)) AS of_last,
                    count(*) FILTER (WHERE (o_1.attempt <> s.attempt)) AS of_others
                   FROM weir.outputs o_1
                  WHERE ((o_1.run_id = COALESCE(s.reused_from, s.run_id)) AND (o_1.step = s.step) AND (o_1.output IS NOT NULL))) o)
             LEFT JOIN LATERAL ( SELECT j_1.id,
                    j_1.kind,
                    j_1.args
                   FROM weir.river_job j_1
                  WHERE (j_1.id = s.river_job_id)
                 OFFSET 0) j ON (true))
             LEFT JOIN LATERAL ( SELECT w_1.id,
                    w_1.lease_until
                   FROM weir.workers w_1
                  WHERE ((w_1.id = s.worker_id) AND (s.state = 'running'::weir.step_state))
                 OFFSET 0) w ON (true))
             CROSS JOIN reconciled)
             CROSS JOIN LATERAL ( SELECT 'step_counts_its_needs'::text AS rule,
                    ((s.needs_total <> n.total) OR ((s.state <> ALL (ARRAY['skipped'::weir.step_state, 'cancelled'::weir.step_state])) AND (r.cancel_requested_at IS NULL) AND (s.reused_from IS NULL) AND ((s.needs_open <> n.open) OR (s.needs_failed <> n.failed) OR (s.needs_allowed <> n.allowed) OR (s.needs_neutral <> n.neutral)))) AS broken,
                    format('total, open, failed, allowed, neutral are %s, and its edges say %s'::text, ROW(s.needs_total, s.needs_open, s.needs_failed, s.needs_allowed, s.needs_neutral), ROW(n.total, n.open, n.failed, n.allowed, n.neutral)) AS message
                UNION ALL
                 SELECT 'step_counts_its_dependants'::text AS rule,
                    (s.dependants <> d.total) AS broken,
                    format('dependants is %s, and %s steps need it'::text, s.dependants, d.total) AS message
                UNION ALL
                 SELECT 'final_step_is_settled'::text AS rule,
                    ((s.state >= 'succeeded'::weir.step_state) AND (NOT s.settled) AND (s.finished_at < (clock_timestamp() - '00:01:00'::interval)) AND reconciled.for_a_minute AND (NOT (EXISTS ( SELECT
                           FROM weir.quarantine q
                          WHERE (q.run_id = s.run_id))))) AS broken,
                    format('it is %s since %s, and its end is not counted'::text, s.state, s.finished_at) AS message
                UNION ALL
                 SELECT 'step_is_in_the_state_that_its_history_says'::text AS rule,
                    ((s.state)::text <> COALESCE(h.last_state,
                        CASE
                            WHEN ((s.state = ANY (ARRAY['pending'::weir.step_state, 'available'::weir.step_state, 'waiting'::weir.step_state])) OR (s.reused_from IS NOT NULL)) THEN (s.state)::text
                            ELSE ''::text
                        END)) AS broken,
                    format('it is %s, and its history says %s'::text, s.state, COALESCE(h.last_state, 'that it was born, and no more'::text)) AS message
                UNION ALL
                 SELECT 'history_of_a_step_has_no_gap'::text AS rule,
                    (h.gap_at IS NOT NULL) AS broken,
                    format('transition %s does not start where the one before it ended'::text, h.gap_at) AS message
                UNION ALL
                 SELECT 'history_of_a_step_is_legal'::text AS rule,
                    (h.illegal_at IS NOT NULL) AS broken,
                    format('transition %s is not in weir.legal_transitions'::text, h.illegal_at) AS message
                UNION ALL
                 SELECT 'attempt_counts_the_claims'::text AS rule,
                    ((s.attempt <> h.claims) AND (s.reused_from IS NULL)) AS broken,
                    format('attempt is %s, and its history has %s claims'::text, s.attempt, h.claims) AS message
                UNION ALL
                 SELECT 'output_is_there_when_it_says_so'::text AS rule,
                    (s.has_output AND (o.of_last = 0)) AS broken,
                    'has_output is true, and it has no output'::text AS message
                UNION ALL
                 SELECT 'output_is_there_when_it_says_so'::text AS rule,
                    ((NOT s.has_output) AND (o.of_last > 0)) AS broken,
                    'it has an output, and has_output is false'::text AS message
                UNION ALL
                 SELECT 'output_is_there_when_it_says_so'::text AS rule,
                    (o.of_others > 0) AS broken,
                    'an attempt that was not its last one has an output'::text AS message
                UNION ALL
                 SELECT 'running_step_has_a_live_worker'::text AS rule,
                    ((s.state = 'running'::weir.step_state) AND (w.id IS NULL) AND reconciled.for_a_minute) AS broken,
                    format('its worker %s does not exist'::text, s.worker_id) AS message
                UNION ALL
                 SELECT 'running_step_has_a_live_worker'::text AS rule,
                    ((w.lease_until < (clock_timestamp() - '00:01:00'::interval)) AND reconciled.for_a_minute) AS broken,
                    format('the lease of its worker %s ran out at %s'::text, w.id, w.lease_until) AS message
                UNION ALL
                 SELECT 'dispatch_token_names_its_own_job'::text AS rule,
                    ((s.river_job_id IS NOT NULL) AND (s.runs_on = 'replica'::text) AND (j.id IS NULL)) AS broken,
                    format('its River job %s does not exist'::text, s.river_job_id) AS message
                UNION ALL
                 SELECT 'dispatch_token_names_its_own_job'::text AS rule,
                    ((s.runs_on = 'replica'::text) AND ((j.kind <> s.kind) OR ((j.args ->> 'run'::text) IS DISTINCT FROM (s.run_id)::text) OR ((j.args ->> 'step'::text) IS DISTINCT FROM (s.step)::text)) AND (j.id IS NOT NULL)) AS broken,
                    format('its River job %s is of kind %s for %s'::text, s.river_job_id, j.kind, "left"((j.args)::text, 200)) AS message) v)
          WHERE v.broken
        )
 SELECT broken_run.rule,
    broken_run.run_id,
    broken_run.step,
    broken_run.message
   FROM broken_run
UNION ALL
 SELECT broken_need.rule,
    broken_need.run_id,
    broken_need.step,
    broken_need.message
   FROM broken_need
UNION ALL
 SELECT broken_step.rule,
    broken_step.run_id,
    broken_step.step,
    broken_step.message
   FROM broken_step
UNION ALL
 SELECT 'step_belongs_to_a_run'::text AS rule,
    s.run_id,
    s.step,
    format('it is %s, and its run does not exist'::text, s.state) AS message
   FROM weir.steps s
  WHERE ((s.state = ANY (ARRAY['running'::weir.step_state, 'retrying'::weir.step_state])) AND (NOT (EXISTS ( SELECT
           FROM weir.runs r
          WHERE (r.id = s.run_id)))))
UNION ALL
 SELECT 'hints_are_served_within_a_minute'::text AS rule,
    d.run_id,
    NULL::integer AS step,
    format('%s hints in weir.dirty, the oldest of %s'::text, count(*), min(d.at)) AS message
   FROM (weir.dirty d
     CROSS JOIN reconciled)
  WHERE ((d.at < (clock_timestamp() - '00:01:00'::interval)) AND reconciled.for_a_minute AND (NOT (EXISTS ( SELECT
           FROM weir.quarantine q
          WHERE (q.run_id = d.run_id)))))
  GROUP BY d.run_id
UNION ALL
 SELECT 'stops_are_of_running_attempts'::text AS rule,
    t.run_id,
    t.step,
    format('attempt %s was to be stopped until %s, and is not the running one'::text, t.attempt, t.give_up_at) AS message
   FROM (weir.stops t
     CROSS JOIN reconciled)
  WHERE ((t.give_up_at < (clock_timestamp() - '00:01:00'::interval)) AND reconciled.for_a_minute AND (NOT (EXISTS ( SELECT
           FROM weir.steps s
          WHERE ((s.run_id = t.run_id) AND (s.step = t.step) AND (s.attempt = t.attempt) AND (s.state = 'running'::weir.step_state))))));

COMMENT ON VIEW weir.violations_of_runs IS 'The part of weir.violations that is about runs and their steps. Looks at the oldest open runs (4,000 running, 1,000 paused), at the 1,000 newest runs and at the small tables, so it stays affordable and may miss what is elsewhere.';

COMMENT ON COLUMN weir.violations_of_runs.rule IS 'The rule that is broken, as a sentence.';

COMMENT ON COLUMN weir.violations_of_runs.run_id IS 'Where: weir.runs.id.';

COMMENT ON COLUMN weir.violations_of_runs.step IS 'Where: the step''s ordinal; null: the run itself.';

COMMENT ON COLUMN weir.violations_of_runs.message IS 'What is there, and what should be.';

CREATE VIEW weir.violations AS
 SELECT violations_of_runs.rule,
    violations_of_runs.run_id,
    violations_of_runs.step,
    violations_of_runs.message
   FROM weir.violations_of_runs
UNION ALL
 SELECT violations_of_limits.rule,
    violations_of_limits.run_id,
    violations_of_limits.step,
    violations_of_limits.message
   FROM weir.violations_of_limits;

COMMENT ON VIEW weir.violations IS 'Empty, unless an invariant is broken: then each row names the rule and the culprit. Looks at the oldest open runs (4,000 running, 1,000 paused), at the 1,000 newest runs and at the small tables, so it stays affordable and may miss what is elsewhere. What reconcile does a moment later counts only when it is overdue by a minute while somebody reconciles.';

COMMENT ON COLUMN weir.violations.rule IS 'The rule that is broken, as a sentence.';

COMMENT ON COLUMN weir.violations.run_id IS 'Where: weir.runs.id; null: a limit is wrong.';

COMMENT ON COLUMN weir.violations.step IS 'Where: the step''s ordinal; null: the run itself.';

COMMENT ON COLUMN weir.violations.message IS 'What is there, and what should be.';

ALTER TABLE ONLY weir.river_job ALTER COLUMN id SET DEFAULT nextval('weir.river_job_id_seq'::regclass);

ALTER TABLE ONLY weir.river_notification ALTER COLUMN id SET DEFAULT nextval('weir.river_notification_id_seq'::regclass);

ALTER TABLE ONLY weir.bulks
    ADD CONSTRAINT bulks_pkey PRIMARY KEY (id);

COMMENT ON CONSTRAINT bulks_pkey ON weir.bulks IS 'Each has one row.';

ALTER TABLE ONLY weir.dirty
    ADD CONSTRAINT dirty_pkey PRIMARY KEY (id);

COMMENT ON CONSTRAINT dirty_pkey ON weir.dirty IS 'Each hint is a row of its own; several for one step do no harm.';

ALTER TABLE ONLY weir.families
    ADD CONSTRAINT families_pkey PRIMARY KEY (run_id, step);

COMMENT ON CONSTRAINT families_pkey ON weir.families IS 'A step fans out once.';

ALTER TABLE ONLY weir.goose_version
    ADD CONSTRAINT goose_version_pkey PRIMARY KEY (id);

ALTER TABLE ONLY weir.heard
    ADD CONSTRAINT heard_pkey PRIMARY KEY (run_id, step);

COMMENT ON CONSTRAINT heard_pkey ON weir.heard IS 'Only the last sign is kept.';

ALTER TABLE ONLY weir.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (run_id, parent, item);

COMMENT ON CONSTRAINT items_pkey ON weir.items IS 'Each place in the list has one child.';

ALTER TABLE ONLY weir.kinds
    ADD CONSTRAINT kinds_pkey PRIMARY KEY (kind);

COMMENT ON CONSTRAINT kinds_pkey ON weir.kinds IS 'A kind has one definition: that of the last worker that registered it.';

ALTER TABLE ONLY weir.late_reports
    ADD CONSTRAINT late_reports_pkey PRIMARY KEY (id);

COMMENT ON CONSTRAINT late_reports_pkey ON weir.late_reports IS 'Each arrival is a row.';

ALTER TABLE ONLY weir.legal_transitions
    ADD CONSTRAINT legal_transitions_pkey PRIMARY KEY (entity, from_state, to_state);

COMMENT ON CONSTRAINT legal_transitions_pkey ON weir.legal_transitions IS 'A pair of states is legal once.';

ALTER TABLE ONLY weir.limits
    ADD CONSTRAINT limits_pkey PRIMARY KEY (key);

COMMENT ON CONSTRAINT limits_pkey ON weir.limits IS 'A key has one limit.';

ALTER TABLE ONLY weir.logs
    ADD CONSTRAINT logs_pkey PRIMARY KEY (run_id, step, attempt, seq);

COMMENT ON CONSTRAINT logs_pkey ON weir.logs IS 'A line of an attempt is stored once.';

ALTER TABLE ONLY weir.needs
    ADD CONSTRAINT needs_pkey PRIMARY KEY (run_id, need, step);

COMMENT ON CONSTRAINT needs_pkey ON weir.needs IS 'A step needs another one once; found from the step that ends.';

ALTER TABLE ONLY weir.outputs
    ADD CONSTRAINT outputs_pkey PRIMARY KEY (run_id, step, attempt);

COMMENT ON CONSTRAINT outputs_pkey ON weir.outputs IS 'An attempt ends once.';

ALTER TABLE ONLY weir.plans
    ADD CONSTRAINT plans_pkey PRIMARY KEY (name, version);

COMMENT ON CONSTRAINT plans_pkey ON weir.plans IS 'A version of a plan is one plan: who puts another one at the same time gets the next number.';

ALTER TABLE ONLY weir.policies
    ADD CONSTRAINT policies_pkey PRIMARY KEY (run_id, step);

COMMENT ON CONSTRAINT policies_pkey ON weir.policies IS 'A run or step has one row.';

ALTER TABLE ONLY weir.progress
    ADD CONSTRAINT progress_pkey PRIMARY KEY (run_id, step);

COMMENT ON CONSTRAINT progress_pkey ON weir.progress IS 'Only the last word is kept.';

ALTER TABLE ONLY weir.pulse
    ADD CONSTRAINT pulse_pkey PRIMARY KEY (one);

COMMENT ON CONSTRAINT pulse_pkey ON weir.pulse IS 'One row at the most.';

ALTER TABLE ONLY weir.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (run_id);

COMMENT ON CONSTRAINT quarantine_pkey ON weir.quarantine IS 'A run is set aside once.';

ALTER TABLE ONLY weir.rates
    ADD CONSTRAINT rates_pkey PRIMARY KEY (key);

COMMENT ON CONSTRAINT rates_pkey ON weir.rates IS 'A key has one bucket.';

ALTER TABLE ONLY weir.river_job
    ADD CONSTRAINT river_job_pkey PRIMARY KEY (id);

ALTER TABLE ONLY weir.river_leader
    ADD CONSTRAINT river_leader_pkey PRIMARY KEY (name);

ALTER TABLE ONLY weir.river_migration
    ADD CONSTRAINT river_migration_pkey1 PRIMARY KEY (line, version);

ALTER TABLE ONLY weir.river_notification
    ADD CONSTRAINT river_notification_pkey PRIMARY KEY (id);

ALTER TABLE ONLY weir.river_queue
    ADD CONSTRAINT river_queue_pkey PRIMARY KEY (name);

ALTER TABLE ONLY weir.run_inputs
    ADD CONSTRAINT run_inputs_pkey PRIMARY KEY (run_id);

COMMENT ON CONSTRAINT run_inputs_pkey ON weir.run_inputs IS 'A run has one input.';

ALTER TABLE ONLY weir.run_outputs
    ADD CONSTRAINT run_outputs_pkey PRIMARY KEY (run_id);

COMMENT ON CONSTRAINT run_outputs_pkey ON weir.run_outputs IS 'A run has one output.';

ALTER TABLE ONLY weir.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);

COMMENT ON CONSTRAINT runs_pkey ON weir.runs IS 'A run has one row.';

ALTER TABLE ONLY weir.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (name);

COMMENT ON CONSTRAINT schedules_pkey ON weir.schedules IS 'A name has one schedule.';

ALTER TABLE ONLY weir.schema_info
    ADD CONSTRAINT schema_info_pkey PRIMARY KEY (one);

COMMENT ON CONSTRAINT schema_info_pkey ON weir.schema_info IS 'One row at the most.';

ALTER TABLE ONLY weir.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (hash);

COMMENT ON CONSTRAINT sessions_pkey ON weir.sessions IS 'Finds the session of a call.';

ALTER TABLE ONLY weir.signals
    ADD CONSTRAINT signals_pkey PRIMARY KEY (run_id, step);

COMMENT ON CONSTRAINT signals_pkey ON weir.signals IS 'At most one signal ends a step.';

ALTER TABLE ONLY weir.slots
    ADD CONSTRAINT slots_pkey PRIMARY KEY (run_id, step);

COMMENT ON CONSTRAINT slots_pkey ON weir.slots IS 'A run or step stands in one line at a time.';

ALTER TABLE ONLY weir.step_inputs
    ADD CONSTRAINT step_inputs_pkey PRIMARY KEY (run_id, step);

COMMENT ON CONSTRAINT step_inputs_pkey ON weir.step_inputs IS 'A step has one `with`.';

ALTER TABLE ONLY weir.steps
    ADD CONSTRAINT step_key_is_unique_in_its_run UNIQUE (key, run_id);

COMMENT ON CONSTRAINT step_key_is_unique_in_its_run ON weir.steps IS 'No two steps of a run have the same key. The key comes first so that only the primary key leads to the steps of a run: with statistics of many small runs the planner would take either for (run_id, step), and read a whole run of 10,000 steps for each of them.';

ALTER TABLE ONLY weir.steps
    ADD CONSTRAINT steps_pkey PRIMARY KEY (run_id, step);

COMMENT ON CONSTRAINT steps_pkey ON weir.steps IS 'A step has one row; all the rows of a run lie together.';

ALTER TABLE ONLY weir.stops
    ADD CONSTRAINT stops_pkey PRIMARY KEY (run_id, step, attempt);

COMMENT ON CONSTRAINT stops_pkey ON weir.stops IS 'An attempt is stopped once.';

ALTER TABLE ONLY weir.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);

COMMENT ON CONSTRAINT tokens_pkey ON weir.tokens IS 'Each token has one row.';

ALTER TABLE ONLY weir.transitions
    ADD CONSTRAINT transitions_pkey PRIMARY KEY (xid, id);

COMMENT ON CONSTRAINT transitions_pkey ON weir.transitions IS 'The cursor of whoever follows the history.';

ALTER TABLE ONLY weir.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);

COMMENT ON CONSTRAINT workers_pkey ON weir.workers IS 'A process is one worker.';

CREATE UNIQUE INDEX bulk_idempotency_key_is_used_once ON weir.bulks USING btree (created_by, idempotency_key) WHERE (idempotency_key IS NOT NULL);

COMMENT ON INDEX weir.bulk_idempotency_key_is_used_once IS 'The same Idempotency-Key of the same actor is the same operation.';

CREATE INDEX bulks_newest ON weir.bulks USING btree (created_at DESC, id DESC);

COMMENT ON INDEX weir.bulks_newest IS 'Lists them, newest first.';

CREATE INDEX bulks_running ON weir.bulks USING btree (created_at, id) WHERE (state = 'running'::text);

COMMENT ON INDEX weir.bulks_running IS 'What is left to do: looked at every second.';

CREATE INDEX late_reports_of_step ON weir.late_reports USING btree (run_id, step);

COMMENT ON INDEX weir.late_reports_of_step IS 'Counts what is kept of a step, and shows it.';

CREATE INDEX limits_of_plans ON weir.limits USING btree (key) WHERE ("left"(key, 1) <> '~'::text);

COMMENT ON INDEX weir.limits_of_plans IS 'Lists the limits that plans and people name; ours, of which there may be many more, are not in it.';

CREATE INDEX needs_of_step ON weir.needs USING btree (step, run_id, need);

COMMENT ON INDEX weir.needs_of_step IS 'What a step needs: for its inputs, and for people who ask why it does not run. The step comes first so that nobody takes it for the way to the edges of a run, or to those of one need; the need is in it so that the primary key is never the cheaper way to those of a step.';

CREATE INDEX rates_due ON weir.rates USING btree (due_at) WHERE (due_at IS NOT NULL);

COMMENT ON INDEX weir.rates_due IS 'Which bucket is waited for, and gets a token next.';

CREATE INDEX river_job_kind ON weir.river_job USING btree (kind);

CREATE INDEX river_job_prioritized_fetching_index ON weir.river_job USING btree (state, queue, priority, scheduled_at, id);

CREATE INDEX river_job_state_and_finalized_at_index ON weir.river_job USING btree (state, finalized_at) WHERE (finalized_at IS NOT NULL);

CREATE UNIQUE INDEX river_job_unique_idx ON weir.river_job USING btree (unique_key) WHERE ((unique_key IS NOT NULL) AND (unique_states IS NOT NULL) AND weir.river_job_state_in_bitmask(unique_states, state));

CREATE INDEX river_notification_created_at_idx ON weir.river_notification USING btree (created_at);

CREATE INDEX river_notification_topic_id_idx ON weir.river_notification USING btree (topic, id);

CREATE UNIQUE INDEX run_idempotency_key_is_used_once ON weir.runs USING btree (idempotency_scope, idempotency_key) WHERE (idempotency_key IS NOT NULL);

COMMENT ON INDEX weir.run_idempotency_key_is_used_once IS 'The same Idempotency-Key of the same client is the same run.';

CREATE UNIQUE INDEX run_is_the_only_child_of_its_step ON weir.runs USING btree (parent_run, parent_step) WHERE (parent_run IS NOT NULL);

COMMENT ON INDEX weir.run_is_the_only_child_of_its_step IS 'A step starts one child run, whoever dies in between.';

CREATE UNIQUE INDEX run_key_has_one_live_run ON weir.runs USING btree (key) WHERE ((key IS NOT NULL) AND admitted AND (finished_at IS NULL));

COMMENT ON INDEX weir.run_key_has_one_live_run IS 'At most one run per key has been let in and has not ended.';

CREATE INDEX runs_by_key ON weir.runs USING btree (key, created_at DESC, id DESC) WHERE (key IS NOT NULL);

COMMENT ON INDEX weir.runs_by_key IS 'The runs of a key, newest first.';

CREATE INDEX runs_by_label ON weir.runs USING gin (labels jsonb_path_ops) WITH (fastupdate=off) WHERE (labels <> '{}'::jsonb);

COMMENT ON INDEX weir.runs_by_label IS 'Finds runs by label; runs without labels cost it nothing.';

CREATE INDEX runs_by_name ON weir.runs USING btree (name, created_at DESC, id DESC);

COMMENT ON INDEX weir.runs_by_name IS 'Lists the runs of one plan, newest first.';

CREATE INDEX runs_by_state ON weir.runs USING btree (state, created_at DESC, id DESC);

COMMENT ON INDEX weir.runs_by_state IS 'Lists the runs of one state, newest first.';

CREATE INDEX runs_cancelling ON weir.runs USING btree (id) WHERE ((cancel_requested_at IS NOT NULL) AND (finished_at IS NULL));

COMMENT ON INDEX weir.runs_cancelling IS 'Runs whose cancellation goes on: looked at every second.';

CREATE INDEX runs_held_back ON weir.runs USING btree (created_at) WHERE ((NOT admitted) AND (finished_at IS NULL));

COMMENT ON INDEX weir.runs_held_back IS 'Runs that wait to be let in.';

CREATE INDEX runs_newest ON weir.runs USING btree (created_at DESC, id DESC);

COMMENT ON INDEX weir.runs_newest IS 'Lists runs, newest first, page by page.';

CREATE INDEX runs_of_schedules_open ON weir.runs USING btree (((labels ->> 'weir/schedule'::text)), created_at DESC, id DESC) WHERE (((labels ->> 'weir/schedule'::text) IS NOT NULL) AND (finished_at IS NULL));

COMMENT ON INDEX weir.runs_of_schedules_open IS 'The open runs of a schedule, newest first, however many have ended; other runs cost it nothing.';

CREATE INDEX runs_overdue ON weir.runs USING btree (deadline_at) WHERE ((deadline_at IS NOT NULL) AND (finished_at IS NULL));

COMMENT ON INDEX weir.runs_overdue IS 'Which run times out next.';

CREATE INDEX runs_rerun_of ON weir.runs USING btree (rerun_of) WHERE (rerun_of IS NOT NULL);

COMMENT ON INDEX weir.runs_rerun_of IS 'The runs that do a run again.';

CREATE INDEX schedules_due ON weir.schedules USING btree (due_at) WHERE (paused_at IS NULL);

COMMENT ON INDEX weir.schedules_due IS 'Which schedule is due next.';

CREATE INDEX sessions_expire ON weir.sessions USING btree (expires_at);

COMMENT ON INDEX weir.sessions_expire IS 'Finds those that are over, to remove them.';

CREATE INDEX sessions_of_token ON weir.sessions USING btree (token_id);

COMMENT ON INDEX weir.sessions_of_token IS 'For the foreign key.';

CREATE INDEX slots_due ON weir.slots USING btree (due_at) WHERE (due_at IS NOT NULL);

COMMENT ON INDEX weir.slots_due IS 'Which run starts next by its start_at.';

CREATE INDEX slots_held ON weir.slots USING btree (concurrency_key, seq) WHERE ((waiting_on IS NULL) AND (concurrency_key IS NOT NULL));

COMMENT ON INDEX weir.slots_held IS 'Who holds a key: those who wait for it, however many, cost nothing.';

CREATE INDEX slots_line ON weir.slots USING btree (waiting_on, priority, seq) WHERE (waiting_on IS NOT NULL);

COMMENT ON INDEX weir.slots_line IS 'Who is next in a line: those behind cost nothing.';

CREATE INDEX slots_of_key ON weir.slots USING btree (concurrency_key, seq) WHERE (concurrency_key IS NOT NULL);

COMMENT ON INDEX weir.slots_of_key IS 'Who holds or waits for a key, oldest first.';

CREATE INDEX steps_held ON weir.steps USING btree (state, COALESCE(claimed_at, created_at)) WHERE (state = ANY (ARRAY['retrying'::weir.step_state, 'waiting'::weir.step_state]));

COMMENT ON INDEX weir.steps_held IS 'What is to be tried again or waits, the oldest first: for the picture of everything that is going on.';

CREATE INDEX steps_retrying ON weir.steps USING btree (run_after) WHERE ((state = 'retrying'::weir.step_state) AND (river_job_id IS NULL));

COMMENT ON INDEX weir.steps_retrying IS 'What is to be tried again and is not dispatched: a backlog of what is costs nothing.';

CREATE INDEX steps_running ON weir.steps USING btree (worker_id, deadline_at) WHERE (state = 'running'::weir.step_state);

COMMENT ON INDEX weir.steps_running IS 'What a worker holds: for heartbeats, leases and deadlines.';

CREATE INDEX steps_waiting_due ON weir.steps USING btree (LEAST(run_after, deadline_at)) WHERE ((state = 'waiting'::weir.step_state) AND (waiting_for <> 'decision'::text) AND ((run_after IS NOT NULL) OR (deadline_at IS NOT NULL)));

COMMENT ON INDEX weir.steps_waiting_due IS 'What waits for a time, or not beyond one: a backlog of it costs nothing.';

CREATE INDEX stops_of_worker ON weir.stops USING btree (worker_id);

COMMENT ON INDEX weir.stops_of_worker IS 'What a worker is to end.';

CREATE UNIQUE INDEX token_is_unique ON weir.tokens USING btree (hash);

COMMENT ON INDEX weir.token_is_unique IS 'Finds the token of a call.';

CREATE UNIQUE INDEX token_name_is_used_once ON weir.tokens USING btree (name) WHERE (revoked_at IS NULL);

COMMENT ON INDEX weir.token_name_is_used_once IS 'Two tokens of a name only when one of them is revoked.';

CREATE INDEX transitions_of_run ON weir.transitions USING btree (run_id, xid, id);

COMMENT ON INDEX weir.transitions_of_run IS 'The history of one run, in order of visibility, page by page.';

CREATE INDEX workers_alive ON weir.workers USING btree (lease_until) WHERE (gone_at IS NULL);

COMMENT ON INDEX weir.workers_alive IS 'Whose lease runs out next.';

CREATE TRIGGER by_hand_is_manual BEFORE UPDATE OF state ON weir.runs FOR EACH ROW WHEN (((old.state <> new.state) AND (COALESCE(current_setting('weir.actor'::text, true), ''::text) = ''::text))) EXECUTE FUNCTION weir.mark_run_moved_by_hand();

COMMENT ON TRIGGER by_hand_is_manual ON weir.runs IS 'Who pauses or resumes a run in psql need not think of the rest, and the history says who it was.';

CREATE TRIGGER by_hand_is_manual BEFORE UPDATE OF state ON weir.steps FOR EACH ROW WHEN (((old.state <> new.state) AND (COALESCE(current_setting('weir.actor'::text, true), ''::text) = ''::text))) EXECUTE FUNCTION weir.mark_step_moved_by_hand();

COMMENT ON TRIGGER by_hand_is_manual ON weir.steps IS 'Who changes a state in psql need not think of the rest: update weir.steps set state = ''cancelled'' where ... is enough, and the history says who it was.';

CREATE TRIGGER plans_are_immutable BEFORE DELETE OR UPDATE OR TRUNCATE ON weir.plans FOR EACH STATEMENT EXECUTE FUNCTION weir.refuse('a version of a plan never changes', 'Runs and schedules name it. Put another plan under the name: that is the next version.');

COMMENT ON TRIGGER plans_are_immutable ON weir.plans IS 'Version 3 of a plan is the same plan for ever, also for its owner.';

CREATE TRIGGER run_counts_are_not_made_by_hand BEFORE UPDATE OF steps_total, steps_open, steps_failed ON weir.runs FOR EACH ROW WHEN (((((old.steps_total IS DISTINCT FROM new.steps_total) OR (old.steps_open IS DISTINCT FROM new.steps_open)) OR (old.steps_failed IS DISTINCT FROM new.steps_failed)) AND (COALESCE(current_setting('weir.actor'::text, true), ''::text) = ''::text))) EXECUTE FUNCTION weir.refuse('the counts of a run are not made by hand', 'They follow from its steps, and decide when it ends and how. If they are wrong, wait a minute: the sweep puts them right.');

COMMENT ON TRIGGER run_counts_are_not_made_by_hand ON weir.runs IS 'A run ends when its steps have, and as they have.';

CREATE TRIGGER run_final_keeps_everything BEFORE UPDATE OF cause, max_parallel, steps_total, steps_open, steps_failed, start_at, deadline_at, cancel_requested_at, cancel_requested_by, cancel_reason, cancel_cause, admitted, timeout, failing_at ON weir.runs FOR EACH ROW WHEN (((old.state = ANY (ARRAY['succeeded'::weir.run_state, 'failed'::weir.run_state, 'cancelled'::weir.run_state])) AND (new.state = old.state) AND ((((((((((((((old.cause IS DISTINCT FROM new.cause) OR (old.max_parallel IS DISTINCT FROM new.max_parallel)) OR (old.steps_total IS DISTINCT FROM new.steps_total)) OR (old.steps_open IS DISTINCT FROM new.steps_open)) OR (old.steps_failed IS DISTINCT FROM new.steps_failed)) OR (old.start_at IS DISTINCT FROM new.start_at)) OR (old.deadline_at IS DISTINCT FROM new.deadline_at)) OR (old.cancel_requested_at IS DISTINCT FROM new.cancel_requested_at)) OR (old.cancel_requested_by IS DISTINCT FROM new.cancel_requested_by)) OR (old.cancel_reason IS DISTINCT FROM new.cancel_reason)) OR (old.cancel_cause IS DISTINCT FROM new.cancel_cause)) OR (old.admitted IS DISTINCT FROM new.admitted)) OR (old.timeout IS DISTINCT FROM new.timeout)) OR (old.failing_at IS DISTINCT FROM new.failing_at)))) EXECUTE FUNCTION weir.refuse('a final run keeps everything', 'What it was when it ended is what happened. To do the work again, rerun it: weir rerun RUN makes a new run.');

COMMENT ON TRIGGER run_final_keeps_everything ON weir.runs IS 'A run that has ended says for ever how it ended.';

CREATE TRIGGER run_finished_at_stays_in_the_same_state BEFORE UPDATE OF finished_at ON weir.runs FOR EACH ROW WHEN (((old.state = new.state) AND (new.finished_at IS DISTINCT FROM old.finished_at))) EXECUTE FUNCTION weir.refuse('finished_at stays as it is while the state does', 'It is a fact about how the run came into its state. Leave it out of the SET list.');

COMMENT ON TRIGGER run_finished_at_stays_in_the_same_state ON weir.runs IS 'When a run ended is set by its end.';

CREATE TRIGGER run_identity_never_changes BEFORE UPDATE OF id, name, on_failure, created_at, created_by, key, idempotency_scope, idempotency_key, idempotency_digest, rerun_of, labels, description, limited, wants_output, depth, plan_version, parent_run, parent_step ON weir.runs FOR EACH ROW WHEN (((((((((((((((((((old.id IS DISTINCT FROM new.id) OR (old.name IS DISTINCT FROM new.name)) OR (old.on_failure IS DISTINCT FROM new.on_failure)) OR (old.created_at IS DISTINCT FROM new.created_at)) OR (old.created_by IS DISTINCT FROM new.created_by)) OR (old.key IS DISTINCT FROM new.key)) OR (old.idempotency_scope IS DISTINCT FROM new.idempotency_scope)) OR (old.idempotency_key IS DISTINCT FROM new.idempotency_key)) OR (old.idempotency_digest IS DISTINCT FROM new.idempotency_digest)) OR (old.rerun_of IS DISTINCT FROM new.rerun_of)) OR (old.labels IS DISTINCT FROM new.labels)) OR (old.description IS DISTINCT FROM new.description)) OR (old.limited IS DISTINCT FROM new.limited)) OR (old.wants_output IS DISTINCT FROM new.wants_output)) OR (old.depth IS DISTINCT FROM new.depth)) OR (old.plan_version IS DISTINCT FROM new.plan_version)) OR (old.parent_run IS DISTINCT FROM new.parent_run)) OR (old.parent_step IS DISTINCT FROM new.parent_step))) EXECUTE FUNCTION weir.refuse('what a run was submitted with never changes', 'Only its state, its counts, its limits and the request to cancel it do. Submit another run instead.');

COMMENT ON TRIGGER run_identity_never_changes ON weir.runs IS 'Clients, steps and history name a run by its id; what it was submitted with is what it was submitted with.';

CREATE TRIGGER run_is_born_running AFTER INSERT ON weir.runs FOR EACH ROW WHEN ((new.state <> 'running'::weir.run_state)) EXECUTE FUNCTION weir.refuse('a run is born running', 'Let it go through its life from there; to hold it back, pause it afterwards.');

COMMENT ON TRIGGER run_is_born_running ON weir.runs IS 'Nothing has happened to a run before it exists.';

CREATE TRIGGER run_open_is_not_deleted BEFORE DELETE ON weir.runs FOR EACH ROW WHEN ((old.state = ANY (ARRAY['running'::weir.run_state, 'paused'::weir.run_state]))) EXECUTE FUNCTION weir.refuse('an open run cannot be deleted', 'Cancel it, and wait until it is final: weir cancel RUN.');

COMMENT ON TRIGGER run_open_is_not_deleted ON weir.runs IS 'Workers may hold steps of it: it has to end first.';

CREATE TRIGGER run_stays_admitted BEFORE UPDATE OF admitted ON weir.runs FOR EACH ROW WHEN (((old.admitted AND (NOT new.admitted)) OR (new.admitted AND (NOT old.admitted) AND (COALESCE(current_setting('weir.actor'::text, true), ''::text) = ''::text)))) EXECUTE FUNCTION weir.refuse('a run is admitted once, and by reconcile', 'What holds it back stands in weir.slots: change the limit (weir limit set KEY N) or cancel what is before it.');

COMMENT ON TRIGGER run_stays_admitted ON weir.runs IS 'Limits are counted at the admission of a run.';

CREATE TRIGGER run_transition_is_legal BEFORE UPDATE OF state ON weir.runs FOR EACH ROW WHEN (((old.state <> new.state) AND (NOT
        CASE old.state
            WHEN 'running'::weir.run_state THEN (new.state = ANY (ARRAY['succeeded'::weir.run_state, 'failed'::weir.run_state, 'cancelled'::weir.run_state, 'paused'::weir.run_state]))
            WHEN 'paused'::weir.run_state THEN (new.state = ANY (ARRAY['running'::weir.run_state, 'cancelled'::weir.run_state]))
            ELSE false
        END))) EXECUTE FUNCTION weir.refuse_transition('run');

COMMENT ON TRIGGER run_transition_is_legal ON weir.runs IS 'A run moves only as weir.legal_transitions says, whoever moves it. Final is final.';

CREATE TRIGGER runs_are_not_truncated BEFORE TRUNCATE ON weir.runs FOR EACH STATEMENT EXECUTE FUNCTION weir.refuse('weir.runs cannot be truncated', 'Open runs would vanish. Delete what is final, run by run.');

COMMENT ON TRIGGER runs_are_not_truncated ON weir.runs IS 'TRUNCATE would not ask which runs are open.';

CREATE TRIGGER step_attempt_grows_by_one_on_the_way_to_running BEFORE UPDATE OF attempt, state ON weir.steps FOR EACH ROW WHEN (
        CASE
            WHEN ((new.state = 'running'::weir.step_state) AND (old.state = ANY (ARRAY['available'::weir.step_state, 'retrying'::weir.step_state]))) THEN (new.attempt <> (old.attempt + 1))
            WHEN ((new.state = 'running'::weir.step_state) AND (old.state <> 'running'::weir.step_state)) THEN false
            ELSE (new.attempt <> old.attempt)
        END) EXECUTE FUNCTION weir.refuse('attempt changes only on the way to running, and then by exactly one', 'attempt is the fence that keeps a worker of the past out. Leave it alone; to have a step done again, set its state to retrying.');

COMMENT ON TRIGGER step_attempt_grows_by_one_on_the_way_to_running ON weir.steps IS 'attempt counts claims and is the fence: each claim raises it by one, and nothing else changes it.';

CREATE TRIGGER step_claim_changes_only_on_the_way_to_running BEFORE UPDATE OF worker_id, claimed_at ON weir.steps FOR EACH ROW WHEN ((((new.worker_id IS DISTINCT FROM old.worker_id) OR (new.claimed_at IS DISTINCT FROM old.claimed_at)) AND (NOT ((new.state = 'running'::weir.step_state) AND (old.state <> 'running'::weir.step_state))))) EXECUTE FUNCTION weir.refuse('worker_id and claimed_at change only on the way to running', 'They say who claimed the step last, and when, and stay when the attempt ends. Leave them out of the SET list.');

COMMENT ON TRIGGER step_claim_changes_only_on_the_way_to_running ON weir.steps IS 'Nobody takes over an attempt: who claimed it, and when, is known until the next claim.';

CREATE TRIGGER step_counts_are_not_made_by_hand BEFORE UPDATE OF needs_total, needs_open, needs_failed, needs_allowed, needs_neutral, dependants ON weir.steps FOR EACH ROW WHEN (((old.state = new.state) AND ((((((old.needs_total IS DISTINCT FROM new.needs_total) OR (old.needs_open IS DISTINCT FROM new.needs_open)) OR (old.needs_failed IS DISTINCT FROM new.needs_failed)) OR (old.needs_allowed IS DISTINCT FROM new.needs_allowed)) OR (old.needs_neutral IS DISTINCT FROM new.needs_neutral)) OR (old.dependants IS DISTINCT FROM new.dependants)) AND (COALESCE(current_setting('weir.actor'::text, true), ''::text) = ''::text))) EXECUTE FUNCTION weir.refuse('the counts of a step are not made by hand', 'They follow from its needs, and decide when it starts. If they are wrong, wait a minute: the sweep puts them right.');

COMMENT ON TRIGGER step_counts_are_not_made_by_hand ON weir.steps IS 'A step starts when its needs have ended, and not when somebody has said so.';

CREATE TRIGGER step_final_keeps_everything BEFORE UPDATE OF cause, failures, has_output, allow_failure, priority, run_if, max_attempts, last_outcome, run_after, cancel_requested_at, cancel_requested_by, cancel_reason, cancel_cause, timeout, grace, stall_after, report, queue, retry ON weir.steps FOR EACH ROW WHEN (((old.state >= 'succeeded'::weir.step_state) AND (new.state = old.state) AND (((((((((((((((((((old.cause IS DISTINCT FROM new.cause) OR (old.failures IS DISTINCT FROM new.failures)) OR (old.has_output IS DISTINCT FROM new.has_output)) OR (old.allow_failure IS DISTINCT FROM new.allow_failure)) OR (old.priority IS DISTINCT FROM new.priority)) OR (old.run_if IS DISTINCT FROM new.run_if)) OR (old.max_attempts IS DISTINCT FROM new.max_attempts)) OR (old.last_outcome IS DISTINCT FROM new.last_outcome)) OR (old.run_after IS DISTINCT FROM new.run_after)) OR (old.cancel_requested_at IS DISTINCT FROM new.cancel_requested_at)) OR (old.cancel_requested_by IS DISTINCT FROM new.cancel_requested_by)) OR (old.cancel_reason IS DISTINCT FROM new.cancel_reason)) OR (old.cancel_cause IS DISTINCT FROM new.cancel_cause)) OR (old.timeout IS DISTINCT FROM new.timeout)) OR (old.grace IS DISTINCT FROM new.grace)) OR (old.stall_after IS DISTINCT FROM new.stall_after)) OR (old.report IS DISTINCT FROM new.report)) OR (old.queue IS DISTINCT FROM new.queue)) OR (old.retry IS DISTINCT FROM new.retry)))) EXECUTE FUNCTION weir.refuse('a final step keeps everything but bookkeeping', 'What it was when it ended is what happened. To do the work again, rerun it: weir rerun RUN makes a new run.');

COMMENT ON TRIGGER step_final_keeps_everything ON weir.steps IS 'A step that has ended says for ever how it ended. Only settled and the counts of needs are still written.';

CREATE TRIGGER step_identity_never_changes BEFORE UPDATE OF run_id, step, key, kind, runs_on, created_at, reused_from, limited, expects, parent, item ON weir.steps FOR EACH ROW WHEN ((((((((((((old.run_id IS DISTINCT FROM new.run_id) OR (old.step IS DISTINCT FROM new.step)) OR (old.key IS DISTINCT FROM new.key)) OR (old.kind IS DISTINCT FROM new.kind)) OR (old.runs_on IS DISTINCT FROM new.runs_on)) OR (old.created_at IS DISTINCT FROM new.created_at)) OR (old.reused_from IS DISTINCT FROM new.reused_from)) OR (old.limited IS DISTINCT FROM new.limited)) OR (old.expects IS DISTINCT FROM new.expects)) OR (old.parent IS DISTINCT FROM new.parent)) OR (old.item IS DISTINCT FROM new.item))) EXECUTE FUNCTION weir.refuse('what a step is never changes: its run, ordinal, key, kind, runs_on, created_at, reused_from, limited, expects, parent and item', 'Its history and its edges name it by these. Submit another plan instead.');

COMMENT ON TRIGGER step_identity_never_changes ON weir.steps IS 'History, edges and logs name a step by its run and ordinal, people by its key.';

CREATE TRIGGER step_is_born_pending_available_or_waiting AFTER INSERT ON weir.steps FOR EACH ROW WHEN (((new.state <> ALL (ARRAY['pending'::weir.step_state, 'available'::weir.step_state, 'waiting'::weir.step_state])) AND (NOT ((new.state = 'succeeded'::weir.step_state) AND (new.reused_from IS NOT NULL))))) EXECUTE FUNCTION weir.refuse('a step is born pending, available or waiting', 'Let it go through its life from there. Only a step that a rerun carries over (reused_from) is born succeeded.');

COMMENT ON TRIGGER step_is_born_pending_available_or_waiting ON weir.steps IS 'Nothing has happened to a step before it exists.';

CREATE TRIGGER step_is_born_unclaimed AFTER INSERT ON weir.steps FOR EACH ROW WHEN (((new.state < 'succeeded'::weir.step_state) AND ((new.attempt <> 0) OR (new.failures <> 0) OR (new.worker_id IS NOT NULL) OR (new.claimed_at IS NOT NULL) OR (new.started_at IS NOT NULL)))) EXECUTE FUNCTION weir.refuse('a step is born with attempt 0 and without a worker', 'Claims are made by Start, one by one.');

COMMENT ON TRIGGER step_is_born_unclaimed ON weir.steps IS 'attempt counts the claims of this very step, from 0.';

CREATE TRIGGER step_open_is_not_deleted BEFORE DELETE ON weir.steps FOR EACH ROW WHEN ((old.state < 'succeeded'::weir.step_state)) EXECUTE FUNCTION weir.refuse('an open step cannot be deleted', 'Cancel it, and wait until it is final: weir cancel RUN STEP, or update weir.steps set state = ''cancelled'' where ...');

COMMENT ON TRIGGER step_open_is_not_deleted ON weir.steps IS 'A worker may hold it, and others wait for it: it has to end first.';

CREATE TRIGGER step_settled_stays_settled BEFORE UPDATE OF settled ON weir.steps FOR EACH ROW WHEN ((old.settled AND (NOT new.settled) AND (new.state = old.state))) EXECUTE FUNCTION weir.refuse('a settled step stays settled', 'Its end has been counted into its dependants and its run; counting it twice would let them start too early.');

COMMENT ON TRIGGER step_settled_stays_settled ON weir.steps IS 'The end of a step is counted once.';

CREATE TRIGGER step_times_stay_in_the_same_state BEFORE UPDATE OF started_at, deadline_at, finished_at ON weir.steps FOR EACH ROW WHEN (((old.state = new.state) AND ((new.finished_at IS DISTINCT FROM old.finished_at) OR ((new.started_at IS DISTINCT FROM old.started_at) AND (NOT ((old.started_at IS NULL) AND (new.state = 'running'::weir.step_state) AND (new.runs_on = 'remote'::text)))) OR ((new.deadline_at IS DISTINCT FROM old.deadline_at) AND (NOT ((old.started_at IS NULL) AND (new.state = 'running'::weir.step_state) AND (new.runs_on = 'remote'::text))))))) EXECUTE FUNCTION weir.refuse('started_at, deadline_at and finished_at stay as they are while the state does', 'They are facts about how the step came into its state. Leave them out of the SET list.');

COMMENT ON TRIGGER step_times_stay_in_the_same_state ON weir.steps IS 'Times are facts about how a step came into its state. The one exception: a remote worker confirms a claim, which starts the attempt.';

CREATE TRIGGER step_transition_is_legal BEFORE UPDATE OF state ON weir.steps FOR EACH ROW WHEN (((old.state <> new.state) AND (NOT
        CASE old.state
            WHEN 'pending'::weir.step_state THEN (new.state = ANY (ARRAY['available'::weir.step_state, 'waiting'::weir.step_state, 'skipped'::weir.step_state, 'cancelled'::weir.step_state]))
            WHEN 'available'::weir.step_state THEN (new.state = ANY (ARRAY['running'::weir.step_state, 'cancelled'::weir.step_state]))
            WHEN 'running'::weir.step_state THEN (new.state = ANY (ARRAY['succeeded'::weir.step_state, 'failed'::weir.step_state, 'crashed'::weir.step_state, 'timed_out'::weir.step_state, 'lost'::weir.step_state, 'cancelled'::weir.step_state, 'retrying'::weir.step_state, 'waiting'::weir.step_state]))
            WHEN 'retrying'::weir.step_state THEN (new.state = ANY (ARRAY['running'::weir.step_state, 'cancelled'::weir.step_state]))
            WHEN 'waiting'::weir.step_state THEN (new.state = ANY (ARRAY['succeeded'::weir.step_state, 'failed'::weir.step_state, 'crashed'::weir.step_state, 'timed_out'::weir.step_state, 'lost'::weir.step_state, 'skipped'::weir.step_state, 'cancelled'::weir.step_state, 'retrying'::weir.step_state]))
            ELSE false
        END))) EXECUTE FUNCTION weir.refuse_transition('step');

COMMENT ON TRIGGER step_transition_is_legal ON weir.steps IS 'A step moves only as weir.legal_transitions says, whoever moves it. Final is final.';

CREATE TRIGGER steps_are_not_truncated BEFORE TRUNCATE ON weir.steps FOR EACH STATEMENT EXECUTE FUNCTION weir.refuse('weir.steps cannot be truncated', 'Open steps would vanish. Delete what is final, run by run.');

COMMENT ON TRIGGER steps_are_not_truncated ON weir.steps IS 'TRUNCATE would not ask which steps are open.';

CREATE TRIGGER transitions_are_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON weir.transitions FOR EACH STATEMENT EXECUTE FUNCTION weir.refuse('weir.transitions is append-only', 'History is what happened: it is not corrected, also not by its owner. Retention drops whole partitions.');

COMMENT ON TRIGGER transitions_are_append_only ON weir.transitions IS 'Nobody changes history, also not the owner of the table.';

CREATE TRIGGER transitions_are_recorded AFTER UPDATE ON weir.runs REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION weir.record_runs();

COMMENT ON TRIGGER transitions_are_recorded ON weir.runs IS 'Each change of state writes its row in weir.transitions in the same statement.';

CREATE TRIGGER transitions_are_recorded AFTER UPDATE ON weir.steps REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION weir.record_steps();

COMMENT ON TRIGGER transitions_are_recorded ON weir.steps IS 'Each change of state writes its row in weir.transitions in the same statement.';

ALTER TABLE ONLY weir.sessions
    ADD CONSTRAINT session_is_of_a_token FOREIGN KEY (token_id) REFERENCES weir.tokens(id) ON DELETE CASCADE;

COMMENT ON CONSTRAINT session_is_of_a_token ON weir.sessions IS 'Without its token there is no session.';
