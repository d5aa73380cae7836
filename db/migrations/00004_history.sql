-- +goose Up
create function weir.shard_of(run uuid) returns smallint language sql immutable strict parallel safe as 'select (get_byte(uuid_send(run), 15) % 16)::smallint';
comment on function weir.shard_of(uuid) is 'Which of the 16 shards a run is reconciled in: its last byte modulo 16. One advisory lock guards each of them, pg_try_advisory_xact_lock(2003134834, shard).';

-- +goose StatementBegin
create function weir.record_steps() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_nestloop = off as $$
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
create trigger transitions_are_recorded after update on weir.steps
  referencing old table as old_rows new table as new_rows
  for each statement execute function weir.record_steps();
comment on trigger transitions_are_recorded on weir.steps is 'Each change of state writes its row in weir.transitions in the same statement.';

-- +goose StatementBegin
create function weir.record_runs() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_nestloop = off as $$
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
create trigger transitions_are_recorded after update on weir.runs
  referencing old table as old_rows new table as new_rows
  for each statement execute function weir.record_runs();
comment on trigger transitions_are_recorded on weir.runs is 'Each change of state writes its row in weir.transitions in the same statement.';
-- Whoever could attach these to a table of their own could write history.
revoke execute on function weir.record_steps(), weir.record_runs() from public;

update weir.schema_info set version = 4, min_binary = 4, migrated_at = clock_timestamp();

-- +goose Down
drop trigger transitions_are_recorded on weir.runs;
drop trigger transitions_are_recorded on weir.steps;
drop function weir.record_steps(), weir.record_runs(), weir.shard_of(uuid);
update weir.schema_info set version = 3, min_binary = 3, migrated_at = clock_timestamp();
