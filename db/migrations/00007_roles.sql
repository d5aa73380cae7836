-- +goose Up
-- Roles belong to the server, not to the database: other databases of it may have made them already, or be making them now.
-- +goose StatementBegin
do $$
declare
  made record;
begin
  for made in
    select * from (values
      ('weir_app', 'Weir: what a replica needs. Reads and writes the tables of schema weir, except that it cannot write history, and has no DDL. Grant it to the login that weir serve uses; migrate as the owner.'),
      ('weir_reader', 'Weir: reads everything in schema weir, and changes nothing. Grant it to people and dashboards.')
    ) roles(name, what)
  loop
    continue when exists (select from pg_catalog.pg_roles where rolname = made.name);
    begin
      execute format('create role %I nologin', made.name);
      execute format('comment on role %I is %L', made.name, made.what);
    exception
      when duplicate_object or unique_violation then null; -- by another database, at the same time
      when insufficient_privilege then
        raise notice 'role % was not made, since % may not: have it made (create role % nologin) and then run select weir.grant_to_roles()', made.name, current_user, made.name;
    end;
  end loop;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create function weir.grant_to_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
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
-- +goose StatementEnd
comment on function weir.grant_to_roles() is 'Gives weir_app and weir_reader what they need, also in tables that come later. Run it again, as the owner, when the roles were made after the migration. weir_app writes everything but history (weir.transitions), rules and versions; weir_reader reads.';
revoke execute on function weir.grant_to_roles() from public;
select weir.grant_to_roles();
update weir.schema_info set version = 7, migrated_at = clock_timestamp();

-- +goose Down
-- The roles stay: other databases may use them.
-- +goose StatementBegin
do $$
declare
  grantee text;
begin
  for grantee in select rolname from pg_catalog.pg_roles where rolname in ('weir_app', 'weir_reader') loop
    execute format('alter default privileges in schema weir revoke all on tables from %I', grantee);
    execute format('alter default privileges in schema weir revoke all on sequences from %I', grantee);
    execute format('revoke all on all tables in schema weir from %I', grantee);
    execute format('revoke all on all sequences in schema weir from %I', grantee);
    execute format('revoke all on schema weir from %I', grantee);
  end loop;
end
$$;
-- +goose StatementEnd
drop function weir.grant_to_roles();
update weir.schema_info set version = 6, migrated_at = clock_timestamp();
